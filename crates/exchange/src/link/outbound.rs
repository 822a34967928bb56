//! The stream that this node opened.
//!
//! One message is written at a time. It is kept until all of it is written: when the stream fails
//! it is sent again from its beginning on a new one, which a peer cannot mistake, since it drops
//! the unfinished frame together with the old stream.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures::AsyncWrite;
use libp2p::swarm::Stream;

use super::Outgoing;
use crate::message::{Dialect, Message, frame};

/// How long a peer may take nothing of a message before it counts as failed.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Failures in a row after which the peer is given up.
const MAX_FAILURES: u32 = 3;

#[derive(Default)]
enum Channel {
    #[default]
    Closed,
    Opening,
    Open(Stream, Dialect),
}

/// See the module.
#[derive(Default)]
pub(super) struct Outbound {
    channel: Channel,
    current: Option<Current>,
    failures: u32,
}

/// The message being written.
struct Current {
    outgoing: Outgoing,
    /// What is left to write; `None`: nothing was written yet.
    pieces: Option<Vec<Bytes>>,
    moved: Instant,
}

/// What the handler has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Another message.
    Message,
    /// A stream.
    Stream,
    /// Give the peer up.
    End,
}

impl Outbound {
    pub(super) fn is_busy(&self) -> bool {
        self.current.is_some()
    }

    pub(super) fn start(&mut self, outgoing: Outgoing, now: Instant) {
        self.current = Some(Current {
            outgoing,
            pieces: None,
            moved: now,
        });
    }

    /// A stream was asked for.
    pub(super) fn opening(&mut self) {
        self.channel = Channel::Opening;
    }

    pub(super) fn opened(&mut self, mut stream: Stream, dialect: Dialect) {
        stream.ignore_for_keep_alive();
        self.channel = Channel::Open(stream, dialect);
    }

    /// A stream could not be opened, or broke.
    pub(super) fn failed(&mut self) {
        self.failures += 1;
        self.channel = Channel::Closed;
        if let Some(current) = &mut self.current {
            current.pieces = None;
        }
    }

    /// Gives up a stream that takes nothing.
    pub(super) fn expire(&mut self, now: Instant) {
        if let Some(current) = &mut self.current
            && now.saturating_duration_since(current.moved) > WRITE_PATIENCE
        {
            current.moved = now;
            self.failed();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes on; what is needed to go on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Need> {
        loop {
            if self.failures >= MAX_FAILURES {
                return Poll::Ready(Need::End);
            }
            let Some(current) = &mut self.current else {
                return Poll::Ready(Need::Message);
            };
            let (stream, dialect) = match &mut self.channel {
                Channel::Closed => return Poll::Ready(Need::Stream),
                Channel::Opening => return Poll::Pending,
                Channel::Open(stream, dialect) => (stream, *dialect),
            };
            match ready!(current.poll(cx, stream, dialect)) {
                Ok(()) => {
                    self.current = None;
                    self.failures = 0;
                }
                Err(error) => {
                    tracing::debug!(%error, "a bitswap stream broke");
                    self.failed();
                }
            }
        }
    }
}

impl Current {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut Stream,
        dialect: Dialect,
    ) -> Poll<std::io::Result<()>> {
        let outgoing = &mut self.outgoing;
        let pieces = self.pieces.get_or_insert_with(|| {
            let mut pieces = outgoing.pieces(dialect);
            pieces.reverse(); // the next one is taken from the end
            pieces
        });
        while let Some(piece) = pieces.last_mut() {
            if piece.is_empty() {
                pieces.pop();
                continue;
            }
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, piece))?;
            if written == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            piece.advance(written);
            self.moved = Instant::now();
        }
        Pin::new(stream).poll_flush(cx)
    }
}

impl Outgoing {
    /// The frame to write, without what the peer may not have any more.
    fn pieces(&mut self, dialect: Dialect) -> Vec<Bytes> {
        let cleared = self.cleared.as_ref();
        if cleared.is_some_and(|cleared| !cleared.load(Ordering::SeqCst)) {
            self.message = Message {
                entries: std::mem::take(&mut self.message.entries),
                ..Message::default()
            };
        }
        frame(&self.message, dialect)
    }
}
