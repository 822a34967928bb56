//! The REST API of IPFS Cluster (<https://ipfscluster.io/documentation/reference/api/>).
//!
//! A cluster knows a pin by its CID alone. It is complete when as many peers hold it as its
//! smallest replication factor says, or all that it is allocated to if that is unknown.

use std::collections::BTreeMap;

use cidcast_catalog::RemotePin;
use cidcast_ipfs::http::Method;
use cidcast_types::{Cid, PinState};
use serde::Deserialize;

use super::{
    CallError, ClusterCopy, ClusterPeer, Said, Service, There, document, done, quoted, refused,
};

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
    let mut path = format!(
        "/pins/{}?mode=recursive&name={name}&origins={origins}",
        pin.cid
    );
    if let Some((min, max)) = service.settings.copies {
        path.push_str(&format!("&replication-min={min}&replication-max={max}"));
    }
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

/// `GET /peers`: one of them (`ID`).
#[derive(Debug, Deserialize)]
struct PeerInfo {
    id: String,
    #[serde(default)]
    peername: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    error: String,
}

/// The peers, which the API sends as documents one after another, or in an array before 1.0.
pub(super) async fn peers(service: &Service) -> Result<Vec<ClusterPeer>, CallError> {
    let answer = service.call(Method::GET, "/peers", None).await?;
    if !answer.status.is_success() {
        return Err(refused(&answer));
    }
    let peers = read_peers(&answer.body)?.into_iter();
    let peers = peers.map(|peer| ClusterPeer {
        id: peer.id,
        name: peer.peername,
        version: peer.version,
        error: (!peer.error.is_empty()).then_some(peer.error),
    });
    Ok(peers.collect())
}

fn read_peers(body: &[u8]) -> Result<Vec<PeerInfo>, serde_json::Error> {
    if body.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(body);
    }
    serde_json::Deserializer::from_slice(body)
        .into_iter()
        .collect()
}

/// Where a root stands at each peer that keeps it, or is to.
pub(super) async fn copies(service: &Service, cid: &Cid) -> Result<Vec<ClusterCopy>, CallError> {
    let path = format!("/pins/{cid}");
    let found: Option<Everywhere> = document(&service.call(Method::GET, &path, None).await?)?;
    let peers = found.unwrap_or_default().peer_map.into_iter();
    let copies = peers.filter_map(|(peer, info)| {
        Some(ClusterCopy {
            peer,
            state: info.state()?,
            error: (!info.error.is_empty()).then_some(info.error),
        })
    });
    Ok(copies.collect())
}

impl Peer {
    /// `None`: it is not to keep it.
    fn state(&self) -> Option<PinState> {
        Some(match self.status.as_str() {
            "pinned" => PinState::Pinned,
            "pinning" => PinState::Pinning,
            "pin_queued" => PinState::Queued,
            "unpinning" | "unpin_queued" => PinState::Unpinning,
            "pin_error" | "unpin_error" | "cluster_error" | "unexpectedly_unpinned" => {
                PinState::Error
            }
            _ => return None,
        })
    }
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
    fn peers_come_one_after_another_or_in_an_array() {
        let (one, two) = (
            r#"{"id":"a","peername":"attic"}"#,
            r#"{"id":"b","error":"down"}"#,
        );
        for body in [format!("{one}\n{two}\n"), format!("[{one},{two}]")] {
            let peers = read_peers(body.as_bytes()).unwrap();
            assert_eq!((peers.len(), &*peers[0].peername), (2, "attic"));
            assert_eq!((&*peers[1].id, &*peers[1].error), ("b", "down"));
        }
        assert!(read_peers(b"{\"id\":").is_err());
        assert_eq!(read_peers(b"").unwrap().len(), 0);
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
