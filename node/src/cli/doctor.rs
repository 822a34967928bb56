//! `cidcast doctor`: what a node needs, looked at one by one, each finding with what to do.
//!
//! It changes nothing and asks nobody but the node on the data directory, or the one that `--api`
//! names. A problem is what keeps the node from doing what its configuration says; a note is what
//! its operator may want to know.

mod disk;
mod machine;
mod network;

use std::process::ExitCode;

use serde::Serialize;

use super::Context;
use super::failure::Failure;
use super::output::table;
use crate::config::{self, ConfigError, Locations};
use crate::serve::RunFile;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    /// What was found, and what to do if it is not fine.
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Fine,
    Note,
    Problem,
}

impl Finding {
    fn fine(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, State::Fine, detail)
    }

    fn note(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, State::Note, detail)
    }

    fn problem(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(what, State::Problem, detail)
    }

    fn new(what: &'static str, state: State, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            what,
            state,
            detail,
        }
    }
}

pub(crate) async fn run(context: &Context) -> Result<ExitCode, Failure> {
    let locations = locations(context);
    let config = config::read(&locations, &context.data_dir);
    let mut findings = vec![configuration(context, &locations, config.as_ref().err())];
    let config = config.unwrap_or_default();
    findings.push(machine::tools(&config));
    findings.push(disk::data_dir(context.data_dir.path()));
    findings.extend(disk::space(&context.data_dir, &config));
    findings.extend(disk::sync(&context.data_dir, &config));
    findings.push(machine::open_files(&config));
    findings.push(machine::clock(&context.data_dir));
    findings.extend(network::look(context, &config).await);
    context.output.result(&findings, || rows(&findings));
    let bad = findings
        .iter()
        .any(|finding| finding.state == State::Problem);
    Ok(if bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn rows(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let mark = match finding.state {
            State::Fine => "ok",
            State::Note => "note",
            State::Problem => "PROBLEM",
        };
        let (mark, what) = (mark.to_owned(), finding.what.to_owned());
        vec![mark, what, finding.detail.clone()]
    };
    table(&findings.iter().map(row).collect::<Vec<_>>())
}

/// What the command line names goes first, then what the node was started with.
fn locations(context: &Context) -> Locations {
    let mut locations = context.locations.clone();
    if locations.config.is_none() && context.api.is_none() {
        // A file that cannot be read is told of by those who look for the node.
        let run = RunFile::read(&context.data_dir).ok().flatten();
        locations.config = run.and_then(|run| run.config);
    }
    locations
}

fn configuration(context: &Context, locations: &Locations, error: Option<&ConfigError>) -> Finding {
    let what = "configuration";
    if let Some(error) = error {
        let detail = format!("{error} (what follows is about the defaults)");
        return Finding::problem(what, detail);
    }
    let own = context.data_dir.config_file();
    match &locations.config {
        Some(file) if *file != own && context.locations.config.is_none() => {
            let detail = format!("{} (what the node was started with)", file.display());
            Finding::fine(what, detail)
        }
        Some(file) => Finding::fine(what, file.display().to_string()),
        None if own.exists() => Finding::fine(what, own.display().to_string()),
        None => Finding::fine(what, "defaults"),
    }
}
