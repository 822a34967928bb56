//! Snapshots in the ledger: begun with, held, and what they make dispensable.

use cidcast_announce::{Announcement, Publisher, Snapshot, SnapshotReader};
use cidcast_catalog::{FeedChange, FeedLimits, Holding, Loading, SnapshotLoad};
use cidcast_store::{Audience, GetError, Holder, ParseHolderError, PinError};
use cidcast_types::Cid;

use super::{FeedEvent, Ledger, LedgerError, holder, on_disk};
use crate::feeds::segments::Segments;

/// What came of beginning a feed with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// So much of the feed is here now.
    Loaded { have: u64 },
    /// So much of the feed was here already.
    Here { have: u64 },
    /// It is not wanted, from the future, or there is no room.
    NotTaken,
}

impl Ledger {
    /// Bytes that a snapshot of a publisher may have here; none: nothing of it is wanted. The one
    /// that is held now would go.
    pub(crate) async fn room(&self, publisher: &Publisher) -> Result<Option<u64>, LedgerError> {
        let Some(limits) = self.limits(publisher).await? else {
            return Ok(None);
        };
        let catalog = self.catalog();
        let (usage, feed) = (catalog.feed_usage().await?, catalog.feed(publisher).await?);
        let held = catalog.held_snapshot(publisher).await?;
        let held = held.map_or(0, |held| held.bytes);
        let own = feed.map_or(0, |feed| feed.bytes).saturating_sub(held);
        let all = usage.bytes.saturating_sub(held);
        let room = limits.publisher_bytes.saturating_sub(own);
        Ok(Some(room.min(limits.total_bytes.saturating_sub(all))))
    }

    /// Makes a feed of which little is here what a snapshot says, all at once.
    pub(crate) async fn begin_with(
        &self,
        announcement: &Announcement,
        snapshot: &Snapshot,
        segments: &Segments,
    ) -> Result<Begun, LedgerError> {
        let publisher = announcement.publisher();
        let Some(limits) = self.limits(&publisher).await? else {
            return Ok(Begun::NotTaken);
        };
        let begun = {
            let _turn = self.inner.turn.lock().await;
            self.load(announcement, snapshot, (segments, &limits)).await
        };
        // Also after a failure: then nothing needs what was pinned.
        self.tidy(&publisher).await?;
        let begun = begun?;
        if let Begun::Loaded { .. } = begun {
            if let Some(feed) = self.catalog().feed(&publisher).await? {
                self.moved(&feed);
            }
            // Nobody listens: nothing is lost, all of it is in the rows.
            let _ = self.inner.events.send(FeedEvent {
                publisher,
                seq: snapshot.seq,
                change: FeedChange::Snapshotted,
            });
        }
        Ok(begun)
    }

    async fn load(
        &self,
        announcement: &Announcement,
        snapshot: &Snapshot,
        (segments, limits): (&Segments, &FeedLimits),
    ) -> Result<Begun, LedgerError> {
        let publisher = announcement.publisher();
        self.pin_segments(&publisher, snapshot.segments.clone())
            .await?;
        let catalog = self.catalog();
        let begun = catalog
            .load_snapshot(announcement, snapshot, segments.bytes, limits, self.now())
            .await?;
        Ok(match begun {
            Loading::Begun(load) => Begun::Loaded {
                have: self.fill(*load, publisher, snapshot).await?,
            },
            Loading::Here { have } => Begun::Here { have },
            Loading::Future | Loading::OverQuota(_) => Begun::NotTaken,
        })
    }

    /// One segment after another, with the memory of one.
    async fn fill(
        &self,
        mut load: SnapshotLoad,
        publisher: Publisher,
        snapshot: &Snapshot,
    ) -> Result<u64, LedgerError> {
        let mut reader = SnapshotReader::new(publisher, snapshot);
        while let Some(cid) = reader.expects() {
            let store = self.store().clone();
            let reading = move || -> Result<_, LedgerError> {
                let bytes = store.get(&cid)?;
                let entries = reader.read(&bytes)?;
                Ok((reader, entries))
            };
            let (read, entries) = on_disk(reading).await?;
            reader = read;
            load.add(&entries).await?;
        }
        Ok(load.finish().await?)
    }

    /// Holds the segments of the newest snapshot of a feed: they are here.
    pub(crate) async fn hold(
        &self,
        publisher: &Publisher,
        (named_by, segments): (&Cid, Vec<Cid>),
        bytes: u64,
    ) -> Result<Holding, LedgerError> {
        let Some(limits) = self.limits(publisher).await? else {
            return Ok(Holding::Superseded);
        };
        let turn = self.inner.turn.lock().await;
        self.pin_segments(publisher, segments).await?;
        let catalog = self.catalog();
        let held = catalog
            .hold_snapshot(publisher, named_by, bytes, &limits)
            .await?;
        drop(turn);
        self.tidy(publisher).await?;
        Ok(held)
    }

    /// Keeps only the CIDs of announcements before number `before`.
    pub(crate) async fn prune(
        &self,
        publisher: &Publisher,
        before: u64,
    ) -> Result<usize, LedgerError> {
        let turn = self.inner.turn.lock().await;
        let catalog = self.catalog();
        let pruned = catalog.prune_announcements(publisher, before).await?;
        drop(turn);
        self.tidy(publisher).await?;
        Ok(pruned.len())
    }

    /// Segments as pins. Whoever does this has noted, or notes in the rows, why: what rows do not
    /// need is released by [`Self::tidy`].
    pub(crate) async fn pin_segments(
        &self,
        publisher: &Publisher,
        segments: Vec<Cid>,
    ) -> Result<(), LedgerError> {
        self.catalog().mark_untidy(publisher).await?;
        let (holder, store) = (snapshot_holder(publisher)?, self.store().clone());
        on_disk(move || Ok(store.pin_blocks(&holder, &segments, Audience::Anyone)?)).await
    }

    /// Releases what is pinned for a feed and not needed by its rows.
    pub(crate) async fn tidy(&self, publisher: &Publisher) -> Result<(), LedgerError> {
        let _turn = self.inner.turn.lock().await;
        let needed = self.catalog().needed_blocks(publisher).await?;
        let (feed, snapshot) = (holder(publisher)?, snapshot_holder(publisher)?);
        let store = self.store().clone();
        on_disk(move || {
            for (holder, needed) in [(feed, needed.announcements), (snapshot, needed.segments)] {
                let mut pinned = store.pinned_roots(&holder).map_err(PinError::from)?;
                pinned.retain(|cid| !needed.contains(cid));
                store
                    .unpin_blocks(&holder, &pinned)
                    .map_err(PinError::from)?;
            }
            Ok(())
        })
        .await?;
        Ok(self.catalog().mark_tidy(publisher).await?)
    }

    /// Finishes what a process that ended too early left: before anything else is recorded.
    pub(crate) async fn tidy_all(&self) -> Result<(), LedgerError> {
        for publisher in self.catalog().untidy_feeds().await? {
            self.tidy(&publisher).await?;
        }
        Ok(())
    }

    /// The bytes of blocks that are all here; none if one is not.
    pub(crate) async fn size_of(&self, blocks: Vec<Cid>) -> Result<Option<u64>, LedgerError> {
        let store = self.store().clone();
        on_disk(move || {
            let mut sum: u64 = 0;
            for cid in &blocks {
                match store.size(cid) {
                    Ok(size) => sum = sum.saturating_add(size),
                    Err(GetError::NotFound { .. }) => return Ok(None),
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(Some(sum))
        })
        .await
    }
}

/// Whose pins the segments of a feed's snapshots are.
fn snapshot_holder(publisher: &Publisher) -> Result<Holder, ParseHolderError> {
    format!("snapshot/{publisher}").parse()
}
