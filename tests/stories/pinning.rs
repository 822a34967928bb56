//! Pins for others: Kubo as a client of a node's pinning service.

use cidcast_testkit::{Kubo, Node, cli, clip};
use serde_json::{Value, json};

use crate::stage::{Stage, start};

/// A node that keeps pins for whoever has the token; and the token.
async fn service(stage: &Stage, name: &str) -> (Node, String, String) {
    let said = cli(
        stage.path(),
        &["token", "new", "--scope", "write", "--json"],
    )
    .unwrap();
    let made = said.json().unwrap();
    let (token, hash) = (
        made["token"].as_str().unwrap(),
        made["sha256"].as_str().unwrap(),
    );
    let config = format!("api: {{tokens: [{{name: client, sha256: {hash}, scopes: [write]}}]}}\n");
    let node = stage.node_named(name, &config).await;
    (node, token.to_owned(), config)
}

/// Everything that the service has for others.
async fn requests(node: &Node, token: &str) -> Vec<Value> {
    let url = node.api("/psa/pins?limit=1000&status=queued,pinning,pinned,failed");
    let answer = node
        .http()
        .get(url)
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let page: Value = answer.json().await.unwrap();
    page["results"].as_array().unwrap().clone()
}

#[tokio::test]
async fn kubo_pins_at_a_node_as_at_any_service_and_the_pin_outlives_both() {
    let stage = Stage::new();
    let Some(kubo) = Kubo::find(&stage.data_dir("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    let daemon = kubo.online().await.unwrap();
    let (node, token, config) = service(&stage, "node").await;
    let file = clip::shipped();
    let cid = kubo.run(&["add", "-Q", file.to_str().unwrap()]).unwrap();
    let remote = |words: &[&str]| {
        let mut all = vec!["pin", "remote"];
        all.extend(words);
        kubo.run(&all)
    };
    remote(&["service", "add", "mine", &node.api("/psa"), &token]).unwrap();
    // It waits until the service says that everything is there.
    remote(&["add", "--service=mine", "--name=rabbit", &cid]).unwrap();
    let listed = remote(&["ls", "--service=mine", "--name=rabbit"]).unwrap();
    assert!(
        listed.contains(&cid) && listed.contains("pinned"),
        "{listed}"
    );
    let stat = remote(&["service", "ls", "--stat"]).unwrap();
    assert!(
        stat.contains("0/0/1/0"),
        "queued/pinning/pinned/failed: {stat}"
    );

    drop(daemon);
    let data_dir = node.data_dir().to_owned();
    node.stop().await.unwrap();
    let node = start(&data_dir, &config).await;
    let kept = requests(&node, &token).await;
    assert_eq!(
        (&kept[0]["status"], &kept[0]["pin"]["name"]),
        (&json!("pinned"), &json!("rabbit"))
    );
    let copy = node
        .bytes(&node.gateway(&format!("/ipfs/{cid}")))
        .await
        .unwrap();
    assert!(copy == std::fs::read(&file).unwrap(), "every byte");

    // The node has another port now.
    let daemon = kubo.online().await.unwrap();
    remote(&["service", "rm", "mine"]).unwrap();
    remote(&["service", "add", "mine", &node.api("/psa"), &token]).unwrap();
    remote(&["rm", "--service=mine", "--name=rabbit"]).unwrap();
    assert_eq!(remote(&["ls", "--service=mine"]).unwrap(), "");
    assert_eq!(requests(&node, &token).await, Vec::<Value>::new());
    drop(daemon);
}
