//! Writing messages.

use bytes::{BufMut, Bytes, BytesMut};

use super::field::{put_bytes, put_number, put_varint, varint_len};
use super::{Ask, Block, Entry, Message};

/// Blocks smaller than this are copied next to their header: a write of its own costs more.
const COPIED: usize = 32 << 10;

/// What the receiver understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `/ipfs/bitswap/1.2.0`.
    Current,
    /// `/ipfs/bitswap/1.1.0`: no HAVE, no DONT_HAVE, no pending bytes.
    WithoutPresences,
}

/// The frame of a message with its length, in pieces; large blocks are not copied.
pub(crate) fn frame(message: &Message, dialect: Dialect) -> Vec<Bytes> {
    let mut body = Pieces::default();
    let wants = wants(message, dialect);
    if !wants.is_empty() {
        put_bytes(&mut body.open, 1, &wants);
    }
    for block in &message.blocks {
        body.block(block);
    }
    if dialect == Dialect::Current {
        let mut scratch = Vec::new();
        for presence in &message.presences {
            scratch.clear();
            put_bytes(&mut scratch, 1, &presence.cid.to_bytes());
            put_number(&mut scratch, 2, u64::from(!presence.here));
            put_bytes(&mut body.open, 4, &scratch);
        }
        put_number(&mut body.open, 5, signed(message.pending_bytes));
    }
    body.into_frame()
}

fn wants(message: &Message, dialect: Dialect) -> Vec<u8> {
    let mut wants = Vec::new();
    let mut scratch = Vec::new();
    for entry in &message.entries {
        scratch.clear();
        put_entry(&mut scratch, entry, dialect);
        put_bytes(&mut wants, 1, &scratch);
    }
    put_number(&mut wants, 2, u64::from(message.full));
    wants
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry, dialect: Dialect) {
    put_bytes(out, 1, &entry.cid.to_bytes());
    put_number(out, 2, signed(entry.priority));
    put_number(out, 3, u64::from(entry.ask == Ask::Cancel));
    // An older peer would take a WANT-HAVE for a want, so it is sent as what it is taken for.
    if dialect == Dialect::Current {
        put_number(out, 4, u64::from(entry.ask == Ask::Have));
        put_number(out, 5, u64::from(entry.send_dont_have));
    }
}

/// An `int32` is sign-extended to 64 bits.
fn signed(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    open: BytesMut,
}

impl Pieces {
    fn block(&mut self, block: &Block) {
        let mut prefix = Vec::with_capacity(16);
        block.prefix.write(&mut prefix);
        let data = block.data.len();
        let header = 1 + varint_len(data as u64);
        let length = 2 + prefix.len() + header + data;
        put_varint(&mut self.open, 3 << 3 | 2);
        put_varint(&mut self.open, length as u64);
        put_bytes(&mut self.open, 1, &prefix);
        put_varint(&mut self.open, 2 << 3 | 2);
        put_varint(&mut self.open, data as u64);
        if data < COPIED {
            self.open.put_slice(&block.data);
        } else {
            self.close();
            self.done.push(block.data.clone());
        }
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.done.push(self.open.split().freeze());
        }
    }

    fn into_frame(mut self) -> Vec<Bytes> {
        self.close();
        let length: usize = self.done.iter().map(Bytes::len).sum();
        let mut first = BytesMut::with_capacity(16);
        put_varint(&mut first, length as u64);
        match self.done.first_mut() {
            Some(piece) if piece.len() < COPIED => {
                first.put_slice(piece);
                *piece = first.freeze();
            }
            _ => self.done.insert(0, first.freeze()),
        }
        self.done
    }
}
