//! The UnixFS `Data` protobuf message (UnixFS specification, "Data format"), which dag-pb nodes
//! carry in their data field.

use bytes::Bytes;

/// What a node is (field 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    Raw,
    Directory,
    File,
    Metadata,
    Symlink,
    HamtShard,
}

/// One decoded message. Mode and modification time are skipped: nothing here uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) kind: DataType,
    pub(crate) data: Bytes,
    pub(crate) file_size: Option<u64>,
    pub(crate) block_sizes: Vec<u64>,
    pub(crate) hash_type: Option<u64>,
    pub(crate) fanout: Option<u64>,
}

/// Why bytes are not a UnixFS message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The bytes end in the middle of a field.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// A variable-length integer does not fit 64 bits.
    #[error("an integer does not fit 64 bits")]
    IntegerTooLong,
    /// A field has a wire type that the schema does not allow.
    #[error("field {field} has wire type {wire}")]
    WireType {
        /// Field number.
        field: u64,
        /// Wire type found.
        wire: u8,
    },
    /// The type field is absent.
    #[error("the type is missing")]
    NoType,
    /// The type is none of the specified ones.
    #[error("type {0} is unknown")]
    UnknownType(u64),
}

/// The data of a basic directory.
pub(crate) fn directory() -> Bytes {
    Bytes::from_static(&[0x08, 0x01])
}

/// The data of a HAMT shard; `bitfield` is big-endian without leading zero bytes.
pub(crate) fn hamt_shard(bitfield: &[u8], hash_type: u64, fanout: u64) -> Bytes {
    let mut out = vec![0x08, 0x05, 0x12];
    write_varint(&mut out, bitfield.len() as u64);
    out.extend_from_slice(bitfield);
    out.push(0x28);
    write_varint(&mut out, hash_type);
    out.push(0x30);
    write_varint(&mut out, fanout);
    out.into()
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Encoded length of `value` as a protobuf varint.
pub(crate) fn varint_len(value: u64) -> u64 {
    u64::from((64 - (value | 1).leading_zeros()).div_ceil(7))
}

impl Data {
    /// Decodes a message; unknown fields are skipped, as protobuf asks.
    pub(crate) fn decode(message: Bytes) -> Result<Self, DataError> {
        let mut fields = Fields { rest: message };
        let mut kind = None;
        let mut found = Self {
            kind: DataType::Raw,
            data: Bytes::new(),
            file_size: None,
            block_sizes: Vec::new(),
            hash_type: None,
            fanout: None,
        };
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (1, Value::Varint(n)) => kind = Some(DataType::from_number(n)?),
                (2, Value::Bytes(bytes)) => found.data = bytes,
                (3, Value::Varint(n)) => found.file_size = Some(n),
                (4, Value::Varint(n)) => found.block_sizes.push(n),
                (4, Value::Bytes(packed)) => {
                    let mut packed = Fields { rest: packed };
                    while !packed.rest.is_empty() {
                        found.block_sizes.push(packed.varint()?);
                    }
                }
                (5, Value::Varint(n)) => found.hash_type = Some(n),
                (6, Value::Varint(n)) => found.fanout = Some(n),
                (1..=6, value) => {
                    let wire = value.wire();
                    return Err(DataError::WireType { field, wire });
                }
                _ => {}
            }
        }
        found.kind = kind.ok_or(DataError::NoType)?;
        Ok(found)
    }
}

impl DataType {
    fn from_number(number: u64) -> Result<Self, DataError> {
        Ok(match number {
            0 => Self::Raw,
            1 => Self::Directory,
            2 => Self::File,
            3 => Self::Metadata,
            4 => Self::Symlink,
            5 => Self::HamtShard,
            other => return Err(DataError::UnknownType(other)),
        })
    }
}

enum Value {
    Varint(u64),
    Bytes(Bytes),
    Fixed(u8),
}

impl Value {
    fn wire(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Bytes(_) => 2,
            Self::Fixed(wire) => *wire,
        }
    }
}

/// Reads protobuf fields one after another; every slice shares the message's memory.
struct Fields {
    rest: Bytes,
}

impl Fields {
    fn next(&mut self) -> Result<Option<(u64, Value)>, DataError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let (field, wire) = (tag >> 3, (tag & 7) as u8);
        let value = match wire {
            0 => Value::Varint(self.varint()?),
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            1 | 5 => {
                self.take(if wire == 1 { 8 } else { 4 })?;
                Value::Fixed(wire)
            }
            _ => return Err(DataError::WireType { field, wire }),
        };
        Ok(Some((field, value)))
    }

    fn take(&mut self, len: u64) -> Result<Bytes, DataError> {
        match usize::try_from(len) {
            Ok(len) if len <= self.rest.len() => Ok(self.rest.split_to(len)),
            _ => Err(DataError::Truncated),
        }
    }

    fn varint(&mut self) -> Result<u64, DataError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some((&byte, _)) = self.rest.split_first() else {
                return Err(DataError::Truncated);
            };
            let _ = self.rest.split_to(1);
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DataError::IntegerTooLong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DataError::IntegerTooLong)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_message_reads_back() {
        let data = Data::decode(hamt_shard(&[1, 0, 255], 0x22, 256)).unwrap();
        assert_eq!(data.kind, DataType::HamtShard);
        assert_eq!(&data.data[..], [1, 0, 255]);
        assert_eq!((data.hash_type, data.fanout), (Some(0x22), Some(256)));
    }

    #[test]
    fn packed_and_repeated_sizes_mean_the_same() {
        let repeated = Data::decode(Bytes::from_static(&[8, 2, 0x20, 5, 0x20, 0x80, 1])).unwrap();
        let packed = Data::decode(Bytes::from_static(&[8, 2, 0x22, 3, 5, 0x80, 1])).unwrap();
        assert_eq!(repeated.block_sizes, [5, 128]);
        assert_eq!(packed, repeated);
    }

    #[test]
    fn an_eleven_byte_integer_is_refused() {
        let long: Vec<u8> = [8].into_iter().chain([0xff; 10]).chain([1]).collect();
        assert_eq!(Data::decode(long.into()), Err(DataError::IntegerTooLong));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = Data::decode(bytes.into());
        }

        #[test]
        fn varint_len_is_the_written_length(value: u64) {
            let mut out = Vec::new();
            write_varint(&mut out, value);
            prop_assert_eq!(out.len() as u64, varint_len(value));
        }
    }
}
