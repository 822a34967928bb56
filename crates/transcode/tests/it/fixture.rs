//! Sources, plans, and what came out.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use cidcast_media::plan::{ChunkSpan, LadderSettings, Plan};
use cidcast_media::source::SourceMedia;
use cidcast_transcode::{ChunkJob, ProbeLimits, ToolSettings, Tools};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) static TOOLS: LazyLock<Tools> =
    LazyLock::new(|| Tools::locate(&ToolSettings::default()).unwrap());

/// Runs ffmpeg or ffprobe and returns what it wrote.
pub(crate) fn tool(program: &str, arguments: &str, folder: &Path) -> String {
    let output = Command::new(program)
        .args(["-v", "error", "-hide_banner"])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A source made by ffmpeg from `arguments`.
pub(crate) struct Source {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Source {
    pub(crate) fn make(name: &str, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tool("ffmpeg", &format!("-y {arguments} {name}"), folder.path());
        Self {
            path: folder.path().join(name),
            folder,
        }
    }

    pub(crate) fn of_bytes(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self { folder, path }
    }

    pub(crate) async fn probe(&self) -> SourceMedia {
        let limits = ProbeLimits::default();
        TOOLS
            .probe(&self.path, &limits, &CancellationToken::new())
            .await
            .unwrap()
    }
}

/// Short segments and small renditions, so that short sources have many chunks.
pub(crate) fn plan(media: &SourceMedia, segment_seconds: u64, chunk_seconds: u64) -> Plan {
    let settings = LadderSettings {
        rungs: vec![90],
        min_short_side: 90,
        segment: cidcast_types::Micros::from_secs(segment_seconds),
        chunk: cidcast_types::Micros::from_secs(chunk_seconds),
        ..LadderSettings::default()
    };
    Plan::new(media, &settings, TOOLS.encoder()).unwrap()
}

/// Every chunk's files, per rendition in the plan's order.
pub(crate) async fn encode_all(
    source: &Source,
    media: &SourceMedia,
    plan: &Plan,
) -> Vec<Vec<Vec<u8>>> {
    let mut renditions = vec![Vec::new(); plan.video.len()];
    for span in &plan.chunks {
        for (index, bytes) in encode(source, media, plan, span)
            .await
            .into_iter()
            .enumerate()
        {
            renditions[index].push(bytes);
        }
    }
    renditions
}

pub(crate) async fn encode(
    source: &Source,
    media: &SourceMedia,
    plan: &Plan,
    span: &ChunkSpan,
) -> Vec<Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    let job = ChunkJob {
        source: &source.path,
        media,
        plan,
        span,
        out_dir: out.path(),
    };
    let files = TOOLS
        .encode_chunk(job, |_| {}, &CancellationToken::new())
        .await
        .unwrap();
    files
        .into_iter()
        .map(|(_, path)| std::fs::read(path).unwrap())
        .collect()
}

/// The boxes of one level: type, and bytes with header.
pub(crate) fn boxes(mut bytes: &[u8]) -> Vec<(&str, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        found.push((std::str::from_utf8(&bytes[4..8]).unwrap(), &bytes[..size]));
        bytes = &bytes[size..];
    }
    found
}

pub(crate) fn child<'a>(parent: &'a [u8], kind: &str) -> &'a [u8] {
    boxes(&parent[8..])
        .into_iter()
        .find(|(name, _)| *name == kind)
        .unwrap()
        .1
}

/// The initialisation segment, and the decode time, length and frame count of every fragment.
pub(crate) struct Parsed {
    pub(crate) init: Vec<u8>,
    pub(crate) fragments: Vec<Fragment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) decode_time: u64,
    pub(crate) duration: u64,
    pub(crate) frames: u32,
}

pub(crate) fn parse(file: &[u8]) -> Parsed {
    let mut parsed = Parsed {
        init: Vec::new(),
        fragments: Vec::new(),
    };
    for (kind, bytes) in boxes(file) {
        match kind {
            "ftyp" | "moov" => parsed.init.extend_from_slice(bytes),
            "moof" => parsed.fragments.push(fragment(child(bytes, "traf"))),
            "mdat" => {}
            other => panic!("unexpected box {other}"),
        }
    }
    parsed
}

fn fragment(traf: &[u8]) -> Fragment {
    let number =
        |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let tfdt = child(traf, "tfdt");
    assert_eq!(tfdt[8], 1, "64-bit decode times");
    let decode_time = u64::from_be_bytes(tfdt[12..20].try_into().unwrap());
    let tfhd = child(traf, "tfhd");
    // Default duration comes behind track id and, if present, the sample description.
    let tfhd_flags = number(tfhd, 8) & 0xff_ffff;
    let at = 16 + 4 * usize::from(tfhd_flags & 2 != 0);
    let default = (tfhd_flags & 8 != 0).then(|| u64::from(number(tfhd, at)));
    let (mut frames, mut duration) = (0, 0);
    for (_, trun) in boxes(&traf[8..])
        .into_iter()
        .filter(|(kind, _)| *kind == "trun")
    {
        let flags = number(trun, 8) & 0xff_ffff;
        let count = number(trun, 12);
        let header = 16 + 4 * (flags & 1) as usize + 4 * (flags >> 2 & 1) as usize;
        let fields = [0x100, 0x200, 0x400, 0x800]
            .iter()
            .filter(|bit| flags & **bit != 0)
            .count();
        for sample in 0..count as usize {
            duration += if flags & 0x100 == 0 {
                default.unwrap()
            } else {
                u64::from(number(trun, header + sample * fields * 4))
            };
        }
        frames += count;
    }
    Fragment {
        decode_time,
        duration,
        frames,
    }
}

/// One rendition's chunks put together as a player sees them: one init, then all fragments.
pub(crate) fn join(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = parse(&chunks[0]).init;
    for chunk in chunks {
        for (kind, bytes) in boxes(chunk) {
            if matches!(kind, "moof" | "mdat") {
                whole.extend_from_slice(bytes);
            }
        }
    }
    whole
}

/// Times of all decoded frames in microseconds. AVI does not know the last one's: it follows at
/// the distance of the ones before.
pub(crate) fn frame_times(path: &Path, select: &str) -> Vec<i64> {
    let question = format!(
        "-select_streams {select} -show_entries frame=best_effort_timestamp_time -of csv=p=0 {}",
        path.file_name().unwrap().to_str().unwrap()
    );
    let mut times: Vec<i64> = Vec::new();
    for line in tool("ffprobe", &question, path.parent().unwrap()).lines() {
        match line.split(',').next().unwrap() {
            "" => {}
            "N/A" => times.push(2 * times[times.len() - 1] - times[times.len() - 2]),
            seconds => times.push((seconds.parse::<f64>().unwrap() * 1e6).round() as i64),
        }
    }
    times
}
