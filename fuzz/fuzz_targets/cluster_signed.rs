//! Entries, heartbeats and invitations of a cluster: as they come, and with bodies signed here, which
//! are as hostile as a member likes. What is accepted is written the same again.
#![no_main]

mod sealing;

use cidcast_announce::NodeKey;
use cidcast_announce::cluster::{ClusterOp, Entry, EntryDraft, Heartbeat, Invitation};
use libfuzzer_sys::fuzz_target;
use sealing::sealed;

/// The member of the seeds.
const NODE: [u8; 32] = [3; 32];

fuzz_target!(|data: &[u8]| {
    for bytes in [data.to_vec(), sealed("cidcast-cluster-log-v1", NODE, data)] {
        if let Ok(read) = Entry::verify(&bytes) {
            assert_eq!(read.bytes(), &bytes);
            entry(&read);
        }
    }
    for bytes in [data.to_vec(), sealed("cidcast-cluster-heartbeat-v1", NODE, data)] {
        if let Ok(read) = Heartbeat::verify(&bytes) {
            assert_eq!(read.bytes(), &bytes);
            if read.node() == NodeKey::from_seed(NODE).node() {
                let again = Heartbeat::sign(&NodeKey::from_seed(NODE), read.says().clone());
                assert_eq!(again.expect("within bounds").bytes(), &bytes);
            }
        }
    }
    for bytes in [data.to_vec(), sealed("cidcast-cluster-invitation-v1", NODE, data)] {
        if let Ok(read) = Invitation::verify(&bytes) {
            assert_eq!(read.to_string().parse().ok().as_ref(), Some(&read));
        }
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(read) = text.parse::<Invitation>()
    {
        assert_eq!(read.to_string().parse().ok().as_ref(), Some(&read));
    }
});

fn entry(read: &Entry) {
    let is_unknown = |op: &ClusterOp| matches!(op, ClusterOp::Unknown { .. });
    if read.author() != NodeKey::from_seed(NODE).node() || read.ops().iter().any(is_unknown) {
        return;
    }
    let draft = EntryDraft {
        cluster: (!read.is_genesis()).then_some(read.cluster()),
        seq: read.seq(),
        prev: read.prev(),
        at: read.at(),
        ops: read.ops().to_vec(),
    };
    let again = Entry::sign(&NodeKey::from_seed(NODE), draft);
    assert_eq!(again.expect("within bounds").bytes(), read.bytes());
}
