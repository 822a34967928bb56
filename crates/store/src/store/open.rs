//! Opening a store: the lock, the folder, the database, the thread; in this order.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::{Core, Store};
use crate::StoreSettings;
use crate::delete::{Deleter, Queue};
use crate::error::{BlockFolderError, OpenError};
use crate::flatfs::BlockFolder;
use crate::hold::HoldTable;
use crate::pins::Database;

const LOCK_FILE: &str = "store.lock";
const BLOCKS: &str = "blocks";
const PINS_FILE: &str = "pins.redb";

impl Store {
    /// Opens the store in `dir`, making it if it is not there, and continues deleting what an
    /// earlier process left to delete. `dir` may be a Kubo repository whose daemon is stopped:
    /// its blocks are read as they are. Blocks without a pin stay until [`Self::sweep`].
    pub fn open(dir: &Path, settings: StoreSettings) -> Result<Self, OpenError> {
        fs::create_dir_all(dir).map_err(|source| io_error("create", dir, source))?;
        let lock = lock(dir)?;
        let folder = BlockFolder::open(&dir.join(BLOCKS))?;
        let pins = Database::open(&dir.join(PINS_FILE), settings.pin_cache_bytes)?;
        let totals = pins.totals()?;
        let core = Arc::new(Core {
            folder,
            pins,
            holds: Arc::new(HoldTable::new()),
            queue: Arc::new(Queue::default()),
            metrics: settings.metrics.clone(),
            settings,
            closed: AtomicBool::new(false),
            kept: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        });
        core.hold_partials()?;
        core.show(&totals);
        if totals.doomed > 0 {
            core.queue.doomed();
        }
        let deleter = Deleter::start(Arc::clone(&core)).map_err(OpenError::Thread)?;
        Ok(Self {
            core,
            deleter: Arc::new(deleter),
        })
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
    }
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> OpenError {
    BlockFolderError::Io {
        action,
        path: path.to_owned(),
        source,
    }
    .into()
}
