//! One bare ffmpeg that makes the same renditions as a plan: what a person would type.

use std::path::Path;

use cidcast_media::plan::{AudioRendition, Plan, VideoRendition};

use crate::program::Program;

/// The command. It may use as many threads as it likes; it runs with the priority that the node
/// gives to its encoders, and writes one fragmented MP4 for each rendition into `folder`.
pub(super) fn command(ffmpeg: &Path, source: &Path, plan: &Plan, folder: &Path) -> Program {
    const NICENESS: &str = "10";
    let mut command = Program::new("nice")
        .args(["-n", NICENESS])
        .arg(ffmpeg)
        .args(["-v", "error", "-nostdin", "-y", "-i"])
        .arg(source);
    if !plan.video.is_empty() {
        command = command.args(["-filter_complex", &filters(&plan.video)]);
    }
    for (index, rendition) in plan.video.iter().enumerate() {
        command = command
            .args(["-map", &format!("[v{index}]")])
            .args(words(&video(rendition, plan.segments.frames)))
            .arg(folder.join(format!("{}.mp4", rendition.name)));
    }
    for rendition in &plan.audio {
        command = command
            .args(words(&audio(rendition)))
            .arg(folder.join(format!("{}.mp4", rendition.name)));
    }
    command
}

/// Decoded once, scaled for each rendition.
fn filters(renditions: &[VideoRendition]) -> String {
    let outputs: String = (0..renditions.len()).map(|i| format!("[s{i}]")).collect();
    let mut chain = format!("[0:v:0]split={}{outputs}", renditions.len());
    for (index, VideoRendition { width, height, .. }) in renditions.iter().enumerate() {
        chain += &format!(";[s{index}]scale={width}:{height},setsar=1,format=yuv420p[v{index}]");
    }
    chain
}

fn video(rendition: &VideoRendition, frames: Option<u32>) -> String {
    let VideoRendition {
        crf,
        max_bitrate,
        buffer_size,
        preset,
        ..
    } = rendition;
    let keys = match frames {
        Some(frames) => format!("-g {frames} -keyint_min {frames}"),
        None => "-force_key_frames expr:gte(t,n_forced*4)".to_owned(),
    };
    format!(
        "-c:v libx264 -profile:v high -preset {preset} -crf {crf} -maxrate {max_bitrate} \
         -bufsize {buffer_size} -sc_threshold 0 {keys} {FRAGMENTS}"
    )
}

fn audio(rendition: &AudioRendition) -> String {
    let AudioRendition {
        stream,
        channels,
        sample_rate,
        bitrate,
        ..
    } = rendition;
    format!("-map 0:{stream} -c:a aac -ac {channels} -ar {sample_rate} -b:a {bitrate} {FRAGMENTS}")
}

/// As CMAF wants it.
const FRAGMENTS: &str = "-f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof";

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}
