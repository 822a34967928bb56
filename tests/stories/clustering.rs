//! Nodes in a cluster keep what one of them has, whatever becomes of it.

use cidcast_testkit::{Node, Remains, cli, clip, noise};
use serde_json::{Value, json};

use crate::car;
use crate::pinning;
use crate::publishing::{get, post, see};
use crate::stage::{Stage, address, connect, id, root, start};

/// Everything that waits, waits shortly.
pub(crate) const HASTY: &str = "cluster: {heartbeat: 500ms, deadline: 3s, grace: 4s, trim_delay: 3s, \
     audit_interval: 1s, min_copies: 2, max_copies: 2}\nnetwork: {fetch_timeout: 3s}\n";

pub(crate) fn run(node: &Node, arguments: &[&str]) -> Value {
    let said = cli(node.data_dir(), &[&["--json"], arguments].concat()).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said.json().unwrap()
}

fn token(node: &Node, role: &str) -> String {
    let made = run(node, &["cluster", "token", "--role", role]);
    made["token"].as_str().unwrap().to_owned()
}

pub(crate) fn join(node: &Node, inviter: &Node) {
    run(node, &["cluster", "join", &token(inviter, "writer")]);
}

pub(crate) fn peer(node: &Node) -> String {
    let status = run(node, &["cluster", "status"]);
    status["me"].as_str().unwrap().to_owned()
}

async fn until_members(node: &Node, many: usize) {
    see(node, "/api/v1/cluster", |seen| seen["alive"] == many).await;
}

/// Waits until so many members that can be counted on have the root.
async fn until_copies(node: &Node, root: &str, copies: usize) -> Value {
    let path = "/api/v1/cluster/pins?limit=1000";
    let is_kept = |pin: &&Value| pin["cid"] == root && pin["copies"] == copies;
    let seen = see(node, path, |seen| {
        seen["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|pin| is_kept(&pin))
    });
    let seen = seen.await;
    seen["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(is_kept)
        .unwrap()
        .clone()
}

/// The whole package as a CAR file, from a node that has it.
fn package(node: &Node, root: &str, stage: &Stage) -> Vec<u8> {
    let file = stage.path().join("package.car");
    let out = file.to_str().unwrap();
    run_quietly(node, &["store", "export", root, "--output", out]);
    std::fs::read(&file).unwrap()
}

async fn upload(node: &Node) -> (String, String) {
    let asset = id(&node.upload(&clip::shipped()).await.unwrap());
    let root = root(&node.ready(&asset).await.unwrap());
    (asset, root)
}

#[tokio::test]
async fn a_service_outside_is_one_of_the_copies_of_a_cluster() {
    let stage = Stage::new();
    let (outside, token, _) = pinning::service(&stage, "outside").await;
    let config = format!(
        "{HASTY}pinning: {{services: [{{name: outside, endpoint: \"{}\", token: \"{token}\"}}]}}\n",
        outside.api("/psa"),
    );
    let one = stage.node_named("one", &config).await;
    run(&one, &["cluster", "init"]);
    let two = stage.node_named("two", HASTY).await;
    join(&two, &one);
    let (asset, root) = upload(&one).await;
    let shown = json!({ "visibility": "unlisted" });
    let url = one.api(&format!("/api/v1/assets/{asset}"));
    let answer = one.http().patch(url).json(&shown).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let path = format!("/api/v1/cluster/pins/{root}");
    let keepers = |pin: &Value| {
        let states = pin["members"].as_array().unwrap().iter();
        states.filter(|at| at["state"] == "pinned").count()
    };
    until_copies(&two, &root, 2).await;
    see(&two, &path, |pin| keepers(pin) == 2).await;

    // The service takes the place of one of the two, as both see it.
    run_quietly(&one, &["pin", "add", &root, "--remote", "outside"]);
    for node in [&one, &two] {
        let pin = see(node, &path, |pin| pin["copies"] == 2 && keepers(pin) == 1).await;
        assert_eq!(pin["elsewhere"][0]["service"], outside.api("/psa"));
        assert_eq!(pin["elsewhere"][0]["peer"], peer(&one));
    }
    run_quietly(&one, &["pin", "rm", &root, "--remote", "outside"]);
    let pin = see(&two, &path, |pin| pin["copies"] == 2 && keepers(pin) == 2).await;
    assert_eq!(pin["elsewhere"], json!([]));
}

#[tokio::test]
async fn what_others_pin_at_a_member_is_kept_by_the_cluster_until_they_let_go() {
    let stage = Stage::new();
    let (one, token, _) = pinning::service_with(&stage, "one", (HASTY, "write, admin")).await;
    let run_as = |words: &[&str]| {
        let all = [&["--token", &token], words].concat();
        run(&one, &all)
    };
    run_as(&["cluster", "init"]);
    let two = stage.node_named("two", HASTY).await;
    let made = run_as(&["cluster", "token"]);
    let invitation = made["token"].as_str().unwrap();
    run(&two, &["cluster", "join", invitation]);
    let file = stage.path().join("asked.car");
    let root = car::of_one(&noise(5, 300_000), &file).await;
    let file = file.to_str().unwrap();
    let import = [
        "--token", &token, "store", "import", file, "--holder", "hand",
    ];
    run_quietly(&one, &import);
    let asked = json!({ "cid": root, "name": "asked" });
    let request = one.http().post(one.api("/psa/pins")).bearer_auth(&token);
    let answer = request.json(&asked).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let asked: Value = answer.json().await.unwrap();
    let pin = until_copies(&two, &root, 2).await;
    assert_eq!(
        (&pin["name"], &pin["audience"]),
        (&json!("asked"), &json!("anyone"))
    );
    assert_eq!(pin["meta"]["request"], asked["requestid"]);

    let gone = format!("/psa/pins/{}", asked["requestid"].as_str().unwrap());
    let request = one.http().delete(one.api(&gone)).bearer_auth(&token);
    assert_eq!(request.send().await.unwrap().status(), 202);
    see(&two, "/api/v1/cluster", |seen| {
        seen["pins"] == 0 && seen["held"] == 0
    })
    .await;
}

#[tokio::test]
async fn a_private_title_outlives_its_origin_and_strangers_never_get_it() {
    let stage = Stage::new();
    let origin = stage.node_named("origin", HASTY).await;
    run(&origin, &["cluster", "init", "--name", "attics"]);
    let (one, two) = (
        stage.node_named("one", HASTY).await,
        stage.node_named("two", HASTY).await,
    );
    join(&one, &origin);
    join(&two, &one);
    for node in [&origin, &one, &two] {
        until_members(node, 3).await;
    }
    let (_, root) = upload(&origin).await;
    until_copies(&one, &root, 2).await;
    let whole = package(&origin, &root, &stage);

    let stranger = stage.node_named("stranger", HASTY).await;
    for member in [&origin, &one, &two] {
        connect(&stranger, &address(member).await);
    }
    let said = cli(stranger.data_dir(), &["pin", "add", &root]).unwrap();
    assert_eq!(said.code, Some(1), "{said:?}");

    // The origin is gone, with its disk.
    let lost = peer(&origin);
    let data_dir = origin.data_dir().to_owned();
    origin.kill();
    std::fs::remove_dir_all(&data_dir).unwrap();
    let kept = until_copies(&one, &root, 2).await;
    assert_eq!(kept["audience"], "members");
    for node in [&one, &two] {
        see(node, "/api/v1/cluster", |seen| seen["held"] == 1).await;
        assert_eq!(package(node, &root, &stage), whole);
    }

    // In its place comes a new one, from nothing.
    run(&one, &["cluster", "rm", &lost, "--yes"]);
    let replaced = start(&data_dir, HASTY).await;
    join(&replaced, &two);
    until_members(&replaced, 3).await;
    assert_eq!(run(&replaced, &["pin", "ls"])["total"], 1);

    // Who is put out is given nothing any more; the others go on.
    let out = peer(&two);
    run(&one, &["cluster", "rm", &out, "--yes"]);
    see(&two, "/api/v1/cluster", |seen| seen["role"] == "removed").await;
    until_copies(&one, &root, 2).await;
    see(&replaced, "/api/v1/cluster", |seen| seen["held"] == 1).await;
    run(&two, &["cluster", "leave", "--yes"]);
    let gone = cli(
        two.data_dir(),
        &["store", "export", &root, "--output", "/dev/null"],
    );
    assert_ne!(
        gone.unwrap().code,
        Some(0),
        "what the cluster left there is deleted"
    );
}

#[tokio::test]
async fn copies_of_a_lost_member_are_made_anew_and_surplus_goes_when_it_returns() {
    let stage = Stage::new();
    let mut nodes = vec![stage.node_named("n0", HASTY).await];
    run(&nodes[0], &["cluster", "init"]);
    for name in ["n1", "n2", "n3"] {
        let node = stage.node_named(name, HASTY).await;
        join(&node, &nodes[0]);
        nodes.push(node);
    }
    for node in &nodes {
        until_members(node, 4).await;
    }
    let mut roots = Vec::new();
    for seed in 0..8 {
        let file = stage.path().join(format!("{seed}.car"));
        let root = car::of_one(&noise(seed, 300_000), &file).await;
        run_quietly(&nodes[0], &["store", "import", file.to_str().unwrap()]);
        let name = format!("number {seed}");
        run(
            &nodes[1],
            &["pin", "add", &root, "--replicas", "2", "--name", &name],
        );
        roots.push(root);
    }
    for root in &roots {
        until_copies(&nodes[1], root, 2).await;
    }
    // The file's own pin at the first node is not needed any more.
    for root in &roots {
        run_quietly(&nodes[0], &["pin", "rm", root, "--holder", "import"]);
    }
    let dead = nodes.pop().unwrap();
    let data_dir = dead.data_dir().to_owned();
    dead.kill();
    for node in &nodes {
        see(node, "/api/v1/cluster", |seen| {
            seen["alive"] == 3 && seen["under_replicated"] == 0
        })
        .await;
    }
    for root in &roots {
        until_copies(&nodes[0], root, 2).await;
    }
    let back = start(&data_dir, HASTY).await;
    nodes.push(back);
    for node in &nodes {
        until_members(node, 4).await;
    }
    let began = std::time::Instant::now();
    loop {
        let mut held = 0;
        for node in &nodes {
            held += get(node, "/api/v1/cluster").await["held"].as_u64().unwrap();
        }
        if held == 2 * roots.len() as u64 {
            break;
        }
        assert!(began.elapsed() < crate::stage::PATIENCE, "{held} copies");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    for root in &roots {
        until_copies(&nodes[2], root, 2).await;
    }

    // A member that leaves gives away what it has first.
    let leaving = peer(&nodes[1]);
    run(&nodes[0], &["cluster", "drain", &leaving]);
    see(&nodes[1], "/api/v1/cluster", |seen| seen["held"] == 0).await;
    for root in &roots {
        until_copies(&nodes[0], root, 2).await;
    }
    run(&nodes[1], &["cluster", "leave", "--yes"]);
    until_members(&nodes[0], 3).await;
}

pub(crate) fn run_quietly(node: &Node, arguments: &[&str]) {
    let said = cli(node.data_dir(), arguments).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
}

#[tokio::test]
async fn rot_on_one_member_is_found_and_mended_without_anyone_asking() {
    let stage = Stage::new();
    let one = stage.node_named("one", HASTY).await;
    run(&one, &["cluster", "init"]);
    let two = stage.node_named("two", HASTY).await;
    join(&two, &one);
    until_members(&one, 2).await;
    let (asset, root) = upload(&one).await;
    until_copies(&two, &root, 2).await;
    let blocks = Remains::of(two.data_dir()).unwrap().blocks;
    let large = blocks
        .iter()
        .max_by_key(|path| path.metadata().unwrap().len());
    let large = large.unwrap();
    let good = std::fs::read(large).unwrap();
    let mut rotten = good.clone();
    rotten[good.len() / 2] ^= 1;
    std::fs::write(large, rotten).unwrap();
    see(&two, "/api/v1/cluster/events", |events| {
        let mut items = events["items"].as_array().unwrap().iter();
        items.any(|event| event["kind"] == "repaired")
    })
    .await;
    assert_eq!(std::fs::read(large).unwrap(), good);
    until_copies(&one, &root, 2).await;

    // What its owner deletes, the cluster lets go of.
    one.delete(&asset).await.unwrap();
    for node in [&one, &two] {
        see(node, "/api/v1/cluster", |seen| {
            seen["pins"] == 0 && seen["held"] == 0
        })
        .await;
    }
    post(&one, "/api/v1/cluster/audit", &json!({})).await;
}
