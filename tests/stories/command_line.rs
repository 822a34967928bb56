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

#[tokio::test]
async fn a_publisher_s_key_moves_to_another_directory_encrypted() {
    let stage = Stage::new();
    let (here, there) = (stage.data_dir("here"), stage.data_dir("there"));
    let (file, passphrase) = (
        stage.path().join("key.pem"),
        stage.path().join("passphrase"),
    );
    std::fs::write(&passphrase, "correct horse battery\n").unwrap();
    let (file, passphrase) = (file.to_str().unwrap(), passphrase.to_str().unwrap());
    let with = |command: &[&'static str]| -> Vec<String> {
        let options = [file, "--passphrase-file", passphrase];
        let all = command.iter().copied().chain(options);
        all.map(str::to_owned).collect()
    };
    let run = |dir: &Path, arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        ok(dir, &arguments)
    };
    let shown = ok(&here, &["key", "show"]);
    let publisher = shown["publisher"].as_str().unwrap();
    assert!(publisher.starts_with("k51"), "{shown}");
    assert_eq!(
        run(&here, &with(&["key", "export", "-o"]))["publisher"],
        publisher
    );
    let exported = std::fs::read_to_string(file).unwrap();
    assert!(exported.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));

    assert_eq!(
        run(&there, &with(&["key", "import"]))["publisher"],
        publisher
    );
    assert_eq!(ok(&there, &["key", "show"])["publisher"], publisher);
    // Another key that is there is not replaced unasked, nor that of a running node.
    let other = stage.data_dir("other");
    ok(&other, &["key", "show"]);
    let import = ["key", "import", file, "--passphrase-file", passphrase];
    let kept = refused(&other, &import, 2);
    assert!(kept.err.contains("export it first"), "{kept:?}");
    let node = stage.node_named("there", "").await;
    let running = refused(node.data_dir(), &import, 1);
    assert!(running.err.contains("stop it first"), "{running:?}");
    let own = ok(node.data_dir(), &["feed", "show"]);
    assert_eq!(own["publisher"], publisher);
    std::fs::write(passphrase, "wrong horse battery\n").unwrap();
    let wrong = refused(&other, &[import.as_slice(), &["--yes"]].concat(), 2);
    assert!(wrong.err.contains("passphrase"), "{wrong:?}");
}

#[tokio::test]
async fn whom_to_follow_and_block_is_said_on_the_command_line() {
    let stage = Stage::new();
    let node = stage.node("").await;
    let dir = node.data_dir();
    let other = ok(&stage.data_dir("other"), &["key", "show"]);
    let other = other["publisher"].as_str().unwrap();
    let follow = ok(dir, &["feed", "follow", other, "--replicate", "newest:2"]);
    assert_eq!(follow["replicate"], "newest:2");
    let again = ok(dir, &["feed", "follow", other, "--strategy", "rare"]);
    assert_eq!(
        (&again["id"], &again["replicate"], &again["strategy"]),
        (&follow["id"], &json!("newest:2"), &json!("rare"))
    );
    assert_eq!(ok(dir, &["feed", "ls"])["follows"][0]["publisher"], other);
    ok(dir, &["feed", "block", other, "--reason", "spam"]);
    let list = stage.path().join("list");
    let list = list.to_str().unwrap();
    let written = cli(dir, &["feed", "blocklist", "export", "-o", list]).unwrap();
    assert_eq!(written.code, Some(0), "{written:?}");
    ok(dir, &["feed", "unblock", other]);
    refused(dir, &["feed", "unblock", other], 4);
    ok(dir, &["feed", "unfollow", other]);
    refused(dir, &["feed", "unfollow", other], 4);
    let own = ok(dir, &["feed", "profile", "--name", "Meadow"]);
    assert_eq!(own["name"], "Meadow");
    assert!(own["seq"].is_u64(), "{own}");
    assert_eq!(ok(dir, &["feed", "search", "rabbit"])["items"], json!([]));
    assert_eq!(ok(dir, &["replica", "pause"])["paused"], true);
    assert_eq!(ok(dir, &["replica", "ls"])["incoming"], json!([]));
    assert!(ok(dir, &["peer", "ls"])["items"].is_array());

    let reader = stage.node_named("reader", "").await;
    let imported = ok(reader.data_dir(), &["feed", "blocklist", "import", list]);
    assert_eq!(imported["entries"], 1);
}
