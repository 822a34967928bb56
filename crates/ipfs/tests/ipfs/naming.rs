//! IPNS between nodes, and DNSLink by a server of the test's own.

use std::net::SocketAddr;
use std::time::Duration;

use cidcast_ipfs::NetworkSettings;
use cidcast_ipfs::names::{
    DnslinkError, NameKey, NameSettings, Names, PublishError, Reach, ResolveNameError,
};
use cidcast_testkit::Kubo;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::peer::{LONG, Peer};

const FIRST: &str = "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const SECOND: &str = "/ipfs/bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

fn names(peer: &Peer) -> Names {
    names_with(peer, Vec::new())
}

fn names_with(peer: &Peer, dns_servers: Vec<SocketAddr>) -> Names {
    let settings = NameSettings {
        dns_servers,
        republish_every: Duration::from_secs(3600),
        ..NameSettings::new(peer.folder.path().join("names"))
    };
    Names::start(peer.network.clone(), settings, &peer.tasks).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_resolved_elsewhere_and_follows_its_publisher() {
    let hub = Peer::serving_dht().await;
    let (publisher, reader) = (Peer::new().await, Peer::new().await);
    publisher.meet(&hub).await;
    reader.meet(&hub).await;
    let (ours, theirs) = (names(&publisher), names(&reader));
    for (sequence, value) in [(0, FIRST), (0, FIRST), (1, SECOND)] {
        // The DHT hears of peers some time after they have met.
        let published = loop {
            let published = ours.publish(None, value).await.unwrap();
            if published.reach == Reach::Network {
                break published;
            }
        };
        assert_eq!(
            (published.sequence, published.value.as_str()),
            (sequence, value)
        );
        let name = published.name.to_string();
        let resolved = timeout(LONG, theirs.resolve(&name)).await.unwrap();
        assert_eq!(resolved.unwrap(), value);
        let deep = theirs.resolve(&format!("/ipns/{name}/a/b")).await.unwrap();
        assert_eq!(deep, format!("{value}/a/b"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sequence_goes_on_after_a_restart() {
    let peer = Peer::new().await;
    let first = names(&peer).publish(Some("channel"), FIRST).await.unwrap();
    assert_eq!((first.sequence, first.reach), (0, Reach::Here));
    peer.tasks.drain(LONG).await.unwrap();
    peer.swarm.stop().await.unwrap();
    peer.store.close().unwrap();
    let again = Peer::on(peer.folder, NetworkSettings::default()).await;
    let second = names(&again)
        .publish(Some("channel"), SECOND)
        .await
        .unwrap();
    assert_eq!((second.name, second.sequence), (first.name, 1));
    let own = names(&again).publish(None, FIRST).await.unwrap();
    assert_ne!(own.name, first.name);
}

/// Publishes until a peer has it: the DHT hears of peers some time after they have met.
async fn publish_as(names: &Names, key: &NameKey, value: &str) -> u64 {
    loop {
        let published = names.publish_as(key, value).await.unwrap();
        assert_eq!(published.name, key.name());
        if published.reach == Reach::Network {
            return published.sequence;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_ones_own_goes_on_where_it_was_on_another_host() {
    let hub = Peer::serving_dht().await;
    let (old, new) = (Peer::new().await, Peer::new().await);
    old.meet(&hub).await;
    new.meet(&hub).await;
    let (before, after) = (names(&old), names(&new));
    let key = NameKey::from_secret([7; 32]).unwrap();
    assert_eq!(publish_as(&before, &key, FIRST).await, 0);
    assert_eq!(publish_as(&before, &key, SECOND).await, 1);
    before.return_key(&key.name());
    assert_eq!(
        publish_as(&after, &key, SECOND).await,
        1,
        "nothing has changed"
    );
    assert_eq!(publish_as(&after, &key, FIRST).await, 2);
    // And back: what is on the old host's disk is behind.
    assert_eq!(publish_as(&before, &key, SECOND).await, 3);
    let name = key.name().to_string();
    let resolved = timeout(LONG, after.resolve(&name)).await.unwrap();
    assert_eq!(resolved.unwrap(), SECOND);
    let names = old.folder.path().join("names");
    let kept = std::fs::read_dir(names).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(
        kept,
        [format!("{name}.json").as_str()],
        "no key is written down"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_named_or_resolved_says_why() {
    let peer = Peer::new().await;
    let names = names(&peer);
    let error = names
        .publish(None, "https://example.org")
        .await
        .unwrap_err();
    assert!(matches!(error, PublishError::Value { .. }), "{error}");
    let error = names.publish(Some("../up"), FIRST).await.unwrap_err();
    assert!(matches!(error, PublishError::KeyName { .. }), "{error}");
    let error = names.resolve("no name").await.unwrap_err();
    assert!(matches!(error, ResolveNameError::Syntax { .. }), "{error}");
    assert_eq!(names.resolve(FIRST).await.unwrap(), FIRST);
}

/// A DNS server that has one TXT record, and says of every other name that it has none.
async fn dns_server(name: &'static str, text: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.unwrap();
            let answer = answer(&query[..len], name, text);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

/// The answer to a query with one question (RFC 1035 §4).
fn answer(query: &[u8], name: &str, text: &str) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let question = &query[12..end];
    let mut wanted = Vec::new();
    for label in name.split('.') {
        wanted.push(u8::try_from(label.len()).unwrap());
        wanted.extend_from_slice(label.as_bytes());
    }
    let asked = question.to_ascii_lowercase();
    let is_known = asked.starts_with(&wanted);
    let mut answer = query[..2].to_vec();
    // A response, recursion available; NXDOMAIN for what is not known.
    answer.extend_from_slice(&[0x81, if is_known { 0x80 } else { 0x83 }]);
    answer.extend_from_slice(&[0, 1, 0, u8::from(is_known), 0, 0, 0, 0]);
    answer.extend_from_slice(question);
    if is_known {
        // The name is where the question is; TXT, IN, 60 s.
        let len = u8::try_from(text.len()).unwrap();
        answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, len + 1, len]);
        answer.extend_from_slice(text.as_bytes());
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dnslink_is_followed_by_the_configured_server() {
    let peer = Peer::new().await;
    let text = "dnslink=/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let server = dns_server("_dnslink.video.test", text).await;
    let names = names_with(&peer, vec![server]);
    let path = timeout(LONG, names.resolve("video.test/x")).await.unwrap();
    assert_eq!(path.unwrap(), format!("{FIRST}/x"));
    let error = timeout(LONG, names.resolve("other.test"))
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(
            error,
            ResolveNameError::Dnslink(DnslinkError::Lookup { .. })
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_in_a_circle_end() {
    let peer = Peer::new().await;
    let server = dns_server("_dnslink.round.test", "dnslink=/ipns/round.test").await;
    let names = names_with(&peer, vec![server]);
    let error = timeout(LONG, names.resolve("round.test")).await.unwrap();
    assert!(matches!(error, Err(ResolveNameError::Circle { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_resolved_by_kubo_and_those_of_kubo_here() {
    let folder = tempfile::tempdir().unwrap();
    let Some(kubo) = Kubo::find(&folder.path().join("kubo")).unwrap() else {
        println!("skipped: no Kubo with the unixfs-v1-2025 profile (set IPFS_BIN)");
        return;
    };
    kubo.serve_dht().unwrap();
    let daemon = kubo.online().await.unwrap();
    let peer = Peer::serving_dht().await;
    let address = daemon.address().await.unwrap();
    peer.swarm.connect(&address, LONG).await.unwrap();
    let names = names(&peer);
    for (sequence, value) in [(0, FIRST), (1, SECOND)] {
        let published = loop {
            let published = names.publish(None, value).await.unwrap();
            if published.reach == Reach::Network {
                break published;
            }
        };
        assert_eq!(published.sequence, sequence);
        let call = format!("name/resolve?arg={}&nocache=true", published.name);
        let said = daemon.rpc(&call).await.unwrap();
        assert!(said.contains(value), "{said}");
    }
    // Kubo has nobody to tell: its DHT server knows the record all the same.
    for value in [FIRST, SECOND] {
        let call = format!("name/publish?arg={value}&allow-offline=true&resolve=false");
        let said = daemon.rpc(&call).await.unwrap();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let name = said["Name"].as_str().unwrap();
        let resolved = timeout(LONG, names.resolve(name)).await.unwrap();
        assert_eq!(resolved.unwrap(), value);
    }
}
