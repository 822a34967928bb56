//! One node per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::RunFile;
use crate::config::DataDir;

/// Held for as long as the node runs; the operating system releases it when the process ends.
pub(crate) struct NodeLock {
    _file: File,
}

/// The lock was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    #[error(
        "another cidcast{} is running on {}: stop it first, or choose another directory with \
         --data-dir",
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(),
        .dir.display()
    )]
    Taken { dir: PathBuf, pid: Option<u32> },
    #[error("cannot lock {}: {source}. Check that the directory belongs to you", path.display())]
    Failed { path: PathBuf, source: io::Error },
}

impl NodeLock {
    pub(crate) fn take(data_dir: &DataDir) -> Result<Self, LockError> {
        let path = data_dir.path().join("node.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(|source| LockError::Failed {
            path: path.clone(),
            source,
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken {
                dir: data_dir.path().to_owned(),
                pid: RunFile::read(data_dir).ok().flatten().map(|run| run.pid),
            }),
            Err(TryLockError::Error(source)) => Err(LockError::Failed { path, source }),
        }
    }
}
