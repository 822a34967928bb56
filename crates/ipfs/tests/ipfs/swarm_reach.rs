//! How swarms find, reach and refuse each other.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cidcast_ipfs::swarm::{
    Limits, NetworkKind, PeerEvent, PeerId, PingError, Service, StartError, Swarm, SwarmSettings,
};
use cidcast_runtime::Shutdown;
use futures::future::join_all;

use crate::node::{Node, eventually};
use crate::swarm::{EVERYWHERE, LONG, settings};

fn network_key(folder: &Path, digit: char) -> PathBuf {
    let path = folder.join(format!("{digit}.key"));
    let digits = digit.to_string().repeat(64);
    fs::write(
        &path,
        format!("/key/swarm/psk/1.0.0/\n/base16/\n{digits}\n"),
    )
    .unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_network_takes_its_own_and_refuses_strangers() {
    let keys = tempfile::tempdir().unwrap();
    let (ours, theirs) = (network_key(keys.path(), 'a'), network_key(keys.path(), 'b'));
    let within = |key: PathBuf| {
        move |settings: &mut SwarmSettings| {
            settings.network_key_file = Some(key);
        }
    };
    let host = Node::new(&EVERYWHERE, within(ours.clone())).await;
    let addresses = host.swarm.listen_addresses().await;
    // QUIC was configured, and is not there.
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    assert!(addresses.iter().all(|address| address.contains("/tcp/")));
    assert_eq!(host.handle().reach().await.network, NetworkKind::Private);

    let foreign = Node::new(&EVERYWHERE[..1], |_| {}).await;
    let outside = foreign.address().await;
    // At the same time: who has no key notices only when time is up.
    let meetings = addresses.iter().map(async |address| {
        let member = Node::new(&[], within(ours.clone())).await;
        member.swarm.connect(address, LONG).await.unwrap();
        let peer = member.handle().peers().remove(0);
        assert_eq!(peer.id.to_string(), host.swarm.peer_id());
        let with_other_key = Node::new(&[], within(theirs.clone())).await;
        let without_key = Node::new(&[], |_| {}).await;
        let strangers = [with_other_key, without_key];
        let refusals = strangers.iter().map(async |stranger| {
            stranger.swarm.connect(address, LONG).await.unwrap_err();
            assert_eq!(stranger.handle().peers(), []);
        });
        // Nor does a member talk to a host outside.
        let (_, stay) = tokio::join!(join_all(refusals), member.swarm.connect(&outside, LONG));
        stay.unwrap_err();
    });
    join_all(meetings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_private_network_cannot_have_is_refused_before_anything_opens() {
    let folder = tempfile::tempdir().unwrap();
    let key = network_key(folder.path(), 'a');
    let refused = async |change: fn(&mut SwarmSettings)| {
        let mut settings = settings(folder.path(), &EVERYWHERE);
        settings.network_key_file = Some(key.clone());
        change(&mut settings);
        let started = Swarm::start(settings, None, &Shutdown::new()).await;
        assert!(!folder.path().join("node.key").exists());
        started.unwrap_err().to_string()
    };
    let only_quic = refused(|settings| settings.listen = vec![EVERYWHERE[1].to_owned()]).await;
    assert!(only_quic.contains("no QUIC"), "{only_quic}");
    let public = refused(|settings| settings.bootstrap = vec!["ipfs".to_owned()]).await;
    assert!(public.contains("public bootstrappers"), "{public}");
    let missing = refused(|settings| settings.network_key_file = Some("/no/such.key".into())).await;
    assert!(missing.contains("/no/such.key"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_introduces_itself_answers_pings_and_can_be_sent_away() {
    let host = Node::new(&EVERYWHERE[..1], |_| {}).await;
    let guest = Node::new(&[], |_| {}).await;
    let id = guest
        .swarm
        .connect(&host.address().await, LONG)
        .await
        .unwrap();
    let (guest, host) = (guest.handle(), host.handle());
    let peer = eventually("identify", async || {
        guest.peer(&id).filter(|peer| peer.agent.is_some())
    })
    .await;
    assert!(peer.agent.unwrap().starts_with("cidcast/"));
    assert!(peer.protocols.iter().any(|name| name == "/ipfs/ping/1.0.0"));
    assert_eq!(peer.connections.len(), 1);
    // The other end sees where it is called from.
    eventually("an observed address", async || {
        let reach = guest.reach().await;
        (!reach.observed.is_empty()).then_some(())
    })
    .await;

    let times = guest.ping(id, 5, LONG).await.unwrap();
    assert_eq!(times.len(), 5);
    // On loopback. A peer that answers when it happens to wake up takes many seconds.
    let prompt = |time: &Duration| !time.is_zero() && *time < Duration::from_secs(5);
    assert!(times.iter().all(prompt), "{times:?}");
    eventually("a ping that nobody asked for", async || {
        guest.peer(&id)?.rtt
    })
    .await;
    guest.disconnect(id).await.unwrap();
    assert_eq!(guest.peers(), []);
    eventually("the end", async || host.peers().is_empty().then_some(())).await;
    let silent = guest.ping(id, 1, LONG).await.unwrap_err();
    assert!(matches!(silent, PingError::NotConnected { .. }), "{silent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_addresses_are_told_to_peers() {
    let announced = "/dns4/media.example.org/tcp/443/wss";
    let host = Node::new(&EVERYWHERE[..1], |settings| {
        settings.announce = vec![announced.to_owned()];
    })
    .await;
    assert!(
        host.handle()
            .reach()
            .await
            .external
            .contains(&announced.to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_takes_no_more_strangers_and_still_dials_out() {
    let full = Node::new(&EVERYWHERE[..1], |settings| {
        settings.limits = Limits {
            connections: 4,
            per_peer: 2,
        };
    })
    .await;
    let address = full.address().await;
    let mut guests = Vec::new();
    for _ in 0..3 {
        let guest = Node::new(&[], |_| {}).await;
        guest.swarm.connect(&address, LONG).await.unwrap();
        guests.push(guest);
    }
    eventually("three guests", async || {
        (full.handle().peers().len() == 3).then_some(())
    })
    .await;
    // The handshake may succeed before the refusal arrives; the connection does not stay.
    let late = Node::new(&[], |_| {}).await;
    let _ = late.swarm.connect(&address, LONG).await;
    eventually("a refusal", async || {
        late.handle().peers().is_empty().then_some(())
    })
    .await;
    let friend = Node::new(&EVERYWHERE[..1], |_| {}).await;
    full.swarm
        .connect(&friend.address().await, LONG)
        .await
        .unwrap();
    assert_eq!(full.handle().peers().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_listens_nowhere_is_reached_through_its_relay() {
    // A relay hands out its proven addresses only, so it has to know its port beforehand.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let at = format!("/ip4/127.0.0.1/tcp/{port}");
    let relay = Node::new(&[&at], |settings| {
        settings.announce = vec![at.clone()];
        settings.services = BTreeSet::from([Service::RelayServer]);
    })
    .await;
    let address = relay.address().await;
    let hidden = Node::new(&[], |settings| settings.relays = vec![address.clone()]).await;
    let through = eventually("a reservation", async || {
        let reach = hidden.handle().reach().await;
        assert!(reach.relays.len() <= 1);
        let mut listening = reach.listening.into_iter();
        listening.find(|address| address.contains("/p2p-circuit"))
    })
    .await;
    let guest = Node::new(&[], |_| {}).await;
    let id = guest.swarm.connect(&through, LONG).await.unwrap();
    assert_eq!(id.to_string(), hidden.swarm.peer_id());
    assert_eq!(guest.handle().ping(id, 2, LONG).await.unwrap().len(), 2);

    // A relay that comes back is used again.
    let folder = relay.folder;
    let key = fs::read(folder.path().join("node.key")).unwrap();
    relay.swarm.stop().await.unwrap();
    eventually("the loss", async || {
        hidden
            .handle()
            .reach()
            .await
            .relays
            .is_empty()
            .then_some(())
    })
    .await;
    let _relay = Node::new(&[&at], |settings| {
        fs::write(&settings.key_file, &key).unwrap();
        fs::set_permissions(&settings.key_file, Permissions::from_mode(0o600)).unwrap();
        settings.announce = vec![at.clone()];
        settings.services = BTreeSet::from([Service::RelayServer]);
    })
    .await;
    eventually("a new reservation", async || {
        (!hidden.handle().reach().await.relays.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_node_is_no_relay() {
    let host = Node::new(&EVERYWHERE[..1], |_| {}).await;
    let hidden = host.address().await;
    let hidden = Node::new(&[], |settings| settings.relays = vec![hidden]).await;
    eventually("a connection", async || {
        (!hidden.handle().peers().is_empty()).then_some(())
    })
    .await;
    // Several rounds of asking.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(hidden.handle().reach().await.relays.is_empty());
}

/// Whether this machine has a network that multicast goes through; mDNS is not heard on loopback.
fn has_local_network() -> bool {
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    interfaces
        .lines()
        .skip(2)
        .any(|line| !line.trim().starts_with("lo:"))
        && routes.lines().count() > 1
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_find_each_other_by_mdns() {
    if !has_local_network() {
        println!("skipped: this machine has no network but loopback");
        return;
    }
    let everywhere = ["/ip4/0.0.0.0/tcp/0"];
    let finding =
        |settings: &mut SwarmSettings| settings.services = BTreeSet::from([Service::Mdns]);
    let one = Node::new(&everywhere, finding).await;
    let silent = Node::new(&everywhere, |_| {}).await;
    let other = Node::new(&everywhere, finding).await;
    let expected = other.swarm.peer_id();
    eventually("the neighbour", async || {
        let mut peers = one.handle().peers().into_iter();
        peers.find(|peer| peer.id.to_string() == expected)
    })
    .await;
    assert_eq!(
        silent.handle().peers(),
        [],
        "a node that does not ask is not found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_announced_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path(), &[]);
    settings.announce = vec!["/ip4/0.0.0.0/tcp/1".to_owned()];
    match Swarm::start(settings, None, &Shutdown::new()).await {
        Err(StartError::Address(error)) => assert!(error.to_string().contains("0.0.0.0")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn comings_and_goings_are_told_and_addresses_are_known() {
    let (here, there) = (
        Node::new(&EVERYWHERE[..1], |_| {}).await,
        Node::new(&EVERYWHERE[..1], |_| {}).await,
    );
    let id: PeerId = there.swarm.peer_id().parse().unwrap();
    let handle = here.handle();
    let mut events = handle.peer_events();
    here.meet(&there).await;
    for event in [PeerEvent::Connected(id), PeerEvent::Identified(id)] {
        let told = tokio::time::timeout(LONG, events.recv()).await.unwrap();
        assert_eq!(told, Ok(event));
    }
    assert!(handle.peer(&id).unwrap().speaks("/ipfs/ping/1.0.0"));
    let address = there.address().await;
    assert!(handle.addresses_of(&id).contains(&address));
    let own = there.handle().own_addresses().await;
    assert_eq!(own, [address], "loopback, for want of others");

    handle.set_blocked(HashSet::from([id])).await;
    let told = async {
        // It may be identified again meanwhile.
        while events.recv().await != Ok(PeerEvent::Disconnected(id)) {}
    };
    tokio::time::timeout(LONG, told).await.unwrap();
    let address = there.address().await;
    let refused = here.swarm.connect(&address, LONG).await;
    assert!(refused.is_err(), "a blocked peer is not dialled");
    let own = here.address().await;
    let _ = there.swarm.connect(&own, LONG).await;
    assert!(handle.peer(&id).is_none(), "nor let in");
    handle.set_blocked(HashSet::new()).await;
    here.meet(&there).await;
}
