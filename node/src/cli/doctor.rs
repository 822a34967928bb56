//! `cidcast doctor`: what a node needs, looked at one by one, each finding with what to do.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use cidcast_transcode::Tools;
use reqwest::Method;
use serde::Serialize;

use super::Context;
use super::client::Client;
use super::failure::Failure;
use super::output::{size, table};
use crate::config::{self, Config};
use crate::serve::tool_settings;

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

pub(crate) async fn run(context: &Context) -> Result<ExitCode, Failure> {
    let config = config::read(&context.locations, &context.data_dir);
    let mut findings = vec![configuration(context, config.as_ref().err())];
    let config = config.unwrap_or_default();
    findings.push(tools(&config));
    findings.push(data_dir(context.data_dir.path()));
    findings.push(disk(context, &config));
    let node = node(context).await;
    // A running node holds its own ports.
    if node.state != State::Fine {
        findings.push(port("api.listen", config.api.listen));
        findings.push(port("gateway.listen", config.gateway.listen));
    }
    findings.push(node);
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
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let mark = match finding.state {
                State::Fine => "ok",
                State::Note => "note",
                State::Problem => "PROBLEM",
            };
            vec![
                mark.to_owned(),
                finding.what.to_owned(),
                finding.detail.clone(),
            ]
        })
        .collect();
    table(&rows)
}

fn configuration(context: &Context, error: Option<&config::ConfigError>) -> Finding {
    let what = "configuration";
    match error {
        Some(error) => Finding {
            what,
            state: State::Problem,
            detail: error.to_string(),
        },
        None => {
            let file = context.locations.config.clone();
            let file = file.unwrap_or_else(|| context.data_dir.config_file());
            let detail = if file.exists() {
                file.display().to_string()
            } else {
                "defaults".into()
            };
            Finding {
                what,
                state: State::Fine,
                detail,
            }
        }
    }
}

fn tools(config: &Config) -> Finding {
    let what = "ffmpeg";
    match Tools::locate(&tool_settings(config)) {
        Ok(tools) => Finding {
            what,
            state: State::Fine,
            detail: tools.encoder().to_owned(),
        },
        Err(error) => Finding {
            what,
            state: State::Problem,
            detail: error.to_string(),
        },
    }
}

fn data_dir(path: &Path) -> Finding {
    let what = "data directory";
    let name = path.display();
    match path.metadata() {
        Err(_) => {
            let detail = format!("{name} does not exist yet: `cidcast serve` makes it");
            Finding {
                what,
                state: State::Note,
                detail,
            }
        }
        Ok(facts) if facts.permissions().mode() & 0o077 != 0 => {
            let detail = format!("{name} can be entered by others: run `chmod 700 {name}`");
            Finding {
                what,
                state: State::Problem,
                detail,
            }
        }
        Ok(_) => Finding {
            what,
            state: State::Fine,
            detail: name.to_string(),
        },
    }
}

fn disk(context: &Context, config: &Config) -> Finding {
    let what = "disk";
    let existing = context
        .data_dir
        .path()
        .ancestors()
        .find(|path| path.exists());
    let stat = existing.map(rustix::fs::statvfs);
    let Some(Ok(stat)) = stat else {
        let detail = "the free space is not known: is the disk mounted?".to_owned();
        return Finding {
            what,
            state: State::Note,
            detail,
        };
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = config.upload.min_free.bytes();
    if free < needed {
        let (free, needed) = (size(free), size(needed));
        let detail = format!("{free} free, uploads need {needed} (upload.min_free): make room");
        return Finding {
            what,
            state: State::Problem,
            detail,
        };
    }
    Finding {
        what,
        state: State::Fine,
        detail: format!("{} free", size(free)),
    }
}

fn port(what: &'static str, address: SocketAddr) -> Finding {
    match std::net::TcpListener::bind(address) {
        Ok(_) => Finding {
            what,
            state: State::Fine,
            detail: format!("{address} is free"),
        },
        Err(error) => {
            let detail = format!("{address} cannot be used ({error}): choose another in {what}");
            Finding {
                what,
                state: State::Problem,
                detail,
            }
        }
    }
}

async fn node(context: &Context) -> Finding {
    let what = "node";
    let stopped = |detail: &str| Finding {
        what,
        state: State::Note,
        detail: detail.to_owned(),
    };
    let Ok(Some(client)) = Client::local(context) else {
        return stopped("not running: start it with `cidcast serve`");
    };
    match client.send(client.request(Method::GET, "/readyz")).await {
        Ok(_) => Finding {
            what,
            state: State::Fine,
            detail: "running and ready".to_owned(),
        },
        Err(failure) => stopped(failure.detail()),
    }
}
