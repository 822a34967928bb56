//! What other nodes say to the publisher of this one.

use std::time::Duration;

use cidcast_announce::{Day, Holds, Notice, Outcome, Says};
use cidcast_catalog::{
    Acknowledgement, AssetOf, Catalog, CatalogError, Copy, CopyState, DayViews, FeedOrigin, Noted,
    NoticeLimits, Renditions,
};
use cidcast_types::Timestamp;

/// How far ahead of this node's clock a notice may be.
const MAX_AHEAD: Duration = Duration::from_secs(24 * 3600);
/// The longest promise that is believed; a longer one is cut.
const MAX_PROMISE: Duration = Duration::from_secs(31 * 24 * 3600);
/// Days after which counts of a day are not taken any more: a node that was off for a month tells
/// what it has.
const MAX_DAYS: u32 = 35;
/// The most views of one asset on one node and day that are believed.
const MAX_VIEWS: u64 = 1_000_000_000;

/// A notice is not taken. Sent again as it is, it will not be taken either, but for the last two.
#[derive(Debug, thiserror::Error)]
pub enum NoticeRefused {
    /// It is about no publisher of this node.
    #[error("it is for a publisher of another node")]
    NotOurs,
    /// It is about something that was not announced, or not retracted.
    #[error("it is about nothing that the publisher has announced")]
    NoSuchAsset,
    /// Its time lies in the future, or what it says is long over.
    #[error("its time is too far from now")]
    BadTime,
    /// It says more than can be.
    #[error("it says more than can be")]
    Implausible,
    /// Something newer was said.
    #[error("the node has said the same, or something newer, before")]
    Old,
    /// It is said to somebody else of this crate.
    #[error("it is no notice about copies or views")]
    OtherKind,
    /// There are too many already.
    #[error("there is no room for more of these")]
    Full,
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Takes notices about copies, retractions and views. Clones are the same.
#[derive(Debug, Clone)]
pub struct Inbox {
    catalog: Catalog,
    limits: NoticeLimits,
}

impl Inbox {
    /// What it takes goes into the rows of `catalog`, within `limits`.
    pub fn new(catalog: Catalog, limits: NoticeLimits) -> Self {
        Self { catalog, limits }
    }

    /// Takes what a node said.
    ///
    /// # Errors
    /// [`NoticeRefused`]; then nothing is changed.
    pub async fn take(&self, notice: &Notice, now: Timestamp) -> Result<(), NoticeRefused> {
        if notice.at() > now.after(MAX_AHEAD) {
            return Err(NoticeRefused::BadTime);
        }
        let feed = self.catalog.feed(&notice.says().publisher()).await?;
        let is_ours = feed.is_some_and(|feed| feed.origin == FeedOrigin::Own);
        if !is_ours {
            return Err(NoticeRefused::NotOurs);
        }
        let noted = match notice.says() {
            Says::Replica { .. } | Says::ReplicaWithdrawn { .. } => {
                let copy = self.copy(notice, now).await?;
                self.catalog.note_copy(&copy, self.limits).await?
            }
            Says::RetractionAck { .. } => {
                let ack = self.acknowledgement(notice).await?;
                self.catalog.note_acknowledgement(&ack, self.limits).await?
            }
            Says::Views { .. } => self.views(notice, now).await?,
            _ => return Err(NoticeRefused::OtherKind),
        };
        match noted {
            Noted::Saved => Ok(()),
            Noted::Old => Err(NoticeRefused::Old),
            Noted::Full => Err(NoticeRefused::Full),
        }
    }

    /// Takes what nodes said of their copies of anything of a publisher that is known here, and
    /// somebody passed on: what cannot be taken is left out. Answers what was new.
    pub(super) async fn hear(
        &self,
        notices: &[Notice],
        now: Timestamp,
    ) -> Result<usize, CatalogError> {
        let mut copies = Vec::with_capacity(notices.len());
        for notice in notices {
            if notice.at() > now.after(MAX_AHEAD) {
                continue;
            }
            match self.copy(notice, now).await {
                Ok(copy) => copies.push(copy),
                Err(NoticeRefused::Catalog(error)) => return Err(error),
                Err(error) => tracing::debug!(%error, "a notice about a copy is not taken"),
            }
        }
        if copies.is_empty() {
            return Ok(0);
        }
        // What is said to this node's own publisher must not want for room.
        let limits = NoticeLimits {
            total: self.limits.total / 2,
            ..self.limits
        };
        self.catalog.note_copies(&copies, limits).await
    }

    async fn copy(&self, notice: &Notice, now: Timestamp) -> Result<Copy, NoticeRefused> {
        let (publisher, asset, root, holds, state, until) = match notice.says() {
            Says::Replica {
                publisher,
                asset,
                root,
                holds,
                until,
            } => (publisher, asset, root, holds, CopyState::Held, *until),
            Says::ReplicaWithdrawn {
                publisher,
                asset,
                root,
            } => {
                let state = CopyState::Withdrawn;
                (publisher, asset, root, &Holds::All, state, notice.at())
            }
            _ => return Err(NoticeRefused::OtherKind),
        };
        let of = AssetOf {
            publisher: *publisher,
            asset: *asset,
        };
        if state == CopyState::Held {
            if until <= now {
                return Err(NoticeRefused::BadTime);
            }
            self.check_announced(&of).await?;
        }
        Ok(Copy {
            of,
            node: notice.node(),
            root: *root,
            renditions: match holds {
                Holds::All => Renditions::All,
                Holds::Only(names) => Renditions::of(names),
            },
            state,
            until: until.min(now.after(MAX_PROMISE)),
            at: notice.at(),
            first_seen: now,
            notice: notice.bytes().to_vec(),
        })
    }

    /// A copy of what was retracted counts too: it is what has to be acknowledged.
    async fn check_announced(&self, of: &AssetOf) -> Result<(), NoticeRefused> {
        let announced = self
            .catalog
            .announced_asset(&of.publisher, &of.asset)
            .await?;
        if announced.is_some() || self.catalog.tombstone(of).await?.is_some() {
            return Ok(());
        }
        Err(NoticeRefused::NoSuchAsset)
    }

    async fn acknowledgement(&self, notice: &Notice) -> Result<Acknowledgement, NoticeRefused> {
        let Says::RetractionAck {
            publisher,
            asset,
            seq,
            outcome,
        } = notice.says()
        else {
            return Err(NoticeRefused::OtherKind);
        };
        let of = AssetOf {
            publisher: *publisher,
            asset: *asset,
        };
        let tombstone = self.catalog.tombstone(&of).await?;
        if tombstone.is_none_or(|tombstone| tombstone.seq != *seq) {
            return Err(NoticeRefused::NoSuchAsset);
        }
        let outcome: Outcome = *outcome;
        Ok(Acknowledgement {
            of,
            node: notice.node(),
            seq: *seq,
            outcome,
            at: notice.at(),
            notice: notice.bytes().to_vec(),
        })
    }

    async fn views(&self, notice: &Notice, now: Timestamp) -> Result<Noted, NoticeRefused> {
        let Says::Views {
            publisher,
            asset,
            day,
            count,
        } = notice.says()
        else {
            return Err(NoticeRefused::OtherKind);
        };
        let of = AssetOf {
            publisher: *publisher,
            asset: *asset,
        };
        let (today, day) = (Day::of(now).since_epoch(), *day);
        let number = day.since_epoch();
        if number > today + 1 || number + MAX_DAYS < today || number == 0 {
            return Err(NoticeRefused::BadTime);
        }
        if *count > MAX_VIEWS {
            return Err(NoticeRefused::Implausible);
        }
        self.check_announced(&of).await?;
        let count = *count;
        let views = DayViews { of, day, count };
        let (node, at) = (notice.node(), notice.at());
        Ok(self
            .catalog
            .note_views(&node, &views, at, self.limits)
            .await?)
    }
}
