//! Opening a folder of blocks and listing what is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64};

use rustix::fs::{Mode, OFlags};

use super::direct::Direct;
use super::{BlockFolder, TEMP, failed};
use crate::crash;
use crate::error::{BlockFolderError, OpenError};
use crate::key::BlockKey;

const SHARDING_FILE: &str = "SHARDING";
const SHARDING: &str = "/repo/flatfs/shard/v1/next-to-last/2";
/// No `SHARDING` file is longer.
const SHARDING_MAX_BYTES: usize = 256;

impl BlockFolder {
    /// Opens the folder at `path`, making it if it is not there, and removes the temporary files
    /// that an earlier process left.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        fs::create_dir_all(path).map_err(|e| failed("create", path.to_owned(), e))?;
        check_sharding(path)?;
        clear_temp(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| failed("open", path.to_owned(), errno.into()))?;
        Ok(Self {
            path: path.to_owned(),
            dir,
            next_temp: AtomicU64::new(0),
            direct: Direct::new(),
            // A process before this one may have been killed before it synced.
            dirty: AtomicBool::new(true),
            syncing: Mutex::new(()),
        })
    }

    /// The names of the folders that blocks lie in.
    pub(crate) fn folders(&self) -> Result<Vec<String>, BlockFolderError> {
        let mut folders = names_in(&self.path)?;
        folders.retain(|name| name.len() == 2);
        folders.sort_unstable();
        Ok(folders)
    }

    /// The blocks in one of [`Self::folders`]; other files are passed over.
    pub(crate) fn blocks_in(&self, folder: &str) -> Result<Vec<BlockKey>, BlockFolderError> {
        let names = names_in(&self.path.join(folder))?;
        Ok(names
            .iter()
            .filter_map(|name| BlockKey::from_file_name(folder, name))
            .collect())
    }
}

fn names_in(path: &Path) -> Result<Vec<String>, BlockFolderError> {
    let failed = |source| failed("list", path.to_owned(), source);
    let mut names = Vec::new();
    match fs::read_dir(path) {
        Ok(entries) => {
            for entry in entries {
                names.extend(entry.map_err(failed)?.file_name().into_string());
            }
        }
        // Not a folder, or deleted meanwhile: nothing in it.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) => {}
        Err(source) => return Err(failed(source)),
    }
    Ok(names)
}

fn check_sharding(path: &Path) -> Result<(), OpenError> {
    let file = path.join(SHARDING_FILE);
    match fs::read_to_string(&file) {
        Ok(text) if text.trim() == SHARDING => Ok(()),
        Ok(text) => Err(OpenError::Sharding {
            path: path.to_owned(),
            found: text.trim().chars().take(SHARDING_MAX_BYTES).collect(),
            expected: SHARDING,
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            if names_in(path)?.iter().any(|name| name != TEMP) {
                return Err(OpenError::NotABlockFolder {
                    path: path.to_owned(),
                });
            }
            Ok(write_sharding(path, &file)?)
        }
        Err(source) => Err(failed("read", file, source).into()),
    }
}

/// Through a temporary name, so that a crash leaves no half of it.
fn write_sharding(path: &Path, file: &Path) -> Result<(), BlockFolderError> {
    let temp_dir = path.join(TEMP);
    let temp = temp_dir.join("put-SHARDING");
    crash::point();
    let written = make_dir(&temp_dir).and_then(|()| {
        crash::point();
        fs::write(&temp, format!("{SHARDING}\n"))?;
        crash::point();
        fs::File::open(&temp)?.sync_all()?;
        fs::rename(&temp, file)
    });
    crash::point();
    written.map_err(|source| failed("write", file.to_owned(), source))
}

fn clear_temp(path: &Path) -> Result<(), BlockFolderError> {
    let temp: PathBuf = path.join(TEMP);
    make_dir(&temp).map_err(|source| failed("create", temp.clone(), source))?;
    for name in names_in(&temp)? {
        let leftover = temp.join(name);
        fs::remove_file(&leftover).map_err(|source| failed("delete", leftover, source))?;
    }
    Ok(())
}

fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}
