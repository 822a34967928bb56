//! Snapshot segments, linked by a snapshot of their author: what is accepted is written the same
//! again.
#![no_main]

use cidcast_announce::{SegmentWriter, SigningKey, Snapshot, SnapshotReader};
use cidcast_types::Cid;
use libfuzzer_sys::fuzz_target;
use multihash_codetable::{Code, MultihashDigest};

fuzz_target!(|data: &[u8]| {
    let publisher = SigningKey::from_seed([1; 32]).publisher();
    let cid = Cid::new_v1(0x71, Code::Sha2_256.digest(data));
    let snapshot = Snapshot {
        seq: 1000,
        head: cid,
        segments: vec![cid],
    };
    let mut reader = SnapshotReader::new(publisher, &snapshot);
    let Ok(entries) = reader.read(data) else {
        return;
    };
    let mut writer = SegmentWriter::new(publisher);
    for entry in &entries {
        assert!(writer.push(entry).expect("within bounds").is_none());
    }
    if let Some(block) = writer.finish().expect("within bounds") {
        assert_eq!(block.bytes, data);
    }
});
