//! Running other programs: with a deadline, and with what they print passed on and looked at.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// No step takes this long on the slowest machine that CI has; one that does hangs.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// A program to run.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    deadline: Duration,
}

/// What `cargo run` sets for this program about itself. A cargo that inherits it takes it for a
/// change: build scripts that watch such variables run again, and what depends on them is rebuilt.
fn set_by_cargo() -> impl Iterator<Item = OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| {
        name.to_str().is_some_and(|name| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_CRATE_",
                "CARGO_BIN_",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        })
    })
}

impl Program {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        for name in set_by_cargo() {
            command.env_remove(name);
        }
        Self {
            command,
            deadline: DEADLINE,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// As a person would type it.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it, lets it print, and fails if it does.
    pub(crate) fn run(self) -> Result<()> {
        self.watch(|_| {})
    }

    /// Runs it and passes on each line of its standard output, which `look` sees too.
    pub(crate) fn watch(mut self, mut look: impl FnMut(&str)) -> Result<()> {
        let line = self.line();
        println!("$ {line}");
        self.command.stdout(Stdio::piped());
        let child = self
            .command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let status = follow(child, self.deadline, |text| {
            println!("{text}");
            look(text);
        })?;
        if status.success() {
            Ok(())
        } else {
            bail!("`{line}` failed ({status})")
        }
    }

    /// Runs it without showing anything and answers its standard output.
    pub(crate) fn output(mut self) -> Result<String> {
        let line = self.line();
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("`{line}` failed ({}): {said}", output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no UTF-8"))
    }

    /// Runs it silently; whether it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    /// Starts it and leaves it to the caller, who has to stop it.
    pub(crate) fn spawn(mut self) -> Result<Child> {
        let line = self.line();
        self.command
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))
    }
}

/// Hands over each line of the child's standard output until it ends or the deadline passes.
fn follow(mut child: Child, deadline: Duration, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let stdout = child.stdout.take().context("standard output is piped")?;
    let (sender, lines) = mpsc::sync_channel(1024);
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(stdout).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    let end = Instant::now() + deadline;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => each(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child
                    .kill()
                    .context("cannot stop a child that passed its deadline")?;
                child.wait()?;
                bail!("stopped after {} s without an end", deadline.as_secs());
            }
        }
    }
    let status = child.wait()?;
    // It has said all that it will: its end of the pipe is closed.
    reader
        .join()
        .ok()
        .context("the reader of a child's output failed")?;
    Ok(status)
}

/// The file that a shell would run for `name`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// `PATH` with `folder` before everything else.
pub(crate) fn path_with(folder: &Path) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder with a colon cannot be on PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_seen_and_a_failure_is_one() {
        let mut seen = Vec::new();
        let failing = Program::new("sh").args(["-c", "echo one; echo two; exit 3"]);
        let error = failing
            .watch(|line| seen.push(line.to_owned()))
            .unwrap_err();
        assert_eq!(seen, ["one", "two"]);
        assert!(error.to_string().contains('3'), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let hanging = Program::new("sleep")
            .arg("3600")
            .deadline(Duration::from_millis(50));
        let error = hanging.run().unwrap_err();
        assert!(error.to_string().contains("without an end"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Program::new("no-such-program-of-ours").run().unwrap_err();
        assert!(
            error.to_string().contains("no-such-program-of-ours"),
            "{error}"
        );
    }
}
