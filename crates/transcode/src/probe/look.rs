//! Questions to ffprobe about one source.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::report::micros;
use super::{ProbeError, Report};
use crate::Tools;
use crate::poster::file_url;
use crate::process::{Output, Patience, RunError, run};
use crate::timeline::INPUT;

/// More than ffprobe writes for twelve hours of packets at 60 frames per second.
const LIMIT: usize = 192 * 1024 * 1024;

/// The probe as a whole has its own deadline; this one only has to be longer.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// One source that is being looked into.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub tools: &'a Tools,
    pub source: &'a Path,
    pub cancel: &'a CancellationToken,
}

/// When a packet is shown, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    pub time: i64,
    pub duration: i64,
}

/// What decoding the first frames of a track showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decoded {
    /// When the first frame is shown.
    From(i64),
    /// No decoder for it.
    Unsupported,
    /// Nothing came out.
    Nothing,
}

impl Look<'_> {
    /// Formats and tracks.
    pub(super) async fn report(&self) -> Result<Report, ProbeError> {
        let (json, said) = self
            .ask(&["-show_format", "-show_streams", "-of", "json"])
            .await?;
        parse(&json, said)
    }

    /// Packets of a track. `intervals` as ffprobe takes them; `None` reads all.
    pub(super) async fn packets(
        &self,
        stream: u32,
        intervals: Option<&str>,
    ) -> Result<Vec<Packet>, ProbeError> {
        let stream = stream.to_string();
        let mut question = vec!["-select_streams", &stream];
        question.extend([
            "-show_entries",
            "packet=pts_time,dts_time,duration_time",
            "-of",
            "csv",
        ]);
        if let Some(intervals) = intervals {
            question.extend(["-read_intervals", intervals]);
        }
        let (lines, _) = self.ask(&question).await?;
        Ok(String::from_utf8_lossy(&lines)
            .lines()
            .filter_map(packet)
            .collect())
    }

    /// Decodes the first frames of a track.
    pub(super) async fn decode(&self, stream: u32, packets: u32) -> Result<Decoded, ProbeError> {
        let stream = stream.to_string();
        let interval = format!("%+#{packets}");
        let question = [
            "-select_streams",
            &stream,
            "-show_entries",
            "frame=best_effort_timestamp_time",
            "-read_intervals",
            &interval,
            "-of",
            "csv",
        ];
        let (lines, said) = self.ask(&question).await?;
        let lines = String::from_utf8_lossy(&lines);
        let first = lines.lines().filter_map(frame_time).min();
        Ok(match first {
            Some(time) => Decoded::From(time),
            None if said.contains("Unsupported codec") => Decoded::Unsupported,
            None => Decoded::Nothing,
        })
    }

    /// Asks one question; returns the answer and what was said beside it.
    async fn ask(&self, question: &[&str]) -> Result<(Vec<u8>, String), ProbeError> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(OsString::from));
        add(&["-hide_banner", "-loglevel", "warning", "-threads", "1"]);
        add(INPUT);
        add(question);
        arguments.push(file_url(self.source));
        let launch = self.tools.inspect(arguments, self.source);
        let mut bytes = Vec::new();
        let output = Output::Keep {
            bytes: &mut bytes,
            limit: LIMIT,
        };
        let patience = Patience::SinceStart(FOREVER);
        let ended = run(
            self.tools.spawner(),
            launch,
            output,
            patience,
            |_| {},
            self.cancel,
        )
        .await;
        match ended {
            Ok(said) => Ok((bytes, said)),
            Err(error) => Err(refusal(error)),
        }
    }
}

fn parse<T: DeserializeOwned>(json: &[u8], said: String) -> Result<T, ProbeError> {
    serde_json::from_slice(json).map_err(|error| ProbeError::Tool {
        said,
        source: Some(error.into()),
    })
}

/// `packet,0.040000,0.000000,0.040000`; fields that are not known are `N/A`.
fn packet(line: &str) -> Option<Packet> {
    let mut fields = line.strip_prefix("packet,")?.split(',').map(micros);
    let (shown, decoded) = (fields.next()?, fields.next()?);
    let duration = fields.next().flatten().unwrap_or(0);
    Some(Packet {
        time: shown.or(decoded)?,
        duration,
    })
}

/// `frame,0.040000`, perhaps followed by side data.
fn frame_time(line: &str) -> Option<i64> {
    micros(line.strip_prefix("frame,")?.split(',').next()?)
}

/// What it means when ffprobe gives up on a file.
fn refusal(error: RunError) -> ProbeError {
    let tool = |said: String, source| ProbeError::Tool { said, source };
    match error {
        RunError::Cancelled => ProbeError::Cancelled,
        RunError::NotStarted { source } | RunError::Read { source } => {
            tool("it could not be started or read".to_owned(), Some(source))
        }
        RunError::Killed { signal, said } => tool(format!("signal {signal}: {said}"), None),
        RunError::Stalled { after, .. } => ProbeError::Timeout { after },
        RunError::TooMuchOutput { .. } | RunError::ReceiverGone => ProbeError::Damaged {
            what: "time stamps",
        },
        RunError::Failed { said, .. } if is_passing(&said) => tool(said, None),
        RunError::Failed { .. } => ProbeError::NotMedia,
    }
}

/// Failures that say nothing about the file.
fn is_passing(said: &str) -> bool {
    [
        "Permission denied",
        "No such file",
        "Cannot allocate memory",
        "Input/output error",
    ]
    .iter()
    .any(|reason| said.contains(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_frames_are_read_from_lines() {
        let shown = Packet {
            time: 40_000,
            duration: 20_000,
        };
        assert_eq!(packet("packet,0.040000,0.000000,0.020000"), Some(shown));
        assert_eq!(packet("packet,N/A,0.040000,0.020000"), Some(shown));
        assert_eq!(
            packet("packet,N/A,0.04,N/A"),
            Some(Packet {
                duration: 0,
                ..shown
            })
        );
        assert_eq!(packet("packet,N/A,N/A,N/A"), None);
        assert_eq!(frame_time("frame,1.5,H.26[45] User Data"), Some(1_500_000));
        assert_eq!(frame_time("side_data,1"), None);
    }

    #[test]
    fn ffprobes_failures_become_refusals() {
        let failed = |said: &str| {
            refusal(RunError::Failed {
                code: 1,
                said: said.to_owned(),
            })
        };
        assert_eq!(
            failed("x: Invalid data found when processing input").code(),
            "not-media"
        );
        assert!(!failed("x: Permission denied").is_permanent());
    }
}
