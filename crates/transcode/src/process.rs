//! Running one child to its end: bytes out, messages read, stalls and cancels ended.
//!
//! Cancel safety: dropping the future of [`run`] kills the child's whole process group.

mod ask;
mod sandbox;
mod spawn;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) use ask::ask;
pub(crate) use sandbox::is_enforced as sandbox_is_enforced;
pub(crate) use spawn::{Launch, Running, Spawner};

use crate::progress::Listener;

/// How much is read from a child at once: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// What becomes of a child's standard output.
pub(crate) enum Output<'a> {
    /// It says nothing there.
    Nothing,
    /// Kept, up to `limit` bytes.
    Keep {
        /// Where to.
        bytes: &'a mut Vec<u8>,
        /// More than this ends the child.
        limit: usize,
    },
    /// Passed on as it appears; a slow receiver slows the child down.
    Pass(&'a mpsc::Sender<Bytes>),
}

/// When a child is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// This long after its last sign of progress.
    SinceProgress(Duration),
    /// This long after its start.
    SinceStart(Duration),
}

/// Why a child did not end well. It is gone in every case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cancelled")]
    Cancelled,
    #[error("not started")]
    NotStarted { source: io::Error },
    #[error("its output could not be read")]
    Read { source: io::Error },
    #[error("nobody takes its output any more")]
    ReceiverGone,
    #[error("it wrote more than {limit} bytes")]
    TooMuchOutput { limit: usize },
    #[error("no progress for {after:?}")]
    Stalled { after: Duration, said: String },
    #[error("killed by signal {signal}")]
    Killed { signal: i32, said: String },
    #[error("exit code {code}")]
    Failed { code: i32, said: String },
}

/// Runs a child to its end and returns what it said. `heard` is called after every sign of
/// progress.
pub(crate) async fn run(
    spawner: &Spawner,
    launch: Launch,
    mut output: Output<'_>,
    patience: Patience,
    mut heard: impl FnMut(&Listener) + Send,
    cancel: &CancellationToken,
) -> Result<String, RunError> {
    let mut running = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err(RunError::Cancelled),
        started = spawner.spawn(launch) => started.map_err(|source| RunError::NotStarted { source })?,
    };
    let mut listener = Listener::default();
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Ended::Cancelled),
        ended = attend(&mut running, &mut output, patience, &mut listener, &mut heard) => ended,
    };
    match ended {
        Ok(status) => judge(status, listener.into_tail()),
        Err(ended) => {
            running.kill().await;
            Err(ended.into_error(listener.into_tail()))
        }
    }
}

/// Why a child is not waited for any longer.
enum Ended {
    Cancelled,
    Stalled(Duration),
    Read(io::Error),
    ReceiverGone,
    TooMuchOutput(usize),
}

impl Ended {
    fn into_error(self, said: String) -> RunError {
        match self {
            Self::Cancelled => RunError::Cancelled,
            Self::Stalled(after) => RunError::Stalled { after, said },
            Self::Read(source) => RunError::Read { source },
            Self::ReceiverGone => RunError::ReceiverGone,
            Self::TooMuchOutput(limit) => RunError::TooMuchOutput { limit },
        }
    }
}

/// Reads both of the child's streams to their ends, then collects its exit status.
async fn attend(
    running: &mut Running,
    output: &mut Output<'_>,
    patience: Patience,
    listener: &mut Listener,
    heard: &mut (impl FnMut(&Listener) + Send),
) -> Result<ExitStatus, Ended> {
    let (mut stdout, mut stderr): (Option<ChildStdout>, Option<ChildStderr>) = running.streams();
    let (mut bytes, mut words) = (BytesMut::new(), BytesMut::new());
    let (Patience::SinceProgress(wait) | Patience::SinceStart(wait)) = patience;
    let renews = matches!(patience, Patience::SinceProgress(_));
    let mut deadline = Instant::now() + wait;
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            () = sleep_until(deadline) => return Err(Ended::Stalled(wait)),
            read = read_some(&mut stdout, &mut bytes), if stdout.is_some() => {
                if !read.map_err(Ended::Read)? {
                    stdout = None;
                    continue;
                }
                take_output(output, bytes.split().freeze()).await?;
                if renews {
                    deadline = Instant::now() + wait;
                }
            }
            read = read_some(&mut stderr, &mut words), if stderr.is_some() => {
                if !read.map_err(Ended::Read)? {
                    stderr = None;
                    continue;
                }
                if listener.push(&words) {
                    heard(listener);
                    if renews {
                        deadline = Instant::now() + wait;
                    }
                }
                words.clear();
            }
        }
    }
    match timeout(deadline - Instant::now(), running.ended()).await {
        Ok(status) => status.map_err(Ended::Read),
        Err(_) => Err(Ended::Stalled(wait)),
    }
}

/// False at the end of the stream.
async fn read_some<R: AsyncRead + Unpin>(
    stream: &mut Option<R>,
    buffer: &mut BytesMut,
) -> io::Result<bool> {
    let Some(stream) = stream else {
        return Ok(false);
    };
    buffer.reserve(READ_BYTES);
    Ok(stream.read_buf(buffer).await? > 0)
}

async fn take_output(output: &mut Output<'_>, new: Bytes) -> Result<(), Ended> {
    match output {
        Output::Nothing => Ok(()),
        Output::Keep { bytes, limit } if bytes.len() + new.len() > *limit => {
            Err(Ended::TooMuchOutput(*limit))
        }
        Output::Keep { bytes, .. } => {
            bytes.extend_from_slice(&new);
            Ok(())
        }
        Output::Pass(parts) => parts.send(new).await.map_err(|_| Ended::ReceiverGone),
    }
}

fn judge(status: ExitStatus, said: String) -> Result<String, RunError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(said),
        (Some(code), _) => Err(RunError::Failed { code, said }),
        (None, signal) => Err(RunError::Killed {
            signal: signal.unwrap_or_default(),
            said,
        }),
    }
}
