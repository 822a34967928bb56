//! The test vectors of `docs/announcement-format.md`: written by the second implementation in
//! `tests/announcements`, read here, and by that implementation again. What a release read, every
//! later one reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cidcast_announce::{
    Announcement, BlockList, BlockListDraft, Draft, Feed, NodeKey, Notice, Op, SegmentError,
    SigningKey, Snapshot, SnapshotReader, Step, VerifyError,
};
use cidcast_types::Cid;
use serde_json::Value;

use crate::draft::{cid, key};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/announcements")
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn index(folder: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap()
}

/// The word of the format page for a refusal.
pub(crate) fn reason(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::TooLarge { .. } => "too-large",
        VerifyError::NotAnEnvelope => "not-an-envelope",
        VerifyError::Malformed(_) => "malformed",
        VerifyError::NotCanonical => "not-canonical",
        VerifyError::Unsupported { .. } => "unsupported",
        VerifyError::Field(_) => "field",
        VerifyError::Signer(_) => "signer",
        VerifyError::Signature => "signature",
        _ => "another",
    }
}

/// The CID of valid bytes, once written again from what they say; otherwise the reason.
fn read(kind: &str, bytes: &[u8]) -> Result<Cid, &'static str> {
    match kind {
        "announcement" => Announcement::verify(bytes)
            .map(|read| rewritten(&read).unwrap_or(read.cid()))
            .map_err(|error| reason(&error)),
        "notice" => Notice::verify(bytes)
            .map(|read| {
                let key = NodeKey::from_seed([3; 32]);
                let again = Notice::sign(&key, read.at(), read.says().clone());
                again.unwrap().cid()
            })
            .map_err(|error| reason(&error)),
        "blocklist" => BlockList::verify(bytes)
            .map(|read| {
                let draft = BlockListDraft {
                    title: read.title().to_owned(),
                    at: read.at(),
                    entries: read.entries().clone(),
                };
                BlockList::sign(&key(1), draft).unwrap().cid()
            })
            .map_err(|error| reason(&error)),
        "segment" => segment(bytes),
        other => panic!("{other} is no kind"),
    }
}

/// The same announcement, signed again, unless it has an operation that this version only reads.
fn rewritten(read: &Announcement) -> Option<Cid> {
    let unknown = |op: &Op| matches!(op, Op::Unknown { .. });
    if read.ops().iter().any(unknown) {
        return None;
    }
    let draft = Draft {
        seq: read.seq(),
        prev: read.prev(),
        at: read.at(),
        ops: read.ops().to_vec(),
    };
    let signer = [1, 2].map(|n| SigningKey::from_seed([n; 32]));
    let signer = signer
        .iter()
        .find(|key| key.publisher() == read.publisher());
    Some(Announcement::sign(signer.unwrap(), draft).unwrap().cid())
}

fn segment(bytes: &[u8]) -> Result<Cid, &'static str> {
    let cid = Cid::new_v1(0x71, sha256(bytes));
    let snapshot = Snapshot {
        seq: 1000,
        head: self::cid(0x71, 1),
        segments: vec![cid],
    };
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot);
    match reader.read(bytes) {
        Ok(_) => Ok(cid),
        Err(SegmentError::Invalid(error)) => Err(reason(&error)),
        Err(SegmentError::OutOfOrder { .. } | SegmentError::OutOfPlace { .. }) => Err("field"),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> cid::multihash::Multihash<64> {
    use multihash_codetable::MultihashDigest;
    multihash_codetable::Code::Sha2_256.digest(bytes)
}

/// Reads every vector of a folder, and compares with its index.
pub(crate) fn check_vectors(folder: &Path, read: fn(&str, &[u8]) -> Result<Cid, &'static str>) {
    let mut complaints = Vec::new();
    for line in index(folder) {
        let name = text(&line, "file");
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let found = read(text(&line, "kind"), &bytes);
        let found = found.map(|cid| {
            let bytes = cid.to_bytes();
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        });
        let as_expected = match &found {
            Ok(cid) => line["cid"] == **cid,
            Err(reason) => line["reasons"]
                .as_array()
                .is_some_and(|reasons| reasons.iter().any(|known| known == reason)),
        };
        if !as_expected {
            complaints.push(format!("{name}: {found:?}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Compares the files of a folder with its index.
pub(crate) fn check_files(folder: &Path) {
    let listed: BTreeSet<String> = index(folder)
        .iter()
        .map(|line| text(line, "file").to_owned())
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "index.json")
        .collect();
    assert_eq!(listed, found);
}

#[test]
fn the_feed_of_the_vectors_adds_up_to_its_snapshot() {
    let mut feed = Feed::new(key(1).publisher());
    for n in 0..4 {
        let announcement = Announcement::verify(&file(&format!("feed-{n}.dagcbor"))).unwrap();
        assert_eq!(feed.apply(&announcement), Step::Applied);
    }
    let (snapshot, blocks) = feed.to_snapshot().unwrap().unwrap();
    let last = Announcement::verify(&file("feed-4.dagcbor")).unwrap();
    assert_eq!(last.ops(), [Op::Snapshot(snapshot)]);
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].bytes, file("feed-segment.dagcbor"));
    assert_eq!(feed.apply(&last), Step::Applied);
}

#[test]
fn every_vector_reads_as_its_index_says() {
    check_vectors(&folder(), read);
}

#[test]
fn every_file_is_in_the_index() {
    check_files(&folder());
}

#[test]
fn a_second_reader_in_another_language_agrees() {
    second_reader(&folder());
}

/// Has the second implementation read every vector of a folder.
pub(crate) fn second_reader(folder: &Path) {
    let program = folder.join("../../announcements/check_vectors.py");
    let run = Command::new("python3")
        .arg("-B") // writes no cache beside the sources
        .arg(program)
        .arg(folder)
        .output();
    match run {
        Ok(output) => assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => eprintln!("skipped: python3 does not start: {error}"),
    }
}
