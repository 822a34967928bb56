//! What one node has, another one gets: whole by command, piece by piece while it is watched.

use std::time::Instant;

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, Said, cli};
use serde_json::Value;

use crate::stage::{PATIENCE, Stage, id, meet, root};

/// Nobody is waited for long.
const IMPATIENT: &str = "network: {fetch_timeout: 2s}\n";
const SERVES_DHT: &str = "network: {dht: server}\n";

fn run(node: &Node, arguments: &[&str]) -> Said {
    cli(node.data_dir(), arguments).unwrap()
}

fn ok(node: &Node, arguments: &[&str]) -> Said {
    let said = run(node, arguments);
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said
}

/// A ready asset of this visibility; its id and root CID.
async fn add(node: &Node, stage: &Stage, visibility: &str) -> (String, String) {
    let clip = stage.clip(&Clip {
        seconds: 5,
        width: 320,
        height: 180,
        ..Clip::default()
    });
    let asset = node.upload(&clip).await.unwrap();
    let id = id(&asset);
    let ready = node.ready(&id).await.unwrap();
    ok(node, &["asset", "edit", &id, "--visibility", visibility]);
    (id, root(&ready))
}

/// The first line of a playlist that is a link.
fn link(playlist: &str) -> String {
    let mut lines = playlist.lines();
    let link = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    link.unwrap().to_owned()
}

#[tokio::test]
async fn a_package_is_fetched_by_command_and_watched_from_elsewhere() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", "").await;
    let (copier, viewer) = (
        stage.node_named("copier", "").await,
        stage.node_named("viewer", "").await,
    );
    let (_, root) = add(&origin, &stage, "public").await;
    for other in [&copier, &viewer] {
        meet(other, &origin).await;
    }

    let (ours, theirs) = (stage.path().join("a.car"), stage.path().join("b.car"));
    ok(
        &origin,
        &["store", "export", &root, "-o", ours.to_str().unwrap()],
    );
    ok(
        &copier,
        &["store", "export", &root, "-o", theirs.to_str().unwrap()],
    );
    assert!(std::fs::read(ours).unwrap() == std::fs::read(theirs).unwrap());

    // A player on another node's gateway: master, media playlist, first segment.
    let play = format!("/play/{root}");
    let master = viewer.gateway(&format!("{play}/master.m3u8"));
    let master = viewer.text(&master).await.unwrap();
    let media = format!("{play}/{}", link(&master));
    let segments = viewer.text(&viewer.gateway(&media)).await.unwrap();
    let segment = link(&segments);
    assert!(segment.starts_with("/ipfs/"), "{segment}");
    let seen = viewer.bytes(&viewer.gateway(&segment)).await.unwrap();
    let sent = origin.bytes(&origin.gateway(&segment)).await.unwrap();
    assert!(seen == sent && !seen.is_empty());
    let file = stage.path().join("segment.m4s");
    let cid = segment.strip_prefix("/ipfs/").unwrap();
    let cid = cid.split('?').next().unwrap();
    ok(
        &viewer,
        &["store", "get", cid, "-o", file.to_str().unwrap()],
    );
    assert!(std::fs::read(file).unwrap() == seen);
    let pins = ok(&viewer, &["pin", "ls", "--json"]).json().unwrap();
    assert_eq!(pins["items"], serde_json::json!([]));
}

#[tokio::test]
async fn what_is_private_is_given_to_nobody_and_nothing_is_said_about_it() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", "").await;
    let other = stage.node_named("other", IMPATIENT).await;
    let (asset, root) = add(&origin, &stage, "private").await;
    // Alone, a node says at once that it has nothing and nobody.
    let said = run(&other, &["store", "get", &root]);
    assert_eq!(said.code, Some(4), "{said:?}");
    meet(&other, &origin).await;
    let said = run(&other, &["store", "get", &root, "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let problem = said.error_json().unwrap();
    assert_eq!(problem["type"], "urn:cidcast:problem:unreachable");
    let url = other.gateway(&format!("/ipfs/{root}"));
    let answer = other.http().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 504);
    let problem: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(problem["type"], "urn:cidcast:problem:unreachable");
    // Once it is open, the same request is answered.
    ok(
        &origin,
        &["asset", "edit", &asset, "--visibility", "unlisted"],
    );
    let file = stage.path().join("open.car");
    let export = ["store", "export", &root, "-o", file.to_str().unwrap()];
    let began = Instant::now();
    while run(&other, &export).code != Some(0) {
        assert!(began.elapsed() < PATIENCE, "still nobody gives it");
    }
}

#[tokio::test]
async fn a_name_that_one_node_publishes_leads_another_to_the_newest_content() {
    let stage = Stage::new();
    let publisher = stage.node_named("publisher", SERVES_DHT).await;
    let reader = stage.node_named("reader", "").await;
    meet(&reader, &publisher).await;
    let contents = [
        "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
        "/ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4",
    ];
    for (sequence, content) in contents.into_iter().enumerate() {
        let said = ok(&publisher, &["name", "publish", content, "--json"]);
        let published = said.json().unwrap();
        assert_eq!(published["sequence"], sequence);
        let name = published["name"].as_str().unwrap();
        let began = Instant::now();
        loop {
            let said = run(&reader, &["name", "resolve", name]);
            if said.out.trim() == content {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{said:?}");
        }
    }
    let said = run(&reader, &["name", "resolve", "no name"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}
