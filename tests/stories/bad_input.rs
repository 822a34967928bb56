//! What is no video is refused by name, in words that help, and leaves nothing.

use std::path::Path;

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Node, Remains, command, noise};
use serde_json::Value;

use crate::stage::{Stage, id, nothing_remains};

const CONFIG: &str = "upload: {max_bytes: 4 MiB}\ntranscode: {max_duration: 8s}\n";

fn front_half(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn png(folder: &Path) -> Vec<u8> {
    let path = folder.join("picture.png");
    let made = command(Path::new("ffmpeg"))
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180"])
        .args(["-frames:v", "1"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn files_that_are_no_video_fail_with_a_named_reason() {
    let stage = Stage::new();
    let node = stage.node(CONFIG).await;
    let clip = |name, video| {
        let clip = Clip {
            seconds: 5,
            video,
            ..Clip::default()
        };
        clip.make(stage.path(), name).unwrap()
    };
    let index_last = clip("last", &["-c:v", "libx264", "-preset", "ultrafast"]);
    let index_first = clip(
        "first",
        &[
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-movflags",
            "+faststart",
        ],
    );
    let long = stage.clip(&Clip {
        seconds: 10,
        ..Clip::default()
    });
    let cases = [
        (
            "letter.txt",
            b"Dear Sir or Madam,\n".repeat(100),
            "not-media",
        ),
        ("noise.mp4", noise(1, 300_000), "not-media"),
        ("picture.png", png(stage.path()), "not-media"),
        ("index-last.mp4", front_half(&index_last), "truncated"),
        ("index-first.mp4", front_half(&index_first), "truncated"),
        ("long.mp4", std::fs::read(long).unwrap(), "too-long"),
    ];
    for (name, bytes, code) in cases {
        println!("{name}");
        let error = refused(&node, name, bytes).await;
        assert_eq!(
            error["type"],
            format!("urn:cidcast:problem:{code}"),
            "{name}: {error}"
        );
        assert_eq!(error["permanent"], true, "{name}");
        let detail = error["detail"].as_str().unwrap();
        // A whole sentence that names a way out.
        assert!(
            detail.contains(' ') && detail.contains(':'),
            "{name}: {detail}"
        );
    }
}

/// Uploads, waits for the failure, deletes; the failure.
async fn refused(node: &Node, name: &str, bytes: Vec<u8>) -> Value {
    let response = node.put(name, bytes).await.unwrap();
    assert_eq!(response.status(), 201, "{name}");
    let id = id(&response.json().await.unwrap());
    let settled = node
        .wait_for(&id, |asset| {
            asset["state"] == "failed" || asset["state"] == "ready"
        })
        .await
        .unwrap();
    assert_eq!(settled["state"], "failed", "{name}: {settled}");
    assert_eq!(settled["root"], Value::Null);
    let remains = Remains::of(node.data_dir()).unwrap();
    assert_eq!((remains.work.len(), remains.blocks.len()), (0, 0), "{name}");
    node.delete(&id).await.unwrap();
    nothing_remains(node.data_dir()).await;
    settled["error"].clone()
}

#[tokio::test]
async fn empty_and_oversized_uploads_never_become_assets() {
    let stage = Stage::new();
    let node = stage.node(CONFIG).await;
    for (name, bytes, status) in [
        ("empty.mp4", Vec::new(), 422),
        ("large.mp4", noise(1, (4 << 20) + 1), 413),
    ] {
        let response = node.put(name, bytes).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let content_type = response.headers()["content-type"].clone();
        assert_eq!(content_type, "application/problem+json");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().len() > 20, "{problem}");
    }
    crate::stage::no_rows(&node).await;
    nothing_remains(node.data_dir()).await;
}
