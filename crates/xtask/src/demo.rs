//! `cargo xtask demo`: a newcomer's first minute.
//!
//! Builds the node, starts it in a temporary folder on free ports of this machine, uploads the
//! clip that ships with the repository, waits until it is ready, fetches all of it through the
//! gateway and checks it, and then stays up to be watched. Nothing is left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::{Client, Url};
use serde_json::Value;

use crate::install::{self, FFMPEG};
use crate::repository;

pub(crate) mod node;
mod playback;

use node::Node;

/// Far more than the clip needs on a slow machine.
const READY_DEADLINE: Duration = Duration::from_secs(300);
/// How often the asset is asked for while it is being made.
const POLL: Duration = Duration::from_millis(250);

/// How the demo ends.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Stop after the checks instead of staying up.
    #[arg(long)]
    once: bool,
    /// The video to upload instead of the clip that ships with the repository.
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let clip = match &options.clip {
        Some(clip) => clip.clone(),
        None => repository::root()?.join("tests/media/bbb-5s-720p-aac.mp4"),
    };
    install::system(FFMPEG)?;
    let binary = repository::build_node()?;
    play(options, &binary, &clip)
}

fn play(options: &Options, binary: &Path, clip: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir().context("no room for a temporary folder")?;
    let mut node = runtime.block_on(Node::start(binary, folder.path()))?;
    let shown = runtime.block_on(show(&node, clip));
    if shown.is_ok() && !options.once {
        println!("\nThe node stays up. Press Ctrl-C to stop it.");
        runtime.block_on(node.wait_for_ctrl_c())?;
    }
    let stopped = runtime.block_on(node.stop());
    shown?;
    stopped
}

/// Uploads the clip and checks what comes out.
async fn show(node: &Node, clip: &Path) -> Result<()> {
    let client = Client::builder().timeout(Duration::from_secs(60)).build()?;
    let begin = Instant::now();
    let asset = upload(&client, node, clip).await?;
    let id = text(&asset, "id")?.to_owned();
    let asset = wait_until_ready(&client, node, &id).await?;
    println!(
        "ready {:.1} s after the upload began",
        begin.elapsed().as_secs_f64()
    );
    let play = Url::parse(text(&asset, "play_url")?)?;
    let package = node
        .gateway
        .join(&format!("ipfs/{}/master.m3u8", text(&asset, "root")?))?;
    for (way, master) in [("as a player", &play), ("as a directory of IPFS", &package)] {
        let checked = playback::check(&client, master).await?;
        println!("fetched {way}: {checked}");
    }
    println!();
    println!("root CID   {}", text(&asset, "root")?);
    println!("watch      {}watch/{id}", node.api);
    println!("embed      {}", text(&asset, "embed_url")?);
    println!("stream     {play}");
    println!("library    {}", node.api);
    println!("package    {package}");
    Ok(())
}

async fn upload(client: &Client, node: &Node, clip: &Path) -> Result<Value> {
    let name = clip
        .file_name()
        .and_then(|name| name.to_str())
        .context("the clip has no name")?;
    let bytes = tokio::fs::read(clip)
        .await
        .with_context(|| format!("cannot read {}", clip.display()))?;
    println!("uploading {name} ({} bytes)", bytes.len());
    let mut url = node.api.join("api/v1/assets")?;
    url.query_pairs_mut()
        .append_pair("filename", name)
        .append_pair("title", "Big Buck Bunny (excerpt)")
        .append_pair("visibility", "unlisted");
    answer(client.post(url).body(bytes).send().await?).await
}

async fn wait_until_ready(client: &Client, node: &Node, id: &str) -> Result<Value> {
    let url = node.api.join(&format!("api/v1/assets/{id}"))?;
    let end = Instant::now() + READY_DEADLINE;
    let mut last = String::new();
    loop {
        let asset = answer(client.get(url.clone()).send().await?).await?;
        let progress = asset.get("progress").and_then(Value::as_f64).unwrap_or(0.0);
        let state = text(&asset, "state")?;
        let line = format!("{state} {progress:.0} %");
        if line != last {
            println!("{line}");
            last = line;
        }
        match state {
            "ready" => return Ok(asset),
            "failed" => bail!(
                "the asset failed: {}",
                asset.get("error").unwrap_or(&Value::Null)
            ),
            _ if Instant::now() > end => bail!("not ready after {} s", READY_DEADLINE.as_secs()),
            _ => tokio::time::sleep(POLL).await,
        }
    }
}

/// The JSON of an answer, or what the problem document says.
async fn answer(response: reqwest::Response) -> Result<Value> {
    let (status, url) = (response.status(), response.url().clone());
    let body = response.bytes().await?;
    if !status.is_success() {
        bail!(
            "{url} answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
    }
    serde_json::from_slice(&body).with_context(|| format!("{url} did not answer JSON"))
}

fn text<'a>(asset: &'a Value, key: &str) -> Result<&'a str> {
    asset
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("the asset has no {key}"))
}
