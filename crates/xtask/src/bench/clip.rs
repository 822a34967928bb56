//! What is measured on.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::program::Program;
use crate::repository;

/// Where the benchmark keeps its files.
pub(super) fn folder() -> Result<PathBuf> {
    let folder = repository::target()?.join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// 55 s of 720p: the clip in the repository again and again, on one clock. Made once.
///
/// Real pictures, because how much of the time is encoding depends on them; encoded again, because
/// the joints of copied packets make uneven frame times.
pub(super) fn long() -> Result<PathBuf> {
    let clip = folder()?.join("55s-720p.mp4");
    if clip.is_file() {
        return Ok(clip);
    }
    let part = folder()?.join("55s-720p.part.mp4");
    Program::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-stream_loop", "-1", "-i"])
        .arg(repository::root()?.join("tests/media/bbb-5s-720p-aac.mp4"))
        .args([
            "-vf",
            "setpts=N/25/TB",
            "-af",
            "asetpts=N/SR/TB",
            "-t",
            "55",
        ])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "18"])
        .args(["-c:a", "aac", "-b:a", "160k"])
        .arg(&part)
        .run()?;
    fs::rename(&part, &clip)?;
    Ok(clip)
}

/// Writes `bytes` bytes that nothing can compress or share.
pub(super) fn random(file: &Path, bytes: u64) -> Result<()> {
    let mut random = fs::File::open("/dev/urandom")
        .context("the system has no /dev/urandom")?
        .take(bytes);
    let mut file = fs::File::create(file)?;
    std::io::copy(&mut random, &mut file)?;
    file.sync_all()?;
    Ok(())
}
