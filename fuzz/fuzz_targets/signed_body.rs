//! Bodies of announcements, notices and block lists, signed here: behind a signature, which no
//! fuzzer finds by chance, a body is as hostile as its author likes. What is accepted is written
//! the same again.
#![no_main]

mod sealing;

use cidcast_announce::{
    Announcement, BlockList, BlockListDraft, Draft, NodeKey, Notice, Op, SigningKey,
};
use libfuzzer_sys::fuzz_target;
use sealing::sealed;

/// The publisher and the node of the seeds.
const PUBLISHER: [u8; 32] = [1; 32];
const NODE: [u8; 32] = [3; 32];

fuzz_target!(|body: &[u8]| {
    if let Ok(read) = Announcement::verify(&sealed("cidcast-announcement-v1", PUBLISHER, body)) {
        announcement(&read);
    }
    if let Ok(read) = Notice::verify(&sealed("cidcast-notice-v1", NODE, body)) {
        let again = Notice::sign(&NodeKey::from_seed(NODE), read.at(), read.says().clone());
        assert_eq!(again.expect("within bounds"), read);
    }
    if let Ok(read) = BlockList::verify(&sealed("cidcast-blocklist-v1", PUBLISHER, body)) {
        let draft = BlockListDraft {
            title: read.title().to_owned(),
            at: read.at(),
            entries: read.entries().clone(),
        };
        let again = BlockList::sign(&SigningKey::from_seed(PUBLISHER), draft);
        assert_eq!(again.expect("within bounds"), read);
    }
});

fn announcement(read: &Announcement) {
    if read.ops().iter().any(|op| matches!(op, Op::Unknown { .. })) {
        return;
    }
    let draft = Draft {
        seq: read.seq(),
        prev: read.prev(),
        at: read.at(),
        ops: read.ops().to_vec(),
    };
    let again = Announcement::sign(&SigningKey::from_seed(PUBLISHER), draft);
    assert_eq!(&again.expect("within bounds"), read);
}
