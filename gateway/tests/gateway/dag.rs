//! Blocks that no honest tool writes.

use cidcast_ipfs::unixfs::DAG_PB;
use cidcast_types::Cid;

/// A dag-pb node (dag-pb specification) with one link and UnixFS `data`.
pub(crate) fn node(name: &str, target: &Cid, data: &[u8]) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| {
        let mut field = vec![tag, u8::try_from(bytes.len()).unwrap()];
        field.extend_from_slice(bytes);
        field
    };
    let link = [
        field(0x0a, &target.to_bytes()),
        field(0x12, name.as_bytes()),
    ]
    .concat();
    [field(0x12, &link), field(0x0a, data)].concat()
}

/// UnixFS data of a directory.
pub(crate) const DIRECTORY: &[u8] = &[0x08, 0x01];
/// UnixFS data of a file with one part of 7 bytes.
pub(crate) const FILE_OF_7: &[u8] = &[0x08, 0x02, 0x18, 0x07, 0x20, 0x07];

pub(crate) fn identity(block: &[u8]) -> Cid {
    let mut bytes = vec![
        1,
        u8::try_from(DAG_PB).unwrap(),
        0,
        u8::try_from(block.len()).unwrap(),
    ];
    bytes.extend_from_slice(block);
    Cid::try_from(bytes.as_slice()).unwrap()
}

/// A dag-pb node without links.
pub(crate) fn unixfs(data: &[u8]) -> Vec<u8> {
    [&[0x0a, u8::try_from(data.len()).unwrap()], data].concat()
}

/// `hello`, raw, inline: `f` is base 16, then version 1, raw, identity, 5 bytes.
pub(crate) const RAW_HELLO: &str = "f0155000568656c6c6f";
/// `hello` as dag-json, inline.
pub(crate) const UNKNOWN_CODEC: &str = "f01a902000568656c6c6f";
