//! What came of asking.

use cidcast_announce::Publisher;
use cidcast_catalog::SyncNote;
use cidcast_ipfs::swarm::PeerId;

use super::super::evidence;
use super::super::fetch::{self, FetchError};
use super::super::metrics::Outcome;
use super::super::sync::Failure;
use super::{Done, Travel};
use crate::wire::{Heads, Mark};

impl Travel {
    pub(super) async fn done(&mut self, done: Done) {
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
        let mut same = Vec::new();
        for (publisher, count) in &heads {
            if *publisher == own {
                self.elsewhere.says(peer, *count);
            }
            match self.ledger.limits(publisher).await {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%error, "what is wanted could not be read");
                    let now = self.ledger.now();
                    self.sync.heads_failed(peer, Failure::Request, now);
                    return;
                }
            }
            let feed = self.ledger.catalog().feed(publisher).await;
            let have = feed.ok().flatten().map_or(0, |feed| feed.have);
            if *count == have && since.is_none() {
                same.push((*publisher, have));
            }
            self.sync.claimed(peer, *publisher, *count, have);
        }
        let last = heads.last().map(|(publisher, _)| *publisher);
        let after = last.filter(|_| more);
        if after.is_none() {
            match since {
                None => self.elsewhere.has_told(peer),
                Some(_) => self.elsewhere.has_told_more(peer),
            }
            self.ask_for_forks(peer, same);
        }
        self.sync.heads_answered(peer, after, mark);
    }

    fn ask_for_forks(&mut self, peer: PeerId, same: Vec<(Publisher, u64)>) {
        if !self.testifying.insert(peer) {
            return;
        }
        let (ledger, requests) = (self.ledger.clone(), self.requests.clone());
        self.under_way.spawn(async move {
            let compared = evidence::compare(&ledger, &requests, peer, same).await;
            let mut found = compared.unwrap_or_else(|error| {
                tracing::debug!(%peer, %error, "the heads of a peer were not compared");
                Vec::new()
            });
            let told = evidence::catch_up(&ledger, &requests, peer).await;
            let result = told.map(|more| {
                found.extend(more);
                found
            });
            Done::Forks { peer, result }
        });
    }
}

fn failure(error: &FetchError) -> Failure {
    match error.is_about_peer() {
        true => Failure::Peer,
        false => Failure::Request,
    }
}
