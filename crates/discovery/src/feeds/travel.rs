//! Announcements under way: gossip for the new, requests for the missed.
//!
//! Owns: the topic, the state of catching up ([`super::sync`]), the own feed's signing, and the
//! requests under way. Ends: when its `Shutdown` is triggered, or the swarm has ended. Cancel
//! safety: what was recorded is recorded; what was not is asked for again.

mod elsewhere;

use std::collections::BTreeSet;
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
use super::ledger::Ledger;
use super::metrics::Outcome;
use super::named::{self, NameError};
use super::own::{Own, OwnError};
use super::pace::{Pace, Rate};
use super::segments::Getter;
use super::sync::{Action, Failure, Sync, SyncSettings};
use crate::trust::{Deed, Trust};
use elsewhere::Elsewhere;

/// What gossip is said on.
pub(super) const TOPIC: &str = "/cidcast/announce/1";
/// Who is connected is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// Changes to assets come in bursts.
const SETTLE: Duration = Duration::from_millis(500);
/// A public asset whose package is not open yet is looked at again after this.
const PINNING: Duration = Duration::from_secs(5);
/// A node that has been off says a month's worth in one go; nobody honest says more by gossip.
const PEER_RATE: Rate = Rate {
    burst: 64,
    every: Duration::from_millis(250),
};
/// What a publisher says faster than this is caught up with instead.
const PUBLISHER_RATE: Rate = Rate {
    burst: 32,
    every: Duration::from_secs(1),
};
/// Buckets of either kind.
const MOST_BUCKETS: usize = 4096;

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
        result: Result<(Vec<(Publisher, u64)>, bool), FetchError>,
    },
    Since {
        peer: PeerId,
        publisher: Publisher,
        result: Result<u64, FetchError>,
    },
    Forks {
        peer: PeerId,
        result: Result<evidence::Found, FetchError>,
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
    peers_pace: Pace<PeerId>,
    publishers_pace: Pace<Publisher>,
    under_way: JoinSet<Done>,
    getter: Getter,
    names: Names,
    blocks: Blocks,
    elsewhere: Elsewhere,
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
            peers_pace: Pace::new(PEER_RATE, MOST_BUCKETS),
            publishers_pace: Pace::new(PUBLISHER_RATE, MOST_BUCKETS),
            under_way: JoinSet::new(),
            getter: parts.getter,
            names: parts.names,
            blocks: parts.blocks,
            elsewhere: Elsewhere::default(),
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
        if !self.peers_pace.allows(peer, now) {
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
        if !self.publishers_pace.allows(announcement.publisher(), now) {
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
            Some(Outcome::Applied) => {
                self.trust.note_peer(&peer, Deed::Delivered).await;
                self.sync.moved(publisher, taken.have);
                Verdict::Accept
            }
            Some(Outcome::Reordered) => {
                self.sync.claimed(peer, publisher, count, taken.have);
                // It is good, only too early for this node.
                Verdict::Accept
            }
            Some(Outcome::Conflicting) => {
                self.forked(&publisher, count - 1).await;
                // Once: others may have heard of this branch only.
                match taken.is_evidence {
                    true => Verdict::Accept,
                    false => Verdict::Ignore,
                }
            }
            // Others may want it: what it says is true.
            Some(Outcome::Unwanted | Outcome::OverQuota) => Verdict::Accept,
            _ => Verdict::Ignore,
        }
    }

    /// A publisher has two histories.
    async fn forked(&mut self, publisher: &Publisher, seq: u64) {
        self.trust.note_fork(publisher, seq).await;
        if *publisher == self.own.publisher() {
            // To see that nothing more can be signed.
            self.reconcile_at = Instant::now();
        }
    }

    async fn done(&mut self, done: Done) {
        let now = self.ledger.now();
        match done {
            Done::Heads { peer, result } => match self.noted(&peer, result).await {
                Ok((heads, more)) => self.heads(peer, &heads, more).await,
                Err(error) => {
                    tracing::debug!(%peer, %error, "a peer did not say what it has");
                    self.sync.heads_failed(peer, failure(&error), now);
                }
            },
            Done::Since {
                peer,
                publisher,
                result,
            } => self.since(peer, publisher, result).await,
            Done::Forks { peer, result } => {
                self.testifying.remove(&peer);
                match result {
                    Ok(found) => {
                        for (publisher, seq) in found {
                            self.forked(&publisher, seq).await;
                        }
                    }
                    // Older programs do not know the question.
                    Err(error) => tracing::debug!(%peer, %error, "a peer told of no forks"),
                }
            }
            Done::Name { result } => self.name_told(result).await,
        }
    }

    /// A peer was asked for a feed.
    async fn since(&mut self, peer: PeerId, publisher: Publisher, result: Result<u64, FetchError>) {
        let now = self.ledger.now();
        let mut note = SyncNote {
            source: Some(peer.to_string()),
            ..SyncNote::default()
        };
        match self.noted(&peer, result).await {
            Ok(have) => self.sync.delivered(peer, publisher, have),
            Err(error) => {
                tracing::debug!(%peer, %publisher, %error, "a peer did not deliver");
                note.error = Some(error.to_string());
                match &error {
                    FetchError::NotTaken(Outcome::Unwanted) => self.sync.dropped(&publisher),
                    FetchError::Contradicts(seq) => self.forked(&publisher, *seq).await,
                    _ => {}
                }
                self.sync.failed(peer, publisher, failure(&error), now);
            }
        }
        self.ledger.note(&publisher, &note).await;
    }

    /// The own name leads to an announcement: it exists, and so do those before it.
    async fn name_told(&mut self, result: Result<Option<Announcement>, NameError>) {
        let noted = match result {
            Ok(Some(newest)) => {
                let noted = self.ledger.catalog().note_exists(&newest).await;
                noted.map_err(NameError::from)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        self.own
            .doubt(noted.as_ref().err().map(ToString::to_string));
        match noted {
            Ok(()) => self.elsewhere.name_told(),
            Err(_) => self.elsewhere.name_failed(self.ledger.now()),
        }
        self.reconcile_at = Instant::now();
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

    async fn heads(&mut self, peer: PeerId, heads: &[(Publisher, u64)], more: bool) {
        let own = self.own.publisher();
        for (publisher, count) in heads {
            if *publisher == own {
                self.elsewhere.says(peer, *count);
            }
            match self.ledger.limits(publisher).await {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "what is wanted could not be read");
                    break;
                }
            }
            let feed = self.ledger.catalog().feed(publisher).await;
            let have = feed.ok().flatten().map_or(0, |feed| feed.have);
            self.sync.claimed(peer, *publisher, *count, have);
        }
        let last = heads.last().map(|(publisher, _)| *publisher);
        let after = last.filter(|_| more);
        if after.is_none() {
            self.elsewhere.has_told(peer);
            self.ask_for_forks(peer);
        }
        self.sync.heads_answered(peer, after);
    }

    fn ask_for_forks(&mut self, peer: PeerId) {
        if !self.testifying.insert(peer) {
            return;
        }
        let (ledger, requests) = (self.ledger.clone(), self.requests.clone());
        self.under_way.spawn(async move {
            let result = evidence::catch_up(&ledger, &requests, peer).await;
            Done::Forks { peer, result }
        });
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
        self.confirm_own().await;
    }

    /// A key that came from elsewhere may be signed with once everybody who is connected has said
    /// what they have, somebody among them knows the feed, the network was asked for what the
    /// publisher's name leads to, and all of that is here.
    async fn confirm_own(&mut self) {
        if self.own.is_confirmed() || self.speaking.is_empty() {
            return;
        }
        if self.elsewhere.should_look_up(self.ledger.now()) {
            let (names, blocks) = (self.names.clone(), self.blocks.clone());
            let own = self.own.publisher();
            self.under_way.spawn(async move {
                let result = named::newest(&names, &blocks, &own).await;
                Done::Name { result }
            });
        }
        let Some(most) = self.elsewhere.most(&self.speaking) else {
            return;
        };
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
                Action::AskHeads { peer, after } => {
                    self.under_way.spawn(async move {
                        let result = fetch::heads(&requests, peer, after).await;
                        Done::Heads { peer, result }
                    });
                }
                Action::AskSince {
                    peer,
                    publisher,
                    from,
                } => {
                    let getter = self.getter.clone();
                    self.under_way.spawn(async move {
                        let from_whom = (&requests, &getter, peer);
                        let result = fetch::since(&ledger, from_whom, (publisher, from)).await;
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
