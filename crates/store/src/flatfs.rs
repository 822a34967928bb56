//! The folder of blocks, in the layout of Kubo's flatfs (go-ds-flatfs): a `SHARDING` file, a
//! `.temp` folder, and `<two characters>/<BASE32 MULTIHASH>.data`.
//!
//! Knows nothing of pins. File names are resolved from one open directory, so each operation is
//! as few system calls as it can be.

mod direct;
mod layout;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use cidcast_runtime::locked;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::crash;
use crate::error::BlockFolderError;
use crate::key::BlockKey;
use direct::Direct;

const TEMP: &str = ".temp";
/// Kubo writes blocks of any size with a flag; larger files than this are not blocks.
const MAX_READ_BYTES: u64 = 64 << 20;

/// An open folder of blocks.
#[derive(Debug)]
pub(crate) struct BlockFolder {
    path: PathBuf,
    /// Kept open: names are resolved from it, and `syncfs` reports errors since it was opened.
    dir: OwnedFd,
    next_temp: AtomicU64,
    direct: Direct,
    /// Whether a block may have been written since the last sync.
    dirty: AtomicBool,
    /// One sync at a time; who waits finds nothing left to do.
    syncing: Mutex<()>,
}

impl BlockFolder {
    /// The block's bytes, or `None` if it is not here. The bytes are not hashed.
    pub(crate) fn read(&self, key: &BlockKey) -> Result<Option<Bytes>, BlockFolderError> {
        let name = key.path();
        let opened = rustix::fs::openat(
            &self.dir,
            &name,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(self.failed("open", &name, errno.into())),
        };
        read_whole(file)
            .map(Some)
            .map_err(|source| self.failed("read", &name, source))
    }

    /// The block's size, or `None` if it is not here.
    pub(crate) fn size(&self, key: &BlockKey) -> Result<Option<u64>, BlockFolderError> {
        let name = key.path();
        match rustix::fs::statat(&self.dir, &name, AtFlags::empty()) {
            Ok(stat) => Ok(Some(u64::try_from(stat.st_size).unwrap_or(0))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("measure", &name, errno.into())),
        }
    }

    /// Writes the block under a temporary name and renames it, replacing what was there. Durable
    /// only after [`Self::sync`].
    pub(crate) fn write(&self, key: &BlockKey, data: &[u8]) -> Result<(), BlockFolderError> {
        let temp = format!(
            "{TEMP}/put-{}",
            self.next_temp.fetch_add(1, Ordering::Relaxed)
        );
        let written = self.write_temp(&temp, data).and_then(|()| {
            crash::point();
            self.rename(&temp, key)
        });
        if let Err(source) = written {
            // Best effort: a leftover is removed by the next open.
            let _ = rustix::fs::unlinkat(&self.dir, &temp, AtFlags::empty());
            return Err(self.failed("write", &key.path(), source));
        }
        // After the rename: a sync that starts now covers it, one that started before does not.
        self.mark_dirty();
        crash::unsynced(&self.path.join(key.path()));
        crash::point();
        Ok(())
    }

    /// Says that a block that somebody relies on from now on may not be synced.
    pub(crate) fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::SeqCst);
    }

    fn write_temp(&self, temp: &str, data: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, temp, flags, Mode::RUSR | Mode::WUSR)?;
        crash::point();
        let mut file = File::from(fd);
        let done = self.direct.write(&file, data)?;
        crash::point();
        let rest = data.get(done..).unwrap_or_default();
        io::Write::write_all(&mut file, rest)?;
        start_writeback(&file, rest.len());
        Ok(())
    }

    fn rename(&self, temp: &str, key: &BlockKey) -> io::Result<()> {
        let to = key.path();
        match rustix::fs::renameat(&self.dir, temp, &self.dir, &to) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(&self.dir, key.folder(), Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                crash::point();
                Ok(rustix::fs::renameat(&self.dir, temp, &self.dir, &to)?)
            }
            done => Ok(done?),
        }
    }

    /// Deletes the block; whether it was there.
    pub(crate) fn remove(&self, key: &BlockKey) -> Result<bool, BlockFolderError> {
        let name = key.path();
        crash::point();
        match rustix::fs::unlinkat(&self.dir, &name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed("delete", &name, errno.into())),
        }
    }

    /// Makes everything written so far durable; whether there was anything to do.
    pub(crate) fn sync(&self) -> Result<bool, BlockFolderError> {
        let _one_at_a_time = locked(&self.syncing);
        if !self.dirty.swap(false, Ordering::SeqCst) {
            return Ok(false);
        }
        let mark = crash::before_sync();
        crash::point();
        if let Err(errno) = sync_file_system(&self.dir) {
            self.mark_dirty();
            return Err(self.failed("sync", "", errno.into()));
        }
        crash::synced(mark);
        crash::point();
        Ok(true)
    }

    /// Bytes that an ordinary user may still write to this file system.
    pub(crate) fn free_bytes(&self) -> Result<u64, BlockFolderError> {
        let stat = rustix::fs::fstatvfs(&self.dir)
            .map_err(|errno| self.failed("measure the disk of", "", errno.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Where the blocks are.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, action: &'static str, name: &str, source: io::Error) -> BlockFolderError {
        failed(action, self.path.join(name), source)
    }
}

fn failed(action: &'static str, path: PathBuf, source: io::Error) -> BlockFolderError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            BlockFolderError::NoSpace { path }
        }
        _ => BlockFolderError::Io {
            action,
            path,
            source,
        },
    }
}

/// Below this the call costs more than it saves.
const WRITEBACK_MIN_BYTES: usize = 256 << 10;

/// Lets the disk begin with a large block, so that [`BlockFolder::sync`] finds little left to do.
fn start_writeback(file: &File, bytes: usize) {
    #[cfg(target_os = "linux")]
    if bytes >= WRITEBACK_MIN_BYTES {
        // Linux starts writing dirty pages on this advice and drops only clean ones, of which a
        // new file has none. It is advice: a refusal changes nothing.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, bytes);
}

/// Reads a file of known size with one allocation and no zeroing.
fn read_whole(file: File) -> io::Result<Bytes> {
    let size = file.metadata()?.len();
    if size > MAX_READ_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than any block",
        ));
    }
    let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    // `take` ends the read at the known size, which saves the call that would find the end.
    file.take(size).read_to_end(&mut data)?;
    Ok(data.into())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn sync_file_system(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::syncfs(dir)
}

/// Other systems cannot sync one file system: all of them are.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn sync_file_system(dir: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::sync();
    rustix::fs::fsync(dir)
}
