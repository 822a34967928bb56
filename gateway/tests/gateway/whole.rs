//! A rendition as one file, for programs that know no playlists.

use cidcast_store::Audience;

use crate::world::{TOKEN, World, get, head, noise};

const INIT: &[u8] = b"init of the sound";

fn package(world: &World, segment: &[u8]) -> cidcast_types::Cid {
    world.add_tree(&[
        ("audio/main/00001.m4s", b"second"),
        ("audio/main/00000.m4s", segment),
        ("audio/main/init.mp4", INIT),
        ("audio/main/playlist.m3u8", b"#EXTM3U\n"),
    ])
}

#[tokio::test]
async fn the_segments_of_a_rendition_follow_each_other_in_one_file_with_ranges() {
    let world = World::new().await;
    let router = world.router();
    // More than one block, so that a segment is a file of several blocks too.
    let segment = noise(3 << 20);
    let root = package(&world, &segment);
    world.pin("test", &root, Audience::Anyone);
    let target = format!("/play/{root}/audio/main.mp4");
    let whole = [INIT, &segment, b"second"].concat();

    let answer = get(&target).send(&router).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "audio/mp4");
    assert_eq!(answer.header("content-length"), whole.len().to_string());
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert!(answer.body == whole, "the bytes differ");
    assert!(answer.header("cache-control").contains("immutable"));

    let from = INIT.len() + segment.len() - 2;
    let ask = get(&target).header("range", &format!("bytes={from}-{}", from + 3));
    let part = ask.send(&router).await;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole[from..from + 4]);
    let end = get(&target).header("range", "bytes=-3").send(&router).await;
    assert_eq!(end.text().as_bytes(), &whole[whole.len() - 3..]);
    let nothing = head(&target).send(&router).await;
    assert_eq!((nothing.status, nothing.body.len()), (200, 0));
    let again = get(&target).header("if-none-match", answer.header("etag"));
    assert_eq!(again.send(&router).await.status, 304);
}

#[tokio::test]
async fn what_is_no_rendition_is_no_file() {
    let world = World::new().await;
    let router = world.router();
    let root = package(&world, b"first");
    world.pin("test", &root, Audience::Anyone);
    for path in ["audio/other.mp4", "video/main.mp4"] {
        let answer = get(format!("/play/{root}/{path}")).send(&router).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    // A folder without an initialisation segment.
    let odd = world.tree(&[("audio/main/00000.m4s", b"first")]);
    let answer = get(format!("/play/{odd}/audio/main.mp4"))
        .send(&router)
        .await;
    assert_eq!(
        (answer.status, answer.problem()),
        (404, "no-route".to_owned())
    );
}

#[tokio::test]
async fn a_private_package_and_a_private_segment_in_an_open_one_stay_private() {
    let world = World::new().await;
    let router = world.router();
    let secret = package(&world, &noise(64));
    world.pin("asset", &secret, Audience::Members);
    let target = format!("/play/{secret}/audio/main.mp4");
    assert_eq!(get(&target).send(&router).await.status, 404);
    let trusted = get(&target).header("authorization", &format!("Bearer {TOKEN}"));
    let answer = trusted.send(&router).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("cache-control").contains("private"));
}
