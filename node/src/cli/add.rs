//! `cidcast add`: upload, and wait if asked to.

use std::path::Path;
use std::process::ExitCode;

use cidcast_runtime::Clock;
use futures::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Body, Method, header};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::args::AddArgs;
use super::client::Client;
use super::failure::{Failure, Kind};
use super::output::{Output, duration, size};
use super::replica::columns;
use super::{Context, wait};
use crate::api::{AssetAnnouncement, AssetView, NodeView};

/// Read ahead of the network at once.
const PIECE: usize = 1 << 20;

pub(crate) async fn run(context: &Context, options: AddArgs) -> Result<ExitCode, Failure> {
    if options.title.is_some() && options.files.len() > 1 {
        return Err(Failure::usage(
            "--title names one asset: add the files one by one",
        ));
    }
    let client = context.client()?;
    let mut failed = None;
    for path in &options.files {
        if let Err(failure) = one(context, &client, &options, path).await {
            // The others may still be fine; the last failure decides how the command ends.
            if let Some(earlier) = failed.replace(failure) {
                context.output.failure(&earlier);
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

async fn one(
    context: &Context,
    client: &Client,
    options: &AddArgs,
    path: &Path,
) -> Result<(), Failure> {
    let output = context.output;
    let mut asset = upload(output, client, options, path).await?;
    if options.wait {
        let bar = progress(output, 100, "{prefix:.bold} {wide_bar} {pos:>3} % {msg}");
        bar.set_prefix(asset.title.clone());
        asset = wait::until_settled(client, &asset.id, &bar).await?;
    }
    output.result(&asset, || describe(&asset));
    wait::outcome(&asset)
}

async fn upload(
    output: Output,
    client: &Client,
    options: &AddArgs,
    path: &Path,
) -> Result<AssetView, Failure> {
    let unreadable = |error: std::io::Error| Failure::file("read", path, &error);
    let file = File::open(path).await.map_err(unreadable)?;
    let facts = file.metadata().await.map_err(unreadable)?;
    if !facts.is_file() {
        return Err(Failure::usage(format!("{} is not a file", path.display())));
    }
    check_size(client, path, facts.len()).await?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let template =
        "{prefix:.bold} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
    let bar = progress(output, facts.len(), template);
    bar.set_prefix(name.clone());
    let counted = bar.clone();
    let pieces = ReaderStream::with_capacity(file, PIECE)
        .inspect_ok(move |piece| counted.inc(piece.len() as u64));
    let request = client
        .request(Method::POST, "/api/v1/assets")
        .query(&said(options, &name))
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, facts.len())
        .body(Body::wrap_stream(pieces));
    let asset = client.json(request).await;
    bar.finish_and_clear();
    asset
}

/// A node closes the connection on a source that is too large; asking first gives the reason.
async fn check_size(client: &Client, path: &Path, bytes: u64) -> Result<(), Failure> {
    let node: NodeView = client.get("/api/v1/node").await?;
    if bytes <= node.max_upload_bytes {
        return Ok(());
    }
    let (bytes, limit) = (size(bytes), size(node.max_upload_bytes));
    let detail = format!(
        "{} has {bytes}, the node takes {limit} at most (upload.max_bytes in its configuration)",
        path.display()
    );
    Err(Failure::new(Kind::Failed, "too-large", "Too large", detail))
}

fn said(options: &AddArgs, name: &str) -> Vec<(&'static str, String)> {
    let mut query = vec![
        ("filename", name.to_owned()),
        ("visibility", options.visibility.to_string()),
    ];
    query.extend(options.title.clone().map(|title| ("title", title)));
    query.extend(
        options
            .description
            .clone()
            .map(|text| ("description", text)),
    );
    if !options.tags.is_empty() {
        query.push(("tags", options.tags.join(",")));
    }
    query
}

/// A bar on standard error, or nothing if nobody looks.
pub(crate) fn progress(output: Output, length: u64, template: &str) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style.progress_chars("━╸ "))
}

/// An asset for people.
pub(crate) fn describe(asset: &AssetView) -> String {
    let mut lines = vec![
        ("id", asset.id.clone()),
        ("title", asset.title.clone()),
        ("state", asset.state.clone()),
        ("visibility", asset.visibility.clone()),
    ];
    lines.extend(asset.root.clone().map(|root| ("root", root)));
    lines.push(("play", asset.play_url.clone()));
    lines.extend(
        asset
            .duration
            .map(|seconds| ("duration", duration(seconds))),
    );
    if !asset.renditions.is_empty() {
        let names: Vec<&str> = asset.renditions.iter().map(|r| r.name.as_str()).collect();
        lines.push(("renditions", names.join(", ")));
    }
    lines.extend(asset.bytes.map(|bytes| ("size", size(bytes))));
    if !asset.tags.is_empty() {
        lines.push(("tags", asset.tags.join(", ")));
    }
    if let Some(announcement) = &asset.announcement {
        lines.extend(announced(announcement));
        lines.push(("views", asset.views.to_string()));
    }
    if let Some(error) = &asset.error {
        lines.push(("error", error.detail.clone()));
    }
    let lines = lines
        .into_iter()
        .map(|(name, value)| format!("{name:<11} {value}\n"));
    lines.collect()
}

/// Until when a copy may stay that nobody takes down.
fn promise(until: Option<u64>) -> String {
    let now = Clock::System.now().as_millis();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let left = until
        .and_then(|until| until.checked_sub(now))
        .map(|left| left as f64 / 1e3);
    left.map_or_else(String::new, |left| {
        format!(", promised for another {}", duration(left))
    })
}

/// Where an asset stands with the feed, and who holds copies.
fn announced(announcement: &AssetAnnouncement) -> Vec<(&'static str, String)> {
    let state = match announcement.seq {
        Some(seq) => format!("{}, number {seq}", announcement.state),
        None => announcement.state.clone(),
    };
    let mut lines = vec![("announced", state)];
    for copy in &announcement.holders {
        let [peer, renditions, retraction] = columns(copy);
        let answer = match retraction.as_str() {
            "-" if announcement.state == "retracted" && copy.state == "held" => {
                format!(", no answer yet{}", promise(copy.until))
            }
            "-" => String::new(),
            answer => format!(", {answer}"),
        };
        lines.push(("copy", format!("{peer} ({renditions}{answer})")));
    }
    lines
}
