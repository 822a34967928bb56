//! Deleting in every state leaves nothing: no row, no file, no block, no encoder.

use std::path::Path;

use cidcast_testkit::Node;
use cidcast_testkit::clip::Clip;

use crate::stage::{ONE_BY_ONE, Stage, WORKING, id, no_rows, nothing_remains, start, units, until};

/// Brief states can be over before they are heard of.
const TRIES: usize = 40;

#[tokio::test]
async fn deleting_an_asset_in_any_state_leaves_nothing() {
    let stage = Stage::new();
    let short = stage.clip(&Clip {
        seconds: 5,
        ..Clip::default()
    });
    let node = stage.node("transcode: {preset: ultrafast}").await;
    for state in WORKING.into_iter().skip(1).chain(["ready"]) {
        println!("{state}");
        delete_in(&node, &short, state).await;
        gone(&node).await;
    }
    let broken = node.put("x.mp4", b"not a video".to_vec()).await.unwrap();
    let failed = id(&broken.json().await.unwrap());
    node.wait_for(&failed, |asset| asset["state"] == "failed")
        .await
        .unwrap();
    node.delete(&failed).await.unwrap();
    gone(&node).await;
    let again = node.delete(&failed).await.unwrap_err().to_string();
    assert!(again.contains("404"), "{again}");
}

/// The upload is terminated (tus 1.0, "Termination") while its bytes still arrive.
#[tokio::test]
async fn terminating_an_upload_that_still_sends_leaves_nothing() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let tus = |request: reqwest::RequestBuilder| request.header("tus-resumable", "1.0.0");
    let create = tus(node.http().post(node.api("/api/v1/uploads")));
    let created = create.header("upload-length", 1 << 20).send().await;
    let created = created.unwrap();
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let address = match location.strip_prefix('/') {
        Some(_) => node.api(&location),
        None => location,
    };

    let (bytes, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = futures::stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) });
    let patch = tus(node.http().patch(&address))
        .header("upload-offset", 0)
        .header("content-type", "application/offset+octet-stream")
        .body(reqwest::Body::wrap_stream(body));
    let sending = tokio::spawn(patch.send());
    bytes.send(Ok(vec![7; 300_000])).await.unwrap();
    let sources = node.data_dir().join("sources");
    until("some of the upload is on disk", || {
        let mut files = std::fs::read_dir(&sources).unwrap();
        files.any(|file| file.unwrap().metadata().is_ok_and(|it| it.len() > 0))
    })
    .await;

    let gone_now = tus(node.http().delete(&address)).send().await.unwrap();
    assert_eq!(gone_now.status(), 204, "{gone_now:?}");
    drop(bytes);
    let cut = sending.await.unwrap();
    assert!(!cut.is_ok_and(|answer| answer.status().is_success()));
    let head = tus(node.http().head(&address)).send().await.unwrap();
    assert!([404, 410].contains(&head.status().as_u16()), "{head:?}");
    gone(&node).await;
}

async fn delete_in(node: &Node, source: &Path, state: &str) {
    for _ in 0..TRIES {
        let mut events = node.events().await.unwrap();
        let id = id(&node.upload(source).await.unwrap());
        let heard = events.hear(&id, &[state, "ready"]).await.unwrap();
        node.delete(&id).await.unwrap();
        if heard == state {
            return;
        }
    }
    panic!("{state} was never heard of");
}

async fn gone(node: &Node) {
    nothing_remains(node.data_dir()).await;
    no_rows(node).await;
    assert_eq!(pins(node).await, 0);
}

async fn pins(node: &Node) -> usize {
    let pins = node.text(&node.api("/api/v1/pins")).await.unwrap();
    let pins: serde_json::Value = serde_json::from_str(&pins).unwrap();
    pins["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn deleting_stops_the_encoder_and_the_queue_goes_on() {
    let stage = Stage::new();
    let (slow, short) = (stage.slow_clip(), stage.clip(&Clip::default()));
    let config = format!("{ONE_BY_ONE}ingest: {{jobs: 1}}\n");
    let node = stage.node(&config).await;
    let working = id(&node.upload(&slow).await.unwrap());
    let [queued, last] = [
        node.upload(&short).await.unwrap(),
        node.upload(&short).await.unwrap(),
    ]
    .map(|asset| id(&asset));
    units(&node, 1).await;
    assert_eq!(node.asset(&queued).await.unwrap()["state"], "queued");
    node.delete(&queued).await.unwrap();
    node.delete(&working).await.unwrap();
    node.ready(&last).await.unwrap();
    node.delete(&last).await.unwrap();
    gone(&node).await;

    // Nor does anything come back.
    let data_dir = node.data_dir().to_owned();
    node.stop().await.unwrap();
    let node = start(&data_dir, ONE_BY_ONE).await;
    gone(&node).await;
}
