//! Evidence of forks in the ledger.

use cidcast_announce::{Announcement, Publisher};
use cidcast_catalog::{CatalogError, Evidence, Feed, Recorded};

use super::{Ledger, LedgerError};
use crate::wire::Head;

impl Ledger {
    /// Keeps an announcement that does not go with what is recorded, and that, as evidence. Whether
    /// it is the first against its publisher.
    pub(super) async fn contradicts(
        &self,
        other: &Announcement,
        recorded: &Recorded,
    ) -> Result<bool, LedgerError> {
        let recorded = match recorded {
            Recorded::Conflict { recorded } => Some(*recorded),
            // The one before it is another one than it says.
            Recorded::Detached { .. } => {
                let feed = self.catalog().feed(&other.publisher()).await?;
                feed.and_then(|feed| feed.head)
            }
            _ => None,
        };
        let Some(recorded) = recorded else {
            return Ok(false);
        };
        // Pruned ones can be proven by nobody here any more.
        let Some(bytes) = self.bytes_of(recorded).await else {
            return Ok(false);
        };
        let Ok(first) = Announcement::verify(&bytes) else {
            return Ok(false);
        };
        Ok(self.keep_evidence(&first, other).await?)
    }

    /// The number of the newest announcement that a peer names, if another one has that number here
    /// and nothing is known against the publisher yet.
    pub(crate) async fn parts_from(
        &self,
        told: &Head,
        feed: &Feed,
    ) -> Result<Option<u64>, CatalogError> {
        let (Some(newest), Some(seq)) = (told.newest, told.count.checked_sub(1)) else {
            return Ok(None);
        };
        if told.count > feed.have || feed.forked_at.is_some() {
            return Ok(None); // what comes next shows whether it follows
        }
        let here = match told.count == feed.have {
            true => feed.head,
            false => {
                self.catalog()
                    .announcement_cid(&feed.publisher, seq)
                    .await?
            }
        };
        Ok(here.filter(|here| *here != newest).map(|_| seq))
    }

    /// Keeps two announcements that cannot both be. Whether they are the first against their
    /// publisher.
    pub(crate) async fn keep_evidence(
        &self,
        first: &Announcement,
        second: &Announcement,
    ) -> Result<bool, CatalogError> {
        let (publisher, seq) = (second.publisher(), second.seq());
        let is_known = self.is_forked(&publisher).await?;
        let kept = self.catalog().record_fork(first, second, self.now());
        let is_first = kept.await? == Evidence::Kept && !is_known;
        if is_first {
            tracing::warn!(%publisher, seq, "a publisher has two histories");
        }
        Ok(is_first)
    }

    /// Whether there is evidence against a publisher.
    pub(crate) async fn is_forked(&self, publisher: &Publisher) -> Result<bool, CatalogError> {
        let feed = self.catalog().feed(publisher).await?;
        Ok(feed.is_some_and(|feed| feed.forked_at.is_some()))
    }
}
