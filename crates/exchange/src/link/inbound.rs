//! The streams that a peer opened.
//!
//! Memory: a stream's buffer grows with what has really arrived, not with what its length claims,
//! unless there is one left from before; all buffers of a connection together are bounded. Beyond
//! that only the oldest unfinished frame is read on, so that there is always one that gets finished,
//! and short ones.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::AsyncRead;
use libp2p::swarm::Stream;

use super::Traffic;
use super::buffers::Buffers;
use crate::message::{Length, MAX_FRAME, length};

/// Open streams of one connection. Kubo has a few at a time, one for each message that is on its
/// way; beyond this the one that was quiet for longest makes room.
const MAX_STREAMS: usize = 256;
/// Bytes of unfinished frames of one connection: two of the largest.
const MAX_BUFFERED: usize = 2 * MAX_FRAME;
/// How long a frame may stand still before its stream is closed. A peer that closes a laptop's lid
/// comes back with a new connection.
const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// The first read of a frame: Kubo's smallest messages are whole then.
const FIRST_READ: usize = 4 << 10;
/// The next; then as much as has arrived already.
const NEXT_READ: usize = 64 << 10;

/// All inbound streams of a connection, the oldest first.
pub(super) struct Inbound {
    streams: Vec<Reader>,
    buffers: Buffers,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Frame(Bytes),
    /// A length that no message has; the stream is closed.
    Oversized,
}

impl Inbound {
    pub(super) fn new(buffers: Buffers) -> Self {
        Self {
            streams: Vec::new(),
            buffers,
        }
    }

    pub(super) fn add(&mut self, mut stream: Stream, now: Instant) {
        // Whether the connection is kept depends on what is wanted, not on what is open.
        stream.ignore_for_keep_alive();
        if self.streams.len() >= MAX_STREAMS {
            let stalest = self.streams.iter().enumerate();
            let stalest = stalest.min_by_key(|(_, reader)| reader.active);
            if let Some((at, _)) = stalest {
                self.streams.remove(at);
            }
        }
        self.streams.push(Reader::new(stream, now));
    }

    /// The next frame of any stream.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, traffic: &Traffic) -> Poll<Read> {
        let mut buffered: usize = self.streams.iter().map(Reader::grown).sum();
        let mut oldest = true;
        let mut at = 0;
        while let Some(reader) = self.streams.get_mut(at) {
            let is_partial = reader.is_partial();
            let room = if buffered <= MAX_BUFFERED || (is_partial && oldest) {
                usize::MAX
            } else {
                FIRST_READ
            };
            oldest &= !is_partial;
            let before = reader.grown();
            let polled = reader.poll(cx, traffic, room, &self.buffers);
            buffered = (buffered + reader.grown()).saturating_sub(before);
            match polled {
                Poll::Pending => at += 1,
                Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Read::Frame(frame)),
                Poll::Ready(Some(Err(Oversized))) => {
                    self.streams.remove(at);
                    return Poll::Ready(Read::Oversized);
                }
                Poll::Ready(None) => {
                    self.streams.remove(at);
                }
            }
        }
        Poll::Pending
    }

    /// Closes the streams whose frame stands still.
    pub(super) fn expire(&mut self, now: Instant) {
        self.streams.retain(|reader| {
            let still = now.saturating_duration_since(reader.active);
            !(reader.is_partial() && still > FRAME_PATIENCE)
        });
    }

    /// Nothing was read on purpose: that was not the peers' fault.
    pub(super) fn excuse(&mut self, now: Instant) {
        for reader in &mut self.streams {
            reader.active = now;
        }
    }

    pub(super) fn is_partial(&self) -> bool {
        self.streams.iter().any(Reader::is_partial)
    }

    pub(super) fn clear(&mut self) {
        self.streams.clear();
    }
}

struct Oversized;

/// One stream, and the frame that is being read from it.
struct Reader {
    stream: Stream,
    /// Filled up to `filled`.
    buffer: Vec<u8>,
    filled: usize,
    /// Whether the buffer was used before: how many there are of those is bounded elsewhere.
    is_reused: bool,
    active: Instant,
}

impl Reader {
    fn new(stream: Stream, now: Instant) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            filled: 0,
            is_reused: false,
            active: now,
        }
    }

    fn is_partial(&self) -> bool {
        self.filled > 0
    }

    /// Bytes that were allocated for this frame.
    fn grown(&self) -> usize {
        if self.is_reused {
            self.filled
        } else {
            self.buffer.len()
        }
    }

    /// The next frame; `None` at the stream's end. Nothing is read beyond `room` bytes.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        traffic: &Traffic,
        room: usize,
        buffers: &Buffers,
    ) -> Poll<Option<Result<Bytes, Oversized>>> {
        loop {
            let whole = match length(self.filled(), MAX_FRAME) {
                Length::Bad => return Poll::Ready(Some(Err(Oversized))),
                Length::Partial => None,
                Length::Known { frame, header } => Some((header, header + frame)),
            };
            if let Some((header, end)) = whole
                && self.filled >= end
            {
                let frame = self.take_frame(header, end, buffers);
                return Poll::Ready(Some(Ok(frame)));
            }
            if self.filled >= room {
                return Poll::Pending; // looked at again when another frame is done
            }
            let end = whole.map_or(room, |(_, end)| end.min(room));
            self.make_room(end, buffers);
            let Some(space) = self.buffer.get_mut(self.filled..) else {
                return Poll::Ready(None);
            };
            // A known frame is read to its end and no further: the next gets a buffer of its own.
            let most = space.len().min(end - self.filled);
            let Some(space) = space.get_mut(..most) else {
                return Poll::Ready(None);
            };
            match Pin::new(&mut self.stream).poll_read(cx, space) {
                Poll::Pending => {
                    if self.filled == 0 {
                        self.buffer = Vec::new(); // an idle stream holds nothing
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(read)) => {
                    self.filled += read;
                    self.active = Instant::now();
                    traffic.add(read);
                }
            }
        }
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// The frame that is there, which begins after its header.
    fn take_frame(&mut self, header: usize, end: usize, buffers: &Buffers) -> Bytes {
        // What came with it belongs to the next one.
        let next = self.buffer.get(end..self.filled).unwrap_or_default();
        let next = next.to_vec();
        self.filled = next.len();
        self.is_reused = false;
        let buffer = std::mem::replace(&mut self.buffer, next);
        buffers.share(buffer, header..end)
    }

    /// Makes room for the next read, up to `end` bytes altogether.
    fn make_room(&mut self, end: usize, buffers: &Buffers) {
        if self.buffer.len() > self.filled {
            return;
        }
        if self.filled > 0
            && let Some(mut large) = buffers.take(end)
            && let Some(start) = large.get_mut(..self.filled)
        {
            start.copy_from_slice(self.filled());
            self.buffer = large;
            self.is_reused = true;
            return;
        }
        let step = if self.filled == 0 {
            FIRST_READ
        } else {
            self.filled.max(NEXT_READ)
        };
        let length = Buffers::length(end).min(self.filled + step);
        self.buffer.resize(length, 0);
    }
}
