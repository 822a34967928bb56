//! What can go wrong while encoding.

use std::io;
use std::time::Duration;

use crate::process::RunError;

/// An encode failed. `said` is the end of what ffmpeg wrote.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The caller asked to stop; the child is gone.
    #[error("the encode was cancelled")]
    Cancelled,
    /// The disk is full. Can pass when there is room.
    #[error("no space left on the disk while encoding: free some space, the job goes on by itself")]
    NoSpace,
    /// The machine is out of memory or processes. Can pass.
    #[error(
        "the system refused ffmpeg memory or threads: give it more, or encode fewer chunks at once\n{said}"
    )]
    OutOfResources {
        /// The end of what ffmpeg wrote.
        said: String,
    },
    /// No progress for too long; killed. Can pass.
    #[error("ffmpeg made no progress for {} s and was stopped\n{said}", .after.as_secs())]
    Stalled {
        /// How long nothing happened.
        after: Duration,
        /// The end of what ffmpeg wrote.
        said: String,
    },
    /// Someone else killed it (often the kernel, for want of memory). Can pass.
    #[error("ffmpeg was killed by signal {signal}: is the machine short of memory?\n{said}")]
    Killed {
        /// The signal's number.
        signal: i32,
        /// The end of what ffmpeg wrote.
        said: String,
    },
    /// It could not be started. Can pass.
    #[error("ffmpeg could not be started: check that it is still installed")]
    NotStarted {
        /// Why.
        source: io::Error,
    },
    /// Its output could not be read or its files could not be handled. Can pass.
    #[error("the output of ffmpeg could not be handled: {source}")]
    Output {
        /// Why.
        source: io::Error,
    },
    /// Whoever was to take the bytes has gone away. Can pass.
    #[error("the encoded bytes were no longer wanted by their receiver")]
    ReceiverGone,
    /// More bytes than any picture has.
    #[error("the picture is larger than {limit} bytes: the source is damaged")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// ffmpeg gave up on the source. Would fail again.
    #[error(
        "ffmpeg cannot encode this source (exit code {code}): it is damaged or of an unsupported kind\n{said}"
    )]
    Failed {
        /// Its exit code.
        code: i32,
        /// The end of what ffmpeg wrote.
        said: String,
    },
    /// The plan names a track that the source does not have. Would fail again.
    #[error("the plan asks for {what}, which this source does not have: probe and plan it again")]
    NotInSource {
        /// `pictures` or `sound`.
        what: &'static str,
    },
}

impl EncodeError {
    /// A stable name in kebab-case, for the API and for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::NoSpace => "no-space",
            Self::OutOfResources { .. } => "out-of-resources",
            Self::Stalled { .. } => "encode-stalled",
            Self::Killed { .. } => "encoder-killed",
            Self::NotStarted { .. } => "encoder-not-started",
            Self::Output { .. } => "encoder-output",
            Self::ReceiverGone => "receiver-gone",
            Self::TooLarge { .. } => "picture-too-large",
            Self::Failed { .. } => "encode-failed",
            Self::NotInSource { .. } => "not-in-source",
        }
    }

    /// Whether trying again would fail again.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::NotInSource { .. } | Self::TooLarge { .. }
        )
    }
}

impl From<io::Error> for EncodeError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Output { source },
        }
    }
}

impl From<RunError> for EncodeError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Cancelled => Self::Cancelled,
            RunError::NotStarted { source } => Self::NotStarted { source },
            RunError::Read { source } => source.into(),
            RunError::ReceiverGone => Self::ReceiverGone,
            RunError::TooMuchOutput { limit } => Self::TooLarge { limit },
            RunError::Stalled { after, said } => Self::Stalled { after, said },
            RunError::Killed { signal, said } => Self::Killed { signal, said },
            RunError::Failed { said, .. } if says_disk_full(&said) => Self::NoSpace,
            RunError::Failed { said, .. } if says_out_of_resources(&said) => {
                Self::OutOfResources { said }
            }
            RunError::Failed { code, said } => Self::Failed { code, said },
        }
    }
}

/// What ffmpeg said although it ended well: version 5.1 ends well when the disk is full at the very
/// end.
pub(crate) fn check_words(said: &str) -> Result<(), EncodeError> {
    if says_disk_full(said) {
        return Err(EncodeError::NoSpace);
    }
    if said.contains("Error writing trailer") || said.contains("Error closing file") {
        return Err(EncodeError::Output {
            source: io::Error::other(said.to_owned()),
        });
    }
    Ok(())
}

/// ffmpeg reports write errors in the C library's words (the child runs with `LC_ALL=C`).
fn says_disk_full(said: &str) -> bool {
    said.contains("No space left on device") || said.contains("Disk quota exceeded")
}

fn says_out_of_resources(said: &str) -> bool {
    said.contains("Cannot allocate memory") || said.contains("Resource temporarily unavailable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ending_well_is_not_believed_when_writing_failed() {
        let said = "Error writing trailer of a.mp4: No space left on device";
        assert!(matches!(check_words(said), Err(EncodeError::NoSpace)));
        let said = "Error closing file a.mp4: Input/output error";
        assert!(matches!(check_words(said), Err(EncodeError::Output { .. })));
        assert!(check_words("[h264 @ 0x1] error while decoding MB 3 4").is_ok());
    }

    fn failed(said: &str) -> EncodeError {
        EncodeError::from(RunError::Failed {
            code: 1,
            said: said.to_owned(),
        })
    }

    #[test]
    fn a_full_disk_is_told_from_a_bad_source() {
        let full = failed("av_interleaved_write_frame(): No space left on device");
        assert_eq!((full.code(), full.is_permanent()), ("no-space", false));
        let quota = EncodeError::from(io::Error::from(io::ErrorKind::QuotaExceeded));
        assert_eq!(quota.code(), "no-space");
        let bad = failed("Invalid data found when processing input");
        assert_eq!((bad.code(), bad.is_permanent()), ("encode-failed", true));
        assert!(!failed("Error: Cannot allocate memory").is_permanent());
    }
}
