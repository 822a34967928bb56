//! `cidcast pin`.

mod pinset;

use std::process::ExitCode;
use std::time::Duration;

use cidcast_types::Cid;
use indicatif::ProgressBar;
use reqwest::Method;

use super::Context;
use super::args::{PinArgs, PinCommand};
use super::client::Client;
use super::cluster::is_handed_over;
use super::failure::{Failure, Kind};
use super::output::{size, table};
use super::remote::{self, Wait};
use crate::api::{ClusterView, NodeView, PinList, PinRequest, PinStatus, PinView};
use crate::config::CLUSTER_SERVICE;

/// How often to look how far a pin is: as often as a person can read.
const INTERVAL: Duration = Duration::from_millis(200);
/// Failed looks in a row before giving up: a node that restarts is back within seconds.
const PATIENCE: u32 = 150;

pub(crate) async fn run(context: &Context, command: PinCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    let command = handed_over(&client, command).await?;
    if let Some(command) = elsewhere(context, &client, command).await? {
        run_here(context, &client, command).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command about the cluster's pins, as one about the service that is the cluster: the node hands
/// its pins to an IPFS Cluster.
async fn handed_over(client: &Client, mut command: PinCommand) -> Result<PinCommand, Failure> {
    let service = match &mut command {
        PinCommand::Ls {
            local: false,
            holder: None,
            remote: service @ None,
            ..
        }
        | PinCommand::Rm {
            local: false,
            holder: None,
            remote: service @ None,
            ..
        } => service,
        PinCommand::Add(PinArgs {
            local: false,
            holder: None,
            remote: service @ None,
            ..
        }) => service,
        _ => return Ok(command),
    };
    if is_handed_over(client).await? {
        *service = Some(CLUSTER_SERVICE.to_owned());
    }
    Ok(command)
}

/// Runs a command about a remote service; gives back any other.
async fn elsewhere(
    context: &Context,
    client: &Client,
    command: PinCommand,
) -> Result<Option<PinCommand>, Failure> {
    match command {
        PinCommand::Ls {
            remote: Some(service),
            ..
        } => remote::ls(context, client, &service).await?,
        PinCommand::Add(PinArgs {
            remote: Some(service),
            cid,
            no_wait,
            ..
        }) => {
            let wait = match no_wait {
                true => Wait::Nothing,
                false => Wait::Complete,
            };
            remote::add(context, client, (&service, &cid), wait).await?;
        }
        PinCommand::Rm {
            cid,
            remote: Some(service),
            ..
        } => remote::rm(context, client, (&service, &cid)).await?,
        command => return Ok(Some(command)),
    }
    Ok(None)
}

/// Runs a command about the cluster's pins, or this node's own.
async fn run_here(context: &Context, client: &Client, command: PinCommand) -> Result<(), Failure> {
    match command {
        PinCommand::Ls {
            local,
            holder,
            filter,
            limit,
            ..
        } => {
            if is_clusters(client, local, holder.as_deref()).await? {
                pinset::list(context, client, filter, limit).await?;
            } else {
                let query = of_holder(holder);
                let pins: PinList = client.query("/api/v1/pins", &query).await?;
                context.output.result(&pins, || rows(&pins.items));
            }
        }
        PinCommand::Add(options) => {
            if is_clusters(client, options.local, options.holder.as_deref()).await? {
                pinset::add(context, client, options).await?;
            } else {
                let pin = add(context, client, options).await?;
                let text = || rows(std::slice::from_ref(&pin));
                context.output.result(&pin, text);
            }
        }
        PinCommand::Status { cid, local } => status(context, client, &cid, local).await?,
        PinCommand::Rm {
            cid, local, holder, ..
        } => {
            let path = if is_clusters(client, local, holder.as_deref()).await? {
                format!("/api/v1/cluster/pins/{cid}")
            } else {
                format!("/api/v1/pins/{cid}")
            };
            let request = client.request(Method::DELETE, &path);
            client.send(request.query(&of_holder(holder))).await?;
            context.output.note(&format!("unpinned {cid}"));
        }
        PinCommand::Restore(options) => remote::restore(context, client, options).await?,
    }
    Ok(())
}

fn of_holder(holder: Option<String>) -> Vec<(&'static str, String)> {
    let holder = holder.map(|holder| ("holder", holder));
    holder.into_iter().collect()
}

/// Whether a command is about the cluster's pins: the node is in one, and nothing says that its own
/// are meant.
async fn is_clusters(client: &Client, local: bool, holder: Option<&str>) -> Result<bool, Failure> {
    if local || holder.is_some() {
        return Ok(false);
    }
    match client.get::<ClusterView>("/api/v1/cluster").await {
        Ok(_) => Ok(true),
        Err(failure) if failure.is_not_found() => Ok(false),
        Err(failure) => Err(failure),
    }
}

async fn status(context: &Context, client: &Client, cid: &Cid, local: bool) -> Result<(), Failure> {
    let mut status: PinStatus = client.get(&format!("/api/v1/pins/{cid}")).await?;
    if local {
        let node: NodeView = client.get("/api/v1/node").await?;
        status.members.retain(|member| member.peer == node.peer_id);
    }
    context.output.result(&status, || {
        let members = pinset::members(&status.members);
        match status.pins.is_empty() {
            true => members,
            false => format!("{members}\non this node:\n{}", rows(&status.pins)),
        }
    });
    Ok(())
}

async fn add(context: &Context, client: &Client, options: PinArgs) -> Result<PinView, Failure> {
    let request = PinRequest {
        cid: options.cid.to_string(),
        holder: options.holder,
        audience: options.audience,
    };
    let request = client.request(Method::POST, "/api/v1/pins").json(&request);
    let pin: PinView = client.json(request).await?;
    if options.no_wait {
        return Ok(pin);
    }
    let template = "{wide_bar} {pos}/{len} blocks {msg}";
    let bar = super::add::progress(context.output, 1, template);
    let end = follow(client, pin, &bar).await;
    bar.finish_and_clear();
    end
}

/// Looks until the pin is complete, or cannot be completed for now.
async fn follow(client: &Client, mut pin: PinView, bar: &ProgressBar) -> Result<PinView, Failure> {
    let mut silent = 0;
    loop {
        match pin.state.as_str() {
            "pinned" => return Ok(pin),
            "error" => return Err(incomplete(&pin)),
            _ => show(bar, &pin),
        }
        tokio::time::sleep(INTERVAL).await;
        match client.get(&format!("/api/v1/pins/{}", pin.cid)).await {
            Ok(PinStatus { pins, .. }) => {
                silent = 0;
                let mut pins = pins.into_iter();
                let own = pins.find(|other| other.holder == pin.holder);
                pin = own.ok_or_else(|| removed(&pin))?;
            }
            Err(failure) if failure.is_unreachable() && silent < PATIENCE => {
                silent += 1;
                bar.set_message("waiting for the node to come back");
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn show(bar: &ProgressBar, pin: &PinView) {
    match &pin.progress {
        Some(progress) => super::fetch::show(bar, progress),
        None => bar.set_message(pin.state.clone()),
    }
}

fn incomplete(pin: &PinView) -> Failure {
    let why = pin.error.as_deref().unwrap_or("it could not be completed");
    let detail = format!(
        "{why}\nWhat has arrived stays, and the node tries again by itself; `cidcast pin status {}` \
         shows how far it is",
        pin.cid
    );
    Failure::new(
        Kind::Failed,
        "pin-incomplete",
        "Pin not complete yet",
        detail,
    )
}

fn removed(pin: &PinView) -> Failure {
    let detail = format!("{} was unpinned while it was on its way", pin.cid);
    Failure::new(Kind::NotFound, "not-found", "Not found", detail)
}

fn rows(pins: &[PinView]) -> String {
    if pins.is_empty() {
        return "no pins".to_owned();
    }
    let head = ["CID", "HOLDER", "STATE", "AUDIENCE", "BLOCKS", "SIZE"]
        .map(String::from)
        .to_vec();
    let mut rows = vec![head];
    rows.extend(pins.iter().map(|pin| {
        vec![
            pin.cid.clone(),
            pin.holder.clone(),
            pin.state.clone(),
            pin.audience.clone(),
            pin.blocks.to_string(),
            size(pin.bytes),
        ]
    }));
    let mut text = table(&rows);
    for pin in pins {
        if let Some(error) = &pin.error {
            text.push_str(&format!("{}: {error}\n", pin.cid));
        }
    }
    text
}
