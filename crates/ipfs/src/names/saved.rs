//! What this node has published, on disk.
//!
//! One file per name. It is written before the record is sent: a sequence number is never used
//! twice for different values, whatever is killed when.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::IpnsName;

/// A file much longer is something else.
const MAX_BYTES: u64 = 16 << 10;

/// One name's newest state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// The named key; none: the node's own, or one that is lent.
    pub(super) key: Option<String>,
    /// The name of a lent key, whose secret half is not in this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lent: Option<String>,
    pub(super) value: String,
    pub(super) sequence: u64,
}

/// The names of this node could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The file system refused.
    #[error("{path} cannot be read or written; check the data directory and its free space")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what this node wrote.
    #[error(
        "{path} is damaged; move it away and publish the name again, its sequence number is then \
         looked up in the network"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The folder of all names.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens or makes the folder.
    pub(super) fn open(path: &Path) -> Result<Self, SavedError> {
        let path = path.to_owned();
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(SavedError::Io { path, source }),
        }
    }

    /// Where the key `name` lies.
    pub(super) fn key_file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.key"))
    }

    pub(super) fn read(&self, name: &IpnsName) -> Result<Option<Saved>, SavedError> {
        read(&self.file(name))
    }

    pub(super) fn write(&self, name: &IpnsName, saved: &Saved) -> Result<(), SavedError> {
        let path = self.file(name);
        self.replace(&path, saved)
            .map_err(|source| SavedError::Io { path, source })
    }

    /// Every name that was published.
    pub(super) fn all(&self) -> Result<Vec<Saved>, SavedError> {
        let failed = |source| SavedError::Io {
            path: self.path.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                found.extend(read(&path)?);
            }
        }
        Ok(found)
    }

    fn file(&self, name: &IpnsName) -> PathBuf {
        self.path.join(format!("{name}.json"))
    }

    fn replace(&self, path: &Path, saved: &Saved) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".name-")
            .tempfile_in(&self.path)?;
        file.write_all(&serde_json::to_vec(saved)?)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        fs::File::open(&self.path)?.sync_all()
    }
}

fn read(path: &Path) -> Result<Option<Saved>, SavedError> {
    let damaged = || SavedError::Damaged {
        path: path.to_owned(),
    };
    let text = match fs::metadata(path).and_then(|about| match about.len() {
        ..=MAX_BYTES => fs::read(path).map(Some),
        _ => Ok(None),
    }) {
        Ok(text) => text.ok_or_else(damaged)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = path.to_owned();
            return Err(SavedError::Io { path, source });
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|_| damaged())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> IpnsName {
        "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
            .parse()
            .unwrap()
    }

    #[test]
    fn what_was_saved_is_read_and_damage_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(&scratch.path().join("names")).unwrap();
        assert_eq!(folder.read(&name()).unwrap(), None);
        let saved = Saved {
            key: None,
            lent: None,
            value: "/ipfs/x".into(),
            sequence: 7,
        };
        folder.write(&name(), &saved).unwrap();
        assert_eq!(folder.read(&name()).unwrap(), Some(saved.clone()));
        assert_eq!(folder.all().unwrap(), [saved]);
        fs::write(folder.file(&name()), "{").unwrap();
        assert!(matches!(
            folder.read(&name()),
            Err(SavedError::Damaged { .. })
        ));
    }
}
