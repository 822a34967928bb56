//! Measuring files and streams with ffprobe and ffmpeg.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command;

/// Samples per second at which [`beeps`] listens.
const RATE: u32 = 48_000;
/// Loudness at which a beep has begun; the beeps have 0.6, codecs ring at less than a tenth.
const LOUD: f32 = 0.25;
/// Beeps are a second apart: after one began, the next cannot begin for this many samples.
const DEAF: usize = 24_000;

fn run(program: &str, arguments: &[&str], of: &str) -> Result<Output> {
    let output = command(Path::new(program)).args(arguments).output();
    let output = output.with_context(|| format!("{program} is needed to measure"))?;
    ensure!(
        output.status.success(),
        "{program} cannot read {of}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

fn ffprobe(of: &str, arguments: &[&str]) -> Result<Value> {
    let mut all = vec!["-v", "error", "-of", "json"];
    all.extend(arguments);
    all.push(of);
    Ok(serde_json::from_slice(&run("ffprobe", &all, of)?.stdout)?)
}

/// The `streams` that ffprobe finds in a file or URL.
///
/// # Errors
///
/// If it is not media.
pub fn streams(of: &str) -> Result<Vec<Value>> {
    let report = ffprobe(of, &["-show_streams"])?;
    Ok(report
        .get("streams")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}

/// When each decoded picture of the first video track is shown, in seconds, ascending. Decoding
/// that complains is an error.
///
/// # Errors
///
/// If it cannot be decoded whole.
pub fn pictures(of: &str) -> Result<Vec<f64>> {
    let select = ["-select_streams", "v:0", "-show_frames"];
    let shown = ["-show_entries", "frame=best_effort_timestamp_time"];
    let report = ffprobe(of, &[select.as_slice(), shown.as_slice()].concat())?;
    let frames = report.get("frames").and_then(Value::as_array);
    let times = frames.context("no frames")?.iter().map(|frame| {
        let time = frame
            .get("best_effort_timestamp_time")
            .and_then(Value::as_str);
        Ok(time.context("a frame without time")?.parse()?)
    });
    let mut times = times.collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// When each beep of the first audio track begins, in seconds on the same clock as [`pictures`].
///
/// # Errors
///
/// If it cannot be decoded.
pub fn beeps(of: &str) -> Result<Vec<f64>> {
    let rate = RATE.to_string();
    let output = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-copyts",
            "-i",
            of,
            "-map",
            "0:a:0",
            // Silence where there is no sound before the first, then samples as they come.
            "-af",
            "aresample=async=1:first_pts=0",
            "-ac",
            "1",
            "-ar",
            &rate,
            "-f",
            "f32le",
            "-",
        ],
        of,
    )?;
    let (samples, _) = output.stdout.as_chunks::<4>();
    let mut found = Vec::new();
    let mut listen_from = 0;
    for (at, sample) in samples.iter().enumerate() {
        if at >= listen_from && f32::from_le_bytes(*sample).abs() > LOUD {
            #[expect(clippy::cast_precision_loss, reason = "a few million at most")]
            found.push(at as f64 / f64::from(RATE));
            listen_from = at + DEAF;
        }
    }
    Ok(found)
}

/// Decodes everything; what ffmpeg complains about.
///
/// # Errors
///
/// If it cannot be decoded.
pub fn complaints(of: &str) -> Result<String> {
    let output = run(
        "ffmpeg",
        &["-v", "warning", "-i", of, "-f", "null", "-"],
        of,
    )?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}
