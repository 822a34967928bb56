//! A running node.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::{Client, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{Events, cidcast_command};

/// Longest wait for anything that a healthy node does. Generous: no test measures speed.
const PATIENCE: Duration = Duration::from_secs(180);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// What a node is started with.
#[derive(Debug, Clone, Default)]
pub struct NodeSettings {
    /// Lines of its configuration file.
    pub config: String,
}

/// A running `cidcast serve`. Killed when dropped.
pub struct Node {
    child: Child,
    data_dir: PathBuf,
    api: String,
    gateway: String,
    http: Client,
}

impl Node {
    /// Starts a node on `data_dir` and waits until it answers.
    ///
    /// # Errors
    ///
    /// If it ends or does not answer in time; the error has its log.
    pub async fn start(data_dir: &Path, settings: &NodeSettings) -> Result<Self> {
        std::fs::create_dir_all(data_dir)?;
        // Beside, not in, the data directory: tests look at what a node leaves in there.
        let (config, log) = (
            data_dir.with_extension("yaml"),
            data_dir.with_extension("log"),
        );
        std::fs::write(&config, &settings.config)?;
        let run_json = data_dir.join("run.json");
        let _ = std::fs::remove_file(&run_json);
        let output = File::options().create(true).append(true).open(&log)?;
        let mut child = cidcast_command()
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .arg("--config")
            .arg(&config)
            .args([
                "--api-listen",
                "127.0.0.1:0",
                "--gateway-listen",
                "127.0.0.1:0",
            ])
            .args(["--swarm-listen", "/ip4/127.0.0.1/tcp/0"])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let began = Instant::now();
        let run: Value = loop {
            if let Ok(text) = std::fs::read_to_string(&run_json) {
                break serde_json::from_str(&text).context("run.json")?;
            }
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            if let Some(status) = child.try_wait()? {
                bail!("the node ended with {status}:\n{}", said());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "the node does not start:\n{}",
                said()
            );
            tokio::time::sleep(LOOK).await;
        };
        let address = |key: &str| -> Result<String> {
            Ok(format!(
                "http://{}",
                run.get(key)
                    .and_then(Value::as_str)
                    .with_context(|| format!("no {key}"))?
            ))
        };
        Ok(Self {
            child,
            data_dir: data_dir.to_owned(),
            api: address("api")?,
            gateway: address("gateway")?,
            http: Client::new(),
        })
    }

    /// `http://HOST:PORT/path` of the API.
    pub fn api(&self, path: &str) -> String {
        format!("{}{path}", self.api)
    }

    /// `http://HOST:PORT/path` of the gateway.
    pub fn gateway(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    /// The HTTP client.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it wrote to its standard output and error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data_dir.with_extension("log")).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process as a power cut would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to stop, and waits.
    ///
    /// # Errors
    ///
    /// If it does not stop in time, or stops with a failure.
    pub async fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("pid")?;
        kill_process(pid, Signal::TERM)?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "stopped with {status}:\n{}", self.log());
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "does not stop:\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Uploads a file in one stream; the new asset.
    ///
    /// # Errors
    ///
    /// If the answer is not 201.
    pub async fn upload(&self, file: &Path) -> Result<Value> {
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .context("a file name")?;
        let response = self.put(name, std::fs::read(file)?).await?;
        let status = response.status();
        let body: Value = response.json().await?;
        ensure!(status == 201, "upload answered {status}: {body}");
        Ok(body)
    }

    /// Uploads bytes under a name.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<Response> {
        let url = self.api(&format!("/api/v1/uploads/{name}"));
        Ok(self.http.put(url).body(bytes).send().await?)
    }

    /// An asset.
    ///
    /// # Errors
    ///
    /// If the answer is not 200.
    pub async fn asset(&self, id: &str) -> Result<Value> {
        let response = self
            .http
            .get(self.api(&format!("/api/v1/assets/{id}")))
            .send()
            .await?;
        ensure!(
            response.status() == 200,
            "asset {id} answered {}",
            response.status()
        );
        Ok(response.json().await?)
    }

    /// Waits until an asset satisfies a condition.
    ///
    /// # Errors
    ///
    /// If it does not in time.
    pub async fn wait_for(&self, id: &str, what: impl Fn(&Value) -> bool) -> Result<Value> {
        let began = Instant::now();
        loop {
            let asset = self.asset(id).await?;
            if what(&asset) {
                return Ok(asset);
            }
            ensure!(began.elapsed() < PATIENCE, "still {asset}\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until an asset is ready.
    ///
    /// # Errors
    ///
    /// If it fails or takes too long.
    pub async fn ready(&self, id: &str) -> Result<Value> {
        let asset = self
            .wait_for(id, |asset| is(asset, "ready") || is(asset, "failed"))
            .await?;
        ensure!(is(&asset, "ready"), "{asset}\n{}", self.log());
        Ok(asset)
    }

    /// Follows `/api/v1/events`.
    ///
    /// # Errors
    ///
    /// If the answer is not 200.
    pub async fn events(&self) -> Result<Events> {
        let url = self.api("/api/v1/events");
        let response = self.http.get(url).send().await?;
        ensure!(
            response.status() == 200,
            "events answered {}",
            response.status()
        );
        Ok(Events::new(response))
    }

    /// A counter or gauge of `/metrics`, by its full name.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let text = self.text(&self.api("/metrics")).await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.with_context(|| format!("no metric {name}"))?;
        Ok(value.trim().parse()?)
    }

    /// Deletes an asset.
    ///
    /// # Errors
    ///
    /// If the answer is not 204.
    pub async fn delete(&self, id: &str) -> Result<()> {
        let url = self.api(&format!("/api/v1/assets/{id}"));
        let response = self.http.delete(url).send().await?;
        ensure!(
            response.status() == 204,
            "delete answered {}: {}",
            response.status(),
            response.text().await?
        );
        Ok(())
    }

    /// A text from any URL, which must answer 200.
    ///
    /// # Errors
    ///
    /// If it answers otherwise.
    pub async fn text(&self, url: &str) -> Result<String> {
        let response = self.http.get(url).send().await?;
        ensure!(
            response.status() == 200,
            "{url} answered {}",
            response.status()
        );
        Ok(response.text().await?)
    }

    /// Bytes from any URL, which must answer 200.
    ///
    /// # Errors
    ///
    /// If it answers otherwise.
    pub async fn bytes(&self, url: &str) -> Result<Vec<u8>> {
        let response = self.http.get(url).send().await?;
        ensure!(
            response.status() == 200,
            "{url} answered {}",
            response.status()
        );
        Ok(response.bytes().await?.to_vec())
    }
}

/// Whether an asset object is in a state.
pub fn is(asset: &Value, state: &str) -> bool {
    asset.get("state").and_then(Value::as_str) == Some(state)
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
