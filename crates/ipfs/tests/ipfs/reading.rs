//! What was written is what is read, whatever the layout and the range.

use std::collections::BTreeMap;

use bytes::Bytes;
use cid::Cid;
use cidcast_ipfs::unixfs::add::{AddError, FileBuilder, add_bytes, add_reader};
use cidcast_ipfs::unixfs::read::{
    Kind, ReadAllError, ReadError, ResolveError, list, read_all, resolve, stream,
};
use cidcast_ipfs::{BlockError, Blocks};
use futures::TryStreamExt;
use multihash_codetable::{Code, MultihashDigest};
use proptest::prelude::*;

use crate::parts::{DAG_PB, Fixture, Message, RAW, cid_of, link, node};
use crate::recipes::{Recipe, content};

async fn read(
    blocks: &Blocks,
    cid: &Cid,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, ReadError> {
    let parts: Vec<Bytes> = stream(blocks, cid, range).try_collect().await?;
    Ok(parts.concat())
}

/// A file tree of any layout that the specification allows.
#[derive(Debug, Clone)]
enum Layout {
    Raw(Vec<u8>),
    /// A dag-pb leaf; its type is `Raw` or `File`, its CID version 0 or 1.
    Leaf(Vec<u8>, bool, bool),
    /// A node with bytes of its own before those of its children.
    Node(Vec<u8>, Vec<Layout>),
}

fn layouts() -> impl Strategy<Value = Layout> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let leaf = prop_oneof![
        bytes().prop_map(Layout::Raw),
        (bytes(), any::<bool>(), any::<bool>()).prop_map(|(b, t, v)| Layout::Leaf(b, t, v)),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        (bytes(), proptest::collection::vec(inner, 0..6))
            .prop_map(|(own, children)| Layout::Node(own, children))
    })
}

impl Layout {
    /// Puts the tree and returns its root; appends its bytes to `all`.
    fn put(&self, fixture: &Fixture, all: &mut Vec<u8>) -> Cid {
        match self {
            Self::Raw(bytes) => {
                all.extend(bytes);
                fixture.put(RAW, bytes)
            }
            Self::Leaf(bytes, raw, old) => {
                all.extend(bytes);
                let message = Message {
                    kind: if *raw { 0 } else { 2 },
                    data: Some(bytes.clone()),
                    file_size: Some(bytes.len() as u64),
                    ..Message::default()
                };
                let cid = fixture.node(&message, vec![]);
                if *old {
                    Cid::new_v0(*cid.hash()).unwrap()
                } else {
                    cid
                }
            }
            Self::Node(own, children) => {
                all.extend(own);
                let mut message = Message {
                    kind: 2,
                    data: Some(own.clone()),
                    ..Message::default()
                };
                let mut links = Vec::new();
                for child in children {
                    let before = all.len();
                    links.push(link("", child.put(fixture, all)));
                    message.block_sizes.push((all.len() - before) as u64);
                }
                fixture.node(&message, links)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_any_layout_reads_back(
        layouts in proptest::collection::vec(layouts(), 1..8),
        ends: [prop::sample::Index; 4],
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let fixture = Fixture::new();
        for layout in layouts {
            let mut all = Vec::new();
            let root = layout.put(&fixture, &mut all);
            let whole = runtime.block_on(read(&fixture.blocks, &root, None)).unwrap();
            prop_assert_eq!(&whole, &all);
            for pair in ends.chunks(2) {
                let (a, b) = (pair[0].index(all.len() + 1), pair[1].index(all.len() + 1));
                let (a, b) = (a.min(b), a.max(b));
                let range = Some(a as u64..b as u64);
                let part = runtime.block_on(read(&fixture.blocks, &root, range)).unwrap();
                prop_assert_eq!(&part, &all[a..b]);
            }
        }
    }
}

proptest! {
    // Each case hashes and stores some megabytes three times.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn files_of_any_size_read_back(
        len in prop_oneof![0usize..3000, 1_040_000usize..1_060_000, 2_090_000usize..3_200_000],
        start: prop::sample::Index,
        end: prop::sample::Index,
        portion in 1usize..2_000_000,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let fixture = Fixture::new();
        let bytes = content(len);
        let file = add_bytes(&fixture.store, &fixture.guard, &bytes).unwrap();
        prop_assert_eq!(file.bytes, len as u64);
        prop_assert_eq!(add_reader(&fixture.store, &fixture.guard, &bytes[..]).unwrap(), file);
        let mut pushed = FileBuilder::new();
        for portion in bytes.chunks(portion) {
            pushed.push(portion);
        }
        prop_assert_eq!(pushed.finish().1, file);
        let (a, b) = (start.index(len + 1), end.index(len + 1));
        let (a, b) = (a.min(b), a.max(b));
        let part = runtime.block_on(read(&fixture.blocks, &file.cid, Some(a as u64..b as u64)));
        prop_assert!(part.unwrap() == bytes[a..b]);
        let whole = runtime.block_on(read_all(&fixture.blocks, &file.cid, len as u64)).unwrap();
        prop_assert!(whole == bytes);
    }
}

#[tokio::test]
async fn old_files_of_256_kib_dag_pb_leaves_read_back() {
    let fixture = Fixture::new();
    let bytes = content(3 * 262_144 + 17);
    let leaves = bytes.chunks(262_144).map(|chunk| {
        let message = Message {
            kind: 2,
            data: Some(chunk.to_vec()),
            file_size: Some(chunk.len() as u64),
            ..Message::default()
        };
        let cid = fixture.node(&message, vec![]);
        (Cid::new_v0(*cid.hash()).unwrap(), chunk.len() as u64)
    });
    let (cids, sizes): (Vec<_>, Vec<_>) = leaves.unzip();
    let links = cids.into_iter().map(|cid| link("", cid)).collect();
    let root = fixture.node(&Message::file(&sizes), links);
    let root = Cid::new_v0(*root.hash()).unwrap();
    let part = read(&fixture.blocks, &root, Some(262_000..530_000))
        .await
        .unwrap();
    assert!(part == bytes[262_000..530_000]);
    let found = resolve(&fixture.blocks, &root, "").await.unwrap();
    let bytes = bytes.len() as u64;
    assert_eq!(found.kind, Kind::File { bytes });
}

#[tokio::test]
async fn a_range_touches_only_the_blocks_on_its_way() {
    let fixture = Fixture::new();
    let leaf = |n: u8| vec![n; 10];
    let branch = |n: u8| {
        let links = (0..4)
            .map(|i| link("", cid_of(RAW, &leaf(4 * n + i))))
            .collect();
        node(&Message::file(&[10; 4]), links)
    };
    let links = (0..4)
        .map(|n| link("", cid_of(DAG_PB, &branch(n))))
        .collect();
    let root = fixture.node(&Message::file(&[40; 4]), links);
    // Bytes 75 to 95 are the end of leaf 7, leaf 8, and half of leaf 9.
    for n in [1, 2] {
        fixture.put(DAG_PB, branch(n));
    }
    for n in [7, 8, 9] {
        fixture.put(RAW, leaf(n));
    }
    let part = read(&fixture.blocks, &root, Some(75..95)).await.unwrap();
    assert_eq!(part, [vec![7; 5], vec![8; 10], vec![9; 5]].concat());
    let beyond = read(&fixture.blocks, &root, Some(75..101))
        .await
        .unwrap_err();
    let ReadError::Block(BlockError::NotFound { cid }) = beyond else {
        panic!("{beyond}");
    };
    assert_eq!(*cid, cid_of(RAW, &leaf(10)));
}

#[test]
fn a_reader_that_fails_half_way_is_not_a_shorter_file() {
    struct Torn;
    impl std::io::Read for Torn {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let fixture = Fixture::new();
    let bytes = content(1_500_000);
    let torn = std::io::Read::chain(&bytes[..], Torn);
    let error = add_reader(&fixture.store, &fixture.guard, torn).unwrap_err();
    assert!(matches!(error, AddError::Read(_)));
}

#[tokio::test]
async fn inline_blocks_are_read_from_their_cids() {
    let fixture = Fixture::new();
    let tiny = Cid::new_v1(
        RAW,
        multihash_codetable::Multihash::wrap(0, b"tiny").unwrap(),
    );
    let root = fixture.node(
        &Message::file(&[4, 4]),
        vec![link("", tiny), link("", tiny)],
    );
    assert_eq!(
        read(&fixture.blocks, &root, None).await.unwrap(),
        b"tinytiny"
    );
}

#[tokio::test]
async fn a_range_beyond_the_file_is_refused_before_any_byte() {
    let fixture = Fixture::new();
    let cid = fixture.put(RAW, b"four");
    let error = read(&fixture.blocks, &cid, Some(2..5)).await.unwrap_err();
    assert!(matches!(error, ReadError::OutOfRange { end: 5, bytes: 4 }));
    assert_eq!(read(&fixture.blocks, &cid, Some(4..4)).await.unwrap(), b"");
}

#[tokio::test]
async fn reading_into_memory_stops_at_the_limit() {
    let fixture = Fixture::new();
    let cid = fixture.put(RAW, b"four");
    let error = read_all(&fixture.blocks, &cid, 3).await.unwrap_err();
    assert!(matches!(error, ReadAllError::TooLong { limit: 3 }));
}

#[tokio::test]
async fn every_path_of_a_tree_resolves_and_every_directory_lists() {
    for (recipe, sharded) in [(Recipe::package(), false), (Recipe::many(6000, 0), true)] {
        let fixture = Fixture::new();
        let root = recipe
            .tree()
            .finish(&fixture.store, &fixture.guard)
            .unwrap();
        let found = resolve(&fixture.blocks, &root.cid, "/").await.unwrap();
        assert_eq!(found.kind, Kind::Directory { hamt: sharded });
        let mut names = BTreeMap::new();
        for (path, bytes) in recipe.files() {
            let file = add_bytes(&fixture.store, &fixture.guard, bytes).unwrap();
            let found = resolve(&fixture.blocks, &root.cid, path).await.unwrap();
            assert_eq!(found.cid, file.cid, "{path}");
            let bytes = file.bytes;
            assert!(
                matches!(found.kind, Kind::Raw { bytes: b } | Kind::File { bytes: b } if b == bytes)
            );
            names.insert(path.split('/').next().unwrap(), file.dag_bytes);
        }
        if !sharded {
            names.insert("captions", 0);
        }
        let listed = list(&fixture.blocks, &root.cid).await.unwrap();
        assert!(
            listed
                .iter()
                .map(|entry| entry.name.as_str())
                .eq(names.keys().copied())
        );
        let missing = resolve(&fixture.blocks, &root.cid, "nothing")
            .await
            .unwrap_err();
        assert!(matches!(missing, ResolveError::NotFound { .. }));
    }
}

#[tokio::test]
async fn what_is_no_directory_has_nothing_below_it() {
    let fixture = Fixture::new();
    let file = fixture.put(RAW, b"file");
    let target = Message {
        kind: 4,
        data: Some(b"../elsewhere".to_vec()),
        ..Message::default()
    };
    let symlink = fixture.node(&target, vec![]);
    let other = cid_of(0x71, b"cbor");
    let links = vec![
        link("file", file),
        link("other", other),
        link("symlink", symlink),
    ];
    let root = fixture.node(&Message::directory(), links);
    for path in ["file/x", "other/x", "symlink/x"] {
        let error = resolve(&fixture.blocks, &root, path).await.unwrap_err();
        assert!(
            matches!(error, ResolveError::NotADirectory { .. }),
            "{path}"
        );
    }
    let kind = |path| {
        let blocks = fixture.blocks.clone();
        async move { resolve(&blocks, &root, path).await.unwrap().kind }
    };
    let target = "../elsewhere".to_owned();
    assert_eq!(kind("symlink").await, Kind::Symlink { target });
    assert_eq!(kind("/other/").await, Kind::Other { codec: 0x71 });
    assert_eq!(kind("file").await, Kind::Raw { bytes: 4 });
    let digest = Code::Sha2_256.digest(b"nobody has this");
    let unknown = resolve(&fixture.blocks, &Cid::new_v1(DAG_PB, digest), "a").await;
    assert!(matches!(
        unknown,
        Err(ResolveError::Block(BlockError::NotFound { .. }))
    ));
}
