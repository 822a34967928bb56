//! `cidcast replica`.

use std::process::ExitCode;

use cidcast_catalog::TransferPace;
use reqwest::Method;
use serde_json::json;

use super::Context;
use super::args::ReplicaCommand;
use super::client::Client;
use super::failure::Failure;
use super::feed::follow::pause;
use super::output::{size, table};
use crate::api::{CopyView, OutgoingView, ReplicaList, ReplicaView, ReplicationView, Retried};

pub(crate) async fn run(context: &Context, command: ReplicaCommand) -> Result<ExitCode, Failure> {
    let client = context.client()?;
    match command {
        ReplicaCommand::Ls => list(context, &client).await?,
        ReplicaCommand::Pause { of: Some(target) } => {
            pause(context, &client, &target, TransferPace::Paused).await?;
        }
        ReplicaCommand::Pause { of: None } => {
            state(context, &client.post("/api/v1/replication/pause").await?);
        }
        ReplicaCommand::Resume { of: Some(target) } => {
            pause(context, &client, &target, TransferPace::Running).await?;
        }
        ReplicaCommand::Resume { of: None } => {
            state(context, &client.post("/api/v1/replication/resume").await?);
        }
        ReplicaCommand::Retry { publisher, asset } => {
            let path = match (publisher, asset) {
                (Some(publisher), Some(asset)) => {
                    format!("/api/v1/replicas/{publisher}/{asset}/retry")
                }
                _ => "/api/v1/replication/retry".to_owned(),
            };
            let done: Retried = client.post(&path).await?;
            let text = || format!("{} are tried again now", done.retried);
            context.output.result(&done, text);
        }
        ReplicaCommand::Rm { publisher, asset } => {
            let path = format!("/api/v1/replicas/{publisher}/{asset}");
            client.send(client.request(Method::DELETE, &path)).await?;
            let view = json!({ "publisher": publisher, "asset": asset, "removed": true });
            context.output.result(&view, || format!("removed {asset}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn state(context: &Context, replication: &ReplicationView) {
    context.output.result(replication, || room(replication));
}

fn room(replication: &ReplicationView) -> String {
    let state = if replication.paused {
        "paused"
    } else {
        "running"
    };
    match replication.budget {
        Some(budget) => format!("{state}, {} of {}", size(replication.used), size(budget)),
        None => format!("{state}, {} used", size(replication.used)),
    }
}

async fn list(context: &Context, client: &Client) -> Result<(), Failure> {
    let replication: ReplicationView = client.get("/api/v1/replication").await?;
    let (incoming, outgoing) = all(client).await?;
    let view = json!({ "replication": replication, "incoming": incoming, "outgoing": outgoing });
    context.output.result(&view, || {
        format!(
            "replication is {}\n\n{}\n{}",
            room(&replication),
            here(&incoming),
            elsewhere(&outgoing)
        )
    });
    Ok(())
}

/// Page by page, each list as long as it goes on.
async fn all(client: &Client) -> Result<(Vec<ReplicaView>, Vec<OutgoingView>), Failure> {
    let (mut incoming, mut outgoing) = (Vec::new(), Vec::new());
    let (mut after, mut outgoing_after) = (Some(0), Some(String::new()));
    while after.is_some() || outgoing_after.is_some() {
        let mut query = vec![("limit", "200".to_owned())];
        query.extend(after.map(|after| ("after", after.to_string())));
        let place = outgoing_after.clone().filter(|place| !place.is_empty());
        query.extend(place.map(|place| ("outgoing_after", place)));
        let page: ReplicaList = client.query("/api/v1/replicas", &query).await?;
        if after.is_some() {
            incoming.extend(page.incoming);
            after = page.next;
        }
        if outgoing_after.is_some() {
            outgoing.extend(page.outgoing);
            outgoing_after = page.outgoing_next;
        }
    }
    Ok((incoming, outgoing))
}

fn here(replicas: &[ReplicaView]) -> String {
    if replicas.is_empty() {
        return "no copies here: `cidcast feed follow TARGET --replicate …` says what to keep\n"
            .to_owned();
    }
    let head = ["ASSET", "STATE", "DONE", "SIZE", "REASON", "TITLE"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(replicas.iter().map(|replica| {
        let title = match &replica.error {
            Some(error) if replica.state == "error" => format!("{}: {error}", replica.title),
            _ => replica.title.clone(),
        };
        vec![
            replica.asset.clone(),
            replica.state.clone(),
            format!("{}/{} blocks", replica.blocks, replica.blocks_known),
            size(replica.bytes),
            replica.reason.clone(),
            title,
        ]
    }));
    table(&rows)
}

fn elsewhere(copies: &[OutgoingView]) -> String {
    if copies.is_empty() {
        return "no other node has said that it holds a copy of yours\n".to_owned();
    }
    let head = ["ASSET", "PEER", "RENDITIONS", "RETRACTION", "TITLE"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(copies.iter().map(|outgoing| {
        let [peer, renditions, retraction] = columns(&outgoing.copy);
        let title = outgoing.title.clone().unwrap_or_default();
        vec![outgoing.asset.clone(), peer, renditions, retraction, title]
    }));
    table(&rows)
}

/// Peer, renditions and what it did about a retraction.
pub(super) fn columns(copy: &CopyView) -> [String; 3] {
    let names = copy.renditions.as_ref();
    [
        copy.peer.clone(),
        names.map_or_else(|| "all".to_owned(), |names| names.join(",")),
        copy.retraction.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
