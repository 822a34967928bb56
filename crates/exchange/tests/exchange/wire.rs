//! Bitswap's protobuf by hand, so that the tests do not believe the code they test.

use bytes::{BufMut, Bytes};
use cid::Cid;

/// A message as a test sees it.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// CID, want type (1: HAVE), whether it is a cancel.
    pub(crate) wants: Vec<(Cid, u64, bool)>,
    pub(crate) blocks: Vec<Bytes>,
    pub(crate) haves: Vec<Cid>,
    pub(crate) dont_haves: Vec<Cid>,
}

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.put_u8(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.put_u8(u8::try_from(value).unwrap());
}

fn bytes_field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn number_field(out: &mut Vec<u8>, number: u64, value: u64) {
    varint(out, number << 3);
    varint(out, value);
}

/// A frame with its length.
pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    varint(&mut frame, body.len() as u64);
    frame.extend(body);
    frame
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Have,
    Block,
    Cancel,
}

/// A message of wants that asks to be told of what is not there.
pub(crate) fn wants<'a>(cids: impl IntoIterator<Item = &'a Cid>, want: Want) -> Vec<u8> {
    let mut list = Vec::new();
    for cid in cids {
        let mut entry = Vec::new();
        bytes_field(&mut entry, 1, &cid.to_bytes());
        number_field(&mut entry, 2, 1);
        match want {
            Want::Block => {}
            Want::Have => number_field(&mut entry, 4, 1),
            Want::Cancel => number_field(&mut entry, 3, 1),
        }
        if want != Want::Cancel {
            number_field(&mut entry, 5, 1);
        }
        bytes_field(&mut list, 1, &entry);
    }
    let mut body = Vec::new();
    bytes_field(&mut body, 1, &list);
    framed(&body)
}

/// A dag-pb node that links to these.
pub(crate) fn node(children: &[Cid]) -> Vec<u8> {
    let mut body = Vec::new();
    for child in children {
        let mut link = Vec::new();
        bytes_field(&mut link, 1, &child.to_bytes());
        bytes_field(&mut body, 2, &link);
    }
    body
}

/// A message of raw sha2-256 blocks, whatever their bytes.
pub(crate) fn blocks<'a>(blocks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for data in blocks {
        let mut block = Vec::new();
        bytes_field(&mut block, 1, &[1, 0x55, 0x12, 32]);
        bytes_field(&mut block, 2, data);
        bytes_field(&mut body, 3, &block);
    }
    framed(&body)
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a message: number, value of a varint, or bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes);
        let value = read_varint(&mut bytes);
        match key & 7 {
            0 => fields.push((key >> 3, value, &bytes[..0])),
            2 => {
                let (content, rest) = bytes.split_at(usize::try_from(value).unwrap());
                fields.push((key >> 3, 0, content));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    fields
}

/// The value of a number field, 0 if it is missing.
fn number(fields: &[(u64, u64, &[u8])], number: u64) -> u64 {
    fields
        .iter()
        .find(|field| field.0 == number)
        .map_or(0, |field| field.1)
}

fn content<'a>(fields: &[(u64, u64, &'a [u8])], number: u64) -> &'a [u8] {
    fields.iter().find(|field| field.0 == number).unwrap().2
}

/// Reads a frame without its length.
pub(crate) fn read(body: &[u8]) -> Seen {
    let mut seen = Seen::default();
    for (field, _, bytes) in fields(body) {
        match field {
            1 => {
                for (field, _, entry) in fields(bytes) {
                    if field == 1 {
                        let entry = fields(entry);
                        let cid = Cid::try_from(content(&entry, 1)).unwrap();
                        seen.wants
                            .push((cid, number(&entry, 4), number(&entry, 3) != 0));
                    }
                }
            }
            3 => {
                let data = content(&fields(bytes), 2);
                seen.blocks.push(Bytes::copy_from_slice(data));
            }
            4 => {
                let presence = fields(bytes);
                let cid = Cid::try_from(content(&presence, 1)).unwrap();
                if number(&presence, 2) == 0 {
                    seen.haves.push(cid);
                } else {
                    seen.dont_haves.push(cid);
                }
            }
            _ => {}
        }
    }
    seen
}
