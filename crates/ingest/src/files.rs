//! Where sources and unfinished work lie in the data directory, and how much room is left.
//!
//! ```text
//! <data_dir>/sources/<id>        the uploaded file, growing while it arrives
//! <data_dir>/work/<id>/<unit>/   output of one encoder process, removed when it is in the store
//! <data_dir>/reserve             given up when the disk is full, so that this can be recorded
//! ```

use std::io;
use std::path::{Path, PathBuf};

use cidcast_types::AssetId;

/// Room for a few hundred rows of the catalog.
const RESERVE_BYTES: usize = 1 << 20;

/// Paths below the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    reserve: PathBuf,
    sources: PathBuf,
    work: PathBuf,
}

impl Files {
    /// Makes the folders. Whatever lies in `work` is from a process that is gone: it is removed.
    pub(crate) fn prepare(data_dir: &Path) -> io::Result<Self> {
        let files = Self {
            reserve: data_dir.join("reserve"),
            sources: data_dir.join("sources"),
            work: data_dir.join("work"),
        };
        std::fs::create_dir_all(&files.sources)?;
        remove_tree(&files.work)?;
        std::fs::create_dir_all(&files.work)?;
        files.keep_reserve();
        Ok(files)
    }

    /// Sets the reserve aside, unless it is there. On a full disk there is none.
    pub(crate) fn keep_reserve(&self) {
        let is_kept = std::fs::metadata(&self.reserve)
            .is_ok_and(|reserve| reserve.len() == RESERVE_BYTES as u64);
        if !is_kept && let Err(error) = std::fs::write(&self.reserve, vec![0; RESERVE_BYTES]) {
            tracing::debug!(%error, "could not set a reserve aside");
            self.spend_reserve();
        }
    }

    /// Gives the reserve up.
    pub(crate) fn spend_reserve(&self) {
        if let Err(error) = std::fs::remove_file(&self.reserve) {
            tracing::debug!(%error, "there is no reserve to give up");
        }
    }

    /// The uploaded file of an asset, or of the upload that will become it.
    pub(crate) fn source(&self, id: &AssetId) -> PathBuf {
        self.sources.join(id.to_string())
    }

    /// A fresh, empty folder for the output of one unit.
    pub(crate) fn fresh_work(&self, id: &AssetId, unit: &str) -> io::Result<PathBuf> {
        let folder = self.work.join(id.to_string()).join(unit.replace('/', "-"));
        remove_tree(&folder)?;
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Removes everything of an asset. Running it again is fine.
    pub(crate) fn remove(&self, id: &AssetId) -> io::Result<()> {
        self.remove_work(id)?;
        self.remove_source(id)
    }

    /// Removes what encoders left of an asset.
    pub(crate) fn remove_work(&self, id: &AssetId) -> io::Result<()> {
        remove_tree(&self.work.join(id.to_string()))
    }

    /// Removes the uploaded file.
    pub(crate) fn remove_source(&self, id: &AssetId) -> io::Result<()> {
        match std::fs::remove_file(self.source(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The ids of all files in `sources`; names that are no ids are not ours and left alone.
    pub(crate) fn source_ids(&self) -> io::Result<Vec<AssetId>> {
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(&self.sources)? {
            if let Some(id) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// Makes the names in `sources` durable.
    pub(crate) fn sync_names(&self) -> io::Result<()> {
        std::fs::File::open(&self.sources)?.sync_all()
    }

    /// Bytes that can still be written below the data directory.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.sources)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

pub(crate) fn remove_tree(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether an error of the operating system means that the disk or quota is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_an_asset_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::prepare(dir.path()).unwrap();
        let [one, two] =
            [1, 2].map(|n| AssetId::from_parts(cidcast_types::Timestamp::from_millis(n), 5));
        for id in [&one, &two] {
            std::fs::write(files.source(id), b"x").unwrap();
            files.fresh_work(id, "v/00000").unwrap();
        }
        files.remove(&one).unwrap();
        files.remove(&one).unwrap();
        assert_eq!(files.source_ids().unwrap(), [two]);
        assert!(!dir.path().join("work").join(one.to_string()).exists());
        assert!(dir.path().join("work").join(two.to_string()).exists());
    }
}
