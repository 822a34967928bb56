//! Object storage keeps what a node has, and a node that has lost everything gets it back.

use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use cidcast_testkit::{Node, cli, clip};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::pinning::remote_pins;
use crate::stage::{Stage, id, root, start};

const KEYS: (&str, &str) = ("AKIDCIDCAST", "a-secret-key");

/// Serves a folder as object storage that wants signatures, until the runtime ends.
async fn storage(folder: &Path) -> String {
    std::fs::create_dir_all(folder.join("media")).unwrap();
    let mut builder = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(KEYS.0, KEYS.1));
    let service = builder.build();
    let answer = move |request: Request| {
        let service = service.clone();
        async move { service.oneshot(request).await.unwrap().map(Body::new) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn config(storage: &str, secret: &str) -> String {
    format!(
        "pinning: {{services: [{{name: cold, kind: s3, endpoint: \"{storage}/media/nodes/one\", \
         token: \"{}:{secret}\", assets: all}}]}}\n",
        KEYS.0
    )
}

fn export(node: &Node, root: &str, to: &Path) -> Vec<u8> {
    let to = to.to_str().unwrap();
    let said = cli(node.data_dir(), &["store", "export", root, "--output", to]).unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    std::fs::read(to).unwrap()
}

// The storage answers while a command waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_everything_gets_it_back_from_object_storage() {
    let stage = Stage::new();
    let storage = storage(&stage.path().join("storage")).await;
    let config = config(&storage, KEYS.1);
    let node = stage.node_named("node", &config).await;
    let asset = node.upload(&clip::shipped()).await.unwrap();
    let root = root(&node.ready(&id(&asset)).await.unwrap());
    let pins = remote_pins(&node, |pins| {
        pins.len() == 1 && pins[0]["state"] == "pinned"
    })
    .await;
    assert_eq!(pins[0]["cid"], root);
    let before = export(&node, &root, &stage.path().join("before.car"));
    // What is there is read by any tool: CARs with the root in their header.
    let folder = stage.path().join("storage/media/nodes/one").join(&root);
    let car = std::fs::read(folder.join("00000.car")).unwrap();
    assert!(car == before, "a small title is one CAR");

    let data_dir = node.data_dir().to_owned();
    node.kill();
    std::fs::remove_dir_all(&data_dir).unwrap();
    let node = start(&data_dir, &config).await;
    let run = |words: &[&str]| cli(node.data_dir(), words).unwrap();
    let said = run(&["pin", "restore", "cold", "--list"]);
    assert!(said.code == Some(0) && said.out.contains(&root), "{said:?}");
    let said = run(&["pin", "restore", "cold", "--all"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let after = export(&node, &root, &stage.path().join("after.car"));
    assert!(before == after, "every byte");
    let verified = run(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");

    let said = run(&["pin", "add", &root, "--remote", "cold"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = run(&["pin", "rm", &root, "--remote", "cold"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    remote_pins(&node, <[Value]>::is_empty).await;
    assert!(!folder.join("manifest.json").exists(), "{folder:?}");
    let said = run(&["pin", "restore", "cold", &root]);
    assert!(
        said.code != Some(0) && said.err.contains("--list"),
        "{said:?}"
    );
}

// The storage answers while a command waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_that_refuses_is_asked_again_later_and_says_why() {
    let stage = Stage::new();
    let storage = storage(&stage.path().join("storage")).await;
    let node = stage.node(&config(&storage, "another-key")).await;
    let asset = node.upload(&clip::shipped()).await.unwrap();
    node.ready(&id(&asset)).await.unwrap();
    let pins = remote_pins(&node, |pins| pins.len() == 1 && pins[0]["state"] == "error").await;
    let error = pins[0]["error"].as_str().unwrap();
    assert!(error.contains("token"), "{error}");
    assert!(pins[0]["next_at"].is_u64(), "{pins:?}");
    let said = cli(node.data_dir(), &["pin", "restore", "cold", "--list"]).unwrap();
    assert!(
        said.code != Some(0) && said.err.contains("token"),
        "{said:?}"
    );
}
