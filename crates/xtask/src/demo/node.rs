//! One node as a child process: started, found, stopped.

use std::fs;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::Program;

/// Keys are made and ports opened: well under a second.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// The node's own shutdown is bounded below this.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A running node. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    /// Where its API answers, with a slash at the end.
    pub(crate) api: Url,
    /// Where its gateway answers, with a slash at the end.
    pub(crate) gateway: Url,
}

impl Node {
    /// Starts `binary` on free ports of this machine, with its data in `folder`, and waits until
    /// it says where it is.
    pub(crate) async fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let data = folder.join("data");
        let mut child = Program::new(binary)
            .arg("serve")
            .arg("--data-dir")
            .arg(&data)
            .args([
                "--api-listen",
                "127.0.0.1:0",
                "--gateway-listen",
                "127.0.0.1:0",
            ])
            .args(["--swarm-listen", "/ip4/127.0.0.1/tcp/0"])
            .env(
                "RUST_LOG",
                std::env::var_os("RUST_LOG").unwrap_or_else(|| "warn,libp2p_kad=error".into()),
            )
            .spawn()?;
        match found(&mut child, &data.join("run.json")).await {
            Ok((api, gateway)) => Ok(Self {
                child,
                api,
                gateway,
            }),
            Err(error) => {
                end(&mut child).await?;
                Err(error)
            }
        }
    }

    /// Waits for Ctrl-C, which the terminal sends to the node too, or for the node's own end.
    pub(crate) async fn wait_for_ctrl_c(&mut self) -> Result<()> {
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        loop {
            tokio::select! {
                asked = &mut interrupt => return asked.context("cannot wait for Ctrl-C"),
                () = tokio::time::sleep(POLL) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the node ended by itself ({status})");
            }
        }
    }

    /// Asks the node to stop and waits for its orderly end.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let status = end(&mut self.child).await?;
        if status.success() {
            Ok(())
        } else {
            bail!("the node did not stop in order ({status})")
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Only what an early return left behind: a stopped child is not there any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the node is, once it has written that down.
async fn found(child: &mut Child, run: &Path) -> Result<(Url, Url)> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the node ended before it was up ({status}): what it said stands above");
        }
        // Written under another name first, so that it is whole once it is there.
        if let Ok(text) = fs::read(run) {
            let run: Value = serde_json::from_slice(&text).context("run.json is not JSON")?;
            return Ok((url(&run, "api")?, url(&run, "gateway")?));
        }
        if Instant::now() > deadline {
            bail!("the node was not up after {} s", START_DEADLINE.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
}

fn url(run: &Value, key: &str) -> Result<Url> {
    let address = run.get(key).and_then(Value::as_str);
    let address = address.with_context(|| format!("run.json has no {key}"))?;
    Ok(Url::parse(&format!("http://{address}/"))?)
}

/// Asks the child to end, and kills it if it does not.
async fn end(child: &mut Child) -> Result<ExitStatus> {
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("no process id")?;
    kill_process(pid, Signal::TERM)?;
    let deadline = Instant::now() + STOP_DEADLINE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tokio::time::sleep(POLL).await;
    }
    child.kill()?;
    child.wait()?;
    bail!(
        "the node did not stop within {} s and was killed",
        STOP_DEADLINE.as_secs()
    )
}
