//! `cidcast store`, through the running node; without one, on the directory itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cidcast_types::Cid;
use futures::StreamExt as _;
use reqwest::{Body, Method, Response};
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio_util::io::ReaderStream;

use super::args::StoreCommand;
use super::client::Client;
use super::failure::{Failure, Kind};
use super::get::{Reader, get};
use super::output::{Output, size};
use super::{Context, fetch, store_direct};
use crate::api::{Imported, NodeView, StoreView, VerifyView};

pub(crate) async fn run(context: &Context, command: StoreCommand) -> Result<ExitCode, Failure> {
    let client = match &context.api {
        Some(_) => Some(Client::find(context)?),
        None => alive(context).await?,
    };
    match client {
        Some(client) => through_node(context.output, &client, command).await,
        None => store_direct::run(context, command).await,
    }
}

/// The node on the data directory, if it answers: `run.json` may be left from one that died.
async fn alive(context: &Context) -> Result<Option<Client>, Failure> {
    let Some(client) = Client::local(context)? else {
        return Ok(None);
    };
    match client.send(client.request(Method::GET, "/healthz")).await {
        Ok(_) => Ok(Some(client)),
        Err(failure) if failure.kind() == Kind::Unreachable => Ok(None),
        Err(failure) => Err(failure),
    }
}

async fn through_node(
    output: Output,
    client: &Client,
    command: StoreCommand,
) -> Result<ExitCode, Failure> {
    match command {
        StoreCommand::Stat => {
            let node: NodeView = client.get("/api/v1/node").await?;
            show_stat(output, &node.store);
        }
        StoreCommand::Verify => {
            output.note("verifying; this reads every block");
            return show_report(output, &client.post("/api/v1/store/verify").await?);
        }
        StoreCommand::Get { cid, output: file } => {
            let _held = fetch::fetch(output, client, &cid).await?;
            let reader = Reader::Node(client.clone());
            get(&reader, &cid, file.as_deref()).await?;
        }
        StoreCommand::Export { root, output: file } => {
            let _held = fetch::fetch(output, client, &root).await?;
            let request = client.request(Method::GET, &format!("/api/v1/store/car/{root}"));
            save(client.send(request).await?, file.as_deref()).await?;
        }
        StoreCommand::Import { file, holder } => {
            let car = File::open(&file).await;
            let car = car.map_err(|error| Failure::file("read", &file, &error))?;
            let request = client
                .request(Method::POST, "/api/v1/store/car")
                .query(&[("holder", holder)])
                .body(Body::wrap_stream(ReaderStream::with_capacity(car, 1 << 20)));
            show_imported(output, &client.json(request).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show_stat(output: Output, stat: &StoreView) {
    output.result(stat, || {
        format!(
            "blocks  {}\nbytes   {} ({})\npins    {}\nfree    {}\n",
            stat.blocks,
            stat.bytes,
            size(stat.bytes),
            stat.pins,
            size(stat.free_bytes)
        )
    });
}

pub(super) fn show_report(output: Output, report: &VerifyView) -> Result<ExitCode, Failure> {
    output.result(report, || {
        let mut text = format!("checked {} blocks\n", report.checked);
        for cid in &report.corrupt {
            text.push_str(&format!("corrupt  {cid}\n"));
        }
        for cid in &report.missing {
            text.push_str(&format!("missing  {cid}\n"));
        }
        text
    });
    let (corrupt, missing) = (report.corrupt.len(), report.missing.len());
    if corrupt + missing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(
        Kind::Failed,
        "store-damaged",
        "The store is damaged",
        format!(
            "{corrupt} blocks are corrupt and {missing} are missing: add the sources again, or \
             import the packages from another copy (`cidcast store import`)"
        ),
    ))
}

pub(super) fn show_imported(output: Output, imported: &Imported) {
    output.result(imported, || imported.roots.join("\n"));
}

async fn save(answer: Response, file: Option<&Path>) -> Result<(), Failure> {
    let mut body = answer.bytes_stream();
    let mut target = Target::open(file).await?;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Failure::local(&error))?;
        target.write(&piece).await?;
    }
    target.finish().await
}

/// A file that appears only when it is whole, or standard output.
pub(super) struct Target {
    to: Box<dyn AsyncWrite + Unpin + Send>,
    name: PathBuf,
    rename: Option<PathBuf>,
}

impl Target {
    pub(super) async fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file else {
            return Ok(Self {
                to: Box::new(tokio::io::stdout()),
                name: "standard output".into(),
                rename: None,
            });
        };
        let mut beside = path.as_os_str().to_owned();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let opened = File::create(&beside).await;
        let to = opened.map_err(|error| Failure::file("write", &beside, &error))?;
        Ok(Self {
            to: Box::new(to),
            name: beside,
            rename: Some(path.to_owned()),
        })
    }

    /// A file that must not exist yet, under its own name at once: within a folder that is itself
    /// renamed when it is whole.
    pub(super) async fn new_file(path: &Path) -> Result<Self, Failure> {
        let opened = File::create_new(path).await;
        let to = opened.map_err(|error| Failure::file("write", path, &error))?;
        Ok(Self {
            to: Box::new(to),
            name: path.to_owned(),
            rename: None,
        })
    }

    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), Failure> {
        let written = self.to.write_all(data).await;
        written.map_err(|error| Failure::file("write", &self.name, &error))
    }

    pub(super) async fn finish(mut self) -> Result<(), Failure> {
        let done = self.to.flush().await;
        done.map_err(|error| Failure::file("write", &self.name, &error))?;
        if let Some(path) = self.rename {
            let renamed = tokio::fs::rename(&self.name, &path).await;
            renamed.map_err(|error| Failure::file("write", &path, &error))?;
        }
        Ok(())
    }
}

/// Nothing of that CID is here.
pub(super) fn absent(cid: &Cid) -> Failure {
    let detail = format!("{cid} is not in this store");
    Failure::new(Kind::NotFound, "not-found", "Not found", detail)
}
