//! The pings of one connection.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, Stream, StreamProtocol, StreamUpgradeError,
    SubstreamProtocol,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Answer;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
/// Bytes of one ping (specification).
const PING_BYTES: usize = 32;
/// Between two pings: often enough that routers on the way keep the connection in mind.
const INTERVAL: Duration = Duration::from_secs(15);
/// The slowest line that is still of use.
const DEADLINE: Duration = Duration::from_secs(20);
/// Pings without an answer after which the other end is gone. One may have been bad luck.
const MOST_FAILURES: u8 = 2;
/// Streams on which a peer may ping at a time. The specification says two; the oldest goes.
const MOST_ANSWERED: usize = 4;

/// What a connection finds out.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Seen {
    /// A round trip.
    Rtt(Duration),
    /// Nobody answers any more.
    Dead,
}

/// What an outgoing stream is for.
pub(in super::super) enum Purpose {
    /// Somebody who asked.
    Asked(Answer),
    /// The ping that is due.
    Due,
}

/// Where the pings that are sent every so often stand.
enum Regular {
    Waiting(Pin<Box<Sleep>>),
    Opening,
    Measuring(BoxFuture<'static, io::Result<Duration>>),
    /// The peer does not speak the protocol.
    Never,
}

/// Answers and sends the pings of one connection.
pub(in super::super) struct Handler {
    /// At most as many as people wait for.
    asked: VecDeque<Answer>,
    /// Each ends with its stream.
    answering: VecDeque<BoxFuture<'static, ()>>,
    regular: Regular,
    failures: u8,
}

impl Handler {
    pub(super) fn new() -> Self {
        Self {
            asked: VecDeque::new(),
            answering: VecDeque::new(),
            regular: Regular::Waiting(Box::pin(sleep(Duration::ZERO))),
            failures: 0,
        }
    }

    fn wait(&mut self) {
        self.regular = Regular::Waiting(Box::pin(sleep(INTERVAL)));
    }

    fn measured(&mut self, result: &io::Result<Duration>) -> Option<Seen> {
        self.wait();
        match result {
            Ok(rtt) => {
                self.failures = 0;
                Some(Seen::Rtt(*rtt))
            }
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                (self.failures >= MOST_FAILURES).then_some(Seen::Dead)
            }
        }
    }

    fn opened(&mut self, mut stream: Stream, purpose: Purpose) {
        match purpose {
            // Whoever does not wait any more drops the stream.
            Purpose::Asked(answer) => drop(answer.send(stream)),
            Purpose::Due => {
                stream.ignore_for_keep_alive();
                let measuring = async move {
                    let time = once(&mut stream).await?;
                    let _ = stream.close().await;
                    Ok(time)
                };
                let bounded = async move { timeout(DEADLINE, measuring).await? };
                self.regular = Regular::Measuring(bounded.boxed());
            }
        }
    }

    fn not_opened(&mut self, error: StreamUpgradeError<std::convert::Infallible>) {
        self.regular = match error {
            StreamUpgradeError::NegotiationFailed => Regular::Never,
            StreamUpgradeError::Timeout => failed(io::ErrorKind::TimedOut.into()),
            StreamUpgradeError::Io(error) => failed(error),
            StreamUpgradeError::Apply(never) => match never {},
        };
    }

    fn answer(&mut self, mut stream: Stream) {
        stream.ignore_for_keep_alive();
        if self.answering.len() >= MOST_ANSWERED {
            self.answering.pop_front();
        }
        // The stream's end, or its failure, is the end.
        self.answering.push_back(echo(stream).map(drop).boxed());
    }
}

fn failed(error: io::Error) -> Regular {
    Regular::Measuring(ready(Err(error)).boxed())
}

/// One round trip.
pub(super) async fn once(stream: &mut Stream) -> io::Result<Duration> {
    let mut sent = [0; PING_BYTES];
    getrandom::fill(&mut sent).map_err(io::Error::other)?;
    let began = Instant::now();
    stream.write_all(&sent).await?;
    stream.flush().await?;
    let mut back = [0; PING_BYTES];
    stream.read_exact(&mut back).await?;
    if back != sent {
        let problem = "other bytes came back than were sent";
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(began.elapsed())
}

/// The other side of it, as often as it is wanted.
async fn echo(mut stream: Stream) -> io::Result<()> {
    let mut bytes = [0; PING_BYTES];
    loop {
        stream.read_exact(&mut bytes).await?;
        stream.write_all(&bytes).await?;
        stream.flush().await?;
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Answer;
    type ToBehaviour = Seen;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Purpose;

    fn listen_protocol(&self) -> SubstreamProtocol<ReadyUpgrade<StreamProtocol>> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    fn on_behaviour_event(&mut self, answer: Answer) {
        self.asked.push_back(answer);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, Purpose, Seen>> {
        let open = |purpose| ConnectionHandlerEvent::OutboundSubstreamRequest {
            protocol: SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), purpose),
        };
        if let Some(answer) = self.asked.pop_front() {
            return Poll::Ready(open(Purpose::Asked(answer)));
        }
        self.answering
            .retain_mut(|answering| answering.poll_unpin(cx).is_pending());
        loop {
            match &mut self.regular {
                Regular::Waiting(pause) => {
                    std::task::ready!(pause.as_mut().poll(cx));
                    self.regular = Regular::Opening;
                    return Poll::Ready(open(Purpose::Due));
                }
                Regular::Measuring(measuring) => {
                    let result = std::task::ready!(measuring.poll_unpin(cx));
                    if let Some(seen) = self.measured(&result) {
                        return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(seen));
                    }
                }
                Regular::Opening | Regular::Never => return Poll::Pending,
            }
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            ReadyUpgrade<StreamProtocol>,
            ReadyUpgrade<StreamProtocol>,
            (),
            Purpose,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.answer(stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: purpose,
            }) => self.opened(stream, purpose),
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                info: Purpose::Due,
                error,
            }) => self.not_opened(error),
            // Who asked is told by the drop.
            _ => {}
        }
    }
}
