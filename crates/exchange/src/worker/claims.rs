//! Those who wait for a block.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::Worker;
use super::writing::Parcel;
use crate::block_id::BlockId;
use crate::client::{Action, NewClaim, TooMany};
use crate::command::{ClaimId, Command, Notice, Want};
use crate::error::WantError;
use crate::session::Shared;

/// A waiting `get`.
pub(super) struct Waiter {
    cid: Cid,
    session: Arc<Shared>,
    reply: oneshot::Sender<Result<Bytes, WantError>>,
}

impl Worker {
    pub(super) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Want(want) => self.want(want, now),
            Command::Supply {
                session,
                cid,
                bytes,
                reply,
            } => self.enqueue(Parcel::Supplied {
                session,
                cid,
                bytes,
                reply,
            }),
            Command::Announce(cids) => self.announce(&cids),
        }
    }

    fn want(&mut self, want: Want, now: Instant) {
        if want.reply.is_closed() {
            return; // withdrawn before it got here
        }
        let new = NewClaim {
            claim: want.claim,
            session: want.session.id,
            class: want.session.class,
            cid: want.cid,
            order: want.order,
            patience: want.patience,
        };
        if let Err(TooMany) = self.client.want(new, now) {
            let limit = self.settings.max_wants;
            let _ = want.reply.send(Err(WantError::TooManyWants { limit }));
            return;
        }
        self.wanted.add(&want.cid, &want.session);
        let waiter = Waiter {
            cid: want.cid,
            session: want.session,
            reply: want.reply,
        };
        self.waiters.insert(want.claim, waiter);
    }

    pub(super) fn notice(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Withdraw(claim) => {
                // Mostly one that has been answered.
                if self.waiters.remove(&claim).is_some() {
                    self.client.withdraw(claim);
                }
            }
            Notice::AddPeer(session, peer) => self.client.add_peer(session.id, peer, now),
            Notice::Close(session) => {
                self.client.close(session);
                self.wanted.close(session);
            }
        }
    }

    /// Blocks are in the store, or open to more peers than before.
    fn announce(&mut self, cids: &[Cid]) {
        for cid in cids {
            let id = BlockId::of(cid);
            self.server.arrived(&id);
            if self.wanted.get(&id).is_some() {
                self.enqueue(Parcel::Local { id, cid: *cid });
            }
        }
    }

    /// Tells sessions what the client has found out.
    pub(super) fn act(&mut self) {
        for action in self.client.take_actions() {
            match action {
                Action::Dropped(id) => self.wanted.remove(&id),
                Action::Expired { claim, waited } => {
                    if let Some(waiter) = self.waiters.remove(&claim) {
                        self.metrics.expired.inc();
                        let cid = waiter.cid;
                        let _ = waiter.reply.send(Err(WantError::Deadline { cid, waited }));
                    }
                }
                Action::Starving { session, cid } => {
                    let sought = self.wanted.get(&BlockId::of(&cid));
                    let sessions = sought.map(|sought| sought.sessions).unwrap_or_default();
                    if let Some(shared) = sessions.iter().find(|shared| shared.id == session) {
                        shared.starve(cid);
                    }
                }
            }
        }
    }

    /// A wanted block is in the store: everybody who waits for it gets it.
    pub(super) fn deliver(
        &mut self,
        from: Option<PeerId>,
        id: &BlockId,
        data: &Bytes,
        now: Instant,
    ) {
        let bytes = data.len() as u64;
        let claims = self.client.arrived(from, *id, bytes, now);
        self.wanted.remove(id);
        self.server.arrived(id);
        let mut counted = Vec::new();
        for waiter in self.waiters_of(claims) {
            if !counted.contains(&waiter.session.id) {
                counted.push(waiter.session.id);
                waiter.session.count(from, bytes);
            }
            let _ = waiter.reply.send(Ok(data.clone()));
        }
    }

    /// A wanted block is here and cannot be kept: everybody who waits for it hears why.
    pub(super) fn fail(&mut self, id: &BlockId, error: impl Fn(Cid) -> WantError) {
        let claims = self.client.failed(*id);
        self.wanted.remove(id);
        for waiter in self.waiters_of(claims) {
            let _ = waiter.reply.send(Err(error(waiter.cid)));
        }
    }

    fn waiters_of(&mut self, claims: Vec<ClaimId>) -> Vec<Waiter> {
        let claims = claims.into_iter();
        claims
            .filter_map(|claim| self.waiters.remove(&claim))
            .collect()
    }
}
