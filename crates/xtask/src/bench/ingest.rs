//! From upload to pinned beside one bare ffmpeg, and how soon the first segment plays.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use cidcast_media::plan::{LadderSettings, Plan};
use cidcast_transcode::{ProbeLimits, ToolSettings, Tools};
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::bar::{Bar, Measured};
use super::{Options, bare, clip, playable, scratch, timed};
use crate::demo::node::Node;

/// How exact the times are: a player asks no more often, and the questions must cost nothing.
const POLL: Duration = Duration::from_millis(50);
/// Far more than an encode of the clip takes anywhere.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What one upload took.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// From the first byte sent until the asset was ready, that is, pinned.
    pinned: Duration,
    /// From the last byte received until every rendition had a segment to play.
    playable: Duration,
    /// From the first to the last moment of the state `transcoding`.
    transcode: Duration,
}

/// One clip and everything that both sides need for it.
struct Bench {
    runtime: Runtime,
    binary: PathBuf,
    tools: Tools,
    clip: PathBuf,
    plan: Plan,
}

pub(super) fn run(options: &Options, built: &Path) -> Result<Vec<Measured>> {
    let bench = Bench::new(options, built)?;
    let rounds = options.rounds;
    let (mut wall, mut first) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who goes first changes, so that neither always has the cooler processor.
        let (times, bare) = if round % 2 == 0 {
            let times = bench.node()?;
            (times, bench.bare()?)
        } else {
            let bare = bench.bare()?;
            (bench.node()?, bare)
        };
        wall.push(times.pinned.as_secs_f64() / bare.as_secs_f64());
        first.push(times.playable.as_secs_f64() / times.transcode.as_secs_f64());
        println!(
            "round {} of {rounds}: pinned in {:.2} s beside {:.2} s of one bare ffmpeg; playable in {:.2} s \
             of {:.2} s of transcode",
            round + 1,
            times.pinned.as_secs_f64(),
            bare.as_secs_f64(),
            times.playable.as_secs_f64(),
            times.transcode.as_secs_f64(),
        );
    }
    Ok(vec![
        Measured {
            what: "ingest, upload to pinned",
            beside: "one bare ffmpeg",
            bar: Bar::AtMost(1.0),
            ratios: wall,
        },
        Measured {
            what: "first playable segment",
            beside: "the whole transcode",
            bar: Bar::AtMost(0.15),
            ratios: first,
        },
    ])
}

impl Bench {
    fn new(options: &Options, built: &Path) -> Result<Self> {
        let clip = match &options.clip {
            Some(clip) => clip.canonicalize().context("cannot find the clip")?,
            None => clip::long()?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tools = Tools::locate(&ToolSettings::default())?;
        let (limits, cancel) = (ProbeLimits::default(), CancellationToken::new());
        let probe = tools.probe(&clip, &limits, &cancel);
        let media = runtime.block_on(probe)?;
        let plan = Plan::new(&media, &LadderSettings::default(), tools.encoder())?;
        Ok(Self {
            runtime,
            binary: built.join("cidcast"),
            tools,
            clip,
            plan,
        })
    }

    /// The bare ffmpeg's time.
    fn bare(&self) -> Result<Duration> {
        let folder = scratch()?;
        let command = bare::command(self.tools.ffmpeg(), &self.clip, &self.plan, folder.path());
        let (time, _) = timed(|| command.output())?;
        for rendition in self.plan.video.iter().map(|rendition| &rendition.name) {
            let file = folder.path().join(format!("{rendition}.mp4"));
            ensure!(file.is_file(), "ffmpeg wrote no {}", file.display());
        }
        Ok(time)
    }

    /// A new node's times: one that has encoded nothing yet.
    fn node(&self) -> Result<Times> {
        let folder = scratch()?;
        let node = self
            .runtime
            .block_on(Node::start(&self.binary, folder.path()))?;
        rustix::fs::sync();
        let times = self.runtime.block_on(self.upload(&node));
        let stopped = self.runtime.block_on(node.stop());
        let times = times?;
        stopped?;
        Ok(times)
    }

    async fn upload(&self, node: &Node) -> Result<Times> {
        let client = Client::builder().timeout(Duration::from_secs(60)).build()?;
        let bytes = tokio::fs::read(&self.clip).await?;
        let url = node
            .api
            .join("api/v1/assets?filename=clip.mp4&visibility=unlisted")?;
        let begin = Instant::now();
        let response = client.post(url).body(bytes).send().await?;
        let asset: Value = json(response).await?;
        let uploaded = Instant::now();
        let id = text(&asset, "id")?;
        let watch = Watch {
            client: &client,
            asset: node.api.join(&format!("api/v1/assets/{id}"))?,
            master: Url::parse(text(&asset, "play_url")?)?,
            renditions: self.plan.video.len() + self.plan.audio.len(),
        };
        let seen = watch.until_ready().await?;
        let root = text(&seen.asset, "root")?;
        let document = node.gateway.join(&format!("ipfs/{root}/asset.json"))?;
        let document = json(client.get(document).send().await?).await?;
        ensure!(
            text(&document, "plan")? == self.plan.key().to_string(),
            "the node encoded by another plan than the one that the bare ffmpeg got"
        );
        Ok(Times {
            pinned: seen.ready.duration_since(begin),
            playable: seen.playable.duration_since(uploaded),
            transcode: seen.transcoded.duration_since(seen.transcoding),
        })
    }
}

/// When what happened to an asset.
struct Seen {
    asset: Value,
    transcoding: Instant,
    transcoded: Instant,
    playable: Instant,
    ready: Instant,
}

/// Looks at an asset from outside, as a player and a person do.
struct Watch<'a> {
    client: &'a Client,
    asset: Url,
    master: Url,
    renditions: usize,
}

impl Watch<'_> {
    async fn until_ready(&self) -> Result<Seen> {
        let end = Instant::now() + DEADLINE;
        let (mut transcoding, mut transcoded, mut playable) = (None, None, None);
        loop {
            let response = self.client.get(self.asset.clone()).send().await?;
            let asset = json(response).await?;
            let now = Instant::now();
            let state = text(&asset, "state")?;
            match state {
                "queued" | "probing" => {}
                "failed" => bail!("the asset failed: {asset}"),
                "transcoding" => drop(transcoding.get_or_insert(now)),
                _ => drop(transcoded.get_or_insert(now)),
            }
            if playable.is_none()
                && playable::is_playable(self.client, &self.master, self.renditions).await?
            {
                playable = Some(Instant::now());
            }
            if state == "ready" {
                return Ok(Seen {
                    asset,
                    transcoding: transcoding
                        .context("the transcode was over before it was seen")?,
                    transcoded: transcoded.unwrap_or(now),
                    playable: playable.context("the asset is ready and does not play")?,
                    ready: now,
                });
            }
            ensure!(Instant::now() < end, "not ready within {DEADLINE:?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn json(response: reqwest::Response) -> Result<Value> {
    let (status, url) = (response.status(), response.url().clone());
    let body = response.bytes().await?;
    ensure!(
        status.is_success(),
        "{url} answered {status}: {}",
        String::from_utf8_lossy(&body)
    );
    serde_json::from_slice(&body).with_context(|| format!("{url} did not answer JSON"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let text = value.get(key).and_then(Value::as_str);
    text.with_context(|| format!("the answer has no {key}"))
}
