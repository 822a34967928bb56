//! Hand-made blocks: any UnixFS node, honest or not, in a store of its own.

use bytes::Bytes;
use cid::Cid;
use cidcast_ipfs::Blocks;
use cidcast_store::{InFlight, Store, StoreSettings};
use ipld_dagpb::{PbLink, PbNode};
use multihash_codetable::{Code, MultihashDigest};
use tempfile::TempDir;

pub(crate) const RAW: u64 = 0x55;
pub(crate) const DAG_PB: u64 = 0x70;

/// A store that lasts as long as the test.
pub(crate) struct Fixture {
    pub(crate) blocks: Blocks,
    pub(crate) store: Store,
    pub(crate) guard: InFlight,
    _folder: TempDir,
}

/// A UnixFS message as it is written to the wire.
#[derive(Clone, Default)]
pub(crate) struct Message {
    pub(crate) kind: u64,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) file_size: Option<u64>,
    pub(crate) block_sizes: Vec<u64>,
    pub(crate) hash_type: Option<u64>,
    pub(crate) fanout: Option<u64>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
        Self {
            blocks: Blocks::new(store.clone()),
            guard: store.in_flight(),
            store,
            _folder: folder,
        }
    }

    pub(crate) fn put(&self, codec: u64, data: impl AsRef<[u8]>) -> Cid {
        let cid = cid_of(codec, data.as_ref());
        self.store.put(&cid, data.as_ref(), &self.guard).unwrap();
        cid
    }

    pub(crate) fn node(&self, message: &Message, links: Vec<PbLink>) -> Cid {
        self.put(DAG_PB, node(message, links))
    }
}

pub(crate) fn cid_of(codec: u64, data: &[u8]) -> Cid {
    Cid::new_v1(codec, Code::Sha2_256.digest(data))
}

pub(crate) fn node(message: &Message, links: Vec<PbLink>) -> Vec<u8> {
    let data = Some(Bytes::from(message.encode()));
    PbNode { links, data }.into_bytes()
}

pub(crate) fn link(name: impl Into<String>, cid: Cid) -> PbLink {
    PbLink {
        cid,
        name: Some(name.into()),
        size: Some(1),
    }
}

impl Message {
    pub(crate) fn directory() -> Self {
        Self {
            kind: 1,
            ..Self::default()
        }
    }

    pub(crate) fn file(block_sizes: &[u64]) -> Self {
        Self {
            kind: 2,
            file_size: Some(
                block_sizes
                    .iter()
                    .fold(0, |sum, size| sum.wrapping_add(*size)),
            ),
            block_sizes: block_sizes.to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn shard() -> Self {
        Self {
            kind: 5,
            data: Some(vec![1]),
            hash_type: Some(0x22),
            fanout: Some(256),
            ..Self::default()
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![0x08];
        varint(&mut out, self.kind);
        if let Some(data) = &self.data {
            out.push(0x12);
            varint(&mut out, data.len() as u64);
            out.extend(data);
        }
        let numbers = (self.file_size.iter().map(|size| (0x18, size)))
            .chain(self.block_sizes.iter().map(|size| (0x20, size)))
            .chain(self.hash_type.iter().map(|hash| (0x28, hash)))
            .chain(self.fanout.iter().map(|fanout| (0x30, fanout)));
        for (tag, value) in numbers {
            out.push(tag);
            varint(&mut out, *value);
        }
        out
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}
