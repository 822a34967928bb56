//! Snapshot segments: only the bytes that the publisher linked, in order, are state.

use cidcast_announce::{
    MAX_SEGMENT_BYTES, Op, SegmentBlock, SegmentError, SegmentWriter, Snapshot, SnapshotReader,
    StateEntry,
};
use cidcast_types::Timestamp;

use crate::draft::{cid, key, publish};

fn entry(n: u64) -> StateEntry {
    let mut publish = publish(n);
    publish.description = "x".repeat(9_000);
    StateEntry {
        seq: n,
        at: Timestamp::from_millis(n),
        op: Op::Publish(Box::new(publish)),
    }
}

fn written(numbers: impl IntoIterator<Item = u64>) -> Vec<SegmentBlock> {
    let mut writer = SegmentWriter::new(key(1).publisher());
    let mut blocks = Vec::new();
    for n in numbers {
        blocks.extend(writer.push(&entry(n)).unwrap());
    }
    blocks.extend(writer.finish().unwrap());
    blocks
}

fn snapshot(blocks: &[SegmentBlock]) -> Snapshot {
    Snapshot {
        seq: 500,
        head: cid(0x71, 1),
        segments: blocks.iter().map(|block| block.cid).collect(),
    }
}

#[test]
fn a_large_state_is_cut_into_segments_that_read_back() {
    let blocks = written(0..300);
    assert_eq!(blocks.len(), 3);
    assert!(
        blocks
            .iter()
            .all(|block| block.bytes.len() <= MAX_SEGMENT_BYTES)
    );
    assert!(blocks[0].bytes.len() > MAX_SEGMENT_BYTES - 10_000);
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot(&blocks));
    let mut read = Vec::new();
    for block in &blocks {
        assert_eq!(reader.expects(), Some(block.cid));
        assert!(matches!(
            reader.finish(),
            Err(SegmentError::Incomplete { .. })
        ));
        read.extend(reader.read(&block.bytes).unwrap());
    }
    assert_eq!(reader.finish().unwrap().seq, 500);
    assert_eq!(read, (0..300).map(entry).collect::<Vec<_>>());
    assert!(matches!(
        reader.read(&blocks[0].bytes),
        Err(SegmentError::TooMany)
    ));
}

#[test]
fn other_bytes_are_refused_and_the_right_ones_still_taken() {
    let blocks = written(0..3);
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot(&blocks));
    let mut damaged = blocks[0].bytes.to_vec();
    damaged[100] ^= 1;
    assert!(matches!(
        reader.read(&damaged),
        Err(SegmentError::OtherBytes { .. })
    ));
    let huge = vec![0; MAX_SEGMENT_BYTES + 1];
    assert!(matches!(reader.read(&huge), Err(SegmentError::Invalid(_))));
    assert_eq!(reader.read(&blocks[0].bytes).unwrap().len(), 3);
}

#[test]
fn what_a_publisher_linked_must_still_make_sense() {
    // Another publisher's segment, linked by this one.
    let blocks = written(0..2);
    let mut reader = SnapshotReader::new(key(2).publisher(), &snapshot(&blocks));
    assert!(matches!(
        reader.read(&blocks[0].bytes),
        Err(SegmentError::OtherPublisher(_))
    ));
    // Assets out of order within a segment, and across two.
    let blocks = written([2, 1]);
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot(&blocks));
    assert!(matches!(
        reader.read(&blocks[0].bytes),
        Err(SegmentError::OutOfOrder { entry: 1 })
    ));
    let blocks = [written([1, 2]), written([2, 3])].concat();
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot(&blocks));
    reader.read(&blocks[0].bytes).unwrap();
    assert!(matches!(
        reader.read(&blocks[1].bytes),
        Err(SegmentError::OutOfOrder { entry: 0 })
    ));
    // Younger than the snapshot.
    let blocks = written([501]);
    let mut reader = SnapshotReader::new(key(1).publisher(), &snapshot(&blocks));
    assert!(matches!(
        reader.read(&blocks[0].bytes),
        Err(SegmentError::OutOfPlace { entry: 0 })
    ));
}

#[test]
fn an_operation_without_state_is_not_written() {
    let mut writer = SegmentWriter::new(key(1).publisher());
    let entry = StateEntry {
        seq: 1,
        at: Timestamp::from_millis(1),
        op: Op::Snapshot(snapshot(&[])),
    };
    assert!(writer.push(&entry).is_err());
    assert!(writer.finish().unwrap().is_none());
}
