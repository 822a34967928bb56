//! Pins for others, and pins kept by others: Kubo and nodes among each other.

use std::time::{Duration, Instant};

use cidcast_testkit::{Kubo, Node, cli, clip, media};
use serde_json::{Value, json};

use crate::cluster_stub::ClusterStub;
use crate::stage::{PATIENCE, Stage, id, root, start};

/// A node that keeps pins for whoever has the token; and the token.
pub(crate) async fn service(stage: &Stage, name: &str) -> (Node, String, String) {
    service_with(stage, name, ("", "write")).await
}

/// The same, with more in its configuration, and with other scopes.
pub(crate) async fn service_with(
    stage: &Stage,
    name: &str,
    (more, scopes): (&str, &str),
) -> (Node, String, String) {
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
    let config =
        format!("{more}api: {{tokens: [{{name: client, sha256: {hash}, scopes: [{scopes}]}}]}}\n");
    let node = stage.node_named(name, &config).await;
    (node, token.to_owned(), config)
}

/// Everything that the service has for others.
pub(crate) async fn requests(node: &Node, token: &str) -> Vec<Value> {
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

/// The pins of a node at its services, by root and state, once `is_so`.
pub(crate) async fn remote_pins(node: &Node, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let text = node.text(&node.api("/api/v1/remotes/pins")).await.unwrap();
        let page: Value = serde_json::from_str(&text).unwrap();
        let pins = page["items"].as_array().unwrap().clone();
        if is_so(&pins) {
            return pins;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "not so: {pins:#?}\n{}",
            node.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn shipped(node: &Node) -> (String, String) {
    let asset = node.upload(&clip::shipped()).await.unwrap();
    let id = id(&asset);
    let root = root(&node.ready(&id).await.unwrap());
    (id, root)
}

/// Waits until a service knows one pin, for those of this audience.
async fn known_as(there: &Node, token: &str, audience: Option<&str>) {
    let began = Instant::now();
    loop {
        let all = requests(there, token).await;
        let said =
            |request: &Value| request["pin"]["meta"]["cidcast-audience"].as_str() == audience;
        if all.len() == 1 && said(&all[0]) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "not so: {all:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn show_to(node: &Node, id: &str, visibility: &str) {
    let asset = node.api(&format!("/api/v1/assets/{id}"));
    let change = json!({ "visibility": visibility });
    let answer = node.http().patch(asset).json(&change).send().await.unwrap();
    assert_eq!(answer.status(), 200);
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

#[tokio::test]
async fn a_public_asset_is_kept_by_another_node_that_plays_it_when_its_own_is_gone() {
    let stage = Stage::new();
    let (there, token, _) = service(&stage, "there").await;
    let token_file = stage.path().join("token.txt");
    std::fs::write(&token_file, format!("{token}\n")).unwrap();
    let config = format!(
        "pinning: {{services: [{{name: there, endpoint: \"{}\", token_file: \"{}\", assets: public}}]}}\n",
        there.api("/psa"),
        token_file.display()
    );
    let here = stage.node_named("here", &config).await;
    let (asset, root) = shipped(&here).await;
    assert_eq!(requests(&there, &token).await.len(), 0, "it is private");
    show_to(&here, &asset, "public").await;
    let is_there = |pins: &[Value]| pins.len() == 1 && pins[0]["state"] == "pinned";
    let pins = remote_pins(&here, is_there).await;
    assert_eq!(
        (&pins[0]["asset"], &pins[0]["cid"]),
        (&json!(asset), &json!(root))
    );
    assert_eq!(
        here.metric("cidcast_remote_pins{service=\"there\",state=\"pinned\"}")
            .await
            .unwrap(),
        1
    );

    // Private again: it is not for others. Public again: it is pinned anew.
    show_to(&here, &asset, "private").await;
    remote_pins(&here, <[Value]>::is_empty).await;
    assert_eq!(requests(&there, &token).await, Vec::<Value>::new());
    show_to(&here, &asset, "public").await;
    remote_pins(&here, is_there).await;

    here.kill();
    let pictures = media::pictures(clip::shipped().to_str().unwrap()).unwrap();
    let url = there.gateway(&format!("/ipfs/{root}/master.m3u8"));
    assert_eq!(media::pictures(&url).unwrap().len(), pictures.len());
}

#[tokio::test]
async fn a_person_pins_at_a_service_and_a_service_that_is_away_is_asked_again() {
    let stage = Stage::new();
    let (there, token, _) = service(&stage, "there").await;
    let config = format!(
        "pinning: {{services: [{{name: there, endpoint: \"{}\", token: \"{token}\"}}]}}\n",
        there.api("/psa"),
    );
    let here = stage.node_named("here", &config).await;
    let (asset, root) = shipped(&here).await;
    show_to(&here, &asset, "unlisted").await;
    let dir = here.data_dir();
    let run = |words: &[&str]| cli(dir, words).unwrap();
    let said = run(&["pin", "add", &root, "--remote", "there"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = run(&["pin", "ls", "--remote"]);
    assert!(
        said.out.contains(&root) && said.out.contains("pinned"),
        "{said:?}"
    );
    // It stays while nobody takes it back, but for no more people than its asset.
    known_as(&there, &token, None).await;
    show_to(&here, &asset, "private").await;
    known_as(&there, &token, Some("members")).await;
    show_to(&here, &asset, "unlisted").await;
    known_as(&there, &token, None).await;
    let said = run(&["pin", "rm", &root, "--remote", "there"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    remote_pins(&here, <[Value]>::is_empty).await;
    assert_eq!(requests(&there, &token).await, Vec::<Value>::new());
    let said = run(&["pin", "add", &root, "--remote", "nowhere"]);
    assert!(
        said.code != Some(0) && said.err.contains("pinning.services"),
        "{said:?}"
    );
    let said = run(&["config", "show"]);
    assert!(!said.out.contains(&token), "a token is shown");

    there.stop().await.unwrap();
    let said = run(&["pin", "add", &root, "--remote", "there"]);
    assert!(
        said.code != Some(0) && said.err.contains("does not answer"),
        "{said:?}"
    );
    let failed = remote_pins(&here, |pins| pins[0]["state"] == "error").await;
    assert!(
        failed[0]["next_at"].is_u64(),
        "it is tried again: {failed:?}"
    );
}

#[tokio::test]
async fn an_ipfs_cluster_keeps_what_a_node_publishes() {
    let stage = Stage::new();
    let stub = ClusterStub::start("user:secret").await;
    let config = format!(
        "pinning: {{services: [{{name: farm, kind: ipfs-cluster, endpoint: \"{}\", \
         token: \"user:secret\", assets: all}}]}}\n",
        stub.url(),
    );
    let node = stage.node_named("node", &config).await;
    let (asset, root) = shipped(&node).await;
    // The stub has two copies to make, and says so of each when it is told that it is made.
    remote_pins(&node, |pins| {
        pins.len() == 1 && pins[0]["state"] == "pinning"
    })
    .await;
    assert!(
        stub.origins(&root)
            .iter()
            .all(|origin| origin.contains("/p2p/"))
    );
    stub.copied(&root, "one");
    stub.copied(&root, "two");
    remote_pins(&node, |pins| pins[0]["state"] == "pinned").await;

    node.delete(&asset).await.unwrap();
    remote_pins(&node, <[Value]>::is_empty).await;
    assert!(!stub.has(&root));
    assert_eq!(stub.refused(), 0, "every call was authorised");
}

// The stub answers while a command waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipfs_cluster_takes_the_place_of_the_embedded_one() {
    let stage = Stage::new();
    let stub = ClusterStub::start("user:secret").await;
    let config = format!(
        "cluster: {{engine: ipfs-cluster, endpoint: \"{}\", token: \"user:secret\", \
         min_copies: 1, max_copies: 2}}\n",
        stub.url(),
    );
    let node = stage.node_named("node", &config).await;
    let (asset, root) = shipped(&node).await;
    let run = |words: &[&str]| cli(node.data_dir(), words).unwrap();
    let said = run(&["cluster", "init"]);
    assert!(
        said.code != Some(0) && said.err.contains("ipfs-cluster-ctl"),
        "{said:?}"
    );
    assert!(!stub.has(&root), "it is private");
    show_to(&node, &asset, "unlisted").await;
    remote_pins(&node, |pins| {
        pins.len() == 1 && pins[0]["state"] == "pinning"
    })
    .await;
    let factor = Some(("1".to_owned(), "2".to_owned()));
    assert_eq!(stub.factor(&root), factor);
    stub.copied(&root, "one");
    stub.copied(&root, "two");
    remote_pins(&node, |pins| pins[0]["state"] == "pinned").await;
    let said = run(&["pin", "status", &root]);
    assert!(
        said.code == Some(0) && said.out.contains("one") && said.out.contains("two"),
        "{said:?}"
    );
    let said = run(&["pin", "ls"]);
    assert!(said.out.contains(&root), "{said:?}");
    let said = run(&["cluster", "peers"]);
    assert!(
        said.code == Some(0) && said.out.contains("12D3KooWtwo") && said.out.contains("1 pins"),
        "{said:?}"
    );
    show_to(&node, &asset, "private").await;
    remote_pins(&node, <[Value]>::is_empty).await;
    assert!(!stub.has(&root));
}
