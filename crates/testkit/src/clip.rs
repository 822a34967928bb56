//! Source files, made by ffmpeg or taken from the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::command;

/// The real clip that ships with the repository: 5.3 s, H.264 1280x720 25 fps, AAC 5.1.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/media/bbb-5s-720p-aac.mp4")
}

/// A beep of 80 ms at the start of each second: its place tells whether sound stays with picture.
const BEEPS: &str = "aevalsrc='0.6*sin(2*PI*880*t)*lt(mod(t\\,1)\\,0.08)':s=48000";

/// What a made clip is like.
#[derive(Debug, Clone)]
pub struct Clip {
    /// Seconds.
    pub seconds: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames per second, as ffmpeg reads it (`30000/1001`).
    pub rate: &'static str,
    /// ffmpeg's encoder arguments for the picture.
    pub video: &'static [&'static str],
    /// ffmpeg's encoder arguments for the sound; empty for none.
    pub audio: &'static [&'static str],
    /// File ending.
    pub ending: &'static str,
}

impl Default for Clip {
    /// 10 s of small H.264 with AAC: quick to make and quick to encode.
    fn default() -> Self {
        Self {
            seconds: 10,
            width: 320,
            height: 180,
            rate: "25",
            video: &["-c:v", "libx264", "-preset", "ultrafast"],
            audio: &["-c:a", "aac"],
            ending: "mp4",
        }
    }
}

impl Clip {
    /// Makes the clip in `folder`.
    ///
    /// # Errors
    ///
    /// If ffmpeg is missing or refuses.
    pub fn make(&self, folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let path = folder.join(format!("{name}.{}", self.ending));
        let (width, height, rate) = (self.width, self.height, self.rate);
        let picture = format!("testsrc2=size={width}x{height}:rate={rate}");
        let seconds = self.seconds.to_string();
        let mut ffmpeg = command(Path::new("ffmpeg"));
        ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", &picture]);
        if !self.audio.is_empty() {
            ffmpeg.args(["-f", "lavfi", "-i", BEEPS]);
        }
        ffmpeg
            .args(["-t", &seconds])
            .args(self.video)
            .args(self.audio)
            .arg(&path);
        let made = ffmpeg.status().context("ffmpeg is needed to make clips")?;
        ensure!(made.success(), "ffmpeg could not make {self:?}");
        Ok(path)
    }
}
