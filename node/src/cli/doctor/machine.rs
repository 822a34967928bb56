//! The machine that a node runs on: tools, limits, clock.

use std::path::Path;
use std::time::{Duration, SystemTime};

use cidcast_transcode::Tools;

use super::Finding;
use crate::config::{Config, DataDir};
use crate::serve::{open_files_needed, tool_settings};

/// Clocks of one machine's files and its own differ by less.
const TOLERANCE: Duration = Duration::from_secs(60);
/// Made by systemd when a time server has been heard.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(super) fn tools(config: &Config) -> Finding {
    let what = "ffmpeg";
    match Tools::locate(&tool_settings(config)) {
        Ok(tools) if tools.is_sandboxed() => Finding::fine(
            what,
            format!(
                "{} ({}), in a sandbox",
                tools.encoder(),
                tools.ffmpeg().display()
            ),
        ),
        Ok(tools) => Finding::note(
            what,
            format!(
                "{} ({}), without a sandbox: this kernel has no Landlock (Linux 5.13 or newer \
                 has it)",
                tools.encoder(),
                tools.ffmpeg().display()
            ),
        ),
        Err(error) => Finding::problem(what, error.to_string()),
    }
}

/// The node raises its own limit as far as it may, so the highest that it may set counts.
pub(super) fn open_files(config: &Config) -> Finding {
    let what = "open files";
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let needed = open_files_needed(config);
    match limit.maximum {
        Some(most) if most < needed => Finding::problem(
            what,
            format!(
                "at most {most} at a time, and the configured connections need {needed}: raise \
                 the limit (`ulimit -Hn`, LimitNOFILE= in systemd), or lower max_connections in \
                 api, gateway and swarm"
            ),
        ),
        Some(most) => Finding::fine(what, format!("up to {most}; {needed} are enough")),
        None => Finding::fine(what, "no limit"),
    }
}

/// Whether the clock can be right. Which time it is elsewhere is not asked: nobody to ask is
/// configured.
pub(super) fn clock(data_dir: &DataDir) -> Finding {
    let program = std::env::current_exe().ok();
    let files = [
        program,
        Some(data_dir.catalog_file()),
        Some(data_dir.run_file()),
        Some(data_dir.swarm_key_file()),
    ];
    let changed = files
        .into_iter()
        .flatten()
        .filter_map(|file| changed(&file));
    let newest = changed.max();
    let is_synchronised = Path::new(SYNCHRONISED).exists();
    judge(
        SystemTime::now(),
        newest,
        is_synchronised.then_some("synchronised with a time server"),
    )
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

fn judge(now: SystemTime, newest: Option<SystemTime>, source: Option<&str>) -> Finding {
    let what = "clock";
    let shown = httpdate::fmt_http_date(now);
    let ahead = newest.and_then(|newest| newest.duration_since(now).ok());
    if ahead.is_some_and(|ahead| ahead > TOLERANCE) {
        let detail = format!(
            "the clock says {shown}, but files here are newer: set it (`timedatectl set-ntp \
             true`), or tokens, names and records expire at the wrong time"
        );
        return Finding::problem(what, detail);
    }
    let source = source.unwrap_or("not before anything that was written here");
    Finding::fine(what, format!("{shown}, {source}"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_clock_behind_its_own_files_is_a_problem() {
        let now = SystemTime::now();
        let second = Duration::from_secs(1);
        assert_eq!(judge(now, None, None).state, State::Fine);
        assert_eq!(judge(now, Some(now - second), None).state, State::Fine);
        assert_eq!(judge(now, Some(now + second), None).state, State::Fine);
        let found = judge(now, Some(now + 2 * TOLERANCE), None);
        assert_eq!(found.state, State::Problem);
        assert!(found.detail.contains("timedatectl"), "{found:?}");
    }

    #[test]
    fn more_connections_than_files_may_be_open_are_a_problem() {
        let mut config = Config::default();
        config.gateway.max_connections = usize::MAX;
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        if limit.maximum.is_some() {
            assert_eq!(open_files(&config).state, State::Problem);
        }
    }
}
