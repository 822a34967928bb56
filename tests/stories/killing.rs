//! `kill -9` at every state: the asset is finished after the next start, nothing that was finished
//! is done again, and nobody can tell from the result.

use std::path::Path;

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, Remains, cli, processes_of};
use serde_json::Value;

use crate::stage::{ONE_BY_ONE, Stage, id, root, start, units, until};

/// Brief states can be over before they are heard of: tries, each by another upload of the file.
const TRIES: usize = 25;

const ENCODED: &str = "cidcast_ingest_units_encoded_total";

struct Reference {
    root: String,
    units: u64,
}

#[tokio::test]
async fn an_asset_survives_a_kill_in_every_state() {
    let stage = Stage::new();
    let source = stage.clip(&Clip {
        seconds: 17,
        ..Clip::default()
    });
    let node = stage.node_named("reference", ONE_BY_ONE).await;
    let asset = node.upload(&source).await.unwrap();
    let reference = Reference {
        root: root(&node.ready(&id(&asset)).await.unwrap()),
        units: node.metric(ENCODED).await.unwrap(),
    };
    drop(node);
    assert!(reference.units > 2, "too few units to show anything");

    for state in crate::stage::WORKING {
        println!("{state}");
        let data_dir = stage.data_dir(state);
        let killed = kill_in(&data_dir, &source, state).await;
        resumes(&data_dir, &killed, &reference).await;
    }
}

/// What was known when the node was killed.
struct Killed {
    id: String,
    /// Units that were surely finished.
    units: u64,
}

async fn kill_in(data_dir: &Path, source: &Path, state: &str) -> Killed {
    for _ in 0..TRIES {
        let node = start(data_dir, ONE_BY_ONE).await;
        let mut events = node.events().await.unwrap();
        let asset = node.upload(source).await.unwrap();
        let id = id(&asset);
        if state == "queued" {
            return end(node, data_dir, id, 0).await;
        }
        let heard = events.hear(&id, &[state, "ready"]).await.unwrap();
        if heard == state {
            let done = match state {
                "probing" => 0,
                // In the middle: some units are done, others are not.
                "transcoding" => units(&node, 1).await,
                // A scrape would take longer than these states.
                _ => 0,
            };
            return end(node, data_dir, id, done).await;
        }
    }
    panic!("{state} was never heard of");
}

async fn end(node: Node, data_dir: &Path, id: String, units: u64) -> Killed {
    node.kill();
    until("encoders die with their node", || {
        processes_of(data_dir).unwrap().is_empty()
    })
    .await;
    Killed { id, units }
}

async fn resumes(data_dir: &Path, killed: &Killed, reference: &Reference) {
    let node = start(data_dir, ONE_BY_ONE).await;
    let asset = node.ready(&killed.id).await.unwrap();
    assert_eq!(root(&asset), reference.root);
    let (encoded, reused) = (
        node.metric(ENCODED).await.unwrap(),
        node.metric("cidcast_ingest_units_reused_total")
            .await
            .unwrap(),
    );
    println!(
        "done before {}, now {encoded}, reused {reused}",
        killed.units
    );
    assert!(
        encoded + killed.units <= reference.units,
        "{encoded} units encoded although {} of {} were done",
        killed.units,
        reference.units
    );
    assert_eq!(encoded + reused, reference.units);
    let list = node.text(&node.api("/api/v1/assets")).await.unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    for asset in list["items"].as_array().unwrap() {
        node.ready(&id(asset)).await.unwrap();
    }
    let remains = Remains::of(data_dir).unwrap();
    assert_eq!((remains.sources.len(), remains.work.len()), (0, 0));
    let report = cli(data_dir, &["store", "verify", "--json"]).unwrap();
    assert_eq!(report.code, Some(0), "{report:?}");
}

#[tokio::test]
async fn a_finished_chunk_is_not_encoded_again_even_if_every_run_is_killed() {
    let stage = Stage::new();
    let source = stage.slow_clip();
    let data_dir = stage.data_dir("node");
    let node = start(&data_dir, ONE_BY_ONE).await;
    let id = id(&node.upload(&source).await.unwrap());
    let mut known = units(&node, 1).await;
    node.kill();
    // Each run may finish one unit more; then it dies.
    for _ in 0..2 {
        let node = start(&data_dir, ONE_BY_ONE).await;
        known += units(&node, 1).await;
        node.kill();
    }
    let node = start(&data_dir, ONE_BY_ONE).await;
    node.ready(&id).await.unwrap();
    let encoded = node.metric(ENCODED).await.unwrap();
    let reused = node
        .metric("cidcast_ingest_units_reused_total")
        .await
        .unwrap();
    assert!(reused >= known, "{reused} reused, {known} were done");
    assert!(known + encoded <= encoded + reused);
}
