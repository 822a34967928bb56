//! Every UnixFS reader over a DAG whose nodes say anything and link to nodes before them.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{list, read_all, resolve, stream};
use cidcast_store::{Store, StoreSettings};
use cidcast_types::Cid;
use futures::{StreamExt, TryStreamExt};
use ipld_dagpb::{PbLink, PbNode};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use multihash_codetable::{Code, MultihashDigest};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
/// Children read before a stream is left: honest answers are far shorter.
const PARTS: usize = 1000;

#[derive(Debug, Arbitrary)]
struct Dag {
    nodes: Vec<Node>,
    path: String,
    range: (u32, u32),
}

#[derive(Debug, Arbitrary)]
enum Node {
    Raw(Vec<u8>),
    /// The UnixFS message, field by field.
    UnixFs {
        kind: u8,
        data: Option<Vec<u8>>,
        file_size: Option<u64>,
        block_sizes: Vec<u64>,
        hash_type: Option<u64>,
        fanout: Option<u64>,
        links: Vec<Link>,
    },
}

#[derive(Debug, Arbitrary)]
struct Link {
    /// Which of the nodes before.
    to: u8,
    name: Option<String>,
    size: Option<u64>,
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Node {
    fn encode(&self, before: &[Cid]) -> (u64, Vec<u8>) {
        let Self::UnixFs {
            kind,
            data,
            file_size,
            block_sizes,
            hash_type,
            fanout,
            links,
        } = self
        else {
            let Self::Raw(bytes) = self else {
                unreachable!()
            };
            return (RAW, bytes.clone());
        };
        let mut message = vec![0x08, kind & 0x7f];
        if let Some(data) = data {
            message.push(0x12);
            varint(&mut message, data.len() as u64);
            message.extend(data);
        }
        let numbers = file_size.iter().map(|size| (0x18, size));
        let numbers = numbers.chain(block_sizes.iter().map(|size| (0x20, size)));
        let numbers = numbers.chain(hash_type.iter().map(|hash| (0x28, hash)));
        for (tag, value) in numbers.chain(fanout.iter().map(|fanout| (0x30, fanout))) {
            message.push(tag);
            varint(&mut message, *value);
        }
        let links = links.iter().filter_map(|link| {
            Some(PbLink {
                cid: *before.get(usize::from(link.to) % before.len().max(1))?,
                name: link.name.clone(),
                size: link.size,
            })
        });
        let node = PbNode {
            links: links.collect(),
            data: Some(Bytes::from(message)),
        };
        (DAG_PB, node.into_bytes())
    }
}

static NODE: LazyLock<(TempDir, Runtime, Blocks)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), StoreSettings::default()).expect("a new store");
    let runtime = Builder::new_current_thread().enable_all().build();
    (folder, runtime.expect("a runtime"), Blocks::new(store))
});

fuzz_target!(|dag: Dag| {
    let (_, runtime, blocks) = &*NODE;
    let store = blocks.store();
    let guard = store.in_flight();
    let mut cids = Vec::new();
    for node in dag.nodes.iter().take(32) {
        let (codec, bytes) = node.encode(&cids);
        let cid = Cid::new_v1(codec, Code::Sha2_256.digest(&bytes));
        store.put(&cid, &bytes, &guard).expect("room for a block");
        cids.push(cid);
    }
    let Some(root) = cids.last() else {
        return;
    };
    runtime.block_on(async {
        let _ = resolve(blocks, root, &dag.path).await;
        let _ = list(blocks, root).await;
        let whole = read_all(blocks, root, 1 << 16).await;
        let (start, length) = (u64::from(dag.range.0), u64::from(dag.range.1 % 4096));
        let range = start..start + length;
        let part: Result<Vec<Bytes>, _> = stream(blocks, root, Some(range.clone()))
            .take(PARTS)
            .try_collect()
            .await;
        if let (Ok(whole), Ok(part)) = (whole, part)
            && part.len() < PARTS
        {
            let (start, end) = (range.start as usize, range.end as usize);
            assert_eq!(part.concat(), whole[start..end]);
        }
    });
});
