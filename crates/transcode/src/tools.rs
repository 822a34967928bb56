//! Finding ffmpeg and ffprobe, and naming the encoder that they make.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::process::{Launch, Spawner, ask, sandbox_is_enforced};

/// `-fps_mode` and `-enc_time_base` as they are used here.
const OLDEST: (u32, u32) = (5, 1);

/// Where the tools are and how they are run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSettings {
    /// The ffmpeg binary; `None` looks in `PATH`.
    pub ffmpeg: Option<PathBuf>,
    /// The ffprobe binary; `None` looks in `PATH`.
    pub ffprobe: Option<PathBuf>,
    /// Niceness of every child, 0 to 19; higher gives way to everything else.
    pub niceness: u8,
    /// A child that makes no progress for this long is killed, and the unit may be tried again.
    pub stall_timeout: Duration,
    /// Whether children are confined by Landlock.
    pub sandbox: Sandbox,
}

/// Whether children are confined by Landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// As far as the kernel can; a kernel that cannot is logged once.
    #[default]
    BestEffort,
    /// Not at all. For systems where the libraries of ffmpeg lie in unusual places.
    Off,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            ffmpeg: None,
            ffprobe: None,
            niceness: 10,
            stall_timeout: Duration::from_secs(120),
            sandbox: Sandbox::BestEffort,
        }
    }
}

/// The tools, found and tried. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tools {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    encoder: String,
    settings: ToolSettings,
    spawner: Spawner,
}

impl Tools {
    /// Finds both tools and tries them: their version, and one picture and a little silence
    /// through the encoders that every plan needs. Blocks for some 100 ms; call it at the start.
    ///
    /// # Errors
    /// If a tool is missing, too old, or built without the encoders.
    pub fn locate(settings: &ToolSettings) -> Result<Self, MissingTool> {
        let ffmpeg = find("ffmpeg", settings.ffmpeg.as_deref())?;
        let ffprobe = find("ffprobe", settings.ffprobe.as_deref())?;
        let version = version(&ffmpeg, "ffmpeg")?;
        self::version(&ffprobe, "ffprobe")?;
        let encoder = format!("ffmpeg {version} x264 {}", try_encoders(&ffmpeg)?);
        if settings.sandbox == Sandbox::BestEffort && !sandbox_is_enforced() {
            tracing::warn!("this kernel has no landlock: ffmpeg runs without a sandbox");
        }
        let spawner = Spawner::new().map_err(|source| MissingTool::NotRunning {
            path: ffmpeg.clone(),
            source,
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                ffmpeg,
                ffprobe,
                encoder,
                settings: settings.clone(),
                spawner,
            }),
        })
    }

    /// Which encoder writes the bytes (`ffmpeg 5.1.9 x264 164 r3095 baee400`): part of every
    /// plan's key.
    pub fn encoder(&self) -> &str {
        &self.inner.encoder
    }

    /// The ffmpeg binary that was found.
    pub fn ffmpeg(&self) -> &Path {
        &self.inner.ffmpeg
    }

    /// Whether children are confined: asked for, and known to the kernel.
    pub fn is_sandboxed(&self) -> bool {
        self.inner.settings.sandbox == Sandbox::BestEffort && sandbox_is_enforced()
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.inner.spawner
    }

    pub(crate) fn stall_timeout(&self) -> Duration {
        self.inner.settings.stall_timeout
    }

    /// ffmpeg over `source`, writing files to `writes` if there is one.
    pub(crate) fn encode(
        &self,
        arguments: Vec<OsString>,
        source: &Path,
        writes: Option<&Path>,
    ) -> Launch {
        self.launch(&self.inner.ffmpeg, arguments, source, writes)
    }

    /// ffprobe over `source`.
    pub(crate) fn inspect(&self, arguments: Vec<OsString>, source: &Path) -> Launch {
        self.launch(&self.inner.ffprobe, arguments, source, None)
    }

    fn launch(
        &self,
        program: &Path,
        arguments: Vec<OsString>,
        source: &Path,
        writes: Option<&Path>,
    ) -> Launch {
        Launch {
            program: program.to_owned(),
            arguments,
            reads: source.to_owned(),
            writes: writes.map(Path::to_owned),
            niceness: self.inner.settings.niceness,
            sandbox: self.inner.settings.sandbox,
        }
    }
}

/// The path from the settings, or the first program of that name in `PATH`.
fn find(tool: &'static str, path: Option<&Path>) -> Result<PathBuf, MissingTool> {
    let missing = || MissingTool::NotFound {
        tool,
        path: path.map(Path::to_owned),
    };
    let absolute = |path: &Path| std::path::absolute(path).ok().filter(|path| path.is_file());
    if let Some(path) = path {
        return absolute(path).ok_or_else(missing);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .find_map(|folder| absolute(&folder.join(tool)))
        .ok_or_else(missing)
}

/// What the tool calls its version, if it is a usable one.
fn version(path: &Path, tool: &'static str) -> Result<String, MissingTool> {
    let answer = ask(path, &["-version"]).map_err(|source| MissingTool::NotRunning {
        path: path.to_owned(),
        source,
    })?;
    let text = String::from_utf8_lossy(&answer.stdout);
    let found = parse_version(&text, tool).ok_or_else(|| MissingTool::NotTheTool {
        tool,
        path: path.to_owned(),
    })?;
    if is_too_old(found) {
        return Err(MissingTool::TooOld {
            tool,
            found: found.to_owned(),
        });
    }
    Ok(found.to_owned())
}

/// `5.1.9-0+deb12u1` out of `ffmpeg version 5.1.9-0+deb12u1 Copyright …`.
fn parse_version<'a>(text: &'a str, tool: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(tool)?.strip_prefix(" version ")?;
    rest.split_whitespace().next()
}

/// Builds from the development branch (`N-112…`, a git hash) have no number and pass.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches('n')
        .split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    match (number(), number()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < OLDEST,
        (None, _) => false,
    }
}

/// Encodes one picture and a little silence; returns x264's own name of its build.
fn try_encoders(ffmpeg: &Path) -> Result<String, MissingTool> {
    let picture = "-v error -f rawvideo -pix_fmt yuv420p -video_size 64x64 -i /dev/zero \
                   -frames:v 1 -c:v libx264 -f h264 pipe:1";
    let sound = "-v error -f s16le -ar 48000 -ac 2 -i /dev/zero -t 0.1 -c:a aac -f adts pipe:1";
    let stream = try_encoder(ffmpeg, picture, "H.264", "libx264")?;
    try_encoder(ffmpeg, sound, "AAC", "aac")?;
    Ok(parse_x264(&stream).unwrap_or_else(|| "unknown".to_owned()))
}

fn try_encoder(
    ffmpeg: &Path,
    arguments: &str,
    codec: &'static str,
    encoder: &'static str,
) -> Result<Vec<u8>, MissingTool> {
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let answer = ask(ffmpeg, &arguments).map_err(|source| MissingTool::NotRunning {
        path: ffmpeg.to_owned(),
        source,
    })?;
    if answer.status.success() && !answer.stdout.is_empty() {
        return Ok(answer.stdout);
    }
    Err(MissingTool::NoEncoder {
        codec,
        encoder,
        detail: String::from_utf8_lossy(&answer.stderr).trim().to_owned(),
    })
}

/// `164 r3095 baee400` out of the message that x264 leaves in its stream.
fn parse_x264(stream: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b"x264 - core ";
    let at = stream
        .windows(BEFORE.len())
        .position(|window| window == BEFORE)?;
    let rest = stream.get(at + BEFORE.len()..)?;
    let text = String::from_utf8_lossy(rest.get(..64.min(rest.len()))?).into_owned();
    let (build, _) = text.split_once(" - ")?;
    build.is_ascii().then(|| build.to_owned())
}

/// A tool is missing or cannot do what is needed.
#[derive(Debug, thiserror::Error)]
pub enum MissingTool {
    /// No such program.
    #[error("{tool} was not found{}: install it (Debian, Ubuntu: apt-get install ffmpeg; Fedora: dnf install ffmpeg) or name its path in the configuration", .path.as_ref().map(|path| format!(" at {}", path.display())).unwrap_or_default())]
    NotFound {
        /// `ffmpeg` or `ffprobe`.
        tool: &'static str,
        /// The path from the settings, if there was one.
        path: Option<PathBuf>,
    },
    /// The program is there but does not run.
    #[error("{} does not run: check its permissions and libraries", .path.display())]
    NotRunning {
        /// The program.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ran, but is not what it should be.
    #[error("{} does not answer `-version` as {tool} does: name the right path in the configuration", .path.display())]
    NotTheTool {
        /// `ffmpeg` or `ffprobe`.
        tool: &'static str,
        /// The program.
        path: PathBuf,
    },
    /// Too old for the options that are used.
    #[error("{tool} {found} is too old: version 5.1 or later is needed")]
    TooOld {
        /// `ffmpeg` or `ffprobe`.
        tool: &'static str,
        /// What it calls itself.
        found: String,
    },
    /// Built without an encoder that every plan needs.
    #[error("this ffmpeg cannot encode {codec}: install a build that has {encoder}\n{detail}")]
    NoEncoder {
        /// `H.264` or `AAC`.
        codec: &'static str,
        /// ffmpeg's name of the encoder.
        encoder: &'static str,
        /// What it said.
        detail: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let text = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026";
        assert_eq!(parse_version(text, "ffmpeg"), Some("5.1.9-0+deb12u1"));
        assert_eq!(parse_version(text, "ffprobe"), None);
        for old in ["4.4.2", "5.0", "n5.0.1", "3.4.8-static"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in [
            "5.1",
            "n7.1",
            "8.0.1-static",
            "N-112233-gabcdef",
            "git-2025-01-01",
        ] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn x264_names_its_build() {
        let stream = b"\0\0\x01\x06junkx264 - core 164 r3095 baee400 - H.264/MPEG-4 AVC codec";
        assert_eq!(parse_x264(stream).as_deref(), Some("164 r3095 baee400"));
        assert_eq!(parse_x264(b"x264 - core "), None);
    }

    #[test]
    fn a_missing_tool_says_how_to_get_it() {
        let settings = ToolSettings {
            ffmpeg: Some("/nowhere/ffmpeg".into()),
            ..ToolSettings::default()
        };
        let text = Tools::locate(&settings).unwrap_err().to_string();
        assert!(
            text.contains("/nowhere/ffmpeg") && text.contains("apt-get install ffmpeg"),
            "{text}"
        );
    }

    #[test]
    fn another_program_is_not_taken_for_ffmpeg() {
        let settings = ToolSettings {
            ffmpeg: Some("/bin/true".into()),
            ..ToolSettings::default()
        };
        let error = Tools::locate(&settings).unwrap_err();
        assert!(
            matches!(error, MissingTool::NotTheTool { tool: "ffmpeg", .. }),
            "{error}"
        );
    }
}
