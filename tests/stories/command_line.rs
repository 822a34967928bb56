//! The command line, as people and scripts use it.

use std::path::Path;

use cidcast_testkit::clip::Clip;
use cidcast_testkit::{Said, cidcast_command, cli, is};
use serde_json::{Value, json};

use crate::stage::{Stage, root};

fn ok(data_dir: &Path, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let said = cli(data_dir, &all).unwrap();
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    said.json().unwrap()
}

/// A refusal: the exit code, and an error for people and for programs.
fn refused(data_dir: &Path, arguments: &[&str], code: i32) -> Said {
    let said = cli(data_dir, arguments).unwrap();
    assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
    assert_eq!(said.out, "", "{arguments:?}");
    assert!(said.err.starts_with("error: "), "{arguments:?}: {said:?}");
    said
}

#[tokio::test]
async fn an_asset_is_added_shown_changed_and_removed() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let dir = node.data_dir();
    let source = stage.clip(&Clip {
        seconds: 5,
        ..Clip::default()
    });
    let source = source.to_str().unwrap();
    let added = ok(
        dir,
        &["add", source, "--title", "A day", "--tag", "sea", "--wait"],
    );
    assert!(is(&added, "ready"), "{added}");
    assert_eq!(
        (&added["title"], &added["tags"]),
        (&json!("A day"), &json!(["sea"]))
    );
    let id = added["id"].as_str().unwrap();
    assert_eq!(ok(dir, &["asset", "show", id]), added);
    assert_eq!(node.asset(id).await.unwrap(), added);
    assert_eq!(ok(dir, &["asset", "ls"])["items"][0]["id"], id);
    assert_eq!(
        ok(dir, &["asset", "ls", "--search", "mountain"])["items"],
        json!([])
    );
    let edited = ok(
        dir,
        &["asset", "edit", id, "--title", "A night", "--no-tags"],
    );
    assert_eq!(
        (&edited["title"], &edited["tags"]),
        (&json!("A night"), &json!([]))
    );
    assert_eq!(
        root(&edited),
        root(&added),
        "a title is no part of the package"
    );
    assert_eq!(
        ok(dir, &["asset", "ls", "--search", "night"])["items"][0]["id"],
        id
    );
    let text = cli(dir, &["asset", "show", id]).unwrap();
    assert!(text.out.contains(&root(&added)), "{text:?}");

    let unsure = refused(dir, &["asset", "rm", id], 2);
    assert!(unsure.err.contains("--yes"), "{unsure:?}");
    ok(dir, &["asset", "rm", id, "--yes"]);
    refused(dir, &["asset", "show", id], 4);
    let gone = cli(dir, &["asset", "show", id, "--json"]).unwrap();
    let gone = gone.error_json().unwrap();
    assert_eq!(gone["type"], "urn:cidcast:problem:not-found");
    assert_eq!(gone["status"], 404);
    crate::stage::nothing_remains(dir).await;
}

#[tokio::test]
async fn failures_say_what_to_do_and_have_their_exit_code() {
    let stage = Stage::new();
    let nowhere = stage.data_dir("nowhere");
    refused(&nowhere, &["asset", "ls"], 3);
    let typo = refused(&nowhere, &["asset", "shwo"], 2);
    assert!(typo.err.contains("'show'"), "{typo:?}");
    let typo = refused(&nowhere, &["ad", "x.mp4"], 2);
    assert!(typo.err.contains("'add'"), "{typo:?}");
    refused(&nowhere, &["asset", "show", "x"], 2);

    let node = stage.node("").await;
    let dir = node.data_dir();
    let missing = refused(dir, &["add", "no-such-file.mp4"], 1);
    assert!(missing.err.contains("no-such-file.mp4"), "{missing:?}");
    let letter = stage.path().join("letter.txt");
    std::fs::write(&letter, "Dear Sir or Madam,").unwrap();
    let letter = letter.to_str().unwrap();
    let said = cli(dir, &["add", letter, "--wait", "--json"]).unwrap();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(is(&said.json().unwrap(), "failed"), "{said:?}");
    assert_eq!(
        said.error_json().unwrap()["type"],
        "urn:cidcast:problem:not-media"
    );
}

#[tokio::test]
async fn a_second_node_on_the_same_data_is_refused() {
    let stage = Stage::new();
    let mut node = stage.node("").await;
    let ports = [
        "--api-listen",
        "127.0.0.1:0",
        "--gateway-listen",
        "127.0.0.1:0",
    ];
    let second = [["serve"].as_slice(), ports.as_slice()].concat();
    let said = cli(node.data_dir(), &second).unwrap();
    assert_ne!(said.code, Some(0));
    let named = format!("process {}", node.pid());
    assert!(said.err.contains(&named), "{said:?}");
    assert!(said.err.contains("--data-dir"), "{said:?}");
    assert!(node.is_alive());
    // It has not taken the first one's place.
    ok(node.data_dir(), &["asset", "ls"]);
}

#[test]
fn a_wrong_configuration_is_refused_before_anything_begins() {
    let stage = Stage::new();
    let file = stage.path().join("wrong.yaml");
    for (text, hint) in [
        ("transcode: {prest: fast}", "did you mean preset?"),
        ("gatway: {}", "did you mean gateway?"),
        ("transcode: {crf: 99}", "crf"),
        ("api: {listen: here}", "listen"),
        ("upload: {max_bytes: many}", "max_bytes"),
    ] {
        std::fs::write(&file, text).unwrap();
        let dir = stage.data_dir("node");
        let said = cidcast_command()
            .arg("--data-dir")
            .arg(&dir)
            .arg("--config")
            .arg(&file)
            .arg("serve")
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{text}: {err}");
        assert!(err.contains(hint), "{text}: {err}");
        assert!(!dir.exists(), "{text}: a data directory was made");
    }
}
