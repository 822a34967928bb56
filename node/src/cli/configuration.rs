//! `cidcast config`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::Context;
use super::failure::{Failure, Kind};
use crate::config::{self, ConfigError};

/// Says what is wrong with a file, or that nothing is.
pub(crate) fn check(context: &Context, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let name = match file {
        Some(path) => {
            let findings = config::check(&config::read_file(path)?);
            if !findings.is_empty() {
                return Err(ConfigError::Unusable(findings).into());
            }
            path.display().to_string()
        }
        None => {
            config::read(&context.locations, &context.data_dir)?;
            "the configuration in force".to_owned()
        }
    };
    context
        .output
        .result(&json!({ "ok": true }), || format!("{name} is fine"));
    Ok(ExitCode::SUCCESS)
}

/// Prints every key as it is in force.
pub(crate) fn show(context: &Context) -> Result<ExitCode, Failure> {
    let config = config::read(&context.locations, &context.data_dir)?;
    let text = serde_saphyr::to_string(&config).map_err(|error| {
        Failure::new(
            Kind::Failed,
            "configuration",
            "Configuration not printable",
            error,
        )
    })?;
    context.output.result(&config, || text);
    Ok(ExitCode::SUCCESS)
}
