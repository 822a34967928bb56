//! Changes to pins: each is one durable transaction.

use cid::Cid;
use redb::{ReadableTable, Table, WriteTransaction};

use super::database::{
    BYTES, DOOMED, FOR_WRITERS, GENERATION, LISTS, PINS, REFS, SCOPES, TOTALS, audience_code,
    audience_of,
};
use super::{Audience, Database, Holder, PinScope, PinSummary, Unpinned};
use crate::error::DatabaseError;
use crate::key::BlockKey;

/// A DAG that was walked and is on disk.
#[derive(Debug)]
pub(crate) struct NewPin {
    pub(crate) root: Cid,
    /// Each block once, with its size in bytes.
    pub(crate) blocks: Vec<(BlockKey, u32)>,
    /// Which part of the DAG they are.
    pub(crate) scope: PinScope,
}

impl NewPin {
    pub(crate) fn summary(&self) -> PinSummary {
        PinSummary {
            blocks: self.blocks.len() as u64,
            bytes: self.blocks.iter().map(|(_, bytes)| u64::from(*bytes)).sum(),
        }
    }
}

/// The counts of blocks, while they are changed.
struct Counts<'txn> {
    refs: Table<'txn, &'static [u8], (u32, u32, u32)>,
    for_writers: Table<'txn, &'static [u8], u32>,
}

impl Database {
    /// Saves pins, all or none. One that exists already takes the new audience and scope. What
    /// the change of a scope has left without a pin.
    pub(crate) fn add(
        &self,
        holder: &Holder,
        audience: Audience,
        pins: &[NewPin],
    ) -> Result<Unpinned, DatabaseError> {
        self.write(|txn| {
            let mut unpinned = Unpinned::default();
            for pin in pins {
                let root = pin.root.to_bytes();
                let key = (holder.as_str(), root.as_slice());
                let is_same = pin.scope.is_same(&saved_scope(txn, key)?);
                if is_same && change_audience(txn, key, audience)? {
                    continue;
                }
                // New blocks first: those that both have never lose their last pin.
                let before = (audience_before(txn, key)?, list_of(txn, key)?);
                insert(txn, key, audience, pin)?;
                release(txn, before, &mut unpinned)?;
            }
            Ok(unpinned)
        })
    }

    /// Gives a pin that exists the audience; `None` if it does not exist with that scope.
    pub(crate) fn keep(
        &self,
        holder: &Holder,
        root: &Cid,
        audience: Audience,
        scope: &PinScope,
    ) -> Result<Option<PinSummary>, DatabaseError> {
        let Some(pin) = self.pin(holder, root)? else {
            return Ok(None);
        };
        if !pin.scope.is_same(scope) {
            return Ok(None);
        }
        let root = root.to_bytes();
        let exists = pin.audience == audience
            || self.write(|txn| change_audience(txn, (holder.as_str(), &root), audience))?;
        Ok(exists.then_some(PinSummary {
            blocks: pin.blocks,
            bytes: pin.bytes,
        }))
    }

    /// Changes who may have the blocks of a holder's pins; how many pins there are.
    pub(crate) fn set_audience(
        &self,
        holder: &Holder,
        audience: Audience,
    ) -> Result<u64, DatabaseError> {
        self.write(|txn| {
            let roots = roots_of(txn, holder)?;
            for root in &roots {
                change_audience(txn, (holder.as_str(), root), audience)?;
            }
            Ok(roots.len() as u64)
        })
    }

    /// Removes one pin of a holder, or all; blocks without a pin become doomed.
    pub(crate) fn remove(
        &self,
        holder: &Holder,
        root: Option<&Cid>,
    ) -> Result<Unpinned, DatabaseError> {
        match root {
            Some(root) => self.remove_each(holder, std::slice::from_ref(root)),
            None => self.write(|txn| {
                let roots = roots_of(txn, holder)?;
                remove_all(txn, holder, &roots)
            }),
        }
    }

    /// Removes some pins of a holder, in one step.
    pub(crate) fn remove_each(
        &self,
        holder: &Holder,
        roots: &[Cid],
    ) -> Result<Unpinned, DatabaseError> {
        let roots: Vec<_> = roots.iter().map(Cid::to_bytes).collect();
        self.write(|txn| remove_all(txn, holder, &roots))
    }

    /// Remembers blocks that may be unwanted.
    pub(crate) fn doom(&self, keys: &[BlockKey]) -> Result<(), DatabaseError> {
        self.write(|txn| {
            let generation = next_generation(txn)?;
            let mut doomed = txn.open_table(DOOMED)?;
            for key in keys {
                doomed.insert(key.to_bytes().as_slice(), generation)?;
            }
            Ok(())
        })
    }

    /// Forgets doomed blocks that were dealt with, unless they were doomed again since.
    pub(crate) fn forget_doomed(&self, batch: &[(BlockKey, u64)]) -> Result<(), DatabaseError> {
        self.write(|txn| {
            let mut doomed = txn.open_table(DOOMED)?;
            for (key, generation) in batch {
                let key = key.to_bytes();
                let now = doomed.get(key.as_slice())?.map(|row| row.value());
                if now == Some(*generation) {
                    doomed.remove(key.as_slice())?;
                }
            }
            Ok(())
        })
    }
}

fn remove_all(
    txn: &WriteTransaction,
    holder: &Holder,
    roots: &[Vec<u8>],
) -> Result<Unpinned, redb::Error> {
    let mut unpinned = Unpinned::default();
    for root in roots {
        remove_one(txn, (holder.as_str(), root), &mut unpinned)?;
    }
    Ok(unpinned)
}

fn insert(
    txn: &WriteTransaction,
    key: (&str, &[u8]),
    audience: Audience,
    pin: &NewPin,
) -> Result<(), redb::Error> {
    let mut blocks = pin.blocks.clone();
    // Neighbours in the tree are written together.
    blocks.sort_unstable();
    let mut counts = Counts::open(txn)?;
    let (mut list, mut fresh) = (Vec::new(), 0);
    for (block, bytes) in &blocks {
        let block = block.to_bytes();
        if counts.refer(&block, *bytes, audience)? {
            fresh += u64::from(*bytes);
        }
        list.extend_from_slice(&block);
    }
    drop(counts);
    let summary = pin.summary();
    txn.open_table(LISTS)?.insert(key, list.as_slice())?;
    let mut scopes = txn.open_table(SCOPES)?;
    match pin.scope.to_bytes() {
        Some(scope) => scopes.insert(key, scope.as_slice())?,
        None => scopes.remove(key)?,
    };
    txn.open_table(PINS)?.insert(
        key,
        (audience_code(audience), summary.blocks, summary.bytes),
    )?;
    add_bytes(txn, |bytes| bytes + fresh)
}

/// Whether the pin exists; if so it has this audience now.
fn change_audience(
    txn: &WriteTransaction,
    key: (&str, &[u8]),
    audience: Audience,
) -> Result<bool, redb::Error> {
    let mut pins = txn.open_table(PINS)?;
    let Some((code, blocks, bytes)) = pins.get(key)?.map(|row| row.value()) else {
        return Ok(false);
    };
    let before = audience_of(code);
    if before != audience {
        pins.insert(key, (audience_code(audience), blocks, bytes))?;
        let mut counts = Counts::open(txn)?;
        for block in list_of(txn, key)? {
            counts.turn(&block, before, audience)?;
        }
    }
    Ok(true)
}

fn remove_one(
    txn: &WriteTransaction,
    key: (&str, &[u8]),
    unpinned: &mut Unpinned,
) -> Result<(), redb::Error> {
    let Some((code, ..)) = txn.open_table(PINS)?.remove(key)?.map(|row| row.value()) else {
        return Ok(());
    };
    let list = list_of(txn, key)?;
    txn.open_table(LISTS)?.remove(key)?;
    txn.open_table(SCOPES)?.remove(key)?;
    unpinned.pins += 1;
    release(txn, (audience_of(code), list), unpinned)
}

/// Takes one reference from each block of a list; those that have none left become doomed.
fn release(
    txn: &WriteTransaction,
    (audience, list): (Audience, Vec<Vec<u8>>),
    unpinned: &mut Unpinned,
) -> Result<(), redb::Error> {
    if list.is_empty() {
        return Ok(());
    }
    let generation = next_generation(txn)?;
    let mut counts = Counts::open(txn)?;
    let mut doomed = txn.open_table(DOOMED)?;
    let mut freed = 0;
    for block in &list {
        if let Some(bytes) = counts.let_go(block, audience)? {
            doomed.insert(block.as_slice(), generation)?;
            unpinned.blocks += 1;
            freed += u64::from(bytes);
        }
    }
    unpinned.bytes += freed;
    add_bytes(txn, |bytes| bytes.saturating_sub(freed))
}

impl<'txn> Counts<'txn> {
    fn open(txn: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            refs: txn.open_table(REFS)?,
            for_writers: txn.open_table(FOR_WRITERS)?,
        })
    }

    /// One pin more; whether it is the block's first.
    fn refer(&mut self, block: &[u8], size: u32, audience: Audience) -> Result<bool, redb::Error> {
        let row = self.refs.get(block)?.map(|row| row.value());
        let (count, open, size) = row.unwrap_or((0, 0, size));
        let open = open + u32::from(audience == Audience::Anyone);
        self.refs.insert(block, (count + 1, open, size))?;
        if audience == Audience::Writers {
            self.count_for_writers(block, |n| n + 1)?;
        }
        Ok(row.is_none())
    }

    /// A pin's audience changes.
    fn turn(&mut self, block: &[u8], from: Audience, to: Audience) -> Result<(), redb::Error> {
        let Some((count, open, size)) = self.refs.get(block)?.map(|row| row.value()) else {
            return Ok(());
        };
        let open = open + u32::from(to == Audience::Anyone);
        let open = open.saturating_sub(u32::from(from == Audience::Anyone));
        self.refs.insert(block, (count, open, size))?;
        if to == Audience::Writers {
            self.count_for_writers(block, |n| n + 1)?;
        }
        if from == Audience::Writers {
            self.count_for_writers(block, |n| n.saturating_sub(1))?;
        }
        Ok(())
    }

    /// One pin less; the block's size if that was its last.
    fn let_go(&mut self, block: &[u8], audience: Audience) -> Result<Option<u32>, redb::Error> {
        let Some((count, open, size)) = self.refs.get(block)?.map(|row| row.value()) else {
            return Ok(None);
        };
        if audience == Audience::Writers {
            self.count_for_writers(block, |n| n.saturating_sub(1))?;
        }
        if count <= 1 {
            self.refs.remove(block)?;
            return Ok(Some(size));
        }
        let open = open.saturating_sub(u32::from(audience == Audience::Anyone));
        self.refs.insert(block, (count - 1, open, size))?;
        Ok(None)
    }

    fn count_for_writers(
        &mut self,
        block: &[u8],
        change: impl FnOnce(u32) -> u32,
    ) -> Result<(), redb::Error> {
        let now = self.for_writers.get(block)?.map_or(0, |row| row.value());
        match change(now) {
            0 => self.for_writers.remove(block)?,
            count => self.for_writers.insert(block, count)?,
        };
        Ok(())
    }
}

fn roots_of(txn: &WriteTransaction, holder: &Holder) -> Result<Vec<Vec<u8>>, redb::Error> {
    let first: (&str, &[u8]) = (holder.as_str(), &[]);
    let mut roots = Vec::new();
    for row in txn.open_table(PINS)?.range(first..)? {
        let (key, _) = row?;
        if key.value().0 != holder.as_str() {
            break;
        }
        roots.push(key.value().1.to_vec());
    }
    Ok(roots)
}

/// Which part of its DAG a pin keeps; the whole if there is no pin.
fn saved_scope(txn: &WriteTransaction, key: (&str, &[u8])) -> Result<PinScope, redb::Error> {
    match txn.open_table(SCOPES)?.get(key)? {
        Some(row) => PinScope::from_bytes(row.value()),
        None => Ok(PinScope::Whole),
    }
}

/// Who may have the blocks of a pin; without one it does not matter.
fn audience_before(txn: &WriteTransaction, key: (&str, &[u8])) -> Result<Audience, redb::Error> {
    let row = txn.open_table(PINS)?.get(key)?.map(|row| row.value());
    Ok(row.map_or(Audience::Members, |(code, ..)| audience_of(code)))
}

/// The multihashes of a pin's blocks, which stand one after another in its row.
fn list_of(txn: &WriteTransaction, key: (&str, &[u8])) -> Result<Vec<Vec<u8>>, redb::Error> {
    let table = txn.open_table(LISTS)?;
    let Some(row) = table.get(key)? else {
        return Ok(Vec::new());
    };
    let mut rest = row.value();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let hash = cid::multihash::Multihash::<64>::read(&mut rest)
            .map_err(|e| redb::Error::Corrupted(format!("block list of a pin: {e}")))?;
        blocks.push(hash.to_bytes());
    }
    Ok(blocks)
}

fn next_generation(txn: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut totals = txn.open_table(TOTALS)?;
    let next = totals.get(GENERATION)?.map_or(0, |row| row.value()) + 1;
    totals.insert(GENERATION, next)?;
    Ok(next)
}

fn add_bytes(txn: &WriteTransaction, change: impl FnOnce(u64) -> u64) -> Result<(), redb::Error> {
    let mut totals = txn.open_table(TOTALS)?;
    let bytes = totals.get(BYTES)?.map_or(0, |row| row.value());
    totals.insert(BYTES, change(bytes))?;
    Ok(())
}
