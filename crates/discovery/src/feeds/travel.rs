//! Announcements under way: gossip for the new, requests for the missed.
//!
//! Owns: the topic, the state of catching up ([`super::sync`]), the own feed's signing, and the
//! requests under way. Ends: when its `Shutdown` is triggered, or the swarm has ended. Cancel
//! safety: what was recorded is recorded; what was not is asked for again.

mod answers;
mod elsewhere;
mod own_feed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cidcast_announce::{Announcement, Op, Profile, Publisher};
use cidcast_catalog::SyncNote;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::gossip::{Incoming, Messages, Topic, Verdict};
use cidcast_ipfs::names::Names;
use cidcast_ipfs::requests::{PROTOCOL, Requests};
use cidcast_ipfs::swarm::{PeerId, SwarmHandle};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::evidence;
use super::fetch::{self, FetchError};
use super::hearing::{self, Heard, Hearing};
use super::ledger::Ledger;
use super::metrics::Outcome;
use super::named::NameError;
use super::own::{Own, OwnError};
use super::segments::Getter;
use super::sync::{Action, Sync, SyncSettings};
use crate::trust::{Deed, Trust};
use crate::wire::{Heads, Mark};
use elsewhere::Elsewhere;

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
    /// Say something else that does not come from the assets.
    Sign {
        op: Op,
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
    Feeds {
        peer: PeerId,
        asked: Vec<(Publisher, u64)>,
        result: Result<Vec<fetch::Piece>, FetchError>,
    },
    Forks {
        peer: PeerId,
        found: evidence::Found,
    },
    Name {
        result: Result<Option<Announcement>, NameError>,
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
    pub(super) getter: Getter,
    pub(super) names: Names,
    pub(super) blocks: Blocks,
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
    getter: Getter,
    names: Names,
    blocks: Blocks,
    elsewhere: Elsewhere,
    /// What peers call the newest of feeds and is another one here, with its number. Bounded for
    /// each peer.
    differing: BTreeMap<PeerId, Vec<(Publisher, u64)>>,
    /// Whom is asked for evidence now.
    testifying: BTreeSet<PeerId>,
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
            getter: parts.getter,
            names: parts.names,
            blocks: parts.blocks,
            elsewhere: Elsewhere::default(),
            differing: BTreeMap::new(),
            testifying: BTreeSet::new(),
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
                let result = self.own.announce(Op::Profile(profile)).await;
                let _ = done.send(self.spread(result).await);
            }
            Command::Sign { op, done } => {
                let result = self.own.announce(op).await;
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
        match taken.outcomes.first() {
            Some(Outcome::Applied) => self.trust.note_peer(&peer, Deed::Delivered).await,
            Some(Outcome::Conflicting) => self.forked(&publisher, count - 1).await,
            _ => {}
        }
        let heard = Heard {
            peer,
            publisher,
            count,
        };
        hearing::note(&mut self.sync, heard, &taken)
    }

    /// A publisher has two histories.
    async fn forked(&mut self, publisher: &Publisher, seq: u64) {
        self.trust.note_fork(publisher, seq).await;
        if *publisher == self.own.publisher() {
            // To see that nothing more can be signed.
            self.reconcile_at = Instant::now();
        }
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
        self.elsewhere.retain(&self.speaking);
        self.differing
            .retain(|peer, _| self.speaking.contains(peer));
        self.confirm_own().await;
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
                Action::AskFeeds { peer, feeds } => {
                    let getter = self.getter.clone();
                    self.under_way.spawn(async move {
                        let from_whom = (&requests, &getter, peer);
                        let result = fetch::feeds(&ledger, from_whom, &feeds).await;
                        Done::Feeds {
                            peer,
                            asked: feeds,
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
