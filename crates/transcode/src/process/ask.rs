//! Short questions to a tool, asked while the node starts.

use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A tool that says nothing for this long is broken; a cold start takes well under a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `program` to its end and returns what it wrote. Blocks for at most [`DEADLINE`].
#[expect(
    clippy::disallowed_methods,
    reason = "the crate that starts processes, before there is anything to confine"
)]
pub(crate) fn ask(program: &Path, arguments: &[&str]) -> io::Result<Output> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (done, answer) = sync_channel(1);
    std::thread::spawn(move || done.send(child.wait_with_output()));
    if let Ok(output) = answer.recv_timeout(DEADLINE) {
        return output;
    }
    if let Some(id) = id {
        // Not reaped yet, so the id is still the child's.
        let _ = kill_process(id, Signal::KILL);
    }
    Err(io::ErrorKind::TimedOut.into())
}
