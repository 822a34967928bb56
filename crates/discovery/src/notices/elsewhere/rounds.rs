//! Whom to ask of whose copies, and when.
//!
//! A publisher's copies are asked for as soon as something of its feed is here, again when the feed
//! has moved on and an answer named something that was not here yet, when somebody is met who was
//! not asked before, and every ten minutes. Each time a few connected nodes are asked, those first
//! that were not asked for longest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::CatalogError;
use cidcast_ipfs::swarm::PeerEvent;
use futures::{StreamExt, stream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, timeout};

use super::Elsewhere;
use super::hear::Answer;

/// How often the copies of one publisher are asked for.
const EVERY: Duration = Duration::from_secs(600);
/// How often after an answer that could not be taken whole, or when others are met, at most.
const SOON: Duration = Duration::from_secs(5);
/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(30);
/// How long it is remembered who was asked.
const MEMORY: Duration = Duration::from_secs(3600);
/// Nodes that are asked in one round of one publisher.
const MAX_ASKED: usize = 3;
/// Publishers in one turn, and at a time.
const MAX_DUE: usize = 32;
const AT_ONCE: usize = 4;
/// How long all pages of one node may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the last round of a publisher ended.
#[derive(Debug, Clone, Copy)]
struct Round {
    at: Instant,
    /// How much of its feed was here.
    have: u64,
    left_out: usize,
}

/// The loop.
pub(super) struct Rounds {
    elsewhere: Elsewhere,
    rounds: BTreeMap<Publisher, Round>,
    asked: HashMap<(Publisher, NodeId), Instant>,
}

impl Rounds {
    pub(super) fn new(elsewhere: Elsewhere) -> Self {
        Self {
            elsewhere,
            rounds: BTreeMap::new(),
            asked: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut met = self.elsewhere.args.swarm.peer_events();
        loop {
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "copies elsewhere could not be asked for");
            }
            let event = async {
                tokio::select! {
                    () = self.elsewhere.wake.notified() => {}
                    () = somebody_new(&mut met) => sleep(SOON).await,
                }
            };
            let _ = timeout(LOOK, event).await;
        }
    }

    async fn turn(&mut self) -> Result<(), CatalogError> {
        self.asked.retain(|_, at| at.elapsed() < MEMORY);
        let due = self.due().await?;
        let asking = due.into_iter().map(|(publisher, have)| {
            let peers = self.whom_to_ask(publisher);
            (publisher, have, peers)
        });
        let asking: Vec<_> = asking.collect();
        let elsewhere = &self.elsewhere;
        let mut answers = stream::iter(asking)
            .map(|(publisher, have, peers)| async move {
                let answer = ask_all(elsewhere, publisher, &peers).await;
                (publisher, have, peers, answer)
            })
            .buffer_unordered(AT_ONCE);
        let mut ended = Vec::new();
        while let Some((publisher, have, peers, answer)) = answers.next().await {
            let answer = answer?;
            // Said at once: somebody may wait for it.
            elsewhere.heard.send_modify(|heard| {
                heard.asked.insert(publisher);
                heard.news = heard.news.wrapping_add(u64::from(answer.fresh > 0));
            });
            ended.push((publisher, have, peers, answer.left_out));
        }
        drop(answers);
        let at = Instant::now();
        for (publisher, have, peers, left_out) in ended {
            let round = Round { at, have, left_out };
            self.rounds.insert(publisher, round);
            let asked = peers.into_iter().map(|node| ((publisher, node), at));
            self.asked.extend(asked);
        }
        Ok(())
    }

    /// Publishers that are due, and how much of their feeds is here: those first that never were.
    async fn due(&mut self) -> Result<Vec<(Publisher, u64)>, CatalogError> {
        let catalog = &self.elsewhere.args.catalog;
        let mut wanted: BTreeSet<Publisher> = catalog.followed().await?.into_keys().collect();
        wanted.extend(catalog.own_publisher().await?);
        self.rounds
            .retain(|publisher, _| wanted.contains(publisher));
        self.elsewhere.heard.send_if_modified(|heard| {
            let before = heard.asked.len();
            heard.asked.retain(|publisher| wanted.contains(publisher));
            heard.asked.len() != before
        });
        let connected = self.elsewhere.connected();
        let mut due = Vec::new();
        for publisher in wanted {
            let feed = catalog.feed(&publisher).await?;
            let have = feed.map_or(0, |feed| feed.have);
            let last = self.rounds.get(&publisher);
            let is_due = |last: &Round| {
                let mut nodes = connected.iter();
                last.is_over(have)
                    || last.may_be_again()
                        && nodes.any(|node| !self.asked.contains_key(&(publisher, *node)))
            };
            if have > 0 && last.is_none_or(is_due) {
                due.push((last.map(|last| last.at), publisher, have));
            }
        }
        due.sort_unstable_by_key(|(at, ..)| *at);
        due.truncate(MAX_DUE);
        Ok(due.into_iter().map(|(_, who, have)| (who, have)).collect())
    }

    fn whom_to_ask(&self, publisher: Publisher) -> Vec<NodeId> {
        let mut peers = self.elsewhere.connected();
        peers.sort_by_key(|node| self.asked.get(&(publisher, *node)).copied());
        peers.truncate(MAX_ASKED);
        peers
    }
}

impl Round {
    /// Whether another one is due, with so much of the feed here now.
    fn is_over(&self, have: u64) -> bool {
        let since = self.at.elapsed();
        since >= EVERY || (self.may_be_again() && self.left_out > 0 && have != self.have)
    }

    fn may_be_again(&self) -> bool {
        self.at.elapsed() >= SOON
    }
}

/// Waits until somebody is known of whom it is known what it speaks.
async fn somebody_new(met: &mut broadcast::Receiver<PeerEvent>) {
    loop {
        match met.recv().await {
            Ok(PeerEvent::Identified(_)) | Err(RecvError::Lagged(_)) => return,
            Ok(PeerEvent::Connected(_) | PeerEvent::Disconnected(_)) => {}
            // The swarm is gone, and this soon.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Asks a few nodes one after another.
async fn ask_all(
    elsewhere: &Elsewhere,
    publisher: Publisher,
    peers: &[NodeId],
) -> Result<Answer, CatalogError> {
    let mut all = Answer::default();
    for node in peers {
        let asked = timeout(PATIENCE, elsewhere.ask(node, publisher, None)).await;
        if let Ok(answer) = asked {
            let answer = answer?;
            all.fresh += answer.fresh;
            all.left_out += answer.left_out;
        }
    }
    Ok(all)
}
