//! A crash at any marked place leaves a store that opens, with no pinned block missing.
//!
//! The test runs itself as a child that aborts at the first, second, third… place it passes,
//! until one child gets to the end. Each history is tried twice: as a kill, where the system
//! keeps what was written, and as a power cut, where files that were not synced are emptied,
//! lost or kept. (The pin database's own files are redb's to test.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use cid::Cid;
use cidcast_store::{Audience, Pin, PinScope, Store, arm_crash_point, links};

use crate::fixture::{Tree, holder, settings, temp_dir, tree};

const DIR: &str = "CIDCAST_CRASH_DIR";
const PLACE: &str = "CIDCAST_CRASH_PLACE";
const CUT: &str = "CIDCAST_CRASH_POWER_CUT";
const HISTORY: &str = "CIDCAST_CRASH_HISTORY";
/// More places than any history passes: a loop that never ends would show here.
const MAX_PLACES: u32 = 2_000;

fn a() -> Tree {
    tree(0, 6)
}

fn b() -> Tree {
    tree(3, 9)
}

/// Tells the parent, past any crash, that something was promised.
fn promise(dir: &Path, what: &str) {
    let log = dir.join("promises");
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    writeln!(file, "{what}").unwrap();
}

fn add_and_pin(dir: &Path) {
    let store = Store::open(dir, settings()).unwrap();
    for (name, tree) in [("a", a()), ("b", b())] {
        let guard = store.in_flight();
        tree.put(&store, &guard);
        store
            .pin(&holder(name), &tree.root, Audience::Members)
            .unwrap();
        promise(dir, name);
    }
    store.set_audience(&holder("b"), Audience::Anyone).unwrap();
    store.close().unwrap();
}

fn replace(dir: &Path) {
    let store = Store::open(dir, settings()).unwrap();
    let guard = store.in_flight();
    a().put(&store, &guard);
    store
        .pin(&holder("old"), &a().root, Audience::Anyone)
        .unwrap();
    drop(guard);
    store.unpin(&holder("old"), None).unwrap();
    let guard = store.in_flight();
    b().put(&store, &guard);
    store.sync().unwrap();
    store
        .pin(&holder("b"), &b().root, Audience::Anyone)
        .unwrap();
    promise(dir, "b");
    drop(guard);
    store.flush_deletes().unwrap();
    store.close().unwrap();
}

fn import(dir: &Path) {
    let store = Store::open(dir, settings()).unwrap();
    let guard = store.in_flight();
    a().put(&store, &guard);
    let mut car = Vec::new();
    store.export_car(&a().root, &mut car).unwrap();
    drop(guard);
    store
        .import_car(&car[..], &holder("a"), Audience::Members)
        .unwrap();
    promise(dir, "a");
    store.sweep().unwrap();
    store.close().unwrap();
}

/// A part, more of it, less of it, beside a pin of the whole that shares blocks.
fn rescope(dir: &Path) {
    let store = Store::open(dir, settings()).unwrap();
    let tree = a();
    let below = links(&tree.root, &tree.blocks.last().unwrap().data).unwrap();
    let without = |cid: Cid| PinScope::Without(BTreeSet::from([cid]));
    let guard = store.in_flight();
    b().put(&store, &guard);
    store
        .pin(&holder("b"), &b().root, Audience::Members)
        .unwrap();
    promise(dir, "b");
    for scope in [without(below[0]), PinScope::Whole, without(below[1])] {
        tree.put(&store, &guard);
        store
            .pin_part(&holder("a"), &tree.root, Audience::Anyone, &scope)
            .unwrap();
        promise(dir, "a");
    }
    drop(guard);
    store.flush_deletes().unwrap();
    store.close().unwrap();
}

type History = (&'static str, fn(&Path));

const HISTORIES: [History; 4] = [
    ("add_and_pin", add_and_pin),
    ("replace", replace),
    ("import", import),
    ("rescope", rescope),
];

/// Does nothing unless [`crashes_are_harmless`] runs it.
#[test]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (place, name) = (
        std::env::var(PLACE).unwrap(),
        std::env::var(HISTORY).unwrap(),
    );
    let history = HISTORIES
        .iter()
        .find(|history| history.0 == name)
        .unwrap()
        .1;
    let power_cut = std::env::var(CUT).ok().map(|_| ());
    arm_crash_point(place.parse().unwrap(), power_cut);
    history(Path::new(&dir));
}

/// Whether the child came to the end of the history.
fn run_child(dir: &Path, history: &str, place: u32, power_cut: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["crash::child", "--exact", "--test-threads=1"]);
    command
        .env(DIR, dir)
        .env(PLACE, place.to_string())
        .env(HISTORY, history);
    if power_cut {
        command.env(CUT, "1");
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let aborted = output.status.code().is_none();
    assert!(
        aborted || output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    !aborted
}

fn blocks_under(store: &Store, pin: &Pin) -> BTreeMap<Vec<u8>, Bytes> {
    let mut found = BTreeMap::new();
    let mut pending = vec![pin.root];
    while let Some(cid) = pending.pop() {
        let data = store.get(&cid).unwrap();
        match &pin.scope {
            PinScope::Without(left_out) if left_out.contains(&cid) => {}
            _ => pending.extend(links(&cid, &data).unwrap()),
        }
        found.insert(cid.hash().to_bytes(), data);
    }
    found
}

fn check(dir: &Path) {
    let store = Store::open(dir, settings()).unwrap();
    assert_eq!(fs::read_dir(dir.join("blocks/.temp")).unwrap().count(), 0);
    let report = store.verify(|_| {}, || false).unwrap();
    assert_eq!(report.missing_from_pins, []);
    for corrupt in &report.corrupt {
        assert_eq!(
            store.audience(corrupt).unwrap(),
            None,
            "a pinned block is damaged"
        );
    }
    let pins = store.pins().unwrap();
    for promised in fs::read_to_string(dir.join("promises"))
        .unwrap_or_default()
        .lines()
    {
        assert!(
            pins.iter().any(|pin| pin.holder.as_str() == promised),
            "{promised} is lost"
        );
    }
    check_counts(&store);
    store.flush_deletes().unwrap();
    store.sweep().unwrap();
    let usage = store.disk_usage().unwrap();
    let stat = store.stat().unwrap();
    assert_eq!((usage.blocks, usage.bytes), (stat.blocks, stat.bytes));
    assert!(store.verify(|_| {}, || false).unwrap().is_good());
    store.close().unwrap();
}

/// The counts that are kept are those that the pins add up to.
fn check_counts(store: &Store) {
    let mut widest = BTreeMap::new();
    let mut bytes = BTreeMap::new();
    for pin in store.pins().unwrap() {
        let under = blocks_under(store, &pin);
        assert_eq!(pin.blocks, under.len() as u64);
        for (hash, data) in under {
            let audience = widest.entry(hash.clone()).or_insert(pin.audience);
            *audience = pin.audience.max(*audience);
            bytes.insert(hash, data.len() as u64);
        }
    }
    for block in [a(), b()].iter().flat_map(|tree| &tree.blocks) {
        let expected = widest.get(&block.cid.hash().to_bytes()).copied();
        assert_eq!(store.audience(&block.cid).unwrap(), expected);
    }
    let stat = store.stat().unwrap();
    assert_eq!(
        (stat.blocks, stat.bytes),
        (bytes.len() as u64, bytes.values().sum())
    );
}

fn every_place(history: History, power_cut: bool) {
    for place in 0..MAX_PLACES {
        let dir = temp_dir();
        let ended = run_child(dir.path(), history.0, place, power_cut);
        check(dir.path());
        // What was interrupted can be done again from the start.
        history.1(dir.path());
        check(dir.path());
        if ended {
            assert!(place > 20, "{} passes only {place} places", history.0);
            return;
        }
    }
    panic!("{} does not end", history.0);
}

#[test]
fn a_kill_anywhere_is_harmless() {
    HISTORIES
        .into_iter()
        .for_each(|history| every_place(history, false));
}

#[test]
fn a_power_cut_anywhere_is_harmless() {
    HISTORIES
        .into_iter()
        .for_each(|history| every_place(history, true));
}
