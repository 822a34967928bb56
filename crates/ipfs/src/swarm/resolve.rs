//! From names in multiaddresses to addresses that can be dialled.
//!
//! Names are looked up here, by the resolver that the operating system is configured with: rust-ipfs
//! would ask a public one. `/dns`, `/dns4` and `/dns6` become IP addresses; `/dnsaddr` becomes what
//! its TXT records say (libp2p specification "addressing", dnsaddr), by `/etc/resolv.conf`.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use rust_ipfs::{Multiaddr, PeerId, Protocol};
use tokio::time::timeout;

use super::address::{self, AddressError};

/// How long looking up all names behind one address may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The public bootstrappers' names need two lookups in a row.
const DEPTH: usize = 4;
/// Bounds on what a name's owner can make this node ask and dial.
const MAX_LOOKUPS: usize = 32;
const MAX_ADDRESSES: usize = 32;

/// What can be dialled for `address`, which must end in `/p2p/…`. Not empty.
pub(crate) async fn dialable(address: &str) -> Result<Vec<Multiaddr>, AddressError> {
    let (peer, parsed) = address::peer(address)?;
    let names = Names {
        peer,
        txt: None,
        lookups: 0,
        found: Vec::new(),
    };
    let found = timeout(DEADLINE, names.resolve(parsed)).await;
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(AddressError::Name {
            address: address.to_owned(),
        }),
    }
}

/// One resolution.
struct Names {
    peer: PeerId,
    /// Made when the first TXT record is needed.
    txt: Option<TokioResolver>,
    lookups: usize,
    found: Vec<Multiaddr>,
}

impl Names {
    async fn resolve(mut self, address: Multiaddr) -> Vec<Multiaddr> {
        let mut level = vec![address];
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for address in level {
                next.extend(self.step(address).await);
            }
            level = next;
        }
        self.found
    }

    /// Looks at the first part: an IP address is done, a name is looked up.
    async fn step(&mut self, address: Multiaddr) -> Vec<Multiaddr> {
        match address.iter().next() {
            Some(Protocol::Dnsaddr(name)) => self.records(&name).await,
            Some(Protocol::Dns(name)) => self.ips(&address, &name, |_| true).await,
            Some(Protocol::Dns4(name)) => self.ips(&address, &name, IpAddr::is_ipv4).await,
            Some(Protocol::Dns6(name)) => self.ips(&address, &name, IpAddr::is_ipv6).await,
            _ => {
                if self.found.len() < MAX_ADDRESSES && !self.found.contains(&address) {
                    self.found.push(address);
                }
                Vec::new()
            }
        }
    }

    async fn ips(
        &mut self,
        address: &Multiaddr,
        name: &str,
        family: fn(&IpAddr) -> bool,
    ) -> Vec<Multiaddr> {
        if !self.may_ask() {
            return Vec::new();
        }
        let Ok(found) = tokio::net::lookup_host((name, 0)).await else {
            return Vec::new();
        };
        let ips = found.map(|socket| socket.ip()).filter(family);
        let with_ip = |ip: IpAddr| address.replace(0, |_| Some(ip.into()));
        ips.filter_map(with_ip).collect()
    }

    async fn records(&mut self, name: &str) -> Vec<Multiaddr> {
        if !self.may_ask() {
            return Vec::new();
        }
        if self.txt.is_none() {
            let system = TokioResolver::builder_tokio().map(|builder| builder.build());
            if let Err(error) = &system {
                tracing::warn!(%error, "the system's resolver configuration cannot be read");
            }
            self.txt = system.ok();
        }
        let Some(resolver) = &self.txt else {
            return Vec::new();
        };
        // With the dot at the end, no search domain is tried.
        let asked = format!("_dnsaddr.{}.", name.trim_end_matches('.'));
        let Ok(answer) = resolver.txt_lookup(asked).await else {
            return Vec::new();
        };
        let records = answer.iter().map(|txt| txt.txt_data().concat());
        let addresses = records.filter_map(|record| parse_record(&record));
        addresses.filter(|found| self.is_for_us(found)).collect()
    }

    fn may_ask(&mut self) -> bool {
        self.lookups += 1;
        self.lookups <= MAX_LOOKUPS
    }

    /// What the operator wrote is dialled as it is; what a record says may be for somebody else, or
    /// for transports that this node does not have.
    fn is_for_us(&self, address: &Multiaddr) -> bool {
        let for_peer =
            matches!(address.iter().last(), Some(Protocol::P2p(peer)) if peer == self.peer);
        let foreign = |part: Protocol<'_>| {
            matches!(
                part,
                Protocol::Quic
                    | Protocol::Tls
                    | Protocol::Wss(_)
                    | Protocol::WebTransport
                    | Protocol::WebRTC
                    | Protocol::WebRTCDirect
                    | Protocol::P2pCircuit
            )
        };
        for_peer && !address.iter().any(foreign)
    }
}

/// `dnsaddr=<multiaddr>`.
fn parse_record(record: &[u8]) -> Option<Multiaddr> {
    let text = std::str::from_utf8(record).ok()?;
    text.strip_prefix("dnsaddr=")?.parse().ok()
}

#[cfg(test)]
mod tests;
