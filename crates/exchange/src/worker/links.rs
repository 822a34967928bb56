//! Links to peers: what comes in, what goes out, and what is seen of them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use cidcast_runtime::locked;
use futures::{FutureExt, Stream};
use libp2p::PeerId;
use tokio::sync::mpsc::{self, OwnedPermit};

use super::Worker;
use super::writing::Parcel;
use crate::link::{Incoming, Link, Outgoing, Traffic};
use crate::message::Message;
use crate::report::PeerReport;
use crate::server::Answer;
use crate::standing::Reach;

/// Want list entries of one message: about 50 KiB, so that blocks do not wait for long.
const ENTRIES: usize = 1024;

/// Names a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LinkId(u64);

/// The links of one peer: one for each connection.
pub(super) struct PeerLinks {
    /// The newest last: that one is used. An older one may belong to an address that the peer has
    /// left.
    links: Vec<Active>,
    pub(super) answers: VecDeque<Answer>,
    /// Whether the peer may be given what is for members; replaced when that ends.
    cleared: Arc<AtomicBool>,
}

struct Active {
    id: LinkId,
    outgoing: mpsc::Sender<Outgoing>,
    traffic: Arc<Traffic>,
    read: u64,
    /// Whether somebody waits for room in its channel.
    is_full: bool,
}

impl PeerLinks {
    fn new() -> Self {
        Self {
            links: Vec::new(),
            answers: VecDeque::new(),
            cleared: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Takes back what was given to the links and is not written yet.
    pub(super) fn revoke(&mut self) {
        self.cleared.store(false, Ordering::SeqCst);
        self.cleared = Arc::new(AtomicBool::new(true));
    }
}

/// What a link brings, then once that it has ended.
pub(super) struct Events {
    id: LinkId,
    incoming: Option<mpsc::Receiver<Vec<Incoming>>>,
}

impl Stream for Events {
    type Item = (LinkId, Option<Vec<Incoming>>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        incoming.poll_recv(cx).map(|event| {
            if event.is_none() {
                self.incoming = None;
            }
            Some((self.id, event))
        })
    }
}

impl Worker {
    /// A peer can be talked to, perhaps by one more connection.
    pub(super) fn linked(&mut self, link: Link, now: Instant) {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert(id, link.peer);
        self.events.push(Events {
            id,
            incoming: Some(link.incoming),
        });
        let peer = self.peers.entry(link.peer).or_insert_with(PeerLinks::new);
        peer.links.push(Active {
            id,
            outgoing: link.outgoing,
            traffic: link.traffic,
            read: 0,
            is_full: false,
        });
        if peer.links.len() == 1 {
            self.client.connected(link.peer, now);
            self.metrics.peers.inc();
        }
    }

    /// A link brought something, or ended.
    pub(super) fn heard(&mut self, id: LinkId, event: Option<Vec<Incoming>>, now: Instant) {
        let Some(&peer) = self.links.get(&id) else {
            return;
        };
        let Some(batch) = event else {
            return self.unlinked(id, peer, now);
        };
        for incoming in batch {
            match incoming {
                Incoming::Message(message) => self.message(peer, message, now),
                Incoming::Oversized if self.client.overfilled(peer) => {
                    tracing::debug!(%peer, "its messages are too large: fewer blocks are ordered");
                }
                Incoming::Oversized | Incoming::Malformed => {
                    self.metrics.malformed.inc();
                    self.client.distrust(peer, now);
                }
            }
        }
    }

    fn message(&mut self, peer: PeerId, message: Message, now: Instant) {
        for presence in &message.presences {
            self.client
                .presence(peer, &presence.cid, presence.here, now);
        }
        let bytes = message.block_bytes();
        if !message.blocks.is_empty() && self.client.expects(peer, bytes, now) {
            self.client.heard(peer, now);
            for block in message.blocks {
                self.enqueue(Parcel::Received { from: peer, block });
            }
        } else {
            self.metrics.unwanted.inc_by(message.blocks.len() as u64);
        }
        if message.full || !message.entries.is_empty() {
            self.server.wants(peer, message.full, message.entries);
        }
    }

    fn unlinked(&mut self, id: LinkId, peer: PeerId, now: Instant) {
        self.links.remove(&id);
        let Some(there) = self.peers.get_mut(&peer) else {
            return;
        };
        let was_used = there.links.last().is_some_and(|link| link.id == id);
        there.links.retain(|link| link.id != id);
        if there.links.is_empty() {
            self.peers.remove(&peer);
            self.client.disconnected(peer);
            self.server.disconnected(&peer);
            self.metrics.peers.dec();
        } else if was_used {
            // What was told on it may never have arrived: it is told again on another.
            self.client.disconnected(peer);
            self.client.connected(peer, now);
        }
    }

    /// Sends what there is to send, wherever there is room.
    pub(super) fn flush(&mut self) {
        let wanting: Vec<PeerId> = self.client.ready().collect();
        let answering = self.peers.iter();
        let answering = answering.filter(|(_, there)| !there.answers.is_empty());
        let mut peers: Vec<PeerId> = answering.map(|(peer, _)| *peer).collect();
        peers.extend(wanting);
        for peer in peers {
            self.flush_peer(peer);
        }
    }

    fn flush_peer(&mut self, peer: PeerId) {
        while let Some(link) = self.peers.get_mut(&peer).and_then(|p| p.links.last_mut()) {
            if link.is_full {
                return;
            }
            match link.outgoing.clone().try_reserve_owned() {
                Ok(permit) => {
                    let Some(outgoing) = self.compose(peer) else {
                        return;
                    };
                    permit.send(outgoing);
                }
                Err(mpsc::error::TrySendError::Full(outgoing)) => {
                    link.is_full = true;
                    let id = link.id;
                    let wait = async move { (id, outgoing.reserve_owned().await.ok()) };
                    self.room.push(wait.boxed());
                    return;
                }
                // Its end is in its queue of events.
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }

    /// A link has room again.
    pub(super) fn has_room(&mut self, id: LinkId, permit: Option<OwnedPermit<Outgoing>>) {
        let Some(&peer) = self.links.get(&id) else {
            return;
        };
        let Some(there) = self.peers.get_mut(&peer) else {
            return;
        };
        let newest = there.links.last().map(|link| link.id);
        if let Some(link) = there.links.iter_mut().find(|link| link.id == id) {
            link.is_full = false;
        }
        if let Some(permit) = permit
            && newest == Some(id)
            && let Some(outgoing) = self.compose(peer)
        {
            permit.send(outgoing);
        }
    }

    /// The next message for a peer: what is wanted from it, and one answer to it.
    fn compose(&mut self, peer: PeerId) -> Option<Outgoing> {
        let entries = self.client.take_entries(peer, ENTRIES);
        let there = self.peers.get_mut(&peer)?;
        let answer = there.answers.pop_front();
        if entries.is_empty() && answer.is_none() {
            return None;
        }
        let mut outgoing = Outgoing {
            message: Message::default(),
            cleared: None,
        };
        if let Some(answer) = answer {
            if answer.reach > Reach::Anyone {
                outgoing.cleared = Some(Arc::clone(&there.cleared));
            }
            outgoing.message = answer.message;
            let queued = there.answers.iter().map(|a| a.message.block_bytes());
            let queued = queued.sum::<usize>();
            outgoing.message.pending_bytes = i32::try_from(queued).unwrap_or(i32::MAX);
            let blocks = outgoing.message.blocks.len() as u64;
            let bytes = outgoing.message.block_bytes() as u64;
            self.metrics.blocks_sent.inc_by(blocks);
            self.metrics.bytes_sent.inc_by(bytes);
            self.server.sent(&peer, blocks, bytes);
            self.server.handed(peer);
            self.start_readers();
        }
        outgoing.message.entries = entries;
        Some(outgoing)
    }

    /// Looks which peers are sending something, and tells their links whether they are needed.
    pub(super) fn listen(&mut self, now: Instant) {
        for (peer, there) in &mut self.peers {
            let is_needed = self.client.needs(peer) || self.server.needs(peer);
            for link in &mut there.links {
                link.traffic.keep(is_needed);
                let read = link.traffic.read();
                if read != link.read {
                    link.read = read;
                    self.client.heard(*peer, now);
                }
            }
        }
    }

    /// Writes down what can be seen from outside.
    pub(super) fn report(&self) {
        let reports = self.peers.keys().filter_map(|peer| {
            let client = self.client.view(peer)?;
            let server = self.server.view(peer);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is positive, and a number for people to read"
            )]
            let rate = client.rate as u64;
            Some(PeerReport {
                peer: *peer,
                blocks_received: client.blocks,
                bytes_received: client.bytes,
                blocks_sent: server.blocks,
                bytes_sent: server.bytes,
                wants_sent: client.live,
                wants_held: server.wants,
                score: client.score,
                latency: client.latency,
                rate,
            })
        });
        *locked(&self.reports) = reports.collect();
    }
}
