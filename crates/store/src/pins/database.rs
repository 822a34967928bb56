//! The tables, how they are opened, and what is read from them.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use cid::Cid;
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
    WriteTransaction,
};

use super::partials::PARTIALS;
use super::{Audience, Holder, Pin, PinScope};
use crate::crash;
use crate::error::{DatabaseError, OpenError};
use crate::key::BlockKey;

/// Holder and root → audience (0 members, 1 anyone, 2 writers), blocks, bytes.
pub(super) const PINS: TableDefinition<(&str, &[u8]), (u8, u64, u64)> =
    TableDefinition::new("pins");
/// Holder and root → the multihashes of the pin's blocks, one after another.
pub(super) const LISTS: TableDefinition<(&str, &[u8]), &[u8]> = TableDefinition::new("lists");
/// Holder and root → the CIDs below which nothing is kept, one after another; no row: all is.
pub(super) const SCOPES: TableDefinition<(&str, &[u8]), &[u8]> = TableDefinition::new("scopes");
/// Multihash → pins that refer to the block, how many of them are open to anyone, bytes.
pub(super) const REFS: TableDefinition<&[u8], (u32, u32, u32)> = TableDefinition::new("refs");
/// Multihash → how many of the pins that refer to the block are for writers only; no row: none.
pub(super) const FOR_WRITERS: TableDefinition<&[u8], u32> = TableDefinition::new("for_writers");
/// Multihash → generation: blocks that lost their last pin and are not deleted yet.
pub(super) const DOOMED: TableDefinition<&[u8], u64> = TableDefinition::new("doomed");
/// Single numbers by name.
pub(super) const TOTALS: TableDefinition<&str, u64> = TableDefinition::new("totals");

/// Bytes of all pinned blocks, each counted once.
pub(super) const BYTES: &str = "bytes";
/// Rises with each change to `doomed`, so that a key that is doomed again is not forgotten.
pub(super) const GENERATION: &str = "generation";
const FORMAT: &str = "format";
const FORMAT_VERSION: u64 = 1;

/// What the tables add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) pins: u64,
    pub(crate) blocks: u64,
    pub(crate) bytes: u64,
    pub(crate) doomed: u64,
}

/// The pin database. An input or output error makes redb refuse everything that follows, so the
/// file is opened anew after one: a disk that was full does not need a restart.
#[derive(Debug)]
pub(crate) struct Database {
    state: RwLock<State>,
    path: PathBuf,
    cache_bytes: usize,
}

#[derive(Debug)]
enum State {
    Open(redb::Database),
    Failed,
    Closed,
}

impl Database {
    /// Opens the database, making it if it is not there.
    pub(crate) fn open(path: &Path, cache_bytes: usize) -> Result<Self, OpenError> {
        let db = open_file(path, cache_bytes).map_err(failure)?;
        let database = Self {
            state: RwLock::new(State::Open(db)),
            path: path.to_owned(),
            cache_bytes,
        };
        let found = database.write(|txn| {
            // Made here once, so that readers never miss a table.
            txn.open_table(PINS)?;
            txn.open_table(LISTS)?;
            txn.open_table(SCOPES)?;
            txn.open_table(REFS)?;
            txn.open_table(FOR_WRITERS)?;
            txn.open_table(DOOMED)?;
            txn.open_table(PARTIALS)?;
            let mut totals = txn.open_table(TOTALS)?;
            let found = totals.get(FORMAT)?.map(|value| value.value());
            if found.is_none() {
                totals.insert(FORMAT, FORMAT_VERSION)?;
            }
            Ok(found.unwrap_or(FORMAT_VERSION))
        })?;
        if found > FORMAT_VERSION {
            return Err(OpenError::NewerFormat {
                found,
                known: FORMAT_VERSION,
            });
        }
        Ok(database)
    }

    /// Closes the file. Everything after that is refused.
    pub(crate) fn close(&self) {
        *self.lock() = State::Closed;
    }

    /// Who may have the block; `None` if no pin refers to it.
    pub(crate) fn audience(&self, key: &BlockKey) -> Result<Option<Audience>, DatabaseError> {
        let key = key.to_bytes();
        self.read(|txn| {
            let row = txn.open_table(REFS)?.get(key.as_slice())?;
            let Some((count, open, _)) = row.map(|row| row.value()) else {
                return Ok(None);
            };
            if open > 0 {
                return Ok(Some(Audience::Anyone));
            }
            let row = txn.open_table(FOR_WRITERS)?.get(key.as_slice())?;
            let for_writers = row.map_or(0, |row| row.value());
            Ok(Some(if count > for_writers {
                Audience::Members
            } else {
                Audience::Writers
            }))
        })
    }

    /// Whether any pin refers to the block.
    pub(crate) fn is_referenced(&self, key: &BlockKey) -> Result<bool, DatabaseError> {
        Ok(self.audience(key)?.is_some())
    }

    /// Every pin, by holder and root.
    pub(crate) fn pins(&self) -> Result<Vec<Pin>, DatabaseError> {
        self.read(|txn| {
            let scopes = txn.open_table(SCOPES)?;
            let mut pins = Vec::new();
            for row in txn.open_table(PINS)?.iter()? {
                let (key, value) = row?;
                let scope = scope_of(&scopes, key.value())?;
                pins.extend(pin_of(key.value(), value.value(), scope));
            }
            Ok(pins)
        })
    }

    /// The pins of every holder whose name begins with `prefix`.
    pub(crate) fn pins_with(&self, prefix: &str) -> Result<Vec<Pin>, DatabaseError> {
        let first: (&str, &[u8]) = (prefix, &[]);
        self.read(|txn| {
            let scopes = txn.open_table(SCOPES)?;
            let mut pins = Vec::new();
            for row in txn.open_table(PINS)?.range(first..)? {
                let (key, value) = row?;
                if !key.value().0.starts_with(prefix) {
                    break;
                }
                let scope = scope_of(&scopes, key.value())?;
                pins.extend(pin_of(key.value(), value.value(), scope));
            }
            Ok(pins)
        })
    }

    /// The roots of all pins of a holder.
    pub(crate) fn roots(&self, holder: &Holder) -> Result<Vec<Cid>, DatabaseError> {
        let first: (&str, &[u8]) = (holder.as_str(), &[]);
        self.read(|txn| {
            let mut roots = Vec::new();
            for row in txn.open_table(PINS)?.range(first..)? {
                let (key, _) = row?;
                let (held_by, root) = key.value();
                if held_by != holder.as_str() {
                    break;
                }
                roots.extend(Cid::try_from(root));
            }
            Ok(roots)
        })
    }

    /// One pin.
    pub(crate) fn pin(&self, holder: &Holder, root: &Cid) -> Result<Option<Pin>, DatabaseError> {
        let root = root.to_bytes();
        let key = (holder.as_str(), root.as_slice());
        self.read(|txn| {
            let value = txn.open_table(PINS)?.get(key)?.map(|row| row.value());
            let scope = scope_of(&txn.open_table(SCOPES)?, key)?;
            Ok(value.and_then(|value| pin_of(key, value, scope)))
        })
    }

    /// What the tables add up to, without reading through them.
    pub(crate) fn totals(&self) -> Result<Totals, DatabaseError> {
        self.read(|txn| {
            Ok(Totals {
                pins: txn.open_table(PINS)?.len()?,
                blocks: txn.open_table(REFS)?.len()?,
                bytes: txn
                    .open_table(TOTALS)?
                    .get(BYTES)?
                    .map_or(0, |bytes| bytes.value()),
                doomed: txn.open_table(DOOMED)?.len()?,
            })
        })
    }

    /// At most `limit` pinned blocks after `last`, in order.
    pub(crate) fn referenced_after(
        &self,
        last: Option<&BlockKey>,
        limit: usize,
    ) -> Result<Vec<BlockKey>, DatabaseError> {
        let after = last.map(|key| key.to_bytes()).unwrap_or_default();
        let range = (Bound::Excluded(after.as_slice()), Bound::Unbounded);
        self.read(|txn| {
            let mut keys = Vec::new();
            for row in txn.open_table(REFS)?.range::<&[u8]>(range)?.take(limit) {
                keys.extend(BlockKey::from_bytes(row?.0.value()));
            }
            Ok(keys)
        })
    }

    /// At most `limit` blocks that lost their last pin, with the generation of that event.
    pub(crate) fn doomed(&self, limit: usize) -> Result<Vec<(BlockKey, u64)>, DatabaseError> {
        self.read(|txn| {
            let mut keys = Vec::new();
            for row in txn.open_table(DOOMED)?.iter()?.take(limit) {
                let (key, generation) = row?;
                keys.extend(BlockKey::from_bytes(key.value()).map(|key| (key, generation.value())));
            }
            Ok(keys)
        })
    }

    /// Reads in one snapshot.
    pub(super) fn read<T>(
        &self,
        body: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, DatabaseError> {
        self.with(|db| body(&db.begin_read()?))
    }

    /// Writes in one transaction, durable when this returns; on an error nothing has changed.
    pub(super) fn write<T>(
        &self,
        body: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, DatabaseError> {
        self.with(|db| {
            let mut txn = db.begin_write()?;
            // Commits cost a little more; opening after a kill does not read the whole file.
            txn.set_quick_repair(true);
            let value = body(&txn)?;
            crash::point();
            txn.commit()?;
            crash::point();
            Ok(value)
        })
    }

    fn with<T>(
        &self,
        body: impl FnOnce(&redb::Database) -> Result<T, redb::Error>,
    ) -> Result<T, DatabaseError> {
        self.reopen_if_failed()?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let result = match &*state {
            State::Open(db) => body(db),
            State::Failed => Err(redb::Error::PreviousIo),
            State::Closed => return Err(DatabaseError::Closed),
        };
        drop(state);
        result.map_err(|error| {
            if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
                self.mark_failed();
            }
            failure(error)
        })
    }

    fn mark_failed(&self) {
        let mut state = self.lock();
        if matches!(*state, State::Open(_)) {
            *state = State::Failed;
        }
    }

    fn reopen_if_failed(&self) -> Result<(), DatabaseError> {
        if !matches!(
            *self.state.read().unwrap_or_else(PoisonError::into_inner),
            State::Failed
        ) {
            return Ok(());
        }
        let mut state = self.lock();
        if matches!(*state, State::Failed) {
            tracing::warn!("opening the pin database anew after a disk error");
            *state = State::Open(open_file(&self.path, self.cache_bytes).map_err(failure)?);
        }
        Ok(())
    }

    fn lock(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_file(path: &Path, cache_bytes: usize) -> Result<redb::Database, redb::Error> {
    Ok(redb::Builder::new()
        .set_cache_size(cache_bytes)
        .create(path)?)
}

/// A row of [`PINS`]; `None` if it was not written by this crate.
fn pin_of(
    key: (&str, &[u8]),
    (audience, blocks, bytes): (u8, u64, u64),
    scope: PinScope,
) -> Option<Pin> {
    Some(Pin {
        holder: key.0.parse().ok()?,
        root: Cid::try_from(key.1).ok()?,
        audience: audience_of(audience),
        blocks,
        bytes,
        scope,
    })
}

fn scope_of(
    scopes: &impl ReadableTable<(&'static str, &'static [u8]), &'static [u8]>,
    key: (&str, &[u8]),
) -> Result<PinScope, redb::Error> {
    match scopes.get(key)? {
        Some(row) => PinScope::from_bytes(row.value()),
        None => Ok(PinScope::Whole),
    }
}

/// What is not known is the most closed answer.
pub(super) fn audience_of(code: u8) -> Audience {
    match code {
        0 => Audience::Members,
        1 => Audience::Anyone,
        _ => Audience::Writers,
    }
}

pub(super) fn audience_code(audience: Audience) -> u8 {
    match audience {
        Audience::Members => 0,
        Audience::Anyone => 1,
        Audience::Writers => 2,
    }
}

fn failure(error: redb::Error) -> DatabaseError {
    match &error {
        redb::Error::Io(io)
            if matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
        {
            DatabaseError::NoSpace
        }
        _ => DatabaseError::Redb(Box::new(error)),
    }
}
