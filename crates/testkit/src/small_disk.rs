//! A disk that is small enough to fill.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::command;

/// A file system in memory, taken away when dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one at an empty folder. Only root may.
    ///
    /// # Errors
    ///
    /// If mounting is refused.
    pub fn mount(at: &Path, mebibytes: u32) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let size = format!("size={mebibytes}m");
        let said = command(Path::new("mount"))
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output()?;
        ensure!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr).trim()
        );
        Ok(Self(at.to_owned()))
    }

    /// Writes a file until nothing more fits; deleting it makes room.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn fill(&self) -> Result<PathBuf> {
        let path = self.0.join("filler");
        let mut file = File::create(&path)?;
        let mut piece = vec![0_u8; 1 << 20];
        while !piece.is_empty() {
            // What is left is smaller than the piece.
            if file.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Ok(path)
    }

    /// Writes a file that leaves this much room; deleting it makes more.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub fn fill_leaving(&self, bytes: u64) -> Result<PathBuf> {
        let path = self.fill()?;
        let file = File::options().write(true).open(&path)?;
        let filled = file.metadata()?.len();
        ensure!(filled > bytes, "the disk has no {bytes} bytes of room");
        file.set_len(filled - bytes)?;
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a node that is still being killed may have files open.
        let _ = command(Path::new("umount")).arg("-l").arg(&self.0).output();
    }
}
