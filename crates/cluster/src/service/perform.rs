//! Doing what the machine wants, in its order; what takes long has a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{Entry, Heartbeat, HeartbeatDraft, PinAudience};
use cidcast_runtime::locked;
use cidcast_types::Cid;
use tokio::sync::mpsc;

use super::ask;
use super::seat::{Seat, audience_of};
use crate::event::{Action, Event, Happening, LocalPin};
use crate::liveness::Liveness;
use crate::wire::{MAX_ADDRESSES, Request, Response};

/// Entries that are written to disk together.
const BATCH: usize = 256;
/// How long dialling one of the addresses that a pin names may take.
const DIAL: Duration = Duration::from_secs(10);
/// Between two questions where the others are.
const SEARCH: Duration = Duration::from_secs(5);

impl Seat {
    pub(super) async fn keep_performing(
        self: &Arc<Self>,
        mut wanted: mpsc::UnboundedReceiver<Action>,
    ) {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(action) = wanted.recv().await {
            match action {
                Action::Persist(entry) => {
                    entries.push(entry);
                    if entries.len() >= BATCH || wanted.is_empty() {
                        self.persist(std::mem::take(&mut entries)).await;
                    }
                }
                other => {
                    self.persist(std::mem::take(&mut entries)).await;
                    self.perform(other).await;
                }
            }
        }
    }

    async fn persist(&self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        // What is not on disk is asked for again after the next start.
        if let Err(error) = self.parts.catalog.keep_cluster_entries(&entries).await {
            tracing::error!(%error, "entries of the cluster's logs could not be written");
        }
    }

    async fn perform(self: &Arc<Self>, action: Action) {
        match action {
            Action::Persist(entry) => self.persist(vec![entry]).await,
            Action::Beat { to, draft } => self.beat(&to, draft).await,
            Action::AskEntries { of, author, from } => {
                self.keep("cluster entries", |seat| async move {
                    seat.fetch_entries(of, author, from).await;
                });
            }
            Action::AskHoldings { of, after } => {
                self.keep("cluster holdings", |seat| async move {
                    seat.fetch_holdings(of, after).await;
                });
            }
            Action::Pin {
                root,
                audience,
                origins,
            } => self.pin(root, audience, origins).await,
            Action::Open { root, audience } => self.open(root, audience).await,
            Action::Unpin { root } => self.unpin(root).await,
            Action::Challenge { of, root } => {
                self.keep("cluster challenge", |seat| async move {
                    seat.challenge(of, root).await;
                });
            }
            Action::Accuse { of, root } => {
                self.keep("cluster accusation", |seat| async move {
                    if let Err(error) = seat.ask(of, Request::Accuse { root }).await {
                        tracing::debug!(%of, %error, "a member was not told of its failure");
                    }
                });
            }
            Action::Verify { root } => {
                self.keep("cluster repair", |seat| async move {
                    seat.verify_and_repair(root).await;
                });
            }
            Action::Members(members) => self.set_members(members),
            Action::Note(happening) => self.note(&happening).await,
        }
    }

    async fn beat(self: &Arc<Self>, to: &[NodeId], draft: HeartbeatDraft) {
        let beat = match Heartbeat::sign(&self.parts.key, draft) {
            Ok(beat) => beat.bytes().clone(),
            Err(error) => {
                tracing::error!(%error, "a heartbeat could not be signed");
                return;
            }
        };
        *locked(&self.last_beat) = Some(beat.clone());
        let mut addresses = self.parts.swarm.own_addresses().await;
        addresses.truncate(MAX_ADDRESSES);
        for node in to.iter().copied() {
            // The one before still waits for its answer: a second would wait behind it.
            if !locked(&self.beating).insert(node) {
                continue;
            }
            let (beat, addresses) = (beat.clone(), addresses.clone());
            self.keep("cluster heartbeat", |seat| async move {
                let answer = seat.ask(node, Request::Beat { beat, addresses }).await;
                locked(&seat.beating).remove(&node);
                match answer {
                    Ok(answer) => seat.hear(node, answer),
                    Err(error) => {
                        tracing::debug!(%node, %error, "a heartbeat did not arrive");
                        seat.search(node).await;
                    }
                }
            });
        }
    }

    /// What a member answers to a heartbeat.
    fn hear(&self, node: NodeId, answer: Response) {
        match answer {
            Response::Beat(Some(bytes)) => match Heartbeat::verify(&bytes) {
                Ok(beat) if beat.node() == node => self.feed(Event::Beat(beat)),
                Ok(_) => tracing::debug!(%node, "a member shows the heartbeat of another"),
                Err(error) => tracing::debug!(%node, %error, "a heartbeat is of no use"),
            },
            Response::Out(entries) => match ask::verified(&entries) {
                Ok(entries) => self.feed(Event::Entries {
                    from: node,
                    entries,
                }),
                Err(error) => tracing::debug!(%node, %error, "entries are of no use"),
            },
            Response::Refused { reason } => {
                tracing::debug!(%node, reason, "a member does not want this heartbeat");
            }
            _ => {}
        }
    }

    /// Somebody could not be reached: others may know better where it is.
    async fn search(&self, lost: NodeId) {
        let now = self.now();
        let members = self.with(|machine| machine.members(now));
        let near = members.into_iter().filter(|member| {
            let is_other = member.node != self.me && member.node != lost;
            is_other && member.liveness == Liveness::Alive && member.protocol > 0
        });
        let Some(near) = near.max_by_key(|member| member.heard) else {
            return;
        };
        let is_time = |at: &Option<Instant>| at.is_none_or(|at| at.elapsed() >= SEARCH);
        {
            let mut searched = locked(&self.searched);
            if !is_time(&searched) {
                return;
            }
            *searched = Some(Instant::now());
        }
        if let Ok(Response::Addresses(all)) = self.ask(near.node, Request::Addresses).await {
            let known = all.into_iter().filter(|(node, addresses)| {
                // What is known here at first hand is better.
                let has = locked(&self.addresses).contains_key(node);
                (!has || *node == lost) && self.learn_addresses(*node, addresses)
            });
            let known: Vec<_> = known.collect();
            self.keep_addresses(&known).await;
        }
    }

    pub(super) async fn keep_addresses(&self, members: &[(NodeId, Vec<String>)]) {
        if members.is_empty() {
            return;
        }
        let kept = self
            .parts
            .catalog
            .note_member_addresses(members, self.now());
        if let Err(error) = kept.await {
            tracing::warn!(%error, "addresses of members could not be kept");
        }
    }

    async fn fetch_entries(&self, of: NodeId, author: NodeId, from: u64) {
        let answer = self.ask(of, Request::Entries { author, from }).await;
        match ask::entries(answer, author, from) {
            Ok(entries) => self.feed(Event::Entries { from: of, entries }),
            Err(error) => tracing::debug!(%of, error, "entries of a log could not be had"),
        }
    }

    async fn fetch_holdings(&self, of: NodeId, after: u64) {
        match self.ask(of, Request::Holdings { after }).await {
            Ok(Response::Holdings(page)) => self.feed(Event::Holdings { member: of, page }),
            Ok(_) => tracing::debug!(%of, "a member does not say what it keeps"),
            Err(error) => tracing::debug!(%of, %error, "a member does not say what it keeps"),
        }
    }

    async fn pin(self: &Arc<Self>, root: Cid, audience: PinAudience, origins: Vec<String>) {
        let added = self
            .parts
            .pinner
            .add(self.holder.clone(), root, audience_of(audience));
        if let Err(error) = added.await {
            let error = error.to_string();
            let state = LocalPin::Failed { error };
            self.feed(Event::Local { root, state });
            return;
        }
        locked(&self.under_way).insert(root);
        if origins.is_empty() {
            return;
        }
        self.keep("cluster origins", |seat| async move {
            for origin in origins {
                if let Err(error) = seat.parts.swarm.dial(&origin, DIAL).await {
                    tracing::debug!(origin, %error, "an origin of a pin cannot be reached");
                }
            }
        });
    }

    async fn open(&self, root: Cid, audience: PinAudience) {
        let audience = audience_of(audience);
        if locked(&self.under_way).contains(&root) {
            let added = self.parts.pinner.add(self.holder.clone(), root, audience);
            if let Err(error) = added.await {
                tracing::warn!(%root, %error, "a pin keeps its audience for now");
            }
            return;
        }
        let (store, holder) = (self.parts.store.clone(), self.holder.clone());
        let opened = tokio::task::spawn_blocking(move || store.pin(&holder, &root, audience));
        if let Ok(Err(error)) = opened.await {
            tracing::warn!(%root, %error, "a pin keeps its audience for now");
        }
    }

    async fn unpin(&self, root: Cid) {
        locked(&self.under_way).remove(&root);
        match self.parts.pinner.remove(self.holder.clone(), root).await {
            Ok(_) => {
                let state = LocalPin::Gone;
                self.feed(Event::Local { root, state });
                self.show_space();
            }
            Err(error) => tracing::error!(%root, %error, "a pin could not be let go of"),
        }
    }

    async fn note(&self, happening: &Happening) {
        let (kind, text) = told(happening);
        match happening {
            Happening::Lost(_)
            | Happening::Forked(_)
            | Happening::ProofFailed { .. }
            | Happening::NoRoom { .. }
            | Happening::LowSpace { .. }
            | Happening::Removed => tracing::warn!(kind, "{text}"),
            Happening::Joined(_) | Happening::Left(_) | Happening::Returned(_) => {
                tracing::info!(kind, "{text}");
            }
        }
        let noted = self
            .parts
            .catalog
            .note_cluster_event(kind, &text, self.now());
        if let Err(error) = noted.await {
            tracing::warn!(%error, "an event of the cluster could not be noted");
        }
    }
}

/// A word for programs, and a sentence for people.
fn told(happening: &Happening) -> (&'static str, String) {
    match happening {
        Happening::Joined(node) => ("joined", format!("{node} is a member now")),
        Happening::Left(node) => ("left", format!("{node} is no member any longer")),
        Happening::Lost(node) => (
            "lost",
            format!("{node} is silent for too long: its copies are made anew elsewhere"),
        ),
        Happening::Returned(node) => ("returned", format!("{node} is back")),
        Happening::Forked(node) => (
            "forked",
            format!(
                "{node} has signed two entries with one number: its key is used on two machines, \
                 or its disk was set back; remove it, and let it join with a new key"
            ),
        ),
        Happening::ProofFailed { member, root } => (
            "proof-failed",
            format!("{member} could not prove that it has {root}: its copy does not count"),
        ),
        Happening::NoRoom { root } => ("no-room", format!("there is no room here for {root}")),
        Happening::LowSpace { free } => (
            "low-space",
            format!("only {free} bytes are free here for the cluster: make room, or add a member"),
        ),
        Happening::Removed => (
            "removed",
            "this node was put out of the cluster: `cidcast cluster leave` lets go of its copies"
                .to_owned(),
        ),
    }
}
