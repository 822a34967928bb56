//! Copies of other publishers' packages, whole and in part, and how often they are watched.

use cidcast_announce::SigningKey;
use cidcast_catalog::{AssetOf, HeldPackage, KeepReason, Renditions, WantedReplica};
use cidcast_gateway::Subject;
use cidcast_store::Audience;
use cidcast_types::{AssetId, Cid, RootCid, Visibility};

use crate::show::now;
use crate::world::{World, get, head};

impl World {
    /// Says that these renditions of a package are here as a copy; of none: all.
    async fn copy(&self, root: &Cid, renditions: &[&str]) {
        let names: Vec<_> = renditions
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let of = AssetOf {
            publisher: SigningKey::from_seed([1; 32]).publisher(),
            asset: AssetId::from_parts(now(), 1),
        };
        let (root, renditions) = (RootCid::new(*root), Renditions::of(&names));
        let wanted = WantedReplica {
            of,
            root,
            renditions: renditions.clone(),
            bytes: 1,
            reason: KeepReason::Newest,
            place: 0,
        };
        self.catalog.want_replicas(&[wanted], now()).await.unwrap();
        let held = HeldPackage {
            root,
            renditions,
            bytes: 1,
            at: now(),
        };
        assert!(self.catalog.replica_pinned(&of, &held).await.unwrap());
    }
}

#[tokio::test]
async fn a_copy_in_part_lists_only_what_is_here_and_is_not_cached_for_long() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("replica/1", &root, Audience::Anyone);
    world.copy(&root, &["audio"]).await;
    let target = format!("/play/{root}/master.m3u8");
    let answer = get(&target).send(&router).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=10");
    let master = m3u8_rs::parse_master_playlist_res(&answer.body).unwrap();
    assert_eq!(master.variants.len(), 1, "{}", answer.text());
    assert_eq!(master.variants[0].uri, "audio/audio/playlist.m3u8");
    let sound = format!("/play/{root}/audio/audio/playlist.m3u8");
    assert_eq!(get(sound).send(&router).await.status, 200);
}

#[tokio::test]
async fn a_whole_copy_and_an_asset_of_this_node_list_everything() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("replica/1", &root, Audience::Anyone);
    world.copy(&root, &[]).await;
    let target = format!("/play/{root}/master.m3u8");
    let whole = get(&target).send(&router).await;
    assert!(whole.text().contains("video/180p/playlist.m3u8"));
    // In part as a copy, and as a whole as an asset.
    world.copy(&root, &["audio"]).await;
    let asset = world.planned(Visibility::Public).await;
    world
        .catalog
        .save_package(&asset.id, &RootCid::new(root), 1, now())
        .await
        .unwrap();
    let own = get(&target).send(&world.router()).await;
    assert_eq!(own.body, whole.body);
}

#[tokio::test]
async fn a_view_is_a_master_playlist_that_was_given_to_somebody() {
    let world = World::new().await;
    let router = world.router();
    let root = world.add_package();
    world.pin("owner", &root, Audience::Anyone);
    let target = format!("/play/{root}/master.m3u8");
    let first = get(&target).send(&router).await;
    let etag = first.header("etag");
    let again = get(&target)
        .header("if-none-match", etag)
        .send(&router)
        .await;
    assert_eq!(again.status, 304);
    for no_view in [
        head(&target),
        get(format!("/play/{root}/video/180p/playlist.m3u8")),
        get(format!("/play/{root}")),
        get("/play/01j9z3k5v8q2w4e6r7t9y0a1b2/master.m3u8"),
    ] {
        no_view.send(&router).await;
    }
    assert_eq!(world.views.take(), [(Subject::Root(root), 2)]);
}
