//! `run.json`: how the commands on this machine find the running node.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Addresses;
use crate::config::DataDir;

/// Where the node of a data directory can be reached. The shape is stable API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunFile {
    /// Process id.
    pub(crate) pid: u32,
    /// `HOST:PORT` of the API.
    pub(crate) api: String,
    /// `HOST:PORT` of the gateway.
    pub(crate) gateway: String,
    /// Multiaddresses with `/p2p/…`.
    pub(crate) swarm: Vec<String>,
    /// The configuration file that it was started with; none if there was none.
    #[serde(default)]
    pub(crate) config: Option<PathBuf>,
}

impl RunFile {
    pub(crate) fn of_this_process(addresses: &Addresses, data_dir: &DataDir) -> Self {
        Self {
            pid: std::process::id(),
            api: reachable(addresses.api),
            gateway: reachable(addresses.gateway),
            swarm: addresses.swarm.clone(),
            config: Some(data_dir.config_file()).filter(|file| file.exists()),
        }
    }

    /// Writes the file whole or not at all, readable by its owner only.
    pub(crate) fn write(&self, data_dir: &DataDir) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        write_private(&data_dir.run_file(), &text)
    }

    /// What a node of this data directory wrote; `None` if none runs or none has finished
    /// starting. A file of a dead process can still be there.
    pub(crate) fn read(data_dir: &DataDir) -> io::Result<Option<Self>> {
        match std::fs::read(data_dir.run_file()) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the file; running it again is fine.
    pub(crate) fn remove(data_dir: &DataDir) -> io::Result<()> {
        match std::fs::remove_file(data_dir.run_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A listener on every address is reached on this machine by loopback.
fn reachable(mut bound: std::net::SocketAddr) -> String {
    if bound.ip().is_unspecified() {
        bound.set_ip(match bound.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    bound.to_string()
}

/// Writes beside the target and renames, so that nobody reads half of it.
pub(super) fn write_private(path: &Path, data: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(data)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Locations;

    #[test]
    fn it_reads_back_what_it_wrote_and_is_private() {
        let scratch = tempfile::tempdir().unwrap();
        let locations = Locations {
            data_dir: Some(scratch.path().into()),
            config: None,
        };
        let data_dir = DataDir::locate(&locations).unwrap();
        assert_eq!(RunFile::read(&data_dir).unwrap(), None);
        let run = RunFile {
            pid: 7,
            api: reachable("0.0.0.0:1".parse().unwrap()),
            gateway: reachable("[::]:2".parse().unwrap()),
            swarm: vec!["/ip4/127.0.0.1/tcp/3/p2p/x".into()],
            config: Some("/etc/cidcast.yaml".into()),
        };
        assert_eq!(
            (run.api.as_str(), run.gateway.as_str()),
            ("127.0.0.1:1", "[::1]:2")
        );
        run.write(&data_dir).unwrap();
        run.write(&data_dir).unwrap();
        assert_eq!(RunFile::read(&data_dir).unwrap(), Some(run));
        let mode = data_dir.run_file().metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        RunFile::remove(&data_dir).unwrap();
        RunFile::remove(&data_dir).unwrap();
    }
}
