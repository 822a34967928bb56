//! Reading messages that anybody may have written.

use bytes::Bytes;
use cid::Cid;
use cidcast_store::MAX_BLOCK_BYTES;

use super::field::{Fields, Value};
use super::prefix::Prefix;
use super::{Ask, Block, Entry, MAX_ITEMS, Message, Presence};

/// Why a frame is not a Bitswap message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field is longer than what is left.
    #[error("a field ends after its message: the peer's software is broken or it is hostile")]
    Truncated,
    /// A varint without an end.
    #[error("a number has too many bytes: the peer's software is broken or it is hostile")]
    Varint,
    /// A field has another type than the specification gives it.
    #[error("a field has the wrong type: the peer speaks another protocol")]
    WrongType,
    /// More than any implementation sends.
    #[error("more than {MAX_ITEMS} entries in one message: the peer has to send several")]
    TooMany,
}

impl Message {
    /// Reads a frame without its length. The blocks in it share its memory. What cannot matter
    /// here is left out rather than refused: CIDs that do not parse, blocks of more than 2 MiB,
    /// unknown fields.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the frame is not a message.
    pub fn decode(frame: &Bytes) -> Result<Self, Malformed> {
        let mut message = Self::default();
        let mut fields = Fields::of(frame);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => message.read_wants(value.bytes()?)?,
                2 => message.add_block(Prefix::V0, frame.slice_ref(value.bytes()?))?,
                3 => message.read_block(frame, value.bytes()?)?,
                4 => message.read_presence(value.bytes()?)?,
                5 => message.pending_bytes = value.int32()?,
                _ => {}
            }
        }
        Ok(message)
    }

    fn read_wants(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::of(bytes);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => {
                    room(self.entries.len())?;
                    self.entries.extend(read_entry(value.bytes()?)?);
                }
                2 => self.full = value.bool()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_block(&mut self, frame: &Bytes, bytes: &[u8]) -> Result<(), Malformed> {
        let mut fields = Fields::of(bytes);
        let (mut prefix, mut data) = (None, Bytes::new());
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => prefix = Some(Prefix::read(value.bytes()?)?),
                2 => data = frame.slice_ref(value.bytes()?),
                _ => {}
            }
        }
        match prefix {
            Some(prefix) => self.add_block(prefix, data),
            None => Ok(()),
        }
    }

    fn add_block(&mut self, prefix: Prefix, data: Bytes) -> Result<(), Malformed> {
        room(self.blocks.len())?;
        if data.len() <= MAX_BLOCK_BYTES {
            self.blocks.push(Block { prefix, data });
        }
        Ok(())
    }

    fn read_presence(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        room(self.presences.len())?;
        let mut fields = Fields::of(bytes);
        let (mut cid, mut kind) = (None, 0);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => cid = read_cid(value)?,
                2 => kind = value.varint()?,
                _ => {}
            }
        }
        let here = kind == 0;
        self.presences.extend(cid.map(|cid| Presence { cid, here }));
        Ok(())
    }
}

fn room(items: usize) -> Result<(), Malformed> {
    if items < MAX_ITEMS {
        Ok(())
    } else {
        Err(Malformed::TooMany)
    }
}

fn read_entry(bytes: &[u8]) -> Result<Option<Entry>, Malformed> {
    let mut fields = Fields::of(bytes);
    let (mut cid, mut priority, mut cancel) = (None, 0, false);
    let (mut kind, mut send_dont_have) = (0, false);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => cid = read_cid(value)?,
            2 => priority = value.int32()?,
            3 => cancel = value.bool()?,
            4 => kind = value.varint()?,
            5 => send_dont_have = value.bool()?,
            _ => {}
        }
    }
    let ask = match (cancel, kind) {
        (true, _) => Ask::Cancel,
        (false, 1) => Ask::Have,
        (false, _) => Ask::Block,
    };
    Ok(cid.map(|cid| Entry {
        cid,
        priority,
        ask,
        send_dont_have,
    }))
}

fn read_cid(value: Value<'_>) -> Result<Option<Cid>, Malformed> {
    value.bytes().map(|bytes| Cid::try_from(bytes).ok())
}
