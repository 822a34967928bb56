//! The REST API of IPFS Cluster (<https://ipfscluster.io/documentation/reference/api/>).
//!
//! A cluster knows a pin by its CID alone. It is complete when as many peers hold it as its
//! smallest replication factor says, or all that it is allocated to if that is unknown.

use std::collections::BTreeMap;

use cidcast_catalog::RemotePin;
use cidcast_ipfs::http::Method;
use serde::Deserialize;

use super::{CallError, Said, Service, There, document, done, quoted};

/// `GET /pins/{cid}`: what every peer says (`GlobalPinInfo`).
#[derive(Debug, Default, Deserialize)]
struct Everywhere {
    #[serde(default)]
    allocations: Option<Vec<String>>,
    #[serde(default)]
    peer_map: BTreeMap<String, Peer>,
}

#[derive(Debug, Default, Deserialize)]
struct Peer {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: String,
}

/// `GET /allocations/{cid}`: what was asked for (`Pin`).
#[derive(Debug, Deserialize)]
struct Allocation {
    /// -1: on every peer.
    #[serde(default)]
    replication_factor_min: i64,
}

pub(super) async fn pin(
    service: &Service,
    pin: &RemotePin,
    origins: &[String],
) -> Result<Said, CallError> {
    let (name, origins) = (quoted(&pin.name), quoted(&origins.join(",")));
    let path = format!(
        "/pins/{}?mode=recursive&name={name}&origins={origins}",
        pin.cid
    );
    // Pinning what is pinned changes nothing there.
    done(&service.call(Method::POST, &path, None).await?)?;
    Ok(said(There::OnItsWay, pin))
}

pub(super) async fn look(service: &Service, pin: &RemotePin) -> Result<Said, CallError> {
    let path = format!("/pins/{}", pin.cid);
    let everywhere: Option<Everywhere> = document(&service.call(Method::GET, &path, None).await?)?;
    let path = format!("/allocations/{}", pin.cid);
    let wanted: Option<Allocation> = document(&service.call(Method::GET, &path, None).await?)?;
    let state = match (everywhere, wanted) {
        (Some(everywhere), Some(wanted)) => everywhere.state(wanted.replication_factor_min),
        _ => There::Unknown,
    };
    Ok(said(state, pin))
}

pub(super) async fn unpin(service: &Service, pin: &RemotePin) -> Result<(), CallError> {
    let path = format!("/pins/{}", pin.cid);
    done(&service.call(Method::DELETE, &path, None).await?)
}

impl Everywhere {
    fn state(&self, factor: i64) -> There {
        let count =
            |wanted: fn(&Peer) -> bool| self.peer_map.values().filter(|peer| wanted(peer)).count();
        let pinned = count(|peer| peer.status == "pinned");
        let keeping = count(|peer| peer.status != "remote");
        let failed = count(|peer| matches!(peer.status.as_str(), "pin_error" | "cluster_error"));
        let allocated = self.allocations.as_ref().map_or(0, Vec::len);
        let needed = match usize::try_from(factor) {
            Ok(factor) if factor > 0 => factor,
            _ if allocated > 0 => allocated,
            _ => keeping,
        };
        if pinned > 0 && pinned >= needed {
            return There::Pinned;
        }
        if keeping > 0 && failed == keeping {
            let mut errors = self.peer_map.values().map(|peer| &peer.error);
            let error = errors.find(|error| !error.is_empty());
            return There::Failed(
                error.map_or_else(|| "no peer could pin it".to_owned(), String::clone),
            );
        }
        if keeping == 0 || self.peer_map.values().all(|peer| peer.status == "unpinned") {
            return There::Unknown;
        }
        There::OnItsWay
    }
}

fn said(state: There, pin: &RemotePin) -> Said {
    Said {
        state,
        request: Some(pin.cid.to_string()),
        delegates: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(json: &str, factor: i64) -> There {
        serde_json::from_str::<Everywhere>(json)
            .unwrap()
            .state(factor)
    }

    #[test]
    fn a_pin_is_complete_with_as_many_copies_as_the_smallest_factor_says() {
        let one = r#"{"allocations":["a","b"],"peer_map":{"a":{"status":"pinned","error":""},
            "b":{"status":"pinning","error":""},"c":{"status":"remote","error":""}}}"#;
        assert_eq!(state(one, 1), There::Pinned);
        assert_eq!(state(one, 2), There::OnItsWay);
        assert_eq!(state(one, -1), There::OnItsWay);
        let everywhere = r#"{"peer_map":{"a":{"status":"pinned"},"b":{"status":"pinned"}}}"#;
        assert_eq!(state(everywhere, -1), There::Pinned);
    }

    #[test]
    fn it_has_failed_when_everybody_who_should_keep_it_says_so() {
        let all =
            r#"{"peer_map":{"a":{"status":"pin_error","error":"full"},"b":{"status":"remote"}}}"#;
        assert_eq!(state(all, 1), There::Failed("full".to_owned()));
        let some =
            r#"{"peer_map":{"a":{"status":"pin_error","error":"full"},"b":{"status":"pinning"}}}"#;
        assert_eq!(state(some, 1), There::OnItsWay);
        let nobody = r#"{"peer_map":{"a":{"status":"unpinned"},"b":{"status":"unpinned"}}}"#;
        assert_eq!(state(nobody, 1), There::Unknown);
    }
}
