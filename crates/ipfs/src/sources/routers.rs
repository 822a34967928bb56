//! Delegated routers: `GET /routing/v1/providers/{cid}` (Delegated Routing V1 HTTP API).
//!
//! What a router says is not trusted: it can name peers that do not have the block, which costs a
//! bounded number of dials, and nothing else. Addresses on private networks are taken only from a
//! router that is on one itself.

use std::net::IpAddr;

use cid::Cid;
use http::Uri;
use rust_ipfs::{Multiaddr, PeerId, Protocol};
use serde::Deserialize;

/// Providers that are taken from one answer: who has none of these will not have the next.
const MAX_PROVIDERS: usize = 16;
/// Addresses that are tried of one provider.
const MAX_ADDRESSES: usize = 8;
/// The exchange protocol, as routers name it.
const BITSWAP: &str = "transport-bitswap";

/// What a router may answer with. The stream comes first: its entries can be used singly.
pub(super) const ACCEPT: &str = "application/x-ndjson, application/json;q=0.9";
/// Records are a few hundred bytes; 100 of them are the most that routers send.
pub(super) const MAX_ANSWER: usize = 1 << 20;
const NDJSON: &str = "application/x-ndjson";

/// Somebody who is said to have a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
}

/// A whole answer in JSON.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Providers", default)]
    providers: Option<Vec<serde_json::Value>>,
}

/// One record; schemas `peer` and `bitswap` have these in common.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Addrs", default)]
    addresses: Option<Vec<String>>,
    #[serde(rename = "Protocols", default)]
    protocols: Option<Vec<String>>,
}

/// The URL that asks `router` for providers of `cid`.
pub(super) fn question(router: &str, cid: &Cid) -> String {
    let router = router.trim_end_matches('/');
    format!("{router}/routing/v1/providers/{cid}")
}

/// The providers in an answer of `router`. Records that are not understood are skipped.
pub(super) fn providers(router: &str, media_type: &str, body: &[u8]) -> Vec<Provider> {
    let records: Vec<serde_json::Value> = if media_type == NDJSON {
        let lines = body.split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    } else {
        let answer: Option<Answer> = serde_json::from_slice(body).ok();
        answer
            .and_then(|answer| answer.providers)
            .unwrap_or_default()
    };
    let near = is_near(router);
    let records = records.into_iter().filter_map(|record| {
        let record: Record = serde_json::from_value(record).ok()?;
        provider(record, near)
    });
    records.take(MAX_PROVIDERS).collect()
}

fn provider(record: Record, near: Nearness) -> Option<Provider> {
    let protocols = record.protocols.unwrap_or_default();
    if !protocols.is_empty() && !protocols.iter().any(|name| name == BITSWAP) {
        return None;
    }
    let peer = record.id.parse().ok()?;
    let addresses = record.addresses.unwrap_or_default().into_iter();
    let addresses = addresses
        .filter_map(|address| address.parse().ok())
        .filter(|address| near == Nearness::Private || is_public(address));
    Some(Provider {
        peer,
        addresses: addresses.take(MAX_ADDRESSES).collect(),
    })
}

/// Where a router is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    /// On this machine or its network.
    Private,
    /// Anywhere.
    Public,
}

fn is_near(router: &str) -> Nearness {
    let uri: Option<Uri> = router.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let address: Result<IpAddr, _> = host.trim_matches(['[', ']']).parse();
    match address {
        Ok(address) if !is_global(&address) => Nearness::Private,
        Err(_) if host == "localhost" => Nearness::Private,
        Ok(_) | Err(_) => Nearness::Public,
    }
}

fn is_public(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => is_global(&ip.into()),
        Some(Protocol::Ip6(ip)) => is_global(&ip.into()),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    }
}

fn is_global(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    const FAR: &str = "https://router.example.org/";

    fn peers(router: &str, media_type: &str, body: &str) -> Vec<Provider> {
        providers(router, media_type, body.as_bytes())
    }

    #[test]
    fn both_forms_of_an_answer_mean_the_same() {
        let record = format!(
            r#"{{"Schema":"peer","ID":"{PEER}","Addrs":["/ip4/203.0.113.9/tcp/4001"],"Protocols":["transport-bitswap"]}}"#
        );
        let json = peers(
            FAR,
            "application/json",
            &format!(r#"{{"Providers":[{record}]}}"#),
        );
        let lines = peers(FAR, NDJSON, &format!("{record}\n\n{record}\n"));
        assert_eq!(json.len(), 1);
        assert_eq!(json[0].peer.to_string(), PEER);
        assert_eq!(
            json[0].addresses[0].to_string(),
            "/ip4/203.0.113.9/tcp/4001"
        );
        assert_eq!(lines, [json[0].clone(), json[0].clone()]);
    }

    #[test]
    fn records_that_are_not_understood_are_skipped() {
        let body = format!(
            r#"{{"Providers":[7,{{"Schema":"new"}},{{"ID":"x"}},{{"ID":"{PEER}","Protocols":["transport-ipfs-gateway-http"]}},{{"Schema":"bitswap","ID":"{PEER}"}}]}}"#
        );
        let found = peers(FAR, "application/json", &body);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].addresses, []);
        for nothing in ["", "null", "{}", r#"{"Providers":null}"#, "[1"] {
            assert_eq!(peers(FAR, "application/json", nothing), []);
            assert_eq!(peers(FAR, NDJSON, nothing), []);
        }
    }

    #[test]
    fn a_router_elsewhere_cannot_point_at_this_network() {
        let inside = [
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/10.0.0.1/tcp/1",
            "/ip6/::1/tcp/1",
        ];
        for address in inside {
            let body = format!(r#"{{"Providers":[{{"ID":"{PEER}","Addrs":["{address}"]}}]}}"#);
            assert_eq!(
                peers(FAR, "application/json", &body)[0].addresses,
                [],
                "{address}"
            );
            let near = peers("http://127.0.0.1:8080", "application/json", &body);
            assert_eq!(near[0].addresses.len(), 1);
        }
    }

    #[test]
    fn an_answer_of_a_thousand_providers_is_cut() {
        let record = format!("{{\"ID\":\"{PEER}\"}}\n");
        assert_eq!(
            peers(FAR, NDJSON, &record.repeat(1000)).len(),
            MAX_PROVIDERS
        );
    }
}
