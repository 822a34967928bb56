//! More than one upload at a time.

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Remains, cli, media};

use crate::stage::{Stage, id, nothing_remains, root};

#[tokio::test]
async fn two_different_uploads_at_once_both_get_ready() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let one = stage.clip(&Clip::default());
    let two = stage.clip(&Clip {
        seconds: 7,
        ..Clip::default()
    });
    let (a, b) = tokio::join!(node.upload(&one), node.upload(&two));
    let (a, b) = (id(&a.unwrap()), id(&b.unwrap()));
    let (a, b) = tokio::join!(node.ready(&a), node.ready(&b));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_ne!(root(&a), root(&b));
    for (asset, pictures) in [(a, 250), (b, 175)] {
        let url = asset["play_url"].as_str().unwrap();
        assert_eq!(media::pictures(url).unwrap().len(), pictures);
    }
}

#[tokio::test]
async fn identical_uploads_share_units_and_blocks() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let source = stage.clip(&Clip::default());
    let (a, b) = tokio::join!(node.upload(&source), node.upload(&source));
    let (a, b) = (id(&a.unwrap()), id(&b.unwrap()));
    assert_ne!(a, b);
    let (first, second) = tokio::join!(node.ready(&a), node.ready(&b));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(root(&first), root(&second));
    let metric = async |name: &str| {
        let name = format!("cidcast_ingest_units_{name}_total");
        node.metric(&name).await.unwrap()
    };
    assert_eq!(metric("encoded").await, metric("reused").await);

    // One goes, the other stays whole.
    let blocks = Remains::of(node.data_dir()).unwrap().blocks;
    node.delete(&a).await.unwrap();
    assert_eq!(Remains::of(node.data_dir()).unwrap().blocks, blocks);
    let url = second["play_url"].as_str().unwrap();
    assert_eq!(media::pictures(url).unwrap().len(), 250);
    let report = cli(node.data_dir(), &["store", "verify", "--json"]).unwrap();
    assert_eq!(report.code, Some(0), "{report:?}");
    node.delete(&b).await.unwrap();
    nothing_remains(node.data_dir()).await;
}
