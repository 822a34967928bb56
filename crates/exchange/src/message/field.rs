//! Protobuf's wire types, as far as Bitswap has them.

use super::Malformed;

/// A varint of 64 bits has ten bytes at most.
const MAX_VARINT: usize = 10;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Of a type that no field of Bitswap has.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Varint(_) | Self::Other => Err(Malformed::WrongType),
        }
    }

    pub(super) fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            Self::Bytes(_) | Self::Other => Err(Malformed::WrongType),
        }
    }

    /// An `int32`, which is sent as the low bits of a sign-extended 64-bit varint.
    pub(super) fn int32(self) -> Result<i32, Malformed> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "protobuf readers take the low 32 bits"
        )]
        self.varint().map(|value| value as i32)
    }

    pub(super) fn bool(self) -> Result<bool, Malformed> {
        self.varint().map(|value| value != 0)
    }
}

/// Reads the fields of one message.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field and its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.skip(4)?,
            _ => return Err(Malformed::WrongType),
        };
        Ok(Some((key >> 3, value)))
    }

    /// A varint: CIDs' prefixes are made of them too.
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let (value, rest) = varint(self.rest).ok_or(Malformed::Varint)?;
        self.rest = rest;
        Ok(value)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn skip(&mut self, bytes: usize) -> Result<Value<'a>, Malformed> {
        self.take(bytes).map(|_| Value::Other)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        let low = u64::from(byte & 0x7f);
        if at == MAX_VARINT - 1 && low > 1 {
            return None; // beyond 64 bits
        }
        value |= low << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

/// The length in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// More bytes are needed.
    Partial,
    /// The frame's length, and how many bytes it took to say so.
    Known { frame: usize, header: usize },
    /// Not a length, or one of more than `limit`.
    Bad,
}

/// Reads the length at the start of `bytes`.
pub(crate) fn length(bytes: &[u8], limit: usize) -> Length {
    match varint(bytes) {
        Some((value, rest)) => match usize::try_from(value) {
            Ok(frame) if frame <= limit => Length::Known {
                frame,
                header: bytes.len() - rest.len(),
            },
            _ => Length::Bad,
        },
        // Four bytes are enough for 2^28.
        None if bytes.len() < 4 => Length::Partial,
        None => Length::Bad,
    }
}

/// Appends a varint.
pub(super) fn put_varint(out: &mut impl bytes::BufMut, mut value: u64) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8((value & 0x7f) as u8);
}

/// How many bytes [`put_varint`] appends.
pub(super) fn varint_len(value: u64) -> usize {
    let bits = usize::try_from(64 - value.leading_zeros()).unwrap_or(64);
    bits.div_ceil(7).max(1)
}

/// Appends a field of bytes.
pub(super) fn put_bytes(out: &mut impl bytes::BufMut, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// Appends a varint field, unless it has the value that is assumed when it is missing.
pub(super) fn put_number(out: &mut impl bytes::BufMut, number: u64, value: u64) {
    if value != 0 {
        put_varint(out, number << 3);
        put_varint(out, value);
    }
}
