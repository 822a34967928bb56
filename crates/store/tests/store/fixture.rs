//! Small DAGs and temporary stores.

use bytes::Bytes;
use cid::Cid;
use cidcast_store::{Holder, InFlight, Store, StoreSettings};
use ipld_dagpb::{PbLink, PbNode};
use multihash_codetable::{Code, MultihashDigest};
use tempfile::TempDir;

pub(crate) const RAW: u64 = 0x55;
pub(crate) const DAG_PB: u64 = 0x70;

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) cid: Cid,
    pub(crate) data: Bytes,
}

/// A DAG; `blocks` lists each block once, children first.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) root: Cid,
    pub(crate) blocks: Vec<Block>,
}

pub(crate) fn cid_of(codec: u64, data: &[u8]) -> Cid {
    Cid::new_v1(codec, Code::Sha2_256.digest(data))
}

pub(crate) fn leaf(n: u32) -> Block {
    let data = Bytes::from(n.to_be_bytes().repeat(25 + n as usize));
    Block {
        cid: cid_of(RAW, &data),
        data,
    }
}

pub(crate) fn node(children: &[Cid]) -> Block {
    let link = |cid: &Cid| PbLink {
        cid: *cid,
        name: None,
        size: None,
    };
    let node = PbNode {
        links: children.iter().map(link).collect(),
        data: None,
    };
    let data = Bytes::from(node.into_bytes());
    Block {
        cid: cid_of(DAG_PB, &data),
        data,
    }
}

/// A root over two nodes over the leaves `from..to`: trees of overlapping ranges share blocks.
pub(crate) fn tree(from: u32, to: u32) -> Tree {
    let leaves: Vec<Block> = (from..to).map(leaf).collect();
    let cids: Vec<Cid> = leaves.iter().map(|block| block.cid).collect();
    let (left, right) = cids.split_at(cids.len() / 2);
    let (left, right) = (node(left), node(right));
    let root = node(&[left.cid, right.cid]);
    let mut blocks = leaves;
    blocks.extend([left, right, root.clone()]);
    blocks.dedup_by_key(|block| block.cid);
    Tree {
        root: root.cid,
        blocks,
    }
}

impl Tree {
    pub(crate) fn put(&self, store: &Store, guard: &InFlight) {
        for block in &self.blocks {
            store.put(&block.cid, &block.data, guard).unwrap();
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.blocks
            .iter()
            .map(|block| block.data.len() as u64)
            .sum()
    }
}

pub(crate) fn holder(name: &str) -> Holder {
    name.parse().unwrap()
}

/// In memory where the system offers it: these tests are about order, not about the disk.
pub(crate) fn temp_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(crate) fn settings() -> StoreSettings {
    StoreSettings {
        reserve_bytes: 0,
        ..StoreSettings::default()
    }
}

pub(crate) fn open(dir: &TempDir) -> Store {
    Store::open(dir.path(), settings()).unwrap()
}

/// Where a block's file is.
pub(crate) fn file_of(dir: &TempDir, cid: &Cid) -> std::path::PathBuf {
    let name = data_encoding::BASE32_NOPAD.encode(&cid.hash().to_bytes());
    let folder = &name[name.len() - 3..name.len() - 1];
    dir.path()
        .join("blocks")
        .join(folder)
        .join(format!("{name}.data"))
}
