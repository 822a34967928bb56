//! The reference IPFS node, where there is one.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::command;

/// Longest wait for a daemon to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings under which it talks to nobody but us.
const ALONE: [(&str, &str); 11] = [
    ("Addresses.API", "\"/ip4/127.0.0.1/tcp/0\""),
    ("Addresses.Gateway", "\"/ip4/127.0.0.1/tcp/0\""),
    ("Addresses.Swarm", "[\"/ip4/127.0.0.1/tcp/0\"]"),
    ("Bootstrap", "[]"),
    ("Routing.DelegatedRouters", "[]"),
    ("Routing.Type", "\"none\""),
    ("Ipns.DelegatedPublishers", "[]"),
    ("DNS.Resolvers", "{}"),
    ("AutoConf.Enabled", "false"),
    ("Discovery.MDNS.Enabled", "false"),
    ("Gateway.NoFetch", "true"),
];

/// A Kubo repository of its own.
pub struct Kubo {
    binary: PathBuf,
    repo: PathBuf,
}

impl Kubo {
    /// A new repository with the profile `unixfs-v1-2025`, made by the `ipfs` that `IPFS_BIN` or
    /// `PATH` names. `None`: there is no Kubo that knows the profile.
    ///
    /// # Errors
    ///
    /// If the repository cannot be made.
    pub fn find(repo: &Path) -> Result<Option<Self>> {
        let binary = PathBuf::from(std::env::var_os("IPFS_BIN").unwrap_or_else(|| "ipfs".into()));
        if command(&binary).arg("version").output().is_err() {
            return Ok(None);
        }
        let kubo = Self {
            binary,
            repo: repo.to_owned(),
        };
        let made = kubo.run(&["init", "--empty-repo", "--profile=test,unixfs-v1-2025"]);
        match made {
            Err(error) if error.to_string().contains("configuration profile") => return Ok(None),
            made => made?,
        };
        for (key, value) in ALONE {
            kubo.run(&["config", "--json", key, value])?;
        }
        Ok(Some(kubo))
    }

    /// Runs `ipfs ARGUMENTS…`; its standard output.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = command(&self.binary)
            .args(arguments)
            .env("IPFS_PATH", &self.repo)
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            output.status.success(),
            "ipfs {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts the daemon and waits until its gateway answers.
    ///
    /// # Errors
    ///
    /// If it ends or is not ready in time.
    pub async fn daemon(&self) -> Result<KuboDaemon> {
        let log = self.repo.join("daemon.log");
        let output = std::fs::File::create(&log)?;
        let mut child = command(&self.binary)
            .args(["daemon", "--offline"])
            .env("IPFS_PATH", &self.repo)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let began = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log)?;
            if said.contains("Daemon is ready") {
                let gateway = std::fs::read_to_string(self.repo.join("gateway"))
                    .context("where the gateway listens")?;
                return Ok(KuboDaemon {
                    child,
                    gateway: gateway.trim().to_owned(),
                });
            }
            if let Some(status) = child.try_wait()? {
                bail!("Kubo ended with {status}: {said}");
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                bail!("Kubo does not get ready: {said}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A running Kubo. Killed when dropped.
pub struct KuboDaemon {
    child: Child,
    gateway: String,
}

impl KuboDaemon {
    /// `http://HOST:PORT/path` of its gateway.
    pub fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }
}

impl Drop for KuboDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
