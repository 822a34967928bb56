//! What is printed, and how.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::args::Args;
use super::failure::Failure;

/// For whom to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// People.
    Text,
    /// Programs.
    Json,
}

impl Output {
    pub(crate) fn new(args: &Args) -> Self {
        if args.json { Self::Json } else { Self::Text }
    }

    /// Prints a result: one line of JSON, or what `text` says.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let line = match self {
            Self::Json => serde_json::to_string(value).unwrap_or_default(),
            Self::Text => text(),
        };
        // A closed pipe (`| head`) is not our failure.
        let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
    }

    /// Says something on the side.
    pub(crate) fn note(self, text: &str) {
        if self == Self::Text {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    pub(crate) fn failure(self, failure: &Failure) {
        let mut stderr = std::io::stderr();
        let _ = match self {
            Self::Json => writeln!(stderr, "{}", failure.to_json()),
            Self::Text => writeln!(stderr, "error: {}", failure.detail()),
        };
    }

    /// Whether a person reads along.
    pub(crate) fn is_text(self) -> bool {
        self == Self::Text
    }

    /// Whether progress bars make sense.
    pub(crate) fn shows_progress(self) -> bool {
        self == Self::Text && std::io::stderr().is_terminal()
    }
}

/// Columns padded to their widest cell, two spaces apart.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// `1:02:03` or `2:03`.
pub(crate) fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits"
    )]
    let whole = seconds.clamp(0.0, 1e9).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Asks a person; where there is none, `unattended` is said instead. Anything but yes is `otherwise`.
pub(crate) fn agree(question: &str, unattended: &str, otherwise: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(unattended));
    }
    let _ = write!(std::io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Failure::local(&error))?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::usage(otherwise)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["a", "long"], ["three", "x"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a      long\nthree  x\n");
    }

    #[test]
    fn durations_read_as_clocks() {
        assert_eq!(duration(62.4), "1:02");
        assert_eq!(duration(3723.0), "1:02:03");
        assert_eq!(duration(f64::NAN), "0:00");
    }
}
