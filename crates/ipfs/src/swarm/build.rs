//! Putting the node of rust-ipfs together.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use libp2p::pnet::PreSharedKey;
use rust_ipfs::builder::IpfsBuilder;
use rust_ipfs::p2p::{IdentifyConfiguration, RelayConfig};
use rust_ipfs::{Ipfs, Keypair};
use tokio::sync::oneshot;

use super::behaviour::Own;
use super::error::SwarmFault;
use super::roster::Roster;
use super::settings::{Service, SwarmSettings};
use super::withdraw::Withdrawals;

/// QUIC connections without any packet for this long are gone (milliseconds).
const QUIC_IDLE_MILLIS: u32 = 30_000;
/// A third of the above, so that two lost packets in a row do not cost the connection.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Connections that no protocol uses are closed after this long.
const IDLE_SECONDS: u64 = 60;
/// What one relayed connection may carry and how long: enough to agree on punching a hole, and for
/// a few requests if that fails; a relay is no way to move video.
const CIRCUIT_BYTES: u64 = 8 << 20;
const CIRCUIT_TIME: Duration = Duration::from_secs(10 * 60);
/// Relayed connections at a time, and with one peer: together they keep a home line usable.
const CIRCUITS: usize = 32;
const CIRCUITS_PER_PEER: usize = 4;

/// What a node is made of.
pub(super) struct Parts<'a> {
    pub(super) settings: &'a SwarmSettings,
    pub(super) key: &'a Keypair,
    pub(super) network_key: Option<PreSharedKey>,
    pub(super) own: Own,
    pub(super) roster: Roster,
    pub(super) withdrawals: Withdrawals,
    /// Dropped when the swarm task has dropped everything that it owned.
    pub(super) alive: oneshot::Sender<()>,
}

/// Starts the node. Behind a pointer: the swarm's types take the compiler more than a minute, and
/// are compiled in this crate, not again in every binary that polls the future.
pub(super) fn build(parts: Parts<'_>) -> LocalBoxFuture<'_, Result<Ipfs, SwarmFault>> {
    put_together(parts).boxed_local()
}

async fn put_together(parts: Parts<'_>) -> Result<Ipfs, SwarmFault> {
    let Parts {
        settings,
        key,
        network_key,
        own,
        roster,
        withdrawals,
        alive,
    } = parts;
    let builder =
        IpfsBuilder::<Own>::with_keypair(key).map_err(|error| SwarmFault(error.into()))?;
    let builder = builder.with_custom_behaviour(move |_| Ok(own));
    let builder = with_services(with_transports(builder, network_key), settings);
    let limits = settings.limits;
    with_protocols(builder)
        .set_connection_limits(move |bounds| {
            bounds
                .with_max_established(Some(limits.connections))
                .with_max_established_incoming(Some(limits.incoming()))
                .with_max_established_per_peer(Some(limits.per_peer))
                .with_max_pending_incoming(Some(limits.pending()))
                .with_max_pending_outgoing(Some(limits.pending()))
        })
        .set_idle_connection_timeout(IDLE_SECONDS)
        // The callback lives as long as the swarm task: what it holds is dropped with the sockets.
        .swarm_events(move |swarm, event| {
            let _ = &alive;
            roster.note(event);
            let unwanted = withdrawals.take();
            if let Some(dht) = swarm.behaviour_mut().kademlia.as_mut() {
                for key in unwanted {
                    dht.stop_providing(&key);
                }
            }
        })
        .start()
        .await
        .map_err(SwarmFault)
}

/// QUIC has its own encryption, under which a network key cannot be put.
fn with_transports(
    builder: IpfsBuilder<Own>,
    network_key: Option<PreSharedKey>,
) -> IpfsBuilder<Own> {
    let builder = builder.enable_tcp().enable_websocket();
    match network_key {
        Some(key) => builder.enable_pnet(key),
        None => builder.enable_quic_with_config(|mut quic| {
            quic.max_idle_timeout = QUIC_IDLE_MILLIS;
            quic.keep_alive_interval = QUIC_KEEP_ALIVE;
            quic
        }),
    }
}

/// Every node has these, and pings, gossip and requests of its own. None of them contacts anybody who is not known
/// already.
fn with_protocols(builder: IpfsBuilder<Own>) -> IpfsBuilder<Own> {
    let identify = IdentifyConfiguration {
        agent_version: concat!("cidcast/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..IdentifyConfiguration::default()
    };
    builder
        .with_identify(identify)
        .with_kademlia()
        // With hole punching: a relayed connection becomes a direct one where routers allow it.
        .with_relay(true)
}

fn with_services(mut builder: IpfsBuilder<Own>, settings: &SwarmSettings) -> IpfsBuilder<Own> {
    for service in &settings.services {
        builder = match service {
            Service::Mdns => builder.with_mdns(),
            Service::AutoNat => builder.with_autonat(),
            Service::Upnp => builder.with_upnp(),
            Service::RelayServer => builder.with_relay_server(relay_bounds()),
        };
    }
    builder
}

fn relay_bounds() -> RelayConfig {
    RelayConfig {
        max_circuits: CIRCUITS,
        max_circuits_per_peer: CIRCUITS_PER_PEER,
        max_circuit_duration: CIRCUIT_TIME,
        max_circuit_bytes: CIRCUIT_BYTES,
        ..RelayConfig::default()
    }
}
