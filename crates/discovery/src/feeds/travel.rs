//! Announcements under way: gossip for the new, requests for the missed.
//!
//! Owns: the topic, the state of catching up ([`super::sync`]), the own feed's signing, and the
//! requests under way. Ends: when its `Shutdown` is triggered, or the swarm has ended. Cancel
//! safety: what was recorded is recorded; what was not is asked for again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cidcast_announce::{Announcement, Profile, Publisher};
use cidcast_catalog::SyncNote;
use cidcast_ipfs::gossip::{Incoming, Messages, Topic, Verdict};
use cidcast_ipfs::requests::{PROTOCOL, Requests};
use cidcast_ipfs::swarm::{PeerId, SwarmHandle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::fetch::{self, FetchError};
use super::hearing::{self, Heard, Hearing};
use super::ledger::Ledger;
use super::metrics::Outcome;
use super::own::{Own, OwnError};
use super::sync::{Action, Failure, Sync, SyncSettings};
use crate::trust::{Deed, Trust};
use crate::wire::{Heads, Mark};

/// What gossip is said on.
pub(super) const TOPIC: &str = "/cidcast/announce/1";
/// Who is connected is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// Changes to assets come in bursts.
const SETTLE: Duration = Duration::from_millis(500);
/// A public asset whose package is not open yet is looked at again after this.
const PINNING: Duration = Duration::from_secs(5);
/// What the handle asks of the task.
pub(super) enum Command {
    /// Compare the assets with the own feed soon.
    Reconcile,
    /// Say who the publisher is.
    SetProfile {
        profile: Profile,
        done: oneshot::Sender<Result<(), OwnError>>,
    },
    /// The operator knows that the own feed is complete here.
    Confirm {
        done: oneshot::Sender<Result<(), OwnError>>,
    },
    /// Ask for what is missing of a feed now, whatever has failed.
    Refresh,
}

/// What a request came to.
enum Done {
    Heads {
        peer: PeerId,
        /// Only what has moved since was asked for.
        since: Option<Mark>,
        result: Result<Heads, FetchError>,
    },
    Since {
        peer: PeerId,
        publisher: Publisher,
        result: Result<u64, FetchError>,
    },
}

/// The parts that it is made of.
pub(super) struct Parts {
    pub(super) ledger: Ledger,
    pub(super) own: Own,
    pub(super) trust: Trust,
    pub(super) swarm: SwarmHandle,
    pub(super) requests: Requests,
    pub(super) topic: Topic,
    pub(super) messages: Messages,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) seed: u64,
}

/// See the module.
pub(super) struct Travel {
    ledger: Ledger,
    own: Own,
    trust: Trust,
    swarm: SwarmHandle,
    requests: Requests,
    topic: Topic,
    messages: Messages,
    commands: mpsc::Receiver<Command>,
    sync: Sync,
    hearing: Hearing,
    under_way: JoinSet<Done>,
    /// How much of the own feed each peer said to have that has told all it has.
    own_elsewhere: BTreeMap<PeerId, u64>,
    /// The same, while its list goes on.
    own_so_far: BTreeMap<PeerId, u64>,
    speaking: BTreeSet<PeerId>,
    reconcile_at: Instant,
}

impl Travel {
    pub(super) fn new(parts: Parts) -> Self {
        let settings = SyncSettings {
            round: parts.ledger.settings().round,
            ..SyncSettings::default()
        };
        Self {
            ledger: parts.ledger,
            own: parts.own,
            trust: parts.trust,
            swarm: parts.swarm,
            requests: parts.requests,
            topic: parts.topic,
            messages: parts.messages,
            commands: parts.commands,
            sync: Sync::new(settings, parts.seed),
            hearing: Hearing::default(),
            under_way: JoinSet::new(),
            own_elsewhere: BTreeMap::new(),
            own_so_far: BTreeMap::new(),
            speaking: BTreeSet::new(),
            reconcile_at: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => break,
                },
                Some(done) = self.under_way.join_next() => {
                    if let Ok(done) = done {
                        self.done(done).await;
                    }
                }
                () = sleep_until(self.reconcile_at) => self.reconcile().await,
                _ = look.tick() => self.look().await,
                message = self.messages.next() => match message {
                    Some(message) => self.heard(message).await,
                    None => break,
                },
            }
            self.go_on();
        }
        self.under_way.shutdown().await;
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Reconcile => {
                let soon = Instant::now() + SETTLE;
                self.reconcile_at = self.reconcile_at.min(soon);
            }
            Command::SetProfile { profile, done } => {
                let result = self.own.announce_profile(profile).await;
                let _ = done.send(self.spread(result).await);
            }
            Command::Confirm { done } => {
                let confirmed = self.own.confirm().await.map_err(OwnError::from);
                self.reconcile_at = Instant::now();
                let _ = done.send(confirmed);
            }
            Command::Refresh => self.sync.hurry(),
        }
    }

    /// Gossip.
    async fn heard(&mut self, message: Incoming) {
        let Incoming { peer, bytes, judge } = message;
        judge.say(self.judged(peer, &bytes).await);
    }

    async fn judged(&mut self, peer: PeerId, bytes: &[u8]) -> Verdict {
        let now = self.ledger.now();
        if self.trust.refuses_peer(&peer) {
            return Verdict::Ignore;
        }
        if !self.hearing.peers.allows(peer, now) {
            self.ledger.metrics().count(Outcome::TooFast);
            return Verdict::Ignore;
        }
        let announcement = match self.ledger.verify(bytes) {
            Ok(announcement) => announcement,
            // What a later version writes is nobody's fault.
            Err(Outcome::Unreadable) => return Verdict::Ignore,
            Err(outcome) => {
                if let Some(deed) = fetch::deed_of(outcome) {
                    self.trust.note_peer(&peer, deed).await;
                }
                return Verdict::Reject;
            }
        };
        let publishers = &mut self.hearing.publishers;
        if !publishers.allows(announcement.publisher(), now) {
            self.ledger.metrics().count(Outcome::TooFast);
            return Verdict::Ignore;
        }
        let (publisher, count) = (
            announcement.publisher(),
            announcement.seq().saturating_add(1),
        );
        let taken = match self.ledger.take(vec![announcement]).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::error!(%publisher, %error, "an announcement could not be recorded");
                return Verdict::Ignore;
            }
        };
        let outcome = taken.outcomes.first().copied();
        match outcome {
            Some(Outcome::Applied) => self.trust.note_peer(&peer, Deed::Delivered).await,
            Some(Outcome::Conflicting) => self.trust.note_fork(&publisher, count - 1).await,
            _ => {}
        }
        let heard = Heard {
            peer,
            publisher,
            count,
        };
        hearing::note(&mut self.sync, heard, outcome, taken.have)
    }

    async fn done(&mut self, done: Done) {
        let now = self.ledger.now();
        match done {
            Done::Heads {
                peer,
                since,
                result,
            } => match self.noted(&peer, result).await {
                Ok(heads) => self.heads(peer, since, heads).await,
                Err(error) => {
                    tracing::debug!(%peer, %error, "a peer did not say what it has");
                    self.sync.heads_failed(peer, failure(&error), now);
                }
            },
            Done::Since {
                peer,
                publisher,
                result,
            } => {
                let mut note = SyncNote {
                    source: Some(peer.to_string()),
                    ..SyncNote::default()
                };
                match self.noted(&peer, result).await {
                    Ok(have) => self.sync.delivered(peer, publisher, have),
                    Err(error) => {
                        tracing::debug!(%peer, %publisher, %error, "a peer did not deliver");
                        note.error = Some(error.to_string());
                        if matches!(error, FetchError::NotTaken(Outcome::Unwanted)) {
                            self.sync.dropped(&publisher);
                        }
                        self.sync.failed(peer, publisher, failure(&error), now);
                    }
                }
                self.ledger.note(&publisher, &note).await;
            }
        }
    }

    /// Tells trust what came of asking a peer.
    async fn noted<T>(
        &self,
        peer: &PeerId,
        result: Result<T, FetchError>,
    ) -> Result<T, FetchError> {
        if let Some(deed) = fetch::deed(&result) {
            self.trust.note_peer(peer, deed).await;
        }
        result
    }

    async fn heads(&mut self, peer: PeerId, since: Option<Mark>, answer: Heads) {
        let Heads { heads, more, mark } = answer;
        let own = self.own.publisher();
        for (publisher, count) in &heads {
            if *publisher == own {
                self.own_so_far.insert(peer, *count);
            }
            match self.ledger.limits(publisher).await {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "what is wanted could not be read");
                    self.sync
                        .heads_failed(peer, Failure::Request, self.ledger.now());
                    return;
                }
            }
            let feed = self.ledger.catalog().feed(publisher).await;
            let have = feed.ok().flatten().map_or(0, |feed| feed.have);
            self.sync.claimed(peer, *publisher, *count, have);
        }
        let last = heads.last().map(|(publisher, _)| *publisher);
        let after = last.filter(|_| more);
        if after.is_none() {
            let told = self.own_so_far.remove(&peer);
            if since.is_none() {
                self.own_elsewhere.insert(peer, told.unwrap_or(0));
            } else if let (Some(told), Some(before)) = (told, self.own_elsewhere.get_mut(&peer)) {
                // What has not moved is not told again.
                *before = told;
            }
        }
        self.sync.heads_answered(peer, after, mark);
    }

    /// Who is connected, and what that means.
    async fn look(&mut self) {
        let speaks = |protocols: &[String]| protocols.iter().any(|protocol| protocol == PROTOCOL);
        let peers = self.swarm.peers().into_iter();
        self.speaking = peers
            .filter(|peer| speaks(&peer.protocols) && !self.trust.refuses_peer(&peer.id))
            .map(|peer| peer.id)
            .collect();
        self.sync.connected(&self.speaking);
        self.own_elsewhere
            .retain(|peer, _| self.speaking.contains(peer));
        self.own_so_far
            .retain(|peer, _| self.speaking.contains(peer));
        self.confirm_own().await;
    }

    /// A key that came from elsewhere may be signed with once everybody who is connected has said
    /// what they have, somebody among them knows the feed, and all of that is here.
    async fn confirm_own(&mut self) {
        if self.own.is_confirmed() || self.speaking.is_empty() {
            return;
        }
        let all_told = self
            .speaking
            .iter()
            .all(|peer| self.own_elsewhere.contains_key(peer));
        let most = self.own_elsewhere.values().copied().max().unwrap_or(0);
        if !all_told || most == 0 {
            return;
        }
        let Ok(Some(feed)) = self.ledger.catalog().feed(&self.own.publisher()).await else {
            return;
        };
        if feed.have >= most && feed.have >= feed.known {
            match self.own.confirm().await {
                Ok(()) => {
                    tracing::info!(have = feed.have, "the own feed is complete here");
                    self.reconcile_at = Instant::now();
                }
                Err(error) => tracing::error!(%error, "the own key could not be confirmed"),
            }
        }
    }

    async fn reconcile(&mut self) {
        self.reconcile_at = Instant::now() + self.ledger.settings().reconcile_every;
        let reach = self.swarm.reach().await;
        let nodes = match reach.external.is_empty() {
            true => reach.listening,
            false => reach.external,
        };
        let result = self
            .own
            .reconcile(addresses(nodes, &self.swarm.peer_id()))
            .await;
        if self.own.is_waiting() {
            self.reconcile_at = Instant::now() + PINNING;
        }
        match self.spread(result).await {
            Ok(()) => {}
            Err(OwnError::NotReady(standing)) => {
                tracing::debug!(?standing, "the own feed is not signed now");
            }
            Err(error) => tracing::error!(%error, "the own feed could not be reconciled"),
        }
    }

    /// Tells everybody.
    async fn spread(
        &mut self,
        signed: Result<Vec<Announcement>, OwnError>,
    ) -> Result<(), OwnError> {
        for announcement in signed? {
            if let Err(error) = self.topic.publish(announcement.bytes().clone()).await {
                // Whoever connects asks what there is.
                tracing::debug!(seq = announcement.seq(), %error, "nobody to tell");
            }
        }
        Ok(())
    }

    /// Starts what is to be asked now.
    fn go_on(&mut self) {
        for action in self.sync.plan(self.ledger.now()) {
            let (ledger, requests) = (self.ledger.clone(), self.requests.clone());
            match action {
                Action::AskHeads { peer, after, since } => {
                    self.under_way.spawn(async move {
                        let result = fetch::heads(&requests, peer, after, since.clone()).await;
                        Done::Heads {
                            peer,
                            since,
                            result,
                        }
                    });
                }
                Action::AskSince {
                    peer,
                    publisher,
                    from,
                } => {
                    self.under_way.spawn(async move {
                        let result =
                            fetch::since(&ledger, &requests, peer, (publisher, from)).await;
                        Done::Since {
                            peer,
                            publisher,
                            result,
                        }
                    });
                }
                Action::Waiting {
                    publisher,
                    failures,
                    next_at,
                } => {
                    let note = async move {
                        let feed = ledger.catalog().feed(&publisher).await;
                        let before = feed.ok().flatten().map(|feed| feed.sync);
                        let note = SyncNote {
                            failures,
                            next_at: Some(next_at),
                            ..before.unwrap_or_default()
                        };
                        ledger.note(&publisher, &note).await;
                    };
                    tokio::spawn(note);
                }
            }
        }
        let behind = i64::try_from(self.sync.behind()).unwrap_or(i64::MAX);
        self.ledger.metrics().behind.set(behind);
    }
}

fn failure(error: &FetchError) -> Failure {
    match error.is_about_peer() {
        true => Failure::Peer,
        false => Failure::Request,
    }
}

/// Addresses as a profile has them: at most 16, each ending in this node's peer id.
fn addresses(nodes: Vec<String>, peer_id: &str) -> Vec<String> {
    const MOST: usize = 16;
    let suffix = format!("/p2p/{peer_id}");
    let whole = nodes
        .into_iter()
        .map(|address| match address.ends_with(&suffix) {
            true => address,
            false => address + &suffix,
        });
    let mut whole: Vec<String> = whole.filter(|address| address.len() <= 512).collect();
    whole.sort();
    whole.dedup();
    whole.truncate(MOST);
    whole
}
