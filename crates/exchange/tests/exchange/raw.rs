//! A peer that does with its streams what a test tells it.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use libp2p_stream::{Behaviour, Control, IncomingStreams};
use tokio::sync::mpsc;

use crate::node::{Host, LONG, Node};
use crate::wire::{self, Seen};

pub(crate) const CURRENT: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
pub(crate) const OLD: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.1.0");

/// A peer without an exchange.
pub(crate) struct Raw {
    pub(crate) host: Host,
    control: Control,
    protocol: StreamProtocol,
    node: PeerId,
    messages: mpsc::UnboundedReceiver<Seen>,
}

impl Raw {
    /// A peer that reads all it is sent, connected to `node`.
    pub(crate) async fn reading(node: &Node) -> Self {
        Self::start(node, CURRENT, Manner::Reads).await
    }

    /// A peer that accepts streams and never reads from them.
    pub(crate) async fn deaf(node: &Node) -> Self {
        Self::start(node, CURRENT, Manner::NeverReads).await
    }

    /// A peer that speaks Bitswap 1.1.0 only.
    pub(crate) async fn old(node: &Node) -> Self {
        Self::start(node, OLD, Manner::Reads).await
    }

    /// A peer that reads all it is sent, connected to a node in another process.
    pub(crate) async fn reading_from(node: &Multiaddr) -> Self {
        Self::dial(node, Manner::Reads).await
    }

    /// A peer that never reads, connected to a node in another process.
    pub(crate) async fn deaf_to(node: &Multiaddr) -> Self {
        Self::dial(node, Manner::NeverReads).await
    }

    async fn dial(node: &Multiaddr, manner: Manner) -> Self {
        let Some(Protocol::P2p(peer)) = node.iter().last() else {
            panic!("{node} names no peer")
        };
        let raw = Self::new(peer, CURRENT, manner).await;
        raw.host.dial(node, peer).await;
        raw
    }

    async fn start(node: &Node, protocol: StreamProtocol, manner: Manner) -> Self {
        let raw = Self::new(node.host.peer, protocol, manner).await;
        node.host.connect(&raw.host).await;
        raw
    }

    async fn new(node: PeerId, protocol: StreamProtocol, manner: Manner) -> Self {
        let behaviour = Behaviour::new();
        let mut control = behaviour.new_control();
        let incoming = control.accept(protocol.clone()).unwrap();
        let host = Host::start(behaviour, LONG).await;
        let (seen, messages) = mpsc::unbounded_channel();
        tokio::spawn(accept(incoming, manner, seen));
        Self {
            host,
            control,
            protocol,
            node,
            messages,
        }
    }

    pub(crate) async fn open(&mut self) -> Stream {
        let opened = self.control.open_stream(self.node, self.protocol.clone());
        opened.await.unwrap()
    }

    /// Sends a frame on a stream of its own, as Kubo does.
    pub(crate) async fn send(&mut self, frame: &[u8]) {
        let mut stream = self.open().await;
        stream.write_all(frame).await.unwrap();
        stream.close().await.unwrap();
    }

    /// The same; it is no error if the other side has had enough of it.
    pub(crate) async fn send_part(&mut self, frame: &[u8]) {
        let mut stream = self.open().await;
        let _ = stream.write_all(frame).await;
        let _ = stream.close().await;
    }

    /// The next message that `node` sent.
    pub(crate) async fn next(&mut self) -> Seen {
        let next = self.messages.recv();
        tokio::time::timeout(LONG, next).await.unwrap().unwrap()
    }

    /// So many answers, in however many messages they come.
    pub(crate) async fn answers(&mut self, count: usize) -> Seen {
        let mut all = Seen::default();
        while all.blocks.len() + all.haves.len() + all.dont_haves.len() < count {
            let seen = self.next().await;
            all.blocks.extend(seen.blocks);
            all.haves.extend(seen.haves);
            all.dont_haves.extend(seen.dont_haves);
        }
        all
    }

    /// The next message, if there is one within a time in which there would be.
    pub(crate) async fn next_soon(&mut self) -> Option<Seen> {
        let next = self.messages.recv();
        tokio::time::timeout(Duration::from_millis(500), next)
            .await
            .ok()
            .flatten()
    }
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    Reads,
    NeverReads,
}

async fn accept(mut incoming: IncomingStreams, manner: Manner, seen: mpsc::UnboundedSender<Seen>) {
    let mut kept = Vec::new();
    while let Some((_, stream)) = incoming.next().await {
        match manner {
            Manner::NeverReads => kept.push(stream),
            Manner::Reads => {
                tokio::spawn(read_all(stream, seen.clone()));
            }
        }
    }
}

async fn read_all(mut stream: Stream, seen: mpsc::UnboundedSender<Seen>) {
    loop {
        let (mut length, mut shift, mut byte) = (0u64, 0, [0x80u8]);
        while byte[0] & 0x80 != 0 {
            if stream.read_exact(&mut byte).await.is_err() {
                return;
            }
            length |= u64::from(byte[0] & 0x7f) << shift;
            shift += 7;
        }
        let mut body = vec![0; usize::try_from(length).unwrap()];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let _ = seen.send(wire::read(&body));
    }
}
