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
        let binary = std::env::var_os("IPFS_BIN").unwrap_or_else(|| "ipfs".into());
        Self::of(Path::new(&binary), repo)
    }

    /// A new repository of the `ipfs` at `binary`, as [`Self::find`] makes it.
    ///
    /// # Errors
    ///
    /// If the repository cannot be made.
    pub fn of(binary: &Path, repo: &Path) -> Result<Option<Self>> {
        let binary = binary.to_owned();
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

    /// Makes it a server of the DHT for whoever asks it. It still looks for nobody.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be changed.
    pub fn serve_dht(&self) -> Result<()> {
        self.run(&["config", "Routing.Type", "dhtserver"])?;
        Ok(())
    }

    /// Writes the DAG under `root` to a CAR file.
    ///
    /// # Errors
    ///
    /// If blocks are missing or the file cannot be written.
    pub fn export(&self, root: &str, car: &Path) -> Result<()> {
        let status = command(&self.binary)
            .args(["dag", "export", "--progress=false", root])
            .env("IPFS_PATH", &self.repo)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(car)?)
            .status()?;
        ensure!(status.success(), "ipfs dag export of {root}: {status}");
        Ok(())
    }

    /// Starts the daemon and waits until its gateway answers.
    ///
    /// # Errors
    ///
    /// If it ends or is not ready in time.
    pub async fn daemon(&self) -> Result<KuboDaemon> {
        self.start(&["daemon", "--offline"]).await
    }

    /// Starts a daemon that exchanges blocks with whoever connects to it on this machine.
    ///
    /// # Errors
    ///
    /// As [`Self::daemon`].
    pub async fn online(&self) -> Result<KuboDaemon> {
        self.start(&["daemon"]).await
    }

    async fn start(&self, arguments: &[&str]) -> Result<KuboDaemon> {
        let log = self.repo.join("daemon.log");
        let output = std::fs::File::create(&log)?;
        let mut child = command(&self.binary)
            .args(arguments)
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
                let api = std::fs::read_to_string(self.repo.join("api"))
                    .context("where the API listens")?;
                return Ok(KuboDaemon {
                    child,
                    gateway: gateway.trim().to_owned(),
                    api: http_of(api.trim())?,
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
    api: String,
}

/// `http://HOST:PORT` of `/ip4/HOST/tcp/PORT`.
fn http_of(multiaddr: &str) -> Result<String> {
    match multiaddr.split('/').collect::<Vec<_>>().as_slice() {
        ["", "ip4", host, "tcp", port] => Ok(format!("http://{host}:{port}")),
        _ => bail!("Kubo's API listens on {multiaddr}, which is no IPv4 address and port"),
    }
}

impl KuboDaemon {
    /// `http://HOST:PORT/path` of its gateway.
    pub fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    /// Calls its RPC API: `pin/add?arg=CID`. No process is started, so the time is the daemon's.
    ///
    /// # Errors
    ///
    /// If it refuses, with what it says.
    pub async fn rpc(&self, call: &str) -> Result<String> {
        let url = format!("{}/api/v0/{call}", self.api);
        let response = reqwest::Client::new().post(url).send().await?;
        let status = response.status();
        let said = response.text().await?;
        ensure!(status.is_success(), "{call}: {status}: {said}");
        Ok(said)
    }

    /// A multiaddress under which it is reached, with its peer id.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub async fn address(&self) -> Result<String> {
        let said: serde_json::Value = serde_json::from_str(&self.rpc("id").await?)?;
        let addresses = said.get("Addresses").and_then(|all| all.as_array());
        let mut addresses = addresses.into_iter().flatten();
        let tcp = addresses.find_map(|address| address.as_str().filter(|it| it.contains("/tcp/")));
        Ok(tcp.context("Kubo listens nowhere")?.to_owned())
    }
}

impl Drop for KuboDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
