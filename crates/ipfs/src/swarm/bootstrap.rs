//! Staying connected to the peers that the configuration names.
//!
//! One loop per peer: wait, and if the peer is not connected, dial it. First contact and
//! reconnection are the same; names are looked up anew each time. Nothing is kept, so the loop may
//! be dropped anywhere.

use std::time::Duration;

use rust_ipfs::{Ipfs, PeerId};

use super::address::{self, AddressError, PUBLIC};
use super::dial;

/// How long one attempt may take, name lookup not counted.
const DIAL_DEADLINE: Duration = Duration::from_secs(30);

/// The bootstrappers of the public IPFS network, as Kubo ships them.
const PUBLIC_PEERS: [&str; 6] = [
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
    "/dnsaddr/bootstrap.libp2p.io/p2p/QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
    "/dnsaddr/va1.bootstrap.libp2p.io/p2p/12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8",
    "/ip4/104.131.131.82/tcp/4001/p2p/QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
];

/// A peer as it is configured.
pub(super) struct BootstrapPeer {
    pub(super) peer: PeerId,
    address: String,
}

pub(super) fn parse(settings: &[String]) -> Result<Vec<BootstrapPeer>, AddressError> {
    let meant = settings.iter().flat_map(|setting| {
        if setting == PUBLIC {
            PUBLIC_PEERS.to_vec()
        } else {
            vec![setting.as_str()]
        }
    });
    let parse = |address: &str| {
        let (peer, _) = address::peer(address)?;
        let address = address.to_owned();
        Ok(BootstrapPeer { peer, address })
    };
    meant.map(parse).collect()
}

/// Dials `peer` now and whenever it is not connected, every `retry`. Never ends by itself.
pub(super) async fn keep(ipfs: Ipfs, peer: BootstrapPeer, retry: Duration) {
    loop {
        if !ipfs.is_connected(peer.peer).await.unwrap_or_default() {
            match dial::keep(&ipfs, &peer.address, DIAL_DEADLINE).await {
                Ok(_) => tracing::info!(peer = %peer.peer, "bootstrap peer connected"),
                Err(error) => {
                    tracing::warn!(peer = %peer.peer, %error, ?retry, "bootstrap peer not reached");
                }
            }
        }
        tokio::time::sleep(retry).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_stands_for_the_public_bootstrappers() {
        let peers = parse(&[PUBLIC.to_owned()]).unwrap();
        assert_eq!(peers.len(), PUBLIC_PEERS.len());
    }
}
