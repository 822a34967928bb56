//! How many files a node may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Files that are no connections: databases, blocks being read and written, pipes of encoders.
const OTHER_FILES: usize = 512;

/// Enough for every connection that the configuration allows.
pub(crate) fn open_files_needed(config: &Config) -> u64 {
    let swarm = usize::try_from(config.swarm.max_connections).unwrap_or(usize::MAX);
    let listeners = [
        config.api.max_connections,
        config.gateway.max_connections,
        swarm,
    ];
    let files = listeners
        .into_iter()
        .fold(OTHER_FILES, usize::saturating_add);
    u64::try_from(files).unwrap_or(u64::MAX)
}

/// Raises this process's limit to what it needs, or as far as it may. Most systems begin with
/// 1,024, which is for programs that cannot count further, and allow much more.
pub(crate) fn raise_open_files(config: &Config) {
    let needed = open_files_needed(config);
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let Some(now) = limit.current.filter(|now| *now < needed) else {
        return;
    };
    let wanted = needed.min(most).max(now);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        },
    );
    if raised.is_err() || wanted < needed {
        tracing::warn!(
            needed,
            limit = wanted,
            "too few files may be open for all the configured connections: raise the limit \
             (LimitNOFILE= in systemd), or lower max_connections"
        );
    }
}
