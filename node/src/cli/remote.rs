//! `cidcast pin … --remote`: pins at services that keep them for this node.

use std::time::Duration;

use cidcast_types::Cid;
use reqwest::Method;

use super::Context;
use super::args::RestoreArgs;
use super::client::Client;
use super::failure::{Failure, Kind};
use super::output::{size, table};
use crate::api::{ArchivedList, ArchivedView, RemotePinList, RemotePinRequest, RemotePinView};

/// How often to look how far a pin is: the node asks the service no more often.
const INTERVAL: Duration = Duration::from_millis(500);

/// Lists pins at one service, or at all if none is named.
pub(super) async fn ls(context: &Context, client: &Client, service: &str) -> Result<(), Failure> {
    let mut query = Vec::new();
    if !service.is_empty() {
        query.push(("service", service));
    }
    let pins: RemotePinList = client.query("/api/v1/remotes/pins", &query).await?;
    context.output.result(&pins, || rows(&pins.items));
    Ok(())
}

/// Pins a root at a service and, unless it is not to be waited for, waits until it is there.
pub(super) async fn add(
    context: &Context,
    client: &Client,
    (service, cid): (&str, &Cid),
    wait: Wait,
) -> Result<(), Failure> {
    let request = RemotePinRequest {
        cid: cid.to_string(),
        name: String::new(),
    };
    let path = format!("/api/v1/remotes/{service}/pins");
    let request = client.request(Method::POST, &path).json(&request);
    let mut pin: RemotePinView = client.json(request).await?;
    while wait == Wait::Complete && pin.state != "pinned" {
        if pin.state == "error" {
            return Err(failed(&pin));
        }
        tokio::time::sleep(INTERVAL).await;
        let query = [("service", service), ("cid", &pin.cid)];
        let pins: RemotePinList = client.query("/api/v1/remotes/pins", &query).await?;
        let found = pins.items.into_iter().next();
        pin = found.ok_or_else(|| {
            let detail = format!("{cid} was given up at {service} meanwhile");
            Failure::new(Kind::NotFound, "not-found", "Not found", detail)
        })?;
    }
    context
        .output
        .result(&pin, || rows(std::slice::from_ref(&pin)));
    Ok(())
}

/// Gives up a pin at a service.
pub(super) async fn rm(
    context: &Context,
    client: &Client,
    (service, cid): (&str, &Cid),
) -> Result<(), Failure> {
    let path = format!("/api/v1/remotes/{service}/pins/{cid}");
    client.send(client.request(Method::DELETE, &path)).await?;
    context
        .output
        .note(&format!("{service} is told to let go of {cid}"));
    Ok(())
}

/// Reads roots back from object storage, one after another; or shows what is there.
pub(super) async fn restore(
    context: &Context,
    client: &Client,
    options: RestoreArgs,
) -> Result<(), Failure> {
    let path = format!("/api/v1/remotes/{}/archive", options.service);
    let mut roots: Vec<String> = options.cid.iter().map(Cid::to_string).collect();
    if options.all || options.list {
        let there: ArchivedList = client.get(&path).await?;
        if options.list {
            context.output.result(&there, || archived(&there.items));
            return Ok(());
        }
        roots = there.items.into_iter().map(|item| item.cid).collect();
    }
    let mut restored = ArchivedList { items: Vec::new() };
    for root in roots {
        context.output.note(&format!("reading {root}"));
        let path = format!("{path}/{root}/restore");
        let request = client.request(Method::POST, &path);
        let request = request.query(&[("holder", &options.holder)]);
        restored.items.push(client.json(request).await?);
    }
    context
        .output
        .result(&restored, || archived(&restored.items));
    Ok(())
}

fn archived(items: &[ArchivedView]) -> String {
    if items.is_empty() {
        return "nothing is there".to_owned();
    }
    let head = ["CID", "SIZE", "CARS", "NAME"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(items.iter().map(|item| {
        let (cid, name) = (item.cid.clone(), item.name.clone());
        vec![cid, size(item.bytes), item.cars.to_string(), name]
    }));
    table(&rows)
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until the service has everything.
    Complete,
    /// Nothing.
    Nothing,
}

fn failed(pin: &RemotePinView) -> Failure {
    let why = pin.error.as_deref().unwrap_or("it could not be pinned");
    let detail = format!(
        "{why}\nThe node tries again by itself; `cidcast pin ls --remote {}` shows how far it is",
        pin.service
    );
    Failure::new(
        Kind::Failed,
        "remote-pin-incomplete",
        "Not pinned there yet",
        detail,
    )
}

fn rows(pins: &[RemotePinView]) -> String {
    if pins.is_empty() {
        return "no pins at remote services".to_owned();
    }
    let head = ["SERVICE", "CID", "STATE", "FOR", "NAME"].map(String::from);
    let mut rows = vec![head.to_vec()];
    rows.extend(pins.iter().map(|pin| {
        vec![
            pin.service.clone(),
            pin.cid.clone(),
            pin.state.clone(),
            pin.asset.clone().unwrap_or_else(|| "hand".to_owned()),
            pin.name.clone(),
        ]
    }));
    let mut text = table(&rows);
    for pin in pins {
        if let Some(error) = &pin.error {
            text.push_str(&format!("{} at {}: {error}\n", pin.cid, pin.service));
        }
    }
    text
}
