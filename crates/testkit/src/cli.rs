//! The commands of the binary other than `serve`.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cidcast_command;

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Standard output as JSON.
    ///
    /// # Errors
    ///
    /// If it is not one JSON value.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("not JSON: {self:?}"))
    }

    /// Standard error as JSON.
    ///
    /// # Errors
    ///
    /// If it is not one JSON value.
    pub fn error_json(&self) -> Result<Value> {
        serde_json::from_str(&self.err).with_context(|| format!("not JSON: {self:?}"))
    }
}

/// Runs `cidcast --data-dir DIR ARGUMENTS…` to its end. Blocks.
///
/// # Errors
///
/// If it does not start.
pub fn cli(data_dir: &Path, arguments: &[&str]) -> Result<Said> {
    let mut program = cidcast_command();
    program.arg("--data-dir").arg(data_dir).args(arguments);
    let output = program.stdin(Stdio::null()).output()?;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
