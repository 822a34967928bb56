//! CAR files.

use cidcast_store::{Audience, ImportError, ImportLimits, PutError, Store, StoreSettings};

use crate::fixture::{Tree, holder, leaf, node, open, settings, temp_dir, tree};

fn exported(tree: &Tree) -> Vec<u8> {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    let mut car = Vec::new();
    store.export_car(&tree.root, &mut car).unwrap();
    car
}

#[test]
fn an_exported_dag_comes_back_whole_and_pinned() {
    let tree = tree(0, 9);
    let car = exported(&tree);
    let dir = temp_dir();
    let store = open(&dir);
    let roots = store
        .import_car(&car[..], &holder("a"), Audience::Anyone)
        .unwrap();
    assert_eq!(roots, [tree.root]);
    store.flush_deletes().unwrap();
    for block in &tree.blocks {
        assert_eq!(store.get(&block.cid).unwrap(), block.data);
        assert_eq!(store.audience(&block.cid).unwrap(), Some(Audience::Anyone));
    }
    let mut again = Vec::new();
    store.export_car(&tree.root, &mut again).unwrap();
    assert_eq!(again, car);
}

#[test]
fn a_dag_in_several_cars_comes_back_whole_from_all_of_them_only() {
    let tree = tree(0, 9);
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    tree.put(&store, &guard);
    let cars = |limit| {
        let mut cars = Vec::new();
        let each = |car| {
            cars.push(car);
            Ok(())
        };
        store.export_cars(&tree.root, limit, each).unwrap();
        cars
    };
    let whole = cars(usize::MAX);
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].bytes, exported(&tree));
    let all: usize = tree.blocks.iter().map(|block| block.data.len()).sum();
    let several = cars(all / 3);
    assert!(several.len() >= 3, "{}", several.len());
    assert_eq!(several, cars(all / 3), "the same each time");
    let blocks: u64 = several.iter().map(|car| car.blocks).sum();
    assert_eq!(blocks, whole[0].blocks);
    assert!(cars(1).iter().all(|car| car.blocks == 1));

    let dir = temp_dir();
    let copy = open(&dir);
    let import = |cars: &[cidcast_store::ExportedCar]| {
        let files = cars.iter().map(|car| Ok(&car.bytes[..]));
        copy.import_cars(files, &holder("a"), Audience::Anyone)
    };
    let error = import(&several[1..]).unwrap_err();
    assert!(matches!(error, ImportError::Pin(_)), "{error}");
    assert_eq!(import(&several).unwrap(), [tree.root]);
    let mut again = Vec::new();
    copy.export_car(&tree.root, &mut again).unwrap();
    assert_eq!(again, whole[0].bytes);

    let stopped = store.export_cars(
        &tree.root,
        1,
        |_| Err(std::io::ErrorKind::BrokenPipe.into()),
    );
    assert!(stopped.is_err());
}

#[test]
fn blocks_stand_depth_first_and_once() {
    let (shared, right) = (node(&[leaf(1).cid]), node(&[leaf(1).cid, leaf(2).cid]));
    let root = node(&[shared.cid, right.cid, shared.cid]);
    let blocks = vec![
        leaf(1),
        leaf(2),
        shared.clone(),
        right.clone(),
        root.clone(),
    ];
    let car = exported(&Tree {
        root: root.cid,
        blocks,
    });
    let at = |cid: &cid::Cid| {
        let bytes = cid.to_bytes();
        let found: Vec<_> = car
            .windows(bytes.len())
            .enumerate()
            .filter(|(_, w)| *w == bytes)
            .collect();
        // A dag-pb link holds the CID too; the entry itself stands before its own bytes.
        found.into_iter().map(|(at, _)| at).collect::<Vec<_>>()
    };
    let entry = |block: &crate::fixture::Block| {
        let ends = |at: &usize| car[at + block.cid.to_bytes().len()..].starts_with(&block.data);
        let entries: Vec<usize> = at(&block.cid).into_iter().filter(ends).collect();
        assert_eq!(entries.len(), 1);
        entries[0]
    };
    let order = [
        entry(&root),
        entry(&shared),
        entry(&leaf(1)),
        entry(&right),
        entry(&leaf(2)),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn an_export_of_a_dag_with_a_hole_fails() {
    let dir = temp_dir();
    let store = open(&dir);
    let guard = store.in_flight();
    let root = node(&[leaf(1).cid]);
    store.put(&root.cid, &root.data, &guard).unwrap();
    let error = store.export_car(&root.cid, Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains(&leaf(1).cid.to_string()),
        "{error}"
    );
}

#[test]
fn a_flipped_byte_is_found_and_nothing_stays() {
    let tree = tree(0, 9);
    let mut car = exported(&tree);
    *car.last_mut().unwrap() ^= 1;
    let dir = temp_dir();
    let store = open(&dir);
    let refused = store.import_car(&car[..], &holder("a"), Audience::Members);
    assert!(matches!(
        refused,
        Err(ImportError::Put(PutError::Mismatch { .. }))
    ));
    store.flush_deletes().unwrap();
    assert!(store.pins().unwrap().is_empty());
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn a_file_cut_short_anywhere_pins_nothing() {
    let tree = tree(0, 4);
    let car = exported(&tree);
    let dir = temp_dir();
    let store = open(&dir);
    for end in (0..car.len()).step_by(7) {
        let refused = store.import_car(&car[..end], &holder("a"), Audience::Members);
        assert!(refused.is_err(), "cut at {end}");
    }
    store.flush_deletes().unwrap();
    assert_eq!(store.disk_usage().unwrap().blocks, 0);
}

#[test]
fn limits_of_an_import_hold() {
    let car = exported(&tree(0, 9));
    for limits in [
        ImportLimits {
            max_blocks: 3,
            ..ImportLimits::default()
        },
        ImportLimits {
            max_bytes: 100,
            ..ImportLimits::default()
        },
        ImportLimits {
            max_roots: 0,
            ..ImportLimits::default()
        },
    ] {
        let dir = temp_dir();
        let store = Store::open(
            dir.path(),
            StoreSettings {
                import: limits,
                ..settings()
            },
        )
        .unwrap();
        let refused = store.import_car(&car[..], &holder("a"), Audience::Members);
        assert!(
            matches!(refused, Err(ImportError::TooLarge { .. })),
            "{limits:?}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_an_import_panic_or_leave_blocks(noise: Vec<u8>, at in 0usize..600) {
        let mut car = exported(&tree(0, 3));
        let at = at.min(car.len());
        car.splice(at..(at + noise.len()).min(car.len()), noise);
        let dir = temp_dir();
        let store = open(&dir);
        if store.import_car(&car[..], &holder("a"), Audience::Members).is_err() {
            store.flush_deletes().unwrap();
            proptest::prop_assert_eq!(store.disk_usage().unwrap().blocks, 0);
        }
    }
}
