//! What docs/operations.md says, done.

use std::path::Path;
use std::time::{Duration, Instant};

use cidcast_testkit::{Node, cli, command, noise};

use crate::car;
use crate::clustering::{HASTY, join, run, run_quietly};
use crate::publishing::see;
use crate::stage::{PATIENCE, Stage, start};

/// A root that only this node has, and that it has pinned for the cluster; refused while the node
/// fetches its own log back.
async fn pin(node: &Node, seed: u64, stage: &Stage) -> String {
    let file = stage.path().join(format!("{seed}.car"));
    let root = car::of_one(&noise(seed, 100_000), &file).await;
    let file = file.to_str().unwrap();
    run_quietly(node, &["store", "import", file, "--holder", "hand"]);
    let began = Instant::now();
    loop {
        let said = cli(node.data_dir(), &["pin", "add", &root, "--no-wait"]).unwrap();
        if said.code == Some(0) {
            return root;
        }
        let is_behind = said.err.contains("has not fetched its own log back");
        assert!(is_behind && began.elapsed() < PATIENCE, "{said:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn until_whole(node: &Node, pins: usize) {
    let is_so = |seen: &serde_json::Value| {
        seen["pins"] == pins && seen["under_replicated"] == 0 && seen["alive"] == 2
    };
    see(node, "/api/v1/cluster", is_so).await;
}

fn copy(from: &Path, to: &Path) {
    let copied = command(Path::new("cp")).arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn a_member_that_is_restored_from_a_backup_goes_on_where_it_was() {
    let stage = Stage::new();
    let one = stage.node_named("one", HASTY).await;
    run(&one, &["cluster", "init"]);
    let two = stage.node_named("two", HASTY).await;
    join(&two, &one);
    pin(&two, 1, &stage).await;
    until_whole(&one, 1).await;

    let data_dir = two.data_dir().to_owned();
    let backup = stage.path().join("backup");
    two.stop().await.unwrap();
    copy(&data_dir, &backup);
    let two = start(&data_dir, HASTY).await;
    // It signs more, and then its disk is lost.
    let later = pin(&two, 2, &stage).await;
    until_whole(&one, 2).await;
    two.kill();
    std::fs::remove_dir_all(&data_dir).unwrap();
    copy(&backup, &data_dir);
    let two = start(&data_dir, HASTY).await;
    pin(&two, 3, &stage).await;
    for node in [&one, &two] {
        until_whole(node, 3).await;
        let members = run(node, &["cluster", "peers"]);
        let mut members = members["items"].as_array().unwrap().iter();
        assert!(members.all(|member| member["is_forked"] == false));
    }
    let status = run(&two, &["pin", "status", &later]);
    let mut at = status["members"].as_array().unwrap().iter();
    assert!(at.all(|at| at["state"] == "pinned"), "{status}");
}
