//! The store: blocks, guards and pins together.

mod open;
mod partials;
mod pinning;

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cid::Cid;
use cidcast_runtime::locked;

use crate::delete::{Deleter, Queue, Swept};
use crate::error::{
    BlockFolderError, CloseError, FlushError, GetError, PutError, StatError, SweepError, SyncError,
    VerifyError,
};
use crate::flatfs::BlockFolder;
use crate::hold::{HoldTable, InFlight};
use crate::key::{BlockKey, Match};
use crate::pins::Database;
use crate::{DagReport, MAX_BLOCK_BYTES, Metrics, StoreSettings, VerifyProgress, VerifyReport};

/// A block store with pins. Cheap to clone; usable from any number of threads. Every call may
/// block on the disk.
#[derive(Clone)]
pub struct Store {
    pub(crate) core: Arc<Core>,
    deleter: Arc<Deleter>,
}

/// What the API and the deleting thread share.
pub(crate) struct Core {
    pub(crate) folder: BlockFolder,
    pub(crate) pins: Database,
    pub(crate) holds: Arc<HoldTable>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Metrics,
    pub(crate) settings: StoreSettings,
    closed: AtomicBool,
    /// What holds DAGs that are on their way here.
    kept: Mutex<partials::Kept>,
    /// The lock on the directory, until the store is closed.
    lock: Mutex<Option<File>>,
}

/// How full the store is. Cheap to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Pins.
    pub pins: u64,
    /// Blocks under pins, each counted once.
    pub blocks: u64,
    /// Bytes of those blocks.
    pub bytes: u64,
    /// Blocks held by [`InFlight`] guards.
    pub in_flight: u64,
    /// Blocks that lost their last pin and are not deleted yet.
    pub pending_deletes: u64,
    /// Bytes that can still be written to the disk.
    pub free_bytes: u64,
}

/// What lies on disk, pinned or not. Found by looking at every file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Block files.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// A guard that keeps blocks from being deleted until they are pinned.
    pub fn in_flight(&self) -> InFlight {
        InFlight::new(Arc::clone(&self.core.holds), Arc::clone(&self.core.queue))
    }

    /// Writes a block that the caller has just hashed, and holds it under `guard`. Does nothing
    /// if it is there already; a file with other bytes is replaced. Durable after
    /// [`Self::sync`] or [`Self::pin`]. Identity CIDs are not stored.
    pub fn put(&self, cid: &Cid, data: &[u8], guard: &InFlight) -> Result<(), PutError> {
        let core = &self.core;
        let Ok(key) = BlockKey::of(cid) else {
            return Ok(());
        };
        if data.len() > MAX_BLOCK_BYTES {
            let (cid, bytes) = (*cid, data.len());
            return Err(PutError::TooLarge {
                cid,
                bytes,
                limit: MAX_BLOCK_BYTES,
            });
        }
        if core.is_closed() {
            return Err(PutError::Closed);
        }
        guard.hold_put(key);
        match core.folder.read(&key) {
            Ok(Some(there)) if there == data => {
                core.metrics.blocks_reused.inc();
                // Whoever wrote it may not have synced it.
                core.folder.mark_dirty();
                return Ok(());
            }
            Ok(None) => {}
            // Damaged, or not readable at all. Before good bytes replace it, see that they are.
            Ok(Some(_)) | Err(_) => {
                check(cid, &key, data)?;
                core.metrics.blocks_repaired.inc();
            }
        }
        core.write(&key, data)
    }

    /// Like [`Self::put`], for bytes from outside: they are hashed first.
    pub fn put_verified(&self, cid: &Cid, data: &[u8], guard: &InFlight) -> Result<(), PutError> {
        match BlockKey::of(cid) {
            Ok(key) => check(cid, &key, data)?,
            Err(inline) if inline == data => {}
            Err(_) => return Err(PutError::Mismatch { cid: *cid }),
        }
        self.put(cid, data, guard)
    }

    /// A block's bytes. They are not hashed again.
    pub fn get(&self, cid: &Cid) -> Result<Bytes, GetError> {
        let found = match BlockKey::of(cid) {
            Ok(key) => self.core.folder.read(&key)?,
            Err(inline) => Some(Bytes::copy_from_slice(inline)),
        };
        found.ok_or(GetError::NotFound { cid: *cid })
    }

    /// A block's size in bytes.
    pub fn size(&self, cid: &Cid) -> Result<u64, GetError> {
        let found = match BlockKey::of(cid) {
            Ok(key) => self.core.folder.size(&key)?,
            Err(inline) => Some(inline.len() as u64),
        };
        found.ok_or(GetError::NotFound { cid: *cid })
    }

    /// Whether a block is here.
    pub fn has(&self, cid: &Cid) -> Result<bool, BlockFolderError> {
        match BlockKey::of(cid) {
            Ok(key) => Ok(self.core.folder.size(&key)?.is_some()),
            Err(_) => Ok(true),
        }
    }

    /// Makes every block that was put before this call durable. One call for many blocks: it
    /// syncs the file system that the store is on.
    pub fn sync(&self) -> Result<(), SyncError> {
        self.core.sync()
    }

    /// How full the store is.
    pub fn stat(&self) -> Result<Stat, StatError> {
        let totals = self.core.pins.totals()?;
        Ok(Stat {
            pins: totals.pins,
            blocks: totals.blocks,
            bytes: totals.bytes,
            in_flight: self.core.holds.len() as u64,
            pending_deletes: totals.doomed,
            free_bytes: self.core.folder.free_bytes()?,
        })
    }

    /// Counts the block files on disk, pinned or not; takes as long as looking at each of them.
    pub fn disk_usage(&self) -> Result<DiskUsage, BlockFolderError> {
        let mut usage = DiskUsage::default();
        for folder in self.core.folder.folders()? {
            for key in self.core.folder.blocks_in(&folder)? {
                if let Some(bytes) = self.core.folder.size(&key)? {
                    usage.blocks += 1;
                    usage.bytes += bytes;
                }
            }
        }
        Ok(usage)
    }

    /// Deletes every block that no pin refers to and no guard holds. For what a crash left: a
    /// running store deletes by itself. Reads and writes go on meanwhile.
    pub fn sweep(&self) -> Result<Swept, SweepError> {
        self.core.sweep()
    }

    /// Waits until the background thread has nothing left to delete.
    pub fn flush_deletes(&self) -> Result<(), FlushError> {
        self.core.queue.flush()
    }

    /// Hashes every block and looks for every pinned block. `cancelled` is asked, and
    /// `on_progress` told, after each block.
    pub fn verify(
        &self,
        on_progress: impl FnMut(VerifyProgress),
        cancelled: impl Fn() -> bool,
    ) -> Result<VerifyReport, VerifyError> {
        self.core.verify(on_progress, cancelled)
    }

    /// Hashes every block of the DAG under `root`, damaged or missing ones included in the answer.
    /// `pause` is told the bytes of each block, and may take its time; `cancelled` is asked before.
    pub fn verify_dag(
        &self,
        root: &Cid,
        pause: impl FnMut(usize),
        cancelled: impl Fn() -> bool,
    ) -> Result<DagReport, VerifyError> {
        self.core.verify_dag(root, pause, cancelled)
    }

    /// Deletes the file of a block if its bytes are not what its name says, so that it can be
    /// fetched again; whether it was so. Its pins stay.
    pub fn discard_damaged(&self, cid: &Cid) -> Result<bool, BlockFolderError> {
        self.core.discard_damaged(cid)
    }

    /// Stops deleting, syncs, and lets go of the directory, so that it can be opened again.
    /// What other clones of this store ask for afterwards is refused, except reading blocks.
    pub fn close(&self) -> Result<(), CloseError> {
        if self.core.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.deleter.stop();
        let synced = self.core.sync();
        self.core.release();
        Ok(synced?)
    }
}

impl Core {
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn sync(&self) -> Result<(), SyncError> {
        if self.folder.sync()? {
            self.metrics.syncs.inc();
        }
        Ok(())
    }

    fn write(&self, key: &BlockKey, data: &[u8]) -> Result<(), PutError> {
        let room = self
            .folder
            .free_bytes()?
            .saturating_sub(self.settings.reserve_bytes);
        let written = if room < data.len() as u64 {
            Err(PutError::NoSpace)
        } else {
            self.folder.write(key, data).map_err(PutError::from)
        };
        match &written {
            Ok(()) => {
                self.metrics.blocks_written.inc();
                self.metrics.bytes_written.inc_by(data.len() as u64);
            }
            Err(PutError::NoSpace) => {
                self.metrics.no_space.inc();
            }
            Err(_) => {}
        }
        written
    }

    /// Closes the pin database, then the lock: the next owner finds both free.
    fn release(&self) {
        self.pins.close();
        if let Some(lock) = locked(&self.lock).take() {
            // Closing alone is not enough while a child that is being started has a copy.
            let _ = lock.unlock();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.release();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("blocks", &self.core.folder.path())
            .finish_non_exhaustive()
    }
}

fn check(cid: &Cid, key: &BlockKey, data: &[u8]) -> Result<(), PutError> {
    match key.matches(data) {
        Match::Yes => Ok(()),
        Match::No => Err(PutError::Mismatch { cid: *cid }),
        Match::UnknownHash => Err(PutError::UnknownHash {
            cid: *cid,
            code: cid.hash().code(),
        }),
    }
}
