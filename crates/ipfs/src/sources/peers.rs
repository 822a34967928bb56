//! Finding peers and connecting to them, for one session.

use std::collections::HashSet;
use std::time::Duration;

use cid::Cid;
use cidcast_exchange::{PeerId, Session};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rust_ipfs::{DialOpts, Multiaddr};
use tokio::time::timeout;

use super::Sources;
use super::hunt::Found;
use super::routers::Provider;
use crate::swarm;

/// How long dialling one peer may take. Beyond that its line is too bad to fetch over.
const DIAL: Duration = Duration::from_secs(8);
/// How long the DHT may take. Most look-ups end within three seconds, the slowest in a minute.
const LOOKUP: Duration = Duration::from_secs(20);
/// Providers of one look-up that are dialled.
const MAX_DIALS: usize = 16;
/// With this many providers connected, more would only be asked the same.
const ENOUGH: usize = 5;

impl Sources {
    /// Connects to members and to peers that had something lately.
    pub(super) async fn ask_members(&self, session: &Session) -> Found {
        let mut dials = FuturesUnordered::new();
        for address in self.member_addresses() {
            dials.push(self.dial_address(address));
        }
        let mut found = Found::Nothing;
        let recent = self.recent_peers();
        for peer in recent {
            if self.dial(peer, Vec::new()).await {
                session.add_peer(peer);
                found = Found::Peers;
            }
        }
        while let Some(reached) = dials.next().await {
            if let Some(peer) = reached {
                session.add_peer(peer);
                found = Found::Peers;
            }
        }
        found
    }

    /// Looks for providers in the DHT, and connects to some while the look-up goes on: the
    /// addresses that it learns are known only as long.
    pub(super) async fn ask_dht(&self, session: &Session, keys: &[Cid]) -> Found {
        let mut found = Found::Nothing;
        for key in keys {
            let looked = timeout(LOOKUP, self.providers_of(session, key)).await;
            match looked {
                Ok(Found::Nothing) => {}
                // Whoever was connected before the time was up has been told of already.
                Ok(_) => found = Found::Peers,
                Err(_) => tracing::debug!(%key, "the DHT gave no more providers in time"),
            }
        }
        found
    }

    async fn providers_of(&self, session: &Session, key: &Cid) -> Found {
        let Ok(mut lookup) = self.ipfs().get_providers(*key).await else {
            return Found::Nothing;
        };
        let mut seen = HashSet::from([self.own_id()]);
        let mut dials = FuturesUnordered::new();
        let (mut connected, mut over) = (0, false);
        while connected < ENOUGH && !(over && dials.is_empty()) {
            tokio::select! {
                peers = lookup.next(), if !over => match peers {
                    Some(Ok(peers)) => for peer in peers {
                        if seen.len() <= MAX_DIALS && seen.insert(peer) {
                            dials.push(async move { (peer, self.find_and_dial(peer).await) });
                        }
                    },
                    Some(Err(_)) | None => over = true,
                },
                Some((peer, reached)) = dials.next(), if !dials.is_empty() => if reached {
                    session.add_peer(peer);
                    connected += 1;
                },
            }
        }
        if connected > 0 {
            Found::Peers
        } else {
            Found::Nothing
        }
    }

    /// Connects to providers that a router named.
    pub(super) async fn reach(&self, session: &Session, providers: Vec<Provider>) -> Found {
        let own = self.own_id();
        let others = providers
            .into_iter()
            .filter(|provider| provider.peer != own);
        let mut dials: FuturesUnordered<_> = others
            .map(|Provider { peer, addresses }| async move {
                let addresses = resolved(addresses, peer).await;
                let reached = match addresses.is_empty() {
                    true => self.find_and_dial(peer).await,
                    false => self.dial(peer, addresses).await,
                };
                (peer, reached)
            })
            .collect();
        let mut found = Found::Nothing;
        while let Some((peer, reached)) = dials.next().await {
            if reached {
                session.add_peer(peer);
                found = Found::Peers;
            }
        }
        found
    }

    async fn dial_address(&self, address: String) -> Option<PeerId> {
        let (peer, _) = swarm::parse_peer(&address).ok()?;
        match swarm::dial(self.ipfs(), &address, DIAL).await {
            Ok(()) => Some(peer),
            Err(error) => {
                tracing::debug!(%peer, %error, "a member was not reached");
                None
            }
        }
    }

    /// Connects to a peer whose addresses the swarm or the DHT knows.
    async fn find_and_dial(&self, peer: PeerId) -> bool {
        if self.dial(peer, Vec::new()).await {
            return true;
        }
        match timeout(DIAL, self.ipfs().find_peer(peer)).await {
            Ok(Ok(addresses)) if !addresses.is_empty() => self.dial(peer, addresses).await,
            _ => false,
        }
    }

    async fn dial(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> bool {
        if self.ipfs().is_connected(peer).await.unwrap_or_default() {
            return true;
        }
        let target = DialOpts::peer_id(peer)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        matches!(timeout(DIAL, self.ipfs().connect(target)).await, Ok(Ok(_)))
    }
}

/// `addresses` of `peer` with their names looked up by the system.
async fn resolved(addresses: Vec<Multiaddr>, peer: PeerId) -> Vec<Multiaddr> {
    let suffix = format!("/p2p/{peer}");
    let mut resolved = Vec::new();
    for address in addresses {
        let mut whole = address.to_string();
        if !whole.ends_with(&suffix) {
            whole.push_str(&suffix);
        }
        resolved.extend(swarm::dialable(&whole).await.unwrap_or_default());
    }
    resolved
}
