//! One connection: from streams to messages and back.
//!
//! The handler runs in the connection's own task and talks to the worker through bounded channels
//! of its own, so a peer that sends faster than it is understood waits for itself only.
//!
//! Owns: the connection's Bitswap streams. Ends: with the connection, or when the worker is gone.
//! A link *ends* when the peer turns out not to speak Bitswap, or takes nothing for too long; it
//! begins again when the peer opens a stream.

mod buffers;
mod handler;
mod inbound;
mod outbound;
mod upgrade;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;
use libp2p::PeerId;
use tokio::sync::mpsc;

use crate::message::Message;
pub(crate) use buffers::Buffers;
pub(crate) use handler::Handler;

/// Batches of messages of one connection that wait for the worker. Two, so that one can be read
/// while the other is looked at; each has little more than the 4 MiB of the largest message.
const UNREAD: usize = 2;
/// Messages that wait for the connection: one, beside the one being written.
const UNWRITTEN: usize = 1;
/// New links that wait for the worker; their connections wait beyond that.
pub(crate) const NEW_LINKS: usize = 64;

/// The worker's end of a link. Its `incoming` ends when the link does.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) peer: PeerId,
    pub(crate) outgoing: mpsc::Sender<Outgoing>,
    pub(crate) incoming: mpsc::Receiver<Vec<Incoming>>,
    pub(crate) traffic: Arc<Traffic>,
}

/// What both ends see at any time.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    read: AtomicU64,
    needed: AtomicBool,
    /// Of the connection, which looks by itself only when something happens on it.
    waker: AtomicWaker,
}

impl Traffic {
    /// Bytes read so far, of finished and unfinished messages.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Keeps the connection, although nothing may be on its way.
    pub(crate) fn keep(&self, needed: bool) {
        if self.needed.swap(needed, Ordering::SeqCst) && !needed {
            self.waker.wake();
        }
    }

    fn is_needed(&self) -> bool {
        self.needed.load(Ordering::SeqCst)
    }

    /// Wakes the connection's task when it is not needed any more.
    fn watch(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }
}

/// What a peer sent.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    /// The beginning of a message that is larger than any may be; it was not read.
    Oversized,
    /// Something that is not Bitswap.
    Malformed,
}

/// What a peer is sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    /// For what is for members only: whether the peer still is one. Looked at last when the
    /// message is about to be written.
    pub(crate) cleared: Option<Arc<AtomicBool>>,
}
