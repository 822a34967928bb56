//! Two swarms on loopback.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use cidcast_ipfs::swarm::{StartError, Swarm, SwarmSettings};
use cidcast_runtime::Shutdown;

/// Far beyond what anything here takes on a slow machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn settings(folder: &Path, listen: &[&str]) -> SwarmSettings {
    SwarmSettings {
        listen: listen.iter().map(|&address| address.to_owned()).collect(),
        start_deadline: LONG,
        stop_deadline: LONG,
        ..SwarmSettings::new(folder.join("node.key"))
    }
}

/// The number after `/{protocol}/`.
fn port(address: &str, protocol: &str) -> u16 {
    let (_, rest) = address.split_once(&format!("/{protocol}/")).unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

pub(crate) const EVERYWHERE: [&str; 3] = [
    "/ip4/127.0.0.1/tcp/0",
    "/ip4/127.0.0.1/udp/0/quic-v1",
    "/ip4/127.0.0.1/tcp/0/ws",
];

#[tokio::test(flavor = "multi_thread")]
async fn peers_meet_on_every_transport_and_ports_are_free_after_stop() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shutdown = Shutdown::new();
    let listener = Swarm::start(settings(here.path(), &EVERYWHERE), None, &shutdown)
        .await
        .unwrap();
    let addresses = listener.listen_addresses().await;
    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        assert!(
            address.ends_with(&format!("/p2p/{}", listener.peer_id())),
            "{address}"
        );
        let dialler = Swarm::start(settings(there.path(), &[]), None, &shutdown)
            .await
            .unwrap();
        dialler.connect(address, LONG).await.unwrap();
        assert_eq!(dialler.connected_peers().await, 1);
        dialler.stop().await.unwrap();
    }
    listener.stop().await.unwrap();
    for address in addresses {
        if address.contains("/udp/") {
            UdpSocket::bind(("127.0.0.1", port(&address, "udp"))).unwrap();
        } else {
            TcpListener::bind(("127.0.0.1", port(&address, "tcp"))).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_id_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::new();
    let first = Swarm::start(settings(folder.path(), &[]), None, &shutdown)
        .await
        .unwrap();
    let peer = first.peer_id();
    first.stop().await.unwrap();
    let second = Swarm::start(settings(folder.path(), &[]), None, &shutdown)
        .await
        .unwrap();
    assert_eq!(second.peer_id(), peer);
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let error = Swarm::start(settings(folder.path(), &[&taken]), None, &Shutdown::new()).await;
    match error.unwrap_err() {
        StartError::Listen { address, .. } => assert_eq!(address, taken),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let shutdown = Shutdown::new();
    shutdown.trigger();
    let error = Swarm::start(settings(folder.path(), &EVERYWHERE), None, &shutdown).await;
    assert!(matches!(error, Err(StartError::Interrupted)));
}

/// Waits until somebody is connected to `swarm`.
async fn met(swarm: &Swarm) {
    let met = async {
        while swarm.connected_peers().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, met).await.unwrap();
}

/// Waits until nobody is.
async fn parted(swarm: &Swarm) {
    let parted = async {
        while swarm.connected_peers().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, parted).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_dial_each_other_at_once_are_connected() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let shutdown = Shutdown::new();
    let start = |n: usize| {
        let settings = settings(folders[n].path(), &EVERYWHERE[..1]);
        Swarm::start(settings, None, &shutdown)
    };
    let (one, other) = (start(0).await.unwrap(), start(1).await.unwrap());
    let (at_one, at_other) = (
        one.listen_addresses().await.remove(0),
        other.listen_addresses().await.remove(0),
    );
    for round in 0..20 {
        let (first, second) =
            tokio::join!(one.connect(&at_other, LONG), other.connect(&at_one, LONG));
        let to_other = first.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let to_one = second.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(one.connected_peers().await, 1, "round {round}");
        assert_eq!(other.connected_peers().await, 1, "round {round}");
        one.handle().disconnect(to_other).await.unwrap();
        // Each keeps the other: the connection may be gone here already.
        let _ = other.handle().disconnect(to_one).await;
        parted(&one).await;
        parted(&other).await;
    }
    one.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_peer_is_met_again_after_it_was_away() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shutdown = Shutdown::new();
    let listener = Swarm::start(settings(here.path(), &EVERYWHERE[..1]), None, &shutdown)
        .await
        .unwrap();
    let addresses = listener.listen_addresses().await;
    let newcomer = SwarmSettings {
        bootstrap: addresses.clone(),
        retry: Duration::from_millis(50),
        ..settings(there.path(), &[])
    };
    let newcomer = Swarm::start(newcomer, None, &shutdown).await.unwrap();
    met(&listener).await;
    listener.stop().await.unwrap();

    let (same, _) = addresses[0].split_once("/p2p/").unwrap();
    let listener = Swarm::start(settings(here.path(), &[same]), None, &shutdown)
        .await
        .unwrap();
    met(&listener).await;
    newcomer.stop().await.unwrap();
    listener.stop().await.unwrap();
}
