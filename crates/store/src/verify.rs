//! Checking everything: hashing each block, looking for each pinned block.

use cid::Cid;

use crate::dag::{Visit, Walk};
use crate::error::{BlockFolderError, VerifyError};
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

/// What a check of one DAG found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DagReport {
    /// Blocks that are as they should be.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blocks that are damaged or not here, each as a link names it. What is below such a block
    /// was not looked at.
    pub damaged: Vec<Cid>,
}

impl Core {
    /// Hashes every block of a DAG; `pause` is told the bytes of each.
    pub(crate) fn verify_dag(
        &self,
        root: &Cid,
        mut pause: impl FnMut(usize),
        cancelled: impl Fn() -> bool,
    ) -> Result<DagReport, VerifyError> {
        let mut report = DagReport::default();
        let mut walk = Walk::new(root, self.settings.max_dag_blocks);
        while let Some(step) = walk.next()? {
            if cancelled() {
                return Err(VerifyError::Cancelled);
            }
            let data = match self.folder.read(&step.key) {
                Ok(Some(data)) if step.key.matches(&data) != Match::No => data,
                Ok(_) => {
                    report.damaged.push(step.cid);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "a block cannot be read");
                    report.damaged.push(step.cid);
                    continue;
                }
            };
            pause(data.len());
            walk.expand(&step.cid, &data)?;
            if step.visit == Visit::First {
                report.blocks += 1;
                report.bytes += data.len() as u64;
            }
        }
        self.metrics.corrupt.inc_by(report.damaged.len() as u64);
        Ok(report)
    }

    /// Deletes the file of a block if its bytes are not what its name says.
    pub(crate) fn discard_damaged(&self, cid: &Cid) -> Result<bool, BlockFolderError> {
        let Ok(key) = BlockKey::of(cid) else {
            return Ok(false);
        };
        let is_good = |data: &bytes::Bytes| key.matches(data) != Match::No;
        // What cannot be read is in the way as well.
        if self
            .folder
            .read(&key)
            .is_ok_and(|data| data.as_ref().is_none_or(is_good))
        {
            return Ok(false);
        }
        self.folder.remove(&key)
    }

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
