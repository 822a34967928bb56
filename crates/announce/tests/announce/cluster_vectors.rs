//! The test vectors of `docs/cluster-log-format.md`: written by the second implementation in
//! `tests/announcements`, read here, and by that implementation again. What a release read, every
//! later one reads.

use std::path::PathBuf;

use cidcast_announce::NodeKey;
use cidcast_announce::cluster::{ClusterOp, Entry, EntryDraft, Heartbeat, Invitation};
use cidcast_types::Cid;

use crate::vectors::{check_files, check_vectors, reason, second_reader};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/clusters")
}

/// Who signs them.
fn member() -> NodeKey {
    NodeKey::from_seed([3; 32])
}

/// The CID of valid bytes, once written again from what they say; otherwise the reason.
fn read(kind: &str, bytes: &[u8]) -> Result<Cid, &'static str> {
    match kind {
        "entry" => Entry::verify(bytes)
            .map(|read| rewritten(&read).unwrap_or(read.cid()))
            .map_err(|error| reason(&error)),
        "heartbeat" => Heartbeat::verify(bytes)
            .map(|read| {
                let again = Heartbeat::sign(&member(), read.says().clone());
                cid_of(again.unwrap().bytes())
            })
            .map_err(|error| reason(&error)),
        "invitation" => Invitation::verify(bytes)
            .map(|read| {
                let again: Invitation = read.to_string().parse().unwrap();
                let again = Invitation::sign(&member(), again.says().clone());
                cid_of(again.unwrap().bytes())
            })
            .map_err(|error| reason(&error)),
        other => panic!("{other} is no kind"),
    }
}

/// The same entry, signed again, unless it has an operation that this version only reads.
fn rewritten(read: &Entry) -> Option<Cid> {
    let is_unknown = |op: &ClusterOp| matches!(op, ClusterOp::Unknown { .. });
    if read.ops().iter().any(is_unknown) {
        return None;
    }
    let draft = EntryDraft {
        cluster: (!read.is_genesis()).then_some(read.cluster()),
        seq: read.seq(),
        prev: read.prev(),
        at: read.at(),
        ops: read.ops().to_vec(),
    };
    Some(Entry::sign(&member(), draft).unwrap().cid())
}

fn cid_of(bytes: &[u8]) -> Cid {
    Cid::new_v1(0x71, crate::vectors::sha256(bytes))
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
