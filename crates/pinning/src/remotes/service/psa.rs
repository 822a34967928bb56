//! The client's side of the Pinning Service API.

use std::collections::BTreeMap;

use cidcast_catalog::{RemoteAudience, RemotePin, RequestState};
use cidcast_ipfs::http::Method;

use super::{CallError, Said, Service, There, document, done, quoted};
use crate::service::AUDIENCE;
use crate::wire::{MAX_NAME, MAX_ORIGINS, PinObject, PinResults, PinStatus};

/// In `meta`: the node that made the pin.
const NODE: &str = "cidcast-node";
/// Every state but `failed`.
const ALIVE: &str = "queued,pinning,pinned";

pub(super) async fn pin(
    service: &Service,
    pin: &RemotePin,
    origins: &[String],
) -> Result<Said, CallError> {
    let mut meta = BTreeMap::from([(NODE.to_owned(), service.node.clone())]);
    if pin.audience != RemoteAudience::Anyone {
        meta.insert(AUDIENCE.to_owned(), pin.audience.to_string());
    }
    // It was asked for before the answer could be saved: asking again would make a second pin.
    let path = match find(service, pin).await? {
        Some(found) if found.pin.meta.get(AUDIENCE) == meta.get(AUDIENCE) => {
            return Ok(said(found));
        }
        // For others than it is now: in its place, so that no block is fetched twice.
        Some(found) => format!("/pins/{}", quoted(&found.requestid)),
        None => {
            // What it made of an earlier attempt is of no use to anybody.
            if pin.request.is_some() {
                unpin(service, pin).await?;
            }
            "/pins".to_owned()
        }
    };
    let wanted = PinObject {
        cid: pin.cid.to_string(),
        name: Some(pin.name.chars().take(MAX_NAME).collect()),
        origins: origins.iter().take(MAX_ORIGINS).cloned().collect(),
        meta,
    };
    let json = serde_json::to_vec(&wanted)?;
    let answer = service.call(Method::POST, &path, Some(json)).await?;
    Ok(document(&answer)?.map_or_else(unknown, said))
}

pub(super) async fn look(service: &Service, pin: &RemotePin) -> Result<Said, CallError> {
    let Some(request) = &pin.request else {
        return Ok(unknown());
    };
    let path = format!("/pins/{}", quoted(request));
    let answer = service.call(Method::GET, &path, None).await?;
    Ok(document(&answer)?.map_or_else(unknown, said))
}

pub(super) async fn unpin(service: &Service, pin: &RemotePin) -> Result<(), CallError> {
    let request = match &pin.request {
        Some(request) => Some(request.clone()),
        None => find(service, pin).await?.map(|found| found.requestid),
    };
    let Some(request) = request else {
        return Ok(());
    };
    let path = format!("/pins/{}", quoted(&request));
    done(&service.call(Method::DELETE, &path, None).await?)
}

/// The pin of the root that this node made, if there is one.
async fn find(service: &Service, pin: &RemotePin) -> Result<Option<PinStatus>, CallError> {
    let mine = BTreeMap::from([(NODE, &service.node)]);
    let mine = serde_json::to_string(&mine)?;
    let (cid, mine) = (pin.cid, quoted(&mine));
    let path = format!("/pins?limit=1&cid={cid}&status={ALIVE}&meta={mine}");
    let page: Option<PinResults> = document(&service.call(Method::GET, &path, None).await?)?;
    let found = page.and_then(|page| page.results.into_iter().next());
    // Not every service looks at `meta`.
    let is_mine = |found: &PinStatus| {
        found.pin.meta.get(NODE) == Some(&service.node) && found.pin.cid == cid.to_string()
    };
    Ok(found.filter(is_mine))
}

fn said(status: PinStatus) -> Said {
    let state = match status.state() {
        Some(RequestState::Pinned) => There::Pinned,
        Some(RequestState::Failed) => There::Failed(details(&status)),
        // A word of a later version is none of the two that end the wait.
        Some(RequestState::Queued | RequestState::Pinning) | None => There::OnItsWay,
    };
    Said {
        state,
        request: Some(status.requestid),
        delegates: status.delegates,
    }
}

fn details(status: &PinStatus) -> String {
    let details = status.info.get("status_details");
    let details = details.and_then(serde_json::Value::as_str);
    details.unwrap_or("the service could not pin it").to_owned()
}

fn unknown() -> Said {
    Said {
        state: There::Unknown,
        request: None,
        delegates: Vec::new(),
    }
}
