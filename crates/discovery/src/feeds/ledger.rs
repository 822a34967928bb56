//! The one way into the rows: verified announcements, wanted, within their quota, in order.
//!
//! Bytes first, rows second: an announcement's block is on disk and pinned before a row says so.
//! One at a time, so that two tasks never record the same feed side by side.

mod evidence;
mod snapshots;

use std::sync::Arc;

use cidcast_announce::{Announcement, Publisher, SegmentError, VerifyError};
use cidcast_catalog::{
    Catalog, CatalogError, Feed, FeedChange, FeedLimits, Interest, Recorded, SyncNote,
};
use cidcast_runtime::{Clock, locked, random_u128};
use cidcast_store::{Audience, GetError, Holder, ParseHolderError, PinError, PutError, Store};
use cidcast_types::{Cid, Timestamp};
use tokio::sync::{Mutex, broadcast};

use super::changes::Changes;
use super::metrics::{Metrics, Outcome};
use super::settings::{FeedSettings, Mode};
use crate::wire::{Head, Mark};

pub(crate) use snapshots::Begun;

/// How long after it was made an announcement can still be under way.
const IN_TRANSIT: u64 = 10 * 60 * 1000;
/// Events that a listener may lag behind; it reads the rows when it has missed some.
const EVENTS: usize = 1024;

/// Something that a feed now says, recorded a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Whose feed.
    pub publisher: Publisher,
    /// The announcement that says so.
    pub seq: u64,
    /// What.
    pub change: FeedChange,
}

/// Announcements were not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The rows.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The bytes.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The bytes, again.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// A segment of a snapshot, read again.
    #[error(transparent)]
    Get(#[from] GetError),
    /// What a segment of a snapshot says.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A name for pins could not be made.
    #[error(transparent)]
    Holder(#[from] ParseHolderError),
    /// The node is stopping.
    #[error("the node is stopping; nothing more is recorded")]
    Stopping,
}

/// What became of announcements of one publisher.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// For each that was looked at.
    pub(crate) outcomes: Vec<Outcome>,
    /// How many are here now.
    pub(crate) have: u64,
    /// Two of them, or one of them and one that was here, prove a fork of which nothing was known.
    pub(crate) is_evidence: bool,
}

/// See the module. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    store: Store,
    clock: Clock,
    settings: FeedSettings,
    metrics: Metrics,
    events: broadcast::Sender<FeedEvent>,
    changes: std::sync::Mutex<Changes>,
    turn: Mutex<()>,
}

impl Ledger {
    pub(crate) fn new(
        catalog: Catalog,
        store: Store,
        clock: Clock,
        settings: FeedSettings,
        metrics: Metrics,
    ) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        let run = u64::try_from(random_u128() >> 64).unwrap_or(0);
        Self {
            inner: Arc::new(Inner {
                catalog,
                store,
                clock,
                settings,
                metrics,
                events,
                changes: std::sync::Mutex::new(Changes::new(run)),
                turn: Mutex::default(),
            }),
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn settings(&self) -> &FeedSettings {
        &self.inner.settings
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<FeedEvent> {
        self.inner.events.subscribe()
    }

    /// How much of a publisher may be here; none: it is not wanted.
    pub(crate) async fn limits(
        &self,
        publisher: &Publisher,
    ) -> Result<Option<FeedLimits>, CatalogError> {
        let interest = self.inner.catalog.interest(publisher).await?;
        let quota = self.inner.settings.quota;
        Ok(match interest {
            // What this node says itself, and what its operator asked for, always has room left by
            // strangers.
            Interest::Own => Some(FeedLimits {
                publisher_bytes: u64::MAX,
                total_bytes: u64::MAX,
                publishers: u64::MAX,
            }),
            Interest::Followed => Some(quota),
            Interest::Unknown if self.inner.settings.mode == Mode::Open => Some(FeedLimits {
                total_bytes: quota.total_bytes / 2,
                publishers: quota.publishers / 2,
                ..quota
            }),
            Interest::Unknown | Interest::Blocked => None,
        })
    }

    /// Verifies bytes from outside, counting what is wrong with them.
    pub(crate) fn verify(&self, bytes: &[u8]) -> Result<Announcement, Outcome> {
        Announcement::verify(bytes).map_err(|error| {
            let outcome = match error {
                VerifyError::TooLarge { .. } => Outcome::Oversized,
                VerifyError::Signature | VerifyError::Signer(_) => Outcome::Forged,
                _ => Outcome::Unreadable,
            };
            self.inner.metrics.count(outcome);
            outcome
        })
    }

    /// Takes announcements of one publisher, in order, as far as they are wanted and follow what is
    /// here. Those that do not move the feed leave nothing behind but their count.
    pub(crate) async fn take(
        &self,
        announcements: Vec<Announcement>,
    ) -> Result<Taken, LedgerError> {
        let Some(first) = announcements.first() else {
            return Ok(Taken::default());
        };
        let publisher = first.publisher();
        let catalog = &self.inner.catalog;
        let Some(limits) = self.limits(&publisher).await? else {
            return Ok(self.refused(&announcements, Outcome::Unwanted));
        };
        let _turn = self.inner.turn.lock().await;
        let now = self.now();
        let mut taken = Taken::default();
        let mut rest = announcements.as_slice();
        // What does not follow needs no block.
        while let Some((next, others)) = rest.split_first() {
            let look = catalog.would_record(next, &limits, now).await?;
            if matches!(look, Recorded::Applied(_)) {
                break;
            }
            let recorded = catalog
                .record(std::slice::from_ref(next), &limits, now)
                .await?;
            for recorded in recorded {
                self.conclude(next, &recorded, now, &mut taken).await?;
            }
            rest = others;
        }
        if !rest.is_empty() {
            self.keep(&publisher, rest).await?;
            let recorded = catalog.record(rest, &limits, now).await?;
            let mut useless = Vec::new();
            for (announcement, recorded) in rest.iter().zip(&recorded) {
                if !matches!(recorded, Recorded::Applied(_)) {
                    useless.push(announcement.cid());
                }
                self.conclude(announcement, recorded, now, &mut taken)
                    .await?;
                self.tell(announcement, recorded);
            }
            self.let_go(&publisher, useless).await?;
        }
        let feed = catalog.feed(&publisher).await?;
        taken.have = feed.as_ref().map_or(0, |feed| feed.have);
        if let Some(feed) = feed
            && taken.outcomes.contains(&Outcome::Applied)
        {
            self.moved(&feed);
        }
        Ok(taken)
    }

    /// A feed has moved: whoever asks what has is told.
    fn moved(&self, feed: &Feed) {
        self.changes().note(Head {
            publisher: feed.publisher,
            count: feed.have,
            newest: feed.head,
        });
    }

    /// A mark of what is here now, and what has moved since another one, if that can be said.
    pub(crate) fn moved_since(&self, since: Option<&Mark>) -> (Mark, Option<Vec<Head>>) {
        let changes = self.changes();
        (changes.mark(), since.and_then(|mark| changes.since(mark)))
    }

    fn changes(&self) -> std::sync::MutexGuard<'_, Changes> {
        locked(&self.inner.changes)
    }

    /// Forgets all of a publisher, rows and blocks.
    pub(crate) async fn forget(&self, publisher: &Publisher) -> Result<(), LedgerError> {
        {
            let _turn = self.inner.turn.lock().await;
            self.inner.catalog.forget_feed(publisher).await?;
        }
        self.tidy(publisher).await
    }

    /// Notes how asking for a feed went.
    pub(crate) async fn note(&self, publisher: &Publisher, note: &SyncNote) {
        if let Err(error) = self.inner.catalog.note_sync(publisher, note).await {
            tracing::warn!(%publisher, %error, "how catching up goes could not be noted");
        }
    }

    /// The bytes of an announcement that is kept here.
    pub(crate) async fn bytes_of(&self, cid: Cid) -> Option<bytes::Bytes> {
        let store = self.inner.store.clone();
        let read = tokio::task::spawn_blocking(move || store.get(&cid))
            .await
            .ok()?;
        match read {
            Ok(bytes) => Some(bytes),
            Err(GetError::NotFound { .. }) => None,
            Err(error) => {
                tracing::warn!(%cid, %error, "an announcement could not be read");
                None
            }
        }
    }

    fn refused(&self, announcements: &[Announcement], outcome: Outcome) -> Taken {
        for _ in announcements {
            self.inner.metrics.count(outcome);
        }
        Taken {
            outcomes: vec![outcome; announcements.len()],
            ..Taken::default()
        }
    }

    /// What an announcement was, counted; evidence of a fork is kept.
    async fn conclude(
        &self,
        announcement: &Announcement,
        recorded: &Recorded,
        now: Timestamp,
        taken: &mut Taken,
    ) -> Result<(), LedgerError> {
        let is_late = announcement.at().as_millis().saturating_add(IN_TRANSIT) >= now.as_millis();
        let outcome = match recorded {
            Recorded::Applied(_) => Outcome::Applied,
            Recorded::Duplicate => Outcome::Duplicate,
            Recorded::Superseded if is_late => Outcome::Delayed,
            Recorded::Superseded => Outcome::Replayed,
            Recorded::Gap { .. } => Outcome::Reordered,
            Recorded::Detached { .. } | Recorded::Conflict { .. } => {
                taken.is_evidence |= self.contradicts(announcement, recorded).await?;
                Outcome::Conflicting
            }
            Recorded::Future => Outcome::FutureDated,
            Recorded::OverQuota(_) => Outcome::OverQuota,
        };
        self.inner.metrics.count(outcome);
        taken.outcomes.push(outcome);
        Ok(())
    }

    fn tell(&self, announcement: &Announcement, recorded: &Recorded) {
        let Recorded::Applied(changes) = recorded else {
            return;
        };
        for change in changes {
            // Nobody listens: nothing is lost, all of it is in the rows.
            let _ = self.inner.events.send(FeedEvent {
                publisher: announcement.publisher(),
                seq: announcement.seq(),
                change: change.clone(),
            });
        }
    }

    /// The bytes as blocks, on disk and pinned.
    async fn keep(&self, publisher: &Publisher, all: &[Announcement]) -> Result<(), LedgerError> {
        let (holder, store) = (holder(publisher)?, self.inner.store.clone());
        let blocks: Vec<_> = all
            .iter()
            .map(|one| (one.cid(), one.bytes().clone()))
            .collect();
        on_disk(move || {
            let guard = store.in_flight();
            for (cid, bytes) in &blocks {
                store.put(cid, bytes, &guard)?;
            }
            let cids: Vec<Cid> = blocks.iter().map(|(cid, _)| *cid).collect();
            Ok(store.pin_blocks(&holder, &cids, Audience::Anyone)?)
        })
        .await
    }

    async fn let_go(&self, publisher: &Publisher, blocks: Vec<Cid>) -> Result<(), LedgerError> {
        let (holder, store) = (holder(publisher)?, self.inner.store.clone());
        on_disk(move || {
            let unpinned = store.unpin_blocks(&holder, &blocks);
            unpinned.map_err(PinError::from)?;
            Ok(())
        })
        .await
    }
}

/// Whose pins the blocks of a feed are.
pub(crate) fn holder(publisher: &Publisher) -> Result<Holder, ParseHolderError> {
    format!("feed/{publisher}").parse()
}

pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| LedgerError::Stopping)?
}
