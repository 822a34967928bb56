//! What goes out comes in again, and nothing that comes in does harm.

use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;

use super::*;

fn cid(bytes: &[u8]) -> Cid {
    Cid::new_v1(0x55, Code::Sha2_256.digest(bytes))
}

fn joined(pieces: &[Bytes]) -> Bytes {
    pieces.concat().into()
}

/// Takes the length off a frame.
fn body(frame: &Bytes) -> Bytes {
    let Length::Known { frame: len, header } = length(frame, MAX_FRAME) else {
        panic!("no length");
    };
    assert_eq!(frame.len(), header + len);
    frame.slice(header..)
}

fn entries() -> impl Strategy<Value = Entry> {
    let ask = prop_oneof![Just(Ask::Have), Just(Ask::Block), Just(Ask::Cancel)];
    (any::<[u8; 4]>(), any::<i32>(), ask, any::<bool>()).prop_map(|(seed, priority, ask, say)| {
        Entry {
            cid: cid(&seed),
            priority,
            ask,
            send_dont_have: say,
        }
    })
}

fn blocks() -> impl Strategy<Value = Block> {
    let sizes = prop_oneof![0usize..100, 30_000usize..40_000];
    (any::<u8>(), sizes).prop_map(|(byte, size)| {
        let data = Bytes::from(vec![byte; size]);
        Block {
            prefix: Prefix::of(&cid(&data)),
            data,
        }
    })
}

fn messages() -> impl Strategy<Value = Message> {
    let presences = (any::<[u8; 4]>(), any::<bool>());
    (
        any::<bool>(),
        prop::collection::vec(entries(), 0..20),
        prop::collection::vec(blocks(), 0..5),
        prop::collection::vec(presences, 0..20),
        any::<i32>(),
    )
        .prop_map(
            |(full, entries, blocks, presences, pending_bytes)| Message {
                full,
                entries,
                blocks,
                presences: presences
                    .into_iter()
                    .map(|(seed, here)| Presence {
                        cid: cid(&seed),
                        here,
                    })
                    .collect(),
                pending_bytes,
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(message in messages()) {
        let written = joined(&message.frame(Dialect::Current));
        prop_assert_eq!(Message::decode(&body(&written)).unwrap(), message);
    }

    #[test]
    fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::decode(&bytes.clone().into());
        let _ = length(&bytes, MAX_FRAME);
    }

    #[test]
    fn a_message_with_a_flipped_byte_does_not_panic_the_reader(
        message in messages(), at: prop::sample::Index, byte: u8
    ) {
        let mut bytes = message.frame(Dialect::Current).concat();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Message::decode(&bytes.into());
    }
}

/// Bytes made by hand from the specification, as Kubo sends them.
#[test]
fn a_want_of_kubo_is_understood() {
    let cid = cid(b"x");
    let mut entry = vec![0x0a, 36];
    entry.extend(cid.to_bytes());
    entry.extend([0x10, 0xff, 0xff, 0xff, 0xff, 0x07]); // priority 2^31 - 1
    entry.extend([0x20, 1, 0x28, 1]); // want-have, send DONT_HAVE
    let mut bytes = vec![0x0a, u8::try_from(entry.len() + 2).unwrap()];
    bytes.extend([0x0a, u8::try_from(entry.len()).unwrap()]);
    bytes.extend(entry);
    let message = Message::decode(&bytes.into()).unwrap();
    let expected = Entry {
        cid,
        priority: i32::MAX,
        ask: Ask::Have,
        send_dont_have: true,
    };
    assert_eq!(message.entries, [expected]);
}

#[test]
fn an_older_peer_is_sent_nothing_it_does_not_know() {
    let message = Message {
        entries: vec![Entry {
            cid: cid(b"a"),
            priority: 5,
            ask: Ask::Have,
            send_dont_have: true,
        }],
        presences: vec![Presence {
            cid: cid(b"b"),
            here: false,
        }],
        pending_bytes: 7,
        ..Message::default()
    };
    let written = joined(&message.frame(Dialect::WithoutPresences));
    let read = Message::decode(&body(&written)).unwrap();
    assert_eq!((read.presences.len(), read.pending_bytes), (0, 0));
    let entry = &read.entries[0];
    assert_eq!((entry.ask, entry.send_dont_have), (Ask::Block, false));
}

#[test]
fn blocks_of_the_first_version_are_sha2_256() {
    let mut bytes = vec![0x12, 5];
    bytes.extend(b"hello");
    let message = Message::decode(&bytes.into()).unwrap();
    let block = &message.blocks[0];
    assert_eq!(
        block.prefix.hash(&block.data),
        Some(crate::block_id::BlockId::of(&cid(b"hello")))
    );
}

#[test]
fn a_block_shares_the_memory_of_its_frame() {
    let data = Bytes::from(vec![7; 100_000]);
    let block = Block {
        prefix: Prefix::of(&cid(&data)),
        data,
    };
    let message = Message {
        blocks: vec![block],
        ..Message::default()
    };
    let pieces = message.frame(Dialect::Current);
    assert_eq!(pieces[1].as_ptr(), message.blocks[0].data.as_ptr());
    let read = body(&joined(&pieces));
    let decoded = Message::decode(&read).unwrap();
    let inside = read.as_ptr_range();
    assert!(inside.contains(&decoded.blocks[0].data.as_ptr()));
}

#[test]
fn a_flood_of_empty_entries_is_refused() {
    let entries = [0x0a, 0].repeat(MAX_ITEMS);
    let presences = [0x22, 0].repeat(MAX_ITEMS + 1);
    assert_eq!(
        Message::decode(&presences.into()).map(|m| m.presences.len()),
        Ok(0)
    );
    let mut bytes = vec![0x0a];
    field::put_varint(&mut bytes, entries.len() as u64);
    bytes.extend(entries);
    assert_eq!(
        Message::decode(&bytes.into()).map(|m| m.entries.len()),
        Ok(0)
    );
    let block = [0x12, 1, 0].repeat(MAX_ITEMS + 1);
    assert_eq!(Message::decode(&block.into()), Err(Malformed::TooMany));
}

#[test]
fn a_length_is_known_partial_or_bad() {
    assert_eq!(length(&[], MAX_FRAME), Length::Partial);
    assert_eq!(length(&[0x80, 0x80], MAX_FRAME), Length::Partial);
    assert_eq!(
        length(&[0x80, 0x01, 9], MAX_FRAME),
        Length::Known {
            frame: 128,
            header: 2
        }
    );
    assert_eq!(length(&[0x81, 0x80, 0x80, 0x02], MAX_FRAME), Length::Bad);
    assert_eq!(length(&[0xff; 12], MAX_FRAME), Length::Bad);
}
