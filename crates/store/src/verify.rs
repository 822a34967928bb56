//! Checking everything: hashing each block, looking for each pinned block.

use cid::Cid;

use crate::error::VerifyError;
use crate::key::{BlockKey, Match};
use crate::store::Core;

/// Pinned blocks looked up at a time, so that no snapshot of the database is kept for long.
const BATCH: usize = 1024;

/// How far a check is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Blocks hashed.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks under pins when the check began; those without a pin are hashed too.
    pub pinned_blocks: u64,
}

/// What a check found. CIDs are version 1 with the raw codec: a file does not say its codec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Blocks hashed.
    pub checked: u64,
    /// Blocks of a hash function that this build cannot compute.
    pub unknown_hash: u64,
    /// Blocks whose bytes are not what their name says, or that cannot be read.
    pub corrupt: Vec<Cid>,
    /// Blocks that a pin refers to and that are not here.
    pub missing_from_pins: Vec<Cid>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.corrupt.is_empty() && self.missing_from_pins.is_empty()
    }
}

impl Core {
    pub(crate) fn verify(
        &self,
        mut on_progress: impl FnMut(VerifyProgress),
        cancelled: impl Fn() -> bool,
    ) -> Result<VerifyReport, VerifyError> {
        let mut report = VerifyReport::default();
        let pinned_blocks = self.pins.totals()?.blocks;
        let mut progress = VerifyProgress {
            pinned_blocks,
            ..VerifyProgress::default()
        };
        for folder in self.folder.folders()? {
            for key in self.folder.blocks_in(&folder)? {
                if cancelled() {
                    return Err(VerifyError::Cancelled);
                }
                progress.bytes += self.verify_block(&key, &mut report);
                progress.blocks = report.checked;
                on_progress(progress);
            }
        }
        self.find_missing(&mut report, cancelled)?;
        self.metrics.corrupt.inc_by(report.corrupt.len() as u64);
        Ok(report)
    }

    /// Hashes one block; its size.
    fn verify_block(&self, key: &BlockKey, report: &mut VerifyReport) -> u64 {
        let data = match self.folder.read(key) {
            Ok(Some(data)) => data,
            // Deleted since it was listed.
            Ok(None) => return 0,
            Err(error) => {
                tracing::warn!(%error, "a block cannot be read");
                report.corrupt.push(key.to_raw_cid());
                return 0;
            }
        };
        report.checked += 1;
        match key.matches(&data) {
            Match::Yes => {}
            Match::No => report.corrupt.push(key.to_raw_cid()),
            Match::UnknownHash => report.unknown_hash += 1,
        }
        data.len() as u64
    }

    fn find_missing(
        &self,
        report: &mut VerifyReport,
        cancelled: impl Fn() -> bool,
    ) -> Result<(), VerifyError> {
        let mut last = None;
        loop {
            let keys = self.pins.referenced_after(last.as_ref(), BATCH)?;
            let Some(end) = keys.last() else {
                return Ok(());
            };
            last = Some(*end);
            for key in &keys {
                if cancelled() {
                    return Err(VerifyError::Cancelled);
                }
                // Looked up again: the pin may have gone since the batch was read.
                if self.folder.size(key)?.is_none() && self.pins.is_referenced(key)? {
                    report.missing_from_pins.push(key.to_raw_cid());
                }
            }
        }
    }
}
