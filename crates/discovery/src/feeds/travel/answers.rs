//! What came of asking.

use std::collections::BTreeSet;

use cidcast_announce::Publisher;
use cidcast_catalog::{CatalogError, SyncNote};
use cidcast_ipfs::swarm::PeerId;

use super::super::evidence;
use super::super::fetch::{self, FetchError};
use super::super::metrics::Outcome;
use super::super::sync::Failure;
use super::{Done, Travel};
use crate::wire::{Head, Heads, Mark};

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
            Done::Feeds {
                peer,
                asked,
                result,
            } => self.feeds(peer, asked, result).await,
            Done::Forks { peer, found } => {
                self.testifying.remove(&peer);
                for (publisher, seq) in found {
                    self.forked(&publisher, seq).await;
                }
            }
            Done::Name { result } => self.name_told(result).await,
        }
    }

    /// A peer was asked for feeds.
    async fn feeds(
        &mut self,
        peer: PeerId,
        asked: Vec<(Publisher, u64)>,
        result: Result<Vec<fetch::Piece>, FetchError>,
    ) {
        if let Some(deed) = fetch::deed_of_pieces(&result) {
            self.trust.note_peer(&peer, deed).await;
        }
        let pieces = match result {
            Ok(pieces) => pieces,
            Err(error) => {
                for (publisher, _) in asked {
                    self.not_delivered(peer, publisher, &error).await;
                }
                return;
            }
        };
        let mut left: BTreeSet<Publisher> = asked.iter().map(|(whose, _)| *whose).collect();
        for (publisher, result) in pieces {
            left.remove(&publisher);
            match result {
                Ok(have) => {
                    self.sync.delivered(publisher, have);
                    self.ledger.note(&publisher, &note_of(peer)).await;
                }
                Err(error) => self.not_delivered(peer, publisher, &error).await,
            }
        }
        for publisher in left {
            self.sync.not_answered(publisher);
        }
    }

    async fn not_delivered(&mut self, peer: PeerId, publisher: Publisher, error: &FetchError) {
        tracing::debug!(%peer, %publisher, %error, "a peer did not deliver");
        match error {
            FetchError::NotTaken(Outcome::Unwanted) => self.sync.dropped(&publisher),
            FetchError::Contradicts(seq) => self.forked(&publisher, *seq).await,
            _ => {}
        }
        let now = self.ledger.now();
        self.sync.failed(peer, publisher, failure(error), now);
        let note = SyncNote {
            error: Some(error.to_string()),
            ..note_of(peer)
        };
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
        let Heads {
            heads,
            more,
            mark,
            together,
        } = answer;
        self.sync.gives_together(peer, together);
        for head in &heads {
            if let Err(error) = self.head(peer, head).await {
                tracing::error!(%error, "what is here of a feed could not be read");
                let now = self.ledger.now();
                self.sync.heads_failed(peer, Failure::Request, now);
                return;
            }
        }
        let last = heads.last().map(|head| head.publisher);
        let after = last.filter(|_| more);
        if after.is_none() {
            match since {
                None => self.elsewhere.has_told(peer),
                Some(_) => self.elsewhere.has_told_more(peer),
            }
            self.ask_for_forks(peer);
        }
        self.sync.heads_answered(peer, after, mark);
    }

    /// What a peer says to have of one publisher.
    async fn head(&mut self, peer: PeerId, head: &Head) -> Result<(), CatalogError> {
        let Head {
            publisher, count, ..
        } = *head;
        if publisher == self.own.publisher() {
            self.elsewhere.says(peer, count);
        }
        if self.ledger.limits(&publisher).await?.is_none() {
            return Ok(());
        }
        let feed = self.ledger.catalog().feed(&publisher).await?;
        let have = feed.as_ref().map_or(0, |feed| feed.have);
        if let Some(feed) = feed
            && let Some(seq) = self.ledger.parts_from(head, &feed).await?
        {
            let differing = self.differing.entry(peer).or_default();
            if differing.len() < evidence::MOST_COMPARED {
                differing.push((publisher, seq));
            }
        }
        self.sync.claimed(peer, publisher, count, have);
        Ok(())
    }

    fn ask_for_forks(&mut self, peer: PeerId) {
        if !self.testifying.insert(peer) {
            return;
        }
        let differing = self.differing.remove(&peer).unwrap_or_default();
        let (ledger, requests) = (self.ledger.clone(), self.requests.clone());
        self.under_way.spawn(async move {
            let mut found = evidence::Found::new();
            let whom = (&requests, peer);
            let compared = evidence::compare(&ledger, whom, differing, &mut found).await;
            if let Err(error) = compared {
                tracing::debug!(%peer, %error, "the heads of a peer were not compared");
            }
            match evidence::catch_up(&ledger, &requests, peer).await {
                Ok(more) => found.extend(more),
                // Older programs do not know the question.
                Err(error) => tracing::debug!(%peer, %error, "a peer told of no forks"),
            }
            Done::Forks { peer, found }
        });
    }
}

fn note_of(peer: PeerId) -> SyncNote {
    SyncNote {
        source: Some(peer.to_string()),
        ..SyncNote::default()
    }
}

fn failure(error: &FetchError) -> Failure {
    match error.is_about_peer() {
        true => Failure::Peer,
        false => Failure::Request,
    }
}
