//! Answering other nodes. Everything but an invitation is for members only.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Heartbeat, Invitation, Role};
use cidcast_catalog::CatalogError;
use cidcast_ipfs::requests::{Inbound, Request as Arrived};
use cidcast_runtime::locked;
use tokio::sync::Semaphore;

use super::ClusterError;
use super::proof::hash;
use super::seat::Seat;
use crate::event::Event;
use crate::machine::CommandError;
use crate::wire::{MAX_ENTRIES_BYTES, MAX_HOLDINGS, MAX_PIECE, Request, Response};

/// Answers in the making: each holds up to 1 MiB.
const MOST_ANSWERS: usize = 16;
/// Between two answers to nodes that are no members: who guesses tokens does so slowly.
const STRANGERS: Duration = Duration::from_millis(200);

impl Seat {
    pub(super) async fn keep_answering(self: &Arc<Self>, mut inbound: Inbound) {
        let places = Arc::new(Semaphore::new(MOST_ANSWERS));
        let strangers = Arc::new(tokio::sync::Mutex::new(()));
        while let Some(arrived) = inbound.next().await {
            let place = Arc::clone(&places).acquire_owned().await;
            let strangers = Arc::clone(&strangers);
            self.keep("cluster answer", |seat| async move {
                let _place = place;
                seat.answer(arrived, &strangers).await;
            });
        }
    }

    async fn answer(&self, arrived: Arrived, strangers: &tokio::sync::Mutex<()>) {
        let peer = arrived.peer;
        // Only ed25519 keys are members.
        let Ok(node) = peer.to_string().parse::<NodeId>() else {
            return;
        };
        let request = match Request::decode(&arrived.bytes) {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%peer, %error, "a member's request cannot be read");
                self.parts.metrics.asked("unreadable");
                return;
            }
        };
        let is_member =
            self.with(|machine| !machine.is_removed() && machine.settings_of(&node).is_some());
        let response = if is_member {
            self.respond(node, request).await
        } else {
            let _turn = strangers.lock().await;
            tokio::time::sleep(STRANGERS).await;
            self.respond_to_stranger(node, request).await
        };
        let response = response.unwrap_or_else(|error| {
            tracing::error!(%error, "a member's request could not be answered");
            Response::refused(&"something failed here: the log says what")
        });
        self.parts.metrics.asked(match response {
            Response::Refused { .. } | Response::Out(_) => "refused",
            _ => "answered",
        });
        match response.encode() {
            Ok(bytes) => {
                if let Err(error) = arrived.reply.send(bytes) {
                    tracing::error!(%error, "an answer to a member is too large");
                }
            }
            Err(error) => tracing::error!(%error, "an answer to a member cannot be written"),
        }
    }

    async fn respond(&self, node: NodeId, request: Request) -> Result<Response, CatalogError> {
        Ok(match request {
            Request::Beat { beat, addresses } => self.take_beat(node, &beat, &addresses).await,
            Request::Entries { author, from } => {
                let log = self
                    .parts
                    .catalog
                    .cluster_log(author, from, MAX_ENTRIES_BYTES);
                let (entries, _) = log.await?;
                let entries = entries.iter().map(|entry| entry.bytes().clone());
                Response::Entries(entries.collect())
            }
            Request::Holdings { after } => {
                let page = self.with(|machine| machine.holdings_after(after, MAX_HOLDINGS));
                Response::Holdings(page)
            }
            Request::Challenge {
                root,
                blocks,
                nonce,
            } => self.prove(root, blocks, nonce).await,
            Request::Piece { root, block, from } => self.piece(root, block, from).await,
            Request::Accuse { root } => {
                self.feed(Event::Suspected { root });
                Response::Done
            }
            Request::Addresses => {
                let known = locked(&self.addresses).clone();
                let is_member =
                    |node: &NodeId| self.with(|machine| machine.settings_of(node).is_some());
                let known = known.into_iter().filter(|(node, _)| is_member(node));
                Response::Addresses(known.take(crate::wire::MAX_MEMBERS).collect())
            }
            Request::Join {
                invitation,
                name,
                addresses,
            } => self.let_in(node, &invitation, name, addresses).await,
            Request::Leave => self.let_go(node).await,
        })
    }

    async fn respond_to_stranger(
        &self,
        node: NodeId,
        request: Request,
    ) -> Result<Response, CatalogError> {
        match request {
            Request::Join {
                invitation,
                name,
                addresses,
            } => Ok(self.let_in(node, &invitation, name, addresses).await),
            // It was a member and does not know better: this tells it, and nothing else.
            Request::Beat { beat, .. } => {
                let Some((author, last)) = self.with(|machine| machine.removal_of(&node)) else {
                    return Ok(Response::refused(&"this node is not a member"));
                };
                let Ok(beat) = Heartbeat::verify(&beat) else {
                    return Ok(Response::refused(&"this heartbeat cannot be read"));
                };
                let tips = &beat.says().tips;
                let known = tips.iter().find(|tip| tip.author == author);
                let from = known.map_or(0, |tip| tip.seq.saturating_add(1));
                let log = self
                    .parts
                    .catalog
                    .cluster_log(author, from, MAX_ENTRIES_BYTES);
                let (entries, _) = log.await?;
                let up_to = entries.iter().take_while(|entry| entry.seq() <= last);
                let up_to = up_to.map(|entry| entry.bytes().clone());
                Ok(Response::Out(up_to.collect()))
            }
            _ => Ok(Response::refused(&"this node is not a member")),
        }
    }

    async fn take_beat(&self, node: NodeId, beat: &Bytes, addresses: &[String]) -> Response {
        let beat = match Heartbeat::verify(beat) {
            Ok(beat) if beat.node() == node => beat,
            Ok(_) => return Response::refused(&"this heartbeat is another node's"),
            Err(error) => return Response::refused(&error),
        };
        self.feed(Event::Beat(beat));
        if self.learn_addresses(node, addresses) {
            self.keep_addresses(&[(node, addresses.to_vec())]).await;
        }
        Response::Beat(locked(&self.last_beat).clone())
    }

    async fn let_in(
        &self,
        node: NodeId,
        invitation: &Bytes,
        name: String,
        addresses: Vec<String>,
    ) -> Response {
        let invitation = match Invitation::verify(invitation) {
            Ok(invitation) => invitation,
            Err(error) => return Response::refused(&error),
        };
        let now = self.now();
        let admitted = self.with(|machine| machine.admit(now, node, &name, &invitation));
        match admitted {
            Ok(None) => {}
            Err(error) => return Response::refused(&error),
            Ok(Some(_)) => {
                // Looked at again in turn: another may have used the token in the meantime.
                let signed = self.sign(|machine, now| {
                    let draft = machine.admit(now, node, &name, &invitation)?;
                    draft.ok_or(CommandError::Used)
                });
                if let Err(error) = signed.await {
                    return Response::refused(&error);
                }
            }
        }
        if self.learn_addresses(node, &addresses) {
            self.keep_addresses(&[(node, addresses)]).await;
        }
        Response::Joined(self.with(crate::machine::Machine::logs))
    }

    /// A member wants to be out.
    async fn let_go(&self, node: NodeId) -> Response {
        let signed = self
            .sign(|machine, now| machine.remove_member(now, node))
            .await;
        match signed {
            Ok(()) | Err(ClusterError::Command(CommandError::NoSuchMember(_))) => Response::Done,
            Err(error) => Response::refused(&error),
        }
    }

    async fn prove(&self, root: Cid, blocks: Vec<Cid>, nonce: [u8; 16]) -> Response {
        if !self.with(|machine| machine.is_held(&root)) {
            return Response::Hashes(vec![None; blocks.len()]);
        }
        let store = self.parts.store.clone();
        let hashes = tokio::task::spawn_blocking(move || {
            let of = |block: &Cid| Some(hash(&nonce, &store.get(block).ok()?));
            blocks.iter().map(of).collect::<Vec<_>>()
        });
        hashes.await.map_or_else(
            |_| Response::refused(&"the node is stopping"),
            Response::Hashes,
        )
    }

    async fn piece(&self, root: Cid, block: Cid, from: u64) -> Response {
        let nothing = Response::Piece {
            bytes: None,
            total: 0,
        };
        if !self.with(|machine| machine.is_held(&root)) {
            return nothing;
        }
        let store = self.parts.store.clone();
        let block = tokio::task::spawn_blocking(move || store.get(&block).ok());
        let Ok(Some(block)) = block.await else {
            return nothing;
        };
        let begin = usize::try_from(from).map_or(block.len(), |from| from.min(block.len()));
        let end = begin.saturating_add(MAX_PIECE).min(block.len());
        Response::Piece {
            bytes: Some(block.slice(begin..end)),
            total: block.len() as u64,
        }
    }

    /// Whether this member may change the pinset.
    pub(super) fn is_writer(&self) -> bool {
        self.with(|machine| {
            let settings = machine.settings_of(&self.me);
            settings.is_some_and(|settings| settings.role == Role::Writer)
        })
    }
}
