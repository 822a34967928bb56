//! Requests between swarms on loopback, and what hostile peers get out of them.

use std::time::Duration;

use bytes::Bytes;
use cidcast_ipfs::requests::{
    MAX_REQUEST, MAX_RESPONSE, PROTOCOL, ReplyTooLarge, Request, RequestError, RequestSettings,
    Requests,
};
use cidcast_ipfs::swarm::{Metrics, PeerId};
use futures::future::join_all;
use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::{Stream, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Behaviour, Control};
use tokio::task::JoinHandle;

use crate::node::{Node, eventually};
use crate::swarm::LONG;

const SPOKEN: StreamProtocol = StreamProtocol::new(PROTOCOL);
/// Beyond what anything but a wait for nothing takes.
const SHORT: Duration = Duration::from_secs(2);

async fn node(settings: RequestSettings) -> (Node, Metrics) {
    let metrics = Metrics::default();
    let node = Node::new(&["/ip4/127.0.0.1/tcp/0"], |swarm| {
        swarm.requests = settings;
        swarm.metrics = metrics.clone();
    })
    .await;
    (node, metrics)
}

fn patient() -> RequestSettings {
    RequestSettings {
        deadline: LONG,
        reading: LONG,
        ..RequestSettings::default()
    }
}

fn id(node: &Node) -> PeerId {
    node.swarm.peer_id().parse().unwrap()
}

/// Answers with what it is asked, until the node is dropped.
fn echo(requests: &Requests) -> JoinHandle<()> {
    let mut inbound = requests.serve().unwrap();
    tokio::spawn(async move {
        while let Some(Request { bytes, reply, .. }) = inbound.next().await {
            reply.send(bytes).unwrap();
        }
    })
}

/// A peer that does with its streams what a test tells it.
struct Raw {
    control: Control,
    node: PeerId,
    _running: JoinHandle<()>,
}

impl Raw {
    async fn new(node: &Node) -> Self {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(
                tcp::Config::default(),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_behaviour(|_| Behaviour::new())
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(LONG))
            .build();
        let control = swarm.behaviour().new_control();
        let address: libp2p::Multiaddr = node.address().await.parse().unwrap();
        swarm.dial(address).unwrap();
        let running = tokio::spawn(async move { while swarm.next().await.is_some() {} });
        let raw = Self {
            control,
            node: id(node),
            _running: running,
        };
        let handle = node.handle();
        eventually("the peer is there", async || handle.peers().pop()).await;
        raw
    }

    async fn open(&mut self) -> Stream {
        let opened = self.control.open_stream(self.node, SPOKEN);
        opened.await.unwrap()
    }
}

/// Reads until the other side closes or breaks it.
async fn ended(mut stream: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes));
    let _ = read.await.unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_with_or_without_a_connection() {
    let ((one, _), (two, counted)) = (node(patient()).await, node(patient()).await);
    let (asks, answers) = (one.handle().requests(), two.handle().requests());
    echo(&answers);
    let far = asks.send(id(&two), Bytes::from_static(b"?")).await;
    assert!(
        matches!(far, Err(RequestError::NotConnected { .. })),
        "{far:?}"
    );
    let address = two.address().await;
    let answer = asks.send_to(&address, Bytes::from_static(b"hello")).await;
    assert_eq!(answer.unwrap(), "hello");
    let largest = Bytes::from(vec![7; MAX_REQUEST]);
    let answer = asks.send(id(&two), largest.clone()).await;
    assert_eq!(answer.unwrap(), largest);
    let too_large = asks.send(id(&two), vec![7; MAX_REQUEST + 1].into()).await;
    assert!(matches!(too_large, Err(RequestError::TooLarge { .. })));
    assert_eq!(counted.requests.answered.get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_take_turns_and_all_are_answered() {
    let ((one, _), (two, counted)) = (node(patient()).await, node(patient()).await);
    one.meet(&two).await;
    let (asks, answers) = (one.handle().requests(), two.handle().requests());
    echo(&answers);
    let all = (0..200u32).map(|n| {
        let asks = asks.clone();
        let (peer, bytes) = (id(&two), Bytes::from(n.to_be_bytes().to_vec()));
        async move { assert_eq!(asks.send(peer, bytes.clone()).await.unwrap(), bytes) }
    });
    join_all(all).await;
    assert_eq!(counted.requests.turned_away.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_cluster_have_a_protocol_of_their_own() {
    let ((one, _), (two, counted)) = (node(patient()).await, node(patient()).await);
    one.meet(&two).await;
    echo(&two.handle().cluster_requests());
    let two = &two;
    let ask = |asks: Requests| async move { asks.send(id(two), Bytes::from_static(b"?")).await };
    let answer = ask(one.handle().cluster_requests()).await;
    assert_eq!(answer.unwrap(), "?");
    assert_eq!(counted.cluster_requests.answered.get(), 1);
    let off = ask(one.handle().requests()).await;
    assert!(
        matches!(
            off,
            Err(RequestError::Unsupported {
                protocol: PROTOCOL,
                ..
            })
        ),
        "{off:?}"
    );
    assert_eq!(counted.requests.answered.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_serve_says_so_at_once() {
    let ((one, _), (two, _)) = (node(patient()).await, node(patient()).await);
    one.meet(&two).await;
    let (asks, answers) = (one.handle().requests(), two.handle().requests());
    let ask = async || asks.send(id(&two), Bytes::from_static(b"?")).await;
    let off = tokio::time::timeout(SHORT, ask()).await.unwrap();
    assert!(
        matches!(off, Err(RequestError::Unsupported { .. })),
        "{off:?}"
    );

    let (speaks, handle) = (PROTOCOL.to_owned(), one.handle());
    let knows = async || handle.peer(&id(&two)).unwrap().protocols.contains(&speaks);
    assert!(!knows().await);
    let mut inbound = answers.serve().unwrap();
    assert!(answers.serve().is_none(), "one at a time");
    eventually("peers hear that it serves now", async || {
        knows().await.then_some(())
    })
    .await;
    let (refused, ()) = tokio::join!(ask(), async {
        drop(inbound.next().await.unwrap().reply);
    });
    assert!(
        matches!(refused, Err(RequestError::Refused { .. })),
        "{refused:?}"
    );
    let (refused, ()) = tokio::join!(ask(), async {
        let reply = inbound.next().await.unwrap().reply;
        let bytes = MAX_RESPONSE + 1;
        let too_large = reply.send(vec![0; bytes].into());
        assert_eq!(too_large, Err(ReplyTooLarge { bytes }));
    });
    assert!(
        matches!(refused, Err(RequestError::Refused { .. })),
        "{refused:?}"
    );
    drop(inbound);
    eventually("peers hear that it does not any more", async || {
        (!knows().await).then_some(())
    })
    .await;
    echo(&answers);
    assert_eq!(ask().await.unwrap(), "?");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_open_requests_cost_no_more_than_four() {
    let (node, counted) = node(RequestSettings {
        deadline: LONG,
        reading: LONG,
        ..RequestSettings::default()
    })
    .await;
    echo(&node.handle().requests());
    let mut hostile = Raw::new(&node).await;
    let _open = half_requests(&mut hostile).await;
    for _ in 0..1000 {
        drop(hostile.open().await);
    }
    let turned_away = &counted.requests.turned_away;
    eventually("they are turned away", async || {
        (turned_away.get() >= 1000).then_some(())
    })
    .await;
    // Others are not concerned.
    let (other, _) = self::node(patient()).await;
    let address = node.address().await;
    let asks = other.handle().requests();
    let answer = asks.send_to(&address, Bytes::from_static(b"hello")).await;
    assert_eq!(answer.unwrap(), "hello");
}

/// As many as one peer may have open: the first half of a length each, and the rest never comes.
async fn half_requests(hostile: &mut Raw) -> Vec<Stream> {
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut stream = hostile.open().await;
        stream.write_all(&[0, 0]).await.unwrap();
        open.push(stream);
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_ends_a_request_is_cut_off_and_its_places_are_free() {
    let (node, counted) = node(RequestSettings {
        deadline: LONG,
        reading: SHORT,
        ..RequestSettings::default()
    })
    .await;
    echo(&node.handle().requests());
    let mut hostile = Raw::new(&node).await;
    let open = half_requests(&mut hostile).await;
    for stream in open {
        assert_eq!(
            ended(stream).await,
            b"",
            "cut off after the reading deadline"
        );
    }
    assert_eq!(counted.requests.malformed.get(), 4);
    let mut stream = hostile.open().await;
    stream.write_all(b"\0\0\0\x02ok").await.unwrap();
    assert_eq!(
        ended(stream).await,
        b"\0\0\0\x02ok",
        "its places are free again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_promises_are_cut_off_at_once() {
    let (node, counted) = node(patient()).await;
    echo(&node.handle().requests());
    let mut hostile = Raw::new(&node).await;
    for garbage in [&b"\xff\xff\xff\xff"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = hostile.open().await;
        stream.write_all(garbage).await.unwrap();
        assert_eq!(ended(stream).await, b"");
    }
    let mut cut = hostile.open().await;
    cut.write_all(b"\0\0\0\x09abc").await.unwrap();
    cut.close().await.unwrap();
    assert_eq!(ended(cut).await, b"");
    assert_eq!(counted.requests.malformed.get(), 3);
    assert_eq!(counted.requests.received.get(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_holds_its_places_until_the_deadline() {
    let (node, counted) = node(RequestSettings {
        deadline: SHORT,
        ..RequestSettings::default()
    })
    .await;
    let mut inbound = node.handle().requests().serve().unwrap();
    tokio::spawn(async move {
        while let Some(request) = inbound.next().await {
            request.reply.send(vec![1; MAX_RESPONSE].into()).unwrap();
        }
    });
    let mut hostile = Raw::new(&node).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut stream = hostile.open().await;
        stream.write_all(b"\0\0\0\x01?").await.unwrap();
        deaf.push(stream);
    }
    let late = &counted.requests.late;
    eventually("all are given up", async || (late.get() == 4).then_some(())).await;
    let mut stream = hostile.open().await;
    stream.write_all(b"\0\0\0\x01?").await.unwrap();
    assert_eq!(ended(stream).await.len(), 4 + MAX_RESPONSE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_wrongly_or_not_at_all_is_given_up() {
    let (node, _) = node(RequestSettings {
        deadline: SHORT,
        ..RequestSettings::default()
    })
    .await;
    let mut hostile = Raw::new(&node).await;
    let peer = node.handle().peers().pop().unwrap().id;
    let mut incoming = hostile.control.accept(SPOKEN).unwrap();
    let asks = node.handle().requests();
    let ask = async || asks.send(peer, Bytes::from_static(b"?")).await;

    let (answer, _) = tokio::join!(ask(), async {
        let (_, mut stream) = incoming.next().await.unwrap();
        stream.write_all(b"\xff\0\0\0").await.unwrap();
        stream
    });
    let bytes = 0xff00_0000;
    assert!(
        matches!(answer, Err(RequestError::Oversize { bytes: told, .. }) if told == bytes),
        "{answer:?}"
    );
    let (answer, _) = tokio::join!(ask(), async {
        let (_, mut stream) = incoming.next().await.unwrap();
        stream.write_all(b"\0\0\0\x09abc").await.unwrap();
        stream.close().await.unwrap();
        stream
    });
    assert!(
        matches!(answer, Err(RequestError::Broken { .. })),
        "{answer:?}"
    );
    let (answer, _) = tokio::join!(ask(), incoming.next());
    assert!(
        matches!(answer, Err(RequestError::Slow { .. })),
        "{answer:?}"
    );
}
