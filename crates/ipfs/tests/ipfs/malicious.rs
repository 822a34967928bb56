//! DAGs that lie. Each ends in an error, soon, and without a panic.

use bytes::Bytes;
use cid::Cid;
use cidcast_ipfs::unixfs::NodeFault;
use cidcast_ipfs::unixfs::read::{
    ListError, ReadAllError, ReadError, ResolveError, list, read_all, resolve, stream,
};
use futures::{StreamExt, TryStreamExt};
use ipld_dagpb::PbLink;
use multihash_codetable::Multihash;
use proptest::prelude::*;

use crate::parts::{DAG_PB, Fixture, Message, RAW, cid_of, link, node};

async fn read_error(fixture: &Fixture, cid: &Cid) -> ReadError {
    let bytes: Result<Vec<Bytes>, _> = stream(&fixture.blocks, cid, None).try_collect().await;
    bytes.unwrap_err()
}

fn fault(error: ReadError) -> NodeFault {
    match error {
        ReadError::Node(error) => error.fault,
        other => panic!("{other}"),
    }
}

fn nameless(cid: Cid) -> PbLink {
    PbLink {
        cid,
        name: None,
        size: None,
    }
}

#[tokio::test]
async fn a_directory_link_without_a_name_is_an_error() {
    let fixture = Fixture::new();
    let file = fixture.put(RAW, b"x");
    for directory in [
        fixture.node(&Message::directory(), vec![nameless(file)]),
        fixture.node(&Message::directory(), vec![link("", file)]),
        fixture.node(&Message::shard(), vec![nameless(file)]),
    ] {
        let ListError::Node(error) = list(&fixture.blocks, &directory).await.unwrap_err() else {
            panic!("another error");
        };
        assert!(matches!(error.fault, NodeFault::UnnamedLink(0)));
        let error = resolve(&fixture.blocks, &directory, "x").await.unwrap_err();
        assert!(matches!(error, ResolveError::Node(_)));
    }
}

#[tokio::test]
async fn sizes_that_do_not_add_up_are_an_error() {
    let fixture = Fixture::new();
    let leaf = fixture.put(RAW, b"12345");
    let two = || vec![nameless(leaf), nameless(leaf)];
    let one_size = fixture.node(&Message::file(&[10]), two());
    let wrong_total = Message {
        file_size: Some(11),
        ..Message::file(&[5, 5])
    };
    let wrong_total = fixture.node(&wrong_total, two());
    let overflow = fixture.node(&Message::file(&[u64::MAX, 2]), two());
    let sizes = fault(read_error(&fixture, &one_size).await);
    assert!(matches!(
        sizes,
        NodeFault::SizesMissing { links: 2, sizes: 1 }
    ));
    let total = fault(read_error(&fixture, &wrong_total).await);
    assert!(matches!(
        total,
        NodeFault::SizesDiffer {
            declared: 11,
            actual: 10
        }
    ));
    let sum = fault(read_error(&fixture, &overflow).await);
    assert!(matches!(sum, NodeFault::SizesOverflow));
}

#[tokio::test]
async fn a_part_of_another_length_than_declared_is_an_error() {
    let fixture = Fixture::new();
    let leaf = fixture.put(RAW, b"12345");
    for declared in [1, 4, 6, 1 << 40, u64::MAX / 2] {
        let root = fixture.node(&Message::file(&[declared]), vec![nameless(leaf)]);
        let error = read_error(&fixture, &root).await;
        let ReadError::WrongSize {
            declared: d,
            actual: 5,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(d, declared);
        let root = fixture.node(&Message::file(&[declared]), vec![nameless(root)]);
        assert!(matches!(
            read_error(&fixture, &root).await,
            ReadError::WrongSize { .. }
        ));
    }
}

#[tokio::test]
async fn a_tower_of_nodes_is_given_up() {
    let fixture = Fixture::new();
    let mut top = fixture.put(RAW, b"!");
    for level in 0..80 {
        top = fixture.node(&Message::file(&[1]), vec![nameless(top)]);
        let whole = read_all(&fixture.blocks, &top, 1).await;
        match level {
            0..64 => assert_eq!(whole.unwrap(), "!"),
            _ => assert!(matches!(
                whole.unwrap_err(),
                ReadAllError::Read(ReadError::TooDeep { .. })
            )),
        }
    }
}

#[tokio::test]
async fn empty_parts_are_not_opened() {
    let fixture = Fixture::new();
    let missing = nameless(cid_of(DAG_PB, b"nobody has this"));
    let root = fixture.node(&Message::file(&[0; 10_000]), vec![missing; 10_000]);
    assert_eq!(read_all(&fixture.blocks, &root, 0).await.unwrap(), "");
}

/// 50 nodes that stand for 2^50 bytes: as long as it says, and no longer than the reader wants.
#[tokio::test]
async fn a_file_far_larger_than_its_blocks_is_read_no_further_than_asked() {
    let fixture = Fixture::new();
    let mut top = fixture.put(RAW, b"!");
    for level in 0..50 {
        let half = 1u64 << level;
        top = fixture.node(&Message::file(&[half, half]), vec![nameless(top); 2]);
    }
    let error = read_all(&fixture.blocks, &top, 1000).await.unwrap_err();
    assert!(matches!(error, ReadAllError::TooLong { limit: 1000 }));
    let end = 1u64 << 50;
    let last: Vec<Bytes> = stream(&fixture.blocks, &top, Some(end - 3..end))
        .try_collect()
        .await
        .unwrap();
    assert_eq!(last.concat(), b"!!!");
    let few = stream(&fixture.blocks, &top, None).take(5).count().await;
    assert_eq!(few, 5);
}

#[tokio::test]
async fn blocks_that_are_not_unixfs_are_an_error() {
    let fixture = Fixture::new();
    let pb = |data: Option<&'static [u8]>| {
        let data = data.map(Bytes::from_static);
        fixture.put(
            DAG_PB,
            ipld_dagpb::PbNode {
                links: vec![],
                data,
            }
            .into_bytes(),
        )
    };
    let cbor = fixture.put(0x71, [0xa0]);
    assert!(matches!(
        fault(read_error(&fixture, &pb(None)).await),
        NodeFault::NoData
    ));
    for junk in [
        &b""[..],
        b"junk",
        &[0x08, 0x07],
        &[0x08],
        &[0x12, 0xff, 0x01],
    ] {
        assert!(matches!(
            fault(read_error(&fixture, &pb(Some(junk))).await),
            NodeFault::Data(_)
        ));
    }
    assert!(matches!(
        fault(read_error(&fixture, &cbor).await),
        NodeFault::Codec(0x71)
    ));
    let not_pb = fixture.put(DAG_PB, b"\xff\xff\xff");
    assert!(matches!(
        fault(read_error(&fixture, &not_pb).await),
        NodeFault::DagPb(_)
    ));
    let directory = fixture.node(&Message::directory(), vec![]);
    assert!(matches!(
        read_error(&fixture, &directory).await,
        ReadError::NotAFile { .. }
    ));
}

#[tokio::test]
async fn shards_of_an_impossible_shape_are_an_error() {
    let fixture = Fixture::new();
    let file = fixture.put(RAW, b"x");
    let shaped = |fanout, hash_type| {
        let message = Message {
            fanout,
            hash_type,
            ..Message::shard()
        };
        fixture.node(&message, vec![link("00x", file)])
    };
    for directory in [
        shaped(None, Some(0x22)),
        shaped(Some(0), Some(0x22)),
        shaped(Some(4), Some(0x22)),
        shaped(Some(255), Some(0x22)),
        shaped(Some(1 << 20), Some(0x22)),
        shaped(Some(u64::MAX), Some(0x22)),
        shaped(Some(256), None),
        shaped(Some(256), Some(0x12)),
        fixture.node(&Message::shard(), vec![link("0", file)]),
        fixture.node(&Message::shard(), vec![link("+1x", file)]),
        fixture.node(&Message::shard(), vec![link("é", file)]),
    ] {
        let error = list(&fixture.blocks, &directory).await.unwrap_err();
        assert!(matches!(error, ListError::Node(_)), "{error}");
    }
}

#[tokio::test]
async fn shards_that_lead_nowhere_are_given_up() {
    let fixture = Fixture::new();
    // Every position of every level leads on: deeper than a hash reaches, and 256^8 shards wide.
    let mut top = fixture.node(&Message::shard(), vec![link("00x", fixture.put(RAW, b"x"))]);
    for _ in 0..9 {
        let all = (0..256).map(|i| link(format!("{i:02X}"), top)).collect();
        top = fixture.node(&Message::shard(), all);
    }
    let error = list(&fixture.blocks, &top).await.unwrap_err();
    assert!(matches!(error, ListError::BadShard { .. }));
    let error = resolve(&fixture.blocks, &top, "name").await.unwrap_err();
    assert!(matches!(error, ResolveError::ShardTooDeep { .. }));
    let empty = Message {
        data: None,
        ..Message::shard()
    };
    let hollow = fixture.node(&empty, vec![]);
    let top = fixture.node(&Message::shard(), vec![link("00", hollow)]);
    let error = list(&fixture.blocks, &top).await.unwrap_err();
    assert!(matches!(error, ListError::BadShard { .. }));
}

#[tokio::test]
async fn a_directory_with_too_many_entries_is_given_up() {
    let fixture = Fixture::new();
    let nothing = Multihash::wrap(0, b"").unwrap();
    let nothing = Cid::new_v1(RAW, nothing);
    let shards = (0..11).map(|shard| {
        let links = (0..100_000).map(|n| link(format!("{shard:02X}{n:06}"), nothing));
        let full = fixture.node(&Message::shard(), links.collect());
        link(format!("{shard:02X}"), full)
    });
    let top = fixture.node(&Message::shard(), shards.collect());
    let error = list(&fixture.blocks, &top).await.unwrap_err();
    assert!(matches!(error, ListError::TooManyEntries { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every reader over honest nodes in which some bytes were changed.
    #[test]
    fn no_bytes_make_a_reader_panic(
        kind in 0u64..7,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut: prop::sample::Index,
    ) {
        // One store for all cases: opening one takes longer than everything else here.
        static SHARED: std::sync::LazyLock<(tokio::runtime::Runtime, Fixture)> =
            std::sync::LazyLock::new(|| {
                (tokio::runtime::Runtime::new().unwrap(), Fixture::new())
            });
        let (runtime, fixture) = &*SHARED;
        let leaf = fixture.put(RAW, b"12345");
        let message = Message {
            kind,
            block_sizes: vec![5, 5],
            ..Message::shard()
        };
        let mut bytes = node(&message, vec![link("00a", leaf), link("01b", leaf)]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        let cid = fixture.put(DAG_PB, bytes);
        runtime.block_on(async {
            let _ = resolve(&fixture.blocks, &cid, "a/b").await;
            let _ = list(&fixture.blocks, &cid).await;
            let _ = read_all(&fixture.blocks, &cid, 1 << 20).await;
        });
    }
}
