//! Two nodes meet, and strangers do not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cidcast_testkit::{Node, Said, cidcast_command, cli};
use serde_json::Value;

use crate::stage::{PATIENCE, Stage, about, address};

fn ok(node: &Node, arguments: &[&str]) -> Value {
    let said = cli(node.data_dir(), &[arguments, &["--json"]].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said.json().unwrap_or_default()
}

fn refused(node: &Node, arguments: &[&str], code: i32) -> Said {
    let said = cli(node.data_dir(), arguments).unwrap();
    assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
    assert!(said.err.starts_with("error: "), "{arguments:?}: {said:?}");
    said
}

/// Those that are connected; who has a score is listed longer.
fn peers(node: &Node) -> Vec<Value> {
    ok(node, &["peer", "ls"])["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|peer| peer["connections"] != serde_json::json!([]))
        .cloned()
        .collect()
}

/// Looks until as many peers are connected.
async fn peers_become(node: &Node, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let peers = peers(node);
        if peers.len() == count {
            return peers;
        }
        assert!(began.elapsed() < PATIENCE, "not {count}: {peers:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The findings of a doctor by what was looked at, and its exit code.
fn doctor(data_dir: &Path) -> (Vec<(String, String, String)>, i32) {
    let said = cli(data_dir, &["doctor", "--json"]).unwrap();
    let findings = said.json().unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let all = findings.as_array().unwrap().iter();
    let all = all.map(|one| (text(one, "what"), text(one, "state"), text(one, "detail")));
    (all.collect(), said.code.unwrap())
}

#[tokio::test]
async fn two_nodes_connect_ping_and_part() {
    let stage = Stage::new();
    let (here, there) = (
        stage.node_named("here", "").await,
        stage.node_named("there", "").await,
    );
    assert_eq!(
        peers(&here),
        [Value::Null; 0],
        "a node knows nobody at first"
    );
    let address = address(&there).await;
    let (_, id) = address.split_once("/p2p/").unwrap();

    let connected = ok(&here, &["peer", "connect", &address]);
    assert_eq!(connected["id"], id);
    assert_eq!(
        peers_become(&here, 1).await[0]["connections"][0]["direction"],
        "outbound"
    );
    let seen = peers_become(&there, 1).await;
    assert_eq!(seen[0]["connections"][0]["direction"], "inbound");
    assert_eq!(seen[0]["id"], about(&here).await["peer_id"]);
    let table = cli(here.data_dir(), &["peer", "ls"]).unwrap();
    assert!(
        table.out.starts_with("PEER") && table.out.contains(id),
        "{table:?}"
    );

    let times = ok(&here, &["peer", "ping", id, "--count", "3"]);
    assert_eq!(times["rtts_ms"].as_array().unwrap().len(), 3, "{times}");
    assert!(times["median_ms"].as_f64().unwrap() > 0.0);

    ok(&here, &["peer", "disconnect", id]);
    assert_eq!(peers(&here), [Value::Null; 0]);
    peers_become(&there, 0).await;
    refused(&here, &["peer", "ping", id], 4);
    // An address is connected to first.
    let times = ok(&here, &["peer", "ping", &address, "--count", "1"]);
    assert_eq!(times["id"], id);

    let wrong = refused(&here, &["peer", "connect", "192.0.2.1:4747"], 1);
    assert!(wrong.err.contains("/ip4/"), "{wrong:?}");
    let nobody = format!("/ip4/127.0.0.1/tcp/1/p2p/{id}");
    // Gone altogether: a peer may be known at other addresses, or come back by itself.
    there.stop().await.unwrap();
    peers_become(&here, 0).await;
    let nobody = refused(&here, &["peer", "connect", &nobody], 1);
    assert!(nobody.err.contains("cannot be reached"), "{nobody:?}");
}

#[tokio::test]
async fn a_bootstrap_peer_is_found_again_after_a_restart() {
    let stage = Stage::new();
    let host = stage.node_named("host", "").await;
    let guest = format!("swarm: {{bootstrap: [{}]}}\n", address(&host).await);
    let node = stage.node_named("guest", &guest).await;
    peers_become(&node, 1).await;
    node.stop().await.unwrap();
    peers_become(&host, 0).await;
    let _again = stage.node_named("guest", &guest).await;
    peers_become(&host, 1).await;
}

fn network_key(stage: &Stage, name: &str, digits: &str) -> PathBuf {
    let path = stage.path().join(name);
    let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", digits.repeat(32));
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn a_private_network_refuses_strangers() {
    let stage = Stage::new();
    let with_key = |path: &Path| format!("swarm: {{key_file: {}}}\n", path.display());
    let ours = with_key(&network_key(&stage, "ours.key", "5a"));
    let theirs = with_key(&network_key(&stage, "theirs.key", "a5"));
    let host = stage.node_named("host", &ours).await;
    assert_eq!(about(&host).await["reach"]["network"], "private");
    let address = address(&host).await;
    let member = stage.node_named("member", &ours).await;
    ok(&member, &["peer", "connect", &address]);
    peers_become(&host, 1).await;
    for (name, config) in [("other", theirs.as_str()), ("open", "")] {
        let stranger = stage.node_named(name, config).await;
        refused(&stranger, &["peer", "connect", &address], 1);
        assert_eq!(peers(&stranger), [Value::Null; 0], "{name}");
    }
    assert_eq!(peers(&host).len(), 1);
}

#[test]
fn a_private_network_without_its_key_or_without_tcp_does_not_start() {
    let stage = Stage::new();
    let key = network_key(&stage, "ours.key", "5a");
    let loose = network_key(&stage, "loose.key", "5a");
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (key, loose) = (key.display(), loose.display());
    let file = stage.path().join("wrong.yaml");
    for (text, hint) in [
        ("swarm: {key_file: /no/such.key}".to_owned(), "/no/such.key"),
        (format!("swarm: {{key_file: {loose}}}"), "chmod 600"),
        (
            format!("swarm: {{key_file: {key}, listen: [/ip4/127.0.0.1/udp/0/quic-v1]}}"),
            "no QUIC",
        ),
        (
            format!("swarm: {{key_file: {key}, bootstrap: [ipfs]}}"),
            "private network",
        ),
        (
            "swarm: {relays: [/ip4/192.0.2.1/tcp/1]}".to_owned(),
            "/p2p/",
        ),
        (
            "swarm: {announce: [/ip4/0.0.0.0/tcp/1]}".to_owned(),
            "cannot be announced",
        ),
        ("swarm: {max_connections: 1}".to_owned(), "at least 16"),
        ("swarm: {mdsn: true}".to_owned(), "did you mean mdns?"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let dir = stage.data_dir("node");
        let mut serve = cidcast_command();
        serve
            .arg("--data-dir")
            .arg(&dir)
            .arg("--config")
            .arg(&file)
            .arg("serve");
        let output = serve.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}: {err}");
        assert!(err.contains(hint), "{text}: {err}");
        assert!(!dir.exists(), "{text}: a data directory was made");
    }
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_a_running_node_and_says_what_is_wrong_otherwise() {
    let stage = Stage::new();
    let node = stage.node("").await;
    // Tests make the directory themselves, for everyone.
    let allow = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(node.data_dir(), mode).unwrap();
    };
    allow(0o700);
    let (findings, code) = doctor(node.data_dir());
    assert_eq!(code, 0, "{findings:#?}");
    let state = |what: &str| {
        let found = findings.iter().find(|(name, ..)| name == what);
        found
            .unwrap_or_else(|| panic!("no {what}: {findings:#?}"))
            .1
            .clone()
    };
    for what in [
        "configuration",
        "data directory",
        "disk writes",
        "open files",
        "clock",
        "node",
    ] {
        assert_eq!(state(what), "fine", "{what}: {findings:#?}");
    }
    let file = node.data_dir().with_extension("yaml");
    let (_, _, detail) = &findings[0];
    assert!(
        detail.starts_with(file.to_str().unwrap()),
        "the running node's own: {detail}"
    );
    assert_eq!(state("swarm addresses"), "fine");
    assert_eq!(state("peers"), "note");
    allow(0o755);
    let dir = node.data_dir().to_owned();
    node.stop().await.unwrap();

    let (findings, code) = doctor(&dir);
    assert_eq!(code, 1);
    let wrong: Vec<_> = findings
        .iter()
        .filter(|(_, state, _)| state == "problem")
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0].0, "data directory");
    assert!(wrong[0].2.contains("chmod 700"), "{wrong:?}");
}
