//! One question to one peer, and its answer.
//!
//! Two protocols, each with its own places and its own server: [`PROTOCOL`] between any nodes, and
//! [`CLUSTER_PROTOCOL`] between members of a cluster. A stream for each request: the asker sends a frame, the other side sends
//! one back and closes. A frame is its length in bytes, as four bytes with the highest first, and
//! that many bytes. A side that closes without a frame does not want to answer now.
//!
//! Ours because what the libraries have is bounded for each connection only, counts both directions
//! together, and lets a request that finds the queue full wait for its end in silence
//! (docs/adr/0010).
//!
//! Owns: no task; streams are served inside their connection's. Ends: with the swarm. Bounds, both
//! ways: [`MAX_REQUEST`] and [`MAX_RESPONSE`] bytes, and requests at a time with one peer and with
//! all, a deadline for each, by [`RequestSettings`]. A peer's request beyond that is refused by
//! closing its stream before a byte of it is read.
//!
//! Cancel safety: a request whose caller is gone is cut off; the peer may have seen it.

mod behaviour;
mod handler;
mod metrics;
mod places;
mod wire;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use libp2p::swarm::{Stream, StreamProtocol};
use rust_ipfs::{DialOpts, Ipfs, PeerCondition};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::swarm::{AddressError, ConnectError, dial, parse_peer};

pub(crate) use behaviour::Behaviour;
pub use metrics::Metrics;

/// What any nodes speak.
pub const PROTOCOL: &str = "/cidcast/feed/1";
/// What members of a cluster speak.
pub const CLUSTER_PROTOCOL: &str = "/cidcast/cluster/1";
/// Bytes of the largest request.
pub const MAX_REQUEST: usize = 128 << 10;
/// Bytes of the largest response.
pub const MAX_RESPONSE: usize = 1 << 20;
/// Requests of this node that may wait for their turn.
const MOST_WAITING: usize = 1024;
/// Streams that may wait for the swarm's task; callers wait beyond that.
const MOST_OPENING: usize = 64;

/// Bounds on requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestSettings {
    /// From asking, dialling and waiting for a turn included, until the answer is here. The same
    /// for the answer to a peer's request. Default 30 s: 1 MiB over a poor line.
    pub deadline: Duration,
    /// In which a peer has to send its whole request. Default 10 s.
    pub reading: Duration,
    /// Requests of this node at a time, with all peers. Default 64.
    pub outgoing: usize,
    /// And with one peer. Default 4.
    pub outgoing_per_peer: usize,
    /// Requests of all peers that are served at a time; together at most 72 MiB. Default 64.
    pub incoming: usize,
    /// And of one peer, over all its connections. Default 4.
    pub incoming_per_peer: usize,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            reading: Duration::from_secs(10),
            outgoing: 64,
            outgoing_per_peer: 4,
            incoming: 64,
            incoming_per_peer: 4,
        }
    }
}

/// Sends requests, and hands out those of others. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    line: Line,
    ipfs: Ipfs,
}

/// The requests of other peers, for the one who answers them. While this exists, the node says that
/// it speaks the protocol.
pub struct Inbound {
    requests: Option<mpsc::Receiver<Request>>,
    desk: Arc<Desk>,
}

/// A peer's request.
#[derive(Debug)]
pub struct Request {
    /// Who asks.
    pub peer: PeerId,
    /// What.
    pub bytes: Bytes,
    /// To answer with.
    pub reply: Reply,
}

/// Answers one request. Dropped, it tells the peer that there is no answer.
#[derive(Debug)]
#[must_use = "without an answer the peer is told that there is none"]
pub struct Reply(oneshot::Sender<Bytes>);

/// An answer is larger than [`MAX_RESPONSE`]. The peer is told that there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer has {bytes} bytes, and at most {MAX_RESPONSE} can be sent; answer less at once"
)]
pub struct ReplyTooLarge {
    /// What it has.
    pub bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The address does not name a peer.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The peer at the address was not reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The request is too large.
    #[error("the request has {bytes} bytes, and at most {MAX_REQUEST} can be sent; ask for less")]
    TooLarge {
        /// What it has.
        bytes: usize,
    },
    /// The peer is not connected, and no address of it is known or answers.
    #[error("{peer} is not connected and cannot be reached; connect to it by its address")]
    NotConnected {
        /// Who.
        peer: PeerId,
    },
    /// The peer is something else, or a cidcast that takes no part in discovery.
    #[error("{peer} does not speak {protocol}; it is not a cidcast node, or that is off there")]
    Unsupported {
        /// Who.
        peer: PeerId,
        /// What it does not speak.
        protocol: &'static str,
    },
    /// The peer has no answer now: it is busy, or does not want to.
    #[error("{peer} does not answer this now; ask another, or again in a while")]
    Refused {
        /// Who.
        peer: PeerId,
    },
    /// The peer's answer is larger than the protocol allows.
    #[error("{peer} answers with {bytes} bytes, which the protocol does not allow; avoid it")]
    Oversize {
        /// Who.
        peer: PeerId,
        /// What it said.
        bytes: u64,
    },
    /// The connection broke.
    #[error("the connection with {peer} broke before it had answered; try again")]
    Broken {
        /// Who.
        peer: PeerId,
        /// How.
        source: io::Error,
    },
    /// The peer did not answer in time.
    #[error("{peer} did not answer within {deadline:?}; ask another, or again in a while")]
    Slow {
        /// Who.
        peer: PeerId,
        /// How long was waited.
        deadline: Duration,
    },
    /// Too many requests of this node wait already.
    #[error("too many requests wait for their turn; try again in a few seconds")]
    Busy,
}

/// Why a stream was not opened.
#[derive(Debug)]
pub(crate) enum NotOpened {
    Unsupported,
    Broken(io::Error),
}

/// Gets the stream, or is dropped if the peer is not connected.
pub(crate) type Ask = oneshot::Sender<Result<Stream, NotOpened>>;

/// What the handle and the mounted behaviour share.
#[derive(Clone)]
pub(crate) struct Line {
    protocol: &'static str,
    asks: mpsc::Sender<(PeerId, Ask)>,
    outgoing: places::Places,
    waiting: Arc<Semaphore>,
    desk: Arc<Desk>,
    settings: RequestSettings,
    metrics: Metrics,
}

/// Where requests of others wait.
struct Desk {
    /// Not here while somebody serves.
    requests: Mutex<Option<mpsc::Receiver<Request>>>,
    is_served: watch::Sender<bool>,
}

impl Line {
    /// And the behaviour that has to be mounted for it.
    pub(crate) fn new(
        protocol: &'static str,
        settings: RequestSettings,
        metrics: Metrics,
    ) -> (Self, Behaviour) {
        let (asks, asked) = mpsc::channel(MOST_OPENING);
        // Each place may have its request waiting.
        let (requests, requests_out) = mpsc::channel(settings.incoming.max(1));
        let (is_served, served) = watch::channel(false);
        let counter = handler::Counter {
            spoken: StreamProtocol::new(protocol),
            requests,
            places: places::Places::new(settings.incoming, settings.incoming_per_peer),
            served,
            deadline: settings.deadline,
            reading: settings.reading,
            metrics: metrics.clone(),
        };
        let line = Self {
            protocol,
            asks,
            outgoing: places::Places::new(settings.outgoing, settings.outgoing_per_peer),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            desk: Arc::new(Desk {
                requests: Mutex::new(Some(requests_out)),
                is_served,
            }),
            settings,
            metrics,
        };
        (line, Behaviour::new(asked, counter))
    }

    /// The handle.
    pub(crate) fn requests(&self, ipfs: &Ipfs) -> Requests {
        Requests {
            line: self.clone(),
            ipfs: ipfs.clone(),
        }
    }

    async fn ask(&self, peer: PeerId, request: &[u8]) -> Result<Bytes, RequestError> {
        let broken = |source| RequestError::Broken { peer, source };
        let (ask, stream) = oneshot::channel();
        let ended = RequestError::NotConnected { peer };
        if self.asks.send((peer, ask)).await.is_err() {
            return Err(ended);
        }
        let mut stream = match stream.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(NotOpened::Unsupported)) => {
                let protocol = self.protocol;
                return Err(RequestError::Unsupported { peer, protocol });
            }
            Ok(Err(NotOpened::Broken(source))) => return Err(broken(source)),
            Err(_) => return Err(ended),
        };
        let exchange = async {
            wire::write(&mut stream, request).await?;
            wire::read(&mut stream, MAX_RESPONSE).await
        };
        match exchange.await {
            Ok(answer) => Ok(answer),
            Err(wire::FrameError::None) => Err(RequestError::Refused { peer }),
            Err(wire::FrameError::TooLarge(bytes)) => Err(RequestError::Oversize { peer, bytes }),
            Err(wire::FrameError::Broken(source)) => Err(broken(source)),
        }
    }
}

impl Requests {
    /// Asks a peer. If it is not connected, the addresses that the swarm knows of it are tried.
    ///
    /// # Errors
    ///
    /// [`RequestError`]
    pub async fn send(&self, peer: PeerId, request: Bytes) -> Result<Bytes, RequestError> {
        let deadline = self.line.settings.deadline;
        let asked = timeout(deadline, self.in_turn(peer, None, &request)).await;
        let answer = asked.unwrap_or(Err(RequestError::Slow { peer, deadline }));
        self.line.metrics.count(&answer);
        answer
    }

    /// Asks the peer at `address`, which must end in `/p2p/…`; dials it unless it is connected.
    ///
    /// # Errors
    ///
    /// [`RequestError`]
    pub async fn send_to(&self, address: &str, request: Bytes) -> Result<Bytes, RequestError> {
        let deadline = self.line.settings.deadline;
        let (peer, _) = parse_peer(address)?;
        let asked = timeout(deadline, self.in_turn(peer, Some(address), &request)).await;
        let answer = asked.unwrap_or(Err(RequestError::Slow { peer, deadline }));
        self.line.metrics.count(&answer);
        answer
    }

    /// Takes the requests of others, which wait until somebody does. None while somebody else has
    /// them.
    pub fn serve(&self) -> Option<Inbound> {
        let desk = Arc::clone(&self.line.desk);
        let requests = desk.take()?;
        desk.is_served.send_replace(true);
        Some(Inbound {
            requests: Some(requests),
            desk,
        })
    }

    async fn in_turn(
        &self,
        peer: PeerId,
        address: Option<&str>,
        request: &[u8],
    ) -> Result<Bytes, RequestError> {
        if request.len() > MAX_REQUEST {
            let bytes = request.len();
            return Err(RequestError::TooLarge { bytes });
        }
        let waiting = self.line.waiting.try_acquire();
        let waiting = waiting.map_err(|_| RequestError::Busy)?;
        let _place = self.line.outgoing.take(peer).await;
        drop(waiting);
        self.reach(peer, address).await?;
        match self.line.ask(peer, request).await {
            // The connection that was there has just gone: there may be another.
            Err(RequestError::NotConnected { .. }) => {
                self.reach(peer, address).await?;
                self.line.ask(peer, request).await
            }
            answer => answer,
        }
    }

    async fn reach(&self, peer: PeerId, address: Option<&str>) -> Result<(), RequestError> {
        if let Some(address) = address {
            dial(&self.ipfs, address, self.line.settings.deadline).await?;
            return Ok(());
        }
        if self.ipfs.is_connected(peer).await.unwrap_or_default() {
            return Ok(());
        }
        let known = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .build();
        match self.ipfs.connect(known).await {
            Ok(_) => Ok(()),
            Err(_) if self.ipfs.is_connected(peer).await.unwrap_or_default() => Ok(()),
            Err(error) => {
                tracing::debug!(%peer, %error, "no known address of the peer answers");
                Err(RequestError::NotConnected { peer })
            }
        }
    }
}

impl Desk {
    fn take(&self) -> Option<mpsc::Receiver<Request>> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.take()
    }

    fn put_back(&self, requests: mpsc::Receiver<Request>) {
        let mut place = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(requests);
    }
}

impl Inbound {
    /// The next request. None once the swarm has ended.
    pub async fn next(&mut self) -> Option<Request> {
        self.requests.as_mut()?.recv().await
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        if let Some(mut requests) = self.requests.take() {
            // Those who wait are told that there is no answer.
            while requests.try_recv().is_ok() {}
            self.desk.is_served.send_replace(false);
            self.desk.put_back(requests);
        }
    }
}

impl Reply {
    /// Sends the answer. A peer that is gone meanwhile is no error.
    ///
    /// # Errors
    ///
    /// [`ReplyTooLarge`]
    pub fn send(self, answer: Bytes) -> Result<(), ReplyTooLarge> {
        if answer.len() > MAX_RESPONSE {
            let bytes = answer.len();
            return Err(ReplyTooLarge { bytes });
        }
        let _ = self.0.send(answer);
        Ok(())
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests")
            .field("settings", &self.line.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").finish_non_exhaustive()
    }
}
