//! Rows of DAGs that are on their way here.

use cid::Cid;
use cidcast_types::Timestamp;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};

use super::{Database, Holder, Partial};
use crate::error::DatabaseError;

/// Holder and root → until when (milliseconds since the Unix epoch), the holder's own words.
pub(super) const PARTIALS: TableDefinition<(&str, &[u8]), (u64, &str)> =
    TableDefinition::new("partials");

impl Database {
    /// Saves a row, or replaces it; whether there was room below `limit`.
    pub(crate) fn save_partial(
        &self,
        partial: &Partial,
        limit: u64,
    ) -> Result<bool, DatabaseError> {
        let root = partial.root.to_bytes();
        let key = (partial.holder.as_str(), root.as_slice());
        self.write(|txn| {
            let mut rows = txn.open_table(PARTIALS)?;
            if rows.get(key)?.is_none() && rows.len()? >= limit {
                return Ok(false);
            }
            rows.insert(key, (partial.until.as_millis(), partial.note.as_str()))?;
            Ok(true)
        })
    }

    /// Removes a row; whether there was one.
    pub(crate) fn remove_partial(
        &self,
        holder: &Holder,
        root: &Cid,
    ) -> Result<bool, DatabaseError> {
        let root = root.to_bytes();
        let key = (holder.as_str(), root.as_slice());
        self.write(|txn| {
            let removed = txn.open_table(PARTIALS)?.remove(key)?.is_some();
            Ok(removed)
        })
    }

    /// Every row, by holder and root.
    pub(crate) fn partials(&self) -> Result<Vec<Partial>, DatabaseError> {
        self.read(|txn| {
            let mut partials = Vec::new();
            for row in txn.open_table(PARTIALS)?.iter()? {
                let (key, value) = row?;
                let ((holder, root), (until, note)) = (key.value(), value.value());
                // Anything else was not written by this crate.
                if let (Ok(holder), Ok(root)) = (holder.parse(), Cid::try_from(root)) {
                    partials.push(Partial {
                        holder,
                        root,
                        until: Timestamp::from_millis(until),
                        note: note.to_owned(),
                    });
                }
            }
            Ok(partials)
        })
    }
}
