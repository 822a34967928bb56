//! Passphrases: from the terminal without showing them, or from a file.

use std::fs;
use std::io::{IsTerminal as _, Write as _};

use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use super::args::PassphraseArgs;
use super::failure::Failure;

/// A new one: asked twice.
pub(super) fn chosen(args: &PassphraseArgs) -> Result<String, Failure> {
    if let Some(passphrase) = from_file(args)? {
        return Ok(passphrase);
    }
    let first = asked("Passphrase for the exported key: ")?;
    if asked("The same again: ")? != first {
        return Err(Failure::usage(
            "these were not the same: nothing was exported",
        ));
    }
    Ok(first)
}

/// One that was chosen before.
pub(super) fn given(args: &PassphraseArgs) -> Result<String, Failure> {
    match from_file(args)? {
        Some(passphrase) => Ok(passphrase),
        None => asked("Passphrase of the exported key: "),
    }
}

fn from_file(args: &PassphraseArgs) -> Result<Option<String>, Failure> {
    let Some(path) = &args.passphrase_file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

fn asked(question: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "a passphrase is asked for on a terminal: name a file with --passphrase-file",
        ));
    }
    let _ = write!(std::io::stderr(), "{question}");
    let hidden = Hidden::begin();
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    drop(hidden);
    let _ = writeln!(std::io::stderr());
    read.map_err(|error| Failure::local(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While this lives, the terminal does not show what is typed.
struct Hidden(Option<Termios>);

impl Hidden {
    fn begin() -> Self {
        let stdin = std::io::stdin();
        let Ok(shown) = termios::tcgetattr(&stdin) else {
            return Self(None);
        };
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        let done = termios::tcsetattr(&stdin, OptionalActions::Flush, &hidden);
        Self(done.is_ok().then_some(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(shown) = &self.0 {
            // If the terminal is gone, there is nobody to see it.
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, shown);
        }
    }
}
