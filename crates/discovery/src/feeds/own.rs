//! The own feed: kept at what the catalog says is public.
//!
//! Reconcile: each turn compares the public, ready assets with what the feed announces, and signs
//! what is missing. It needs no input but the rows, so a turn can be cut off anywhere and run again.
//! A package is announced only when the store says that a pin opens it to anyone: then every block
//! under it is on disk and synced.
//!
//! A key that this node did not make may be ahead elsewhere: nothing is signed with it until
//! somebody has been asked, and never while more of the feed is known to exist than is here, or two
//! announcements of one number are: that would fork the feed, for good.

mod ops;

use cidcast_announce::{Announcement, Draft, Op, Profile, Publisher, SignError, SigningKey};
use cidcast_catalog::{CatalogError, Feed, OwnKey};
use cidcast_types::{AssetId, Timestamp};
use tokio::sync::watch;

use super::ledger::{Ledger, LedgerError};
use super::metrics::Outcome;

/// Operations in one announcement. More do not fit in 64 KiB unless they are very short.
const MOST_OPS: usize = 64;

/// Whether this node can sign for its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Ready,
    /// The key came from elsewhere, and nobody who may know more has been asked yet.
    Unconfirmed,
    /// Others have more of the feed than is here; it is being fetched.
    Behind {
        /// How many announcements are here.
        have: u64,
        /// How many there are.
        known: u64,
    },
    /// Somebody else signs with the same key. This cannot be mended: make a new key.
    Forked,
}

/// The own feed as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStatus {
    /// For whom this node signs.
    pub publisher: Publisher,
    /// Whether it can.
    pub standing: Standing,
    /// Why the last turn failed, if it did.
    pub error: Option<String>,
    /// When the last turn ended.
    pub reconciled_at: Option<Timestamp>,
    /// Assets that are public but whose package is not open to anyone yet.
    pub waiting: u64,
}

/// Why nothing was announced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// This node must not sign now.
    #[error("{}", refusal(.0))]
    NotReady(Standing),
    /// The rows.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The rows or the bytes.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The content.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The announcement was signed, and then not recorded.
    #[error("an own announcement was not recorded ({}); see the log", .0.as_str())]
    NotRecorded(Outcome),
    /// Discovery is off.
    #[error("discovery is off on this node; set `discovery.mode` to follows or open")]
    Off,
}

/// The asset that an operation retracts.
fn retracted(op: &Op) -> Option<&AssetId> {
    match op {
        Op::Retract(retract) => Some(&retract.asset),
        _ => None,
    }
}

fn refusal(standing: &Standing) -> &'static str {
    match standing {
        Standing::Ready => "this node can sign",
        Standing::Unconfirmed => {
            "the publisher's key came from elsewhere, and no peer has confirmed its latest number \
             yet; connect to a node that knows the feed"
        }
        Standing::Behind { .. } => {
            "others have more of this feed than is here; wait until it has been fetched"
        }
        Standing::Forked => {
            "another host signs with the same key; stop it, and make a new key here, for the feed \
             is forked for good"
        }
    }
}

/// The signing side of the own feed. One task has it.
pub(super) struct Own {
    key: SigningKey,
    ledger: Ledger,
    confirmed: bool,
    /// Why it is not known how long the feed is.
    doubt: Option<String>,
    status: watch::Sender<OwnStatus>,
}

impl Own {
    pub(super) fn new(
        key: SigningKey,
        ledger: Ledger,
        confirmed: bool,
        status: watch::Sender<OwnStatus>,
    ) -> Self {
        Self {
            key,
            ledger,
            confirmed,
            doubt: None,
            status,
        }
    }

    pub(super) fn publisher(&self) -> Publisher {
        self.key.publisher()
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Whether there are public assets whose package is not open to anyone yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.status.borrow().waiting > 0
    }

    /// Somebody who may know more was asked, and what they have is here.
    pub(super) async fn confirm(&mut self) -> Result<(), CatalogError> {
        let now = self.ledger.now();
        self.ledger
            .catalog()
            .set_own_publisher(&self.key.publisher(), OwnKey::Confirmed, now)
            .await?;
        self.confirmed = true;
        Ok(())
    }

    /// Why it cannot be known now how long the feed is; shown with the next turn.
    pub(super) fn doubt(&mut self, why: Option<String>) {
        self.doubt = why;
    }

    /// Compares and signs. `nodes`: where this node can be reached.
    pub(super) async fn reconcile(
        &mut self,
        nodes: Vec<String>,
    ) -> Result<Vec<Announcement>, OwnError> {
        let result = self.turn(nodes).await;
        let standing = self.standing().await?;
        let (error, doubt, now) = (
            result.as_ref().err().map(ToString::to_string),
            self.doubt.clone(),
            self.ledger.now(),
        );
        self.status.send_modify(|status| {
            status.standing = standing;
            status.reconciled_at = Some(now);
            status.error = match standing {
                Standing::Ready => error,
                Standing::Unconfirmed => doubt,
                Standing::Behind { .. } | Standing::Forked => None,
            };
        });
        result
    }

    /// Says something that does not come from the assets: who the publisher is, or where a snapshot
    /// can be had.
    pub(super) async fn announce(&mut self, op: Op) -> Result<Vec<Announcement>, OwnError> {
        self.check().await?;
        self.sign_all(vec![op]).await
    }

    async fn turn(&mut self, nodes: Vec<String>) -> Result<Vec<Announcement>, OwnError> {
        let feed = self.check().await?;
        let found = ops::wanted(&self.ledger, &self.key.publisher()).await?;
        self.status
            .send_modify(|status| status.waiting = found.waiting);
        let mut wanted = found.ops;
        let is_news = !wanted.is_empty() || feed.have > 0;
        if is_news && !nodes.is_empty() && feed.profile.nodes != nodes {
            let profile = Profile {
                nodes,
                ..feed.profile
            };
            wanted.insert(0, Op::Profile(profile));
        }
        self.sign_all(wanted).await
    }

    async fn check(&self) -> Result<Feed, OwnError> {
        match self.standing().await? {
            Standing::Ready => {}
            standing => return Err(OwnError::NotReady(standing)),
        }
        let publisher = self.key.publisher();
        let catalog = self.ledger.catalog();
        match catalog.feed(&publisher).await? {
            Some(feed) => Ok(feed),
            None => Err(OwnError::NotReady(Standing::Unconfirmed)),
        }
    }

    async fn standing(&self) -> Result<Standing, CatalogError> {
        let feed = self.ledger.catalog().feed(&self.key.publisher()).await?;
        Ok(match feed {
            Some(feed) if feed.forked_at.is_some() => Standing::Forked,
            Some(feed) if feed.known > feed.have => Standing::Behind {
                have: feed.have,
                known: feed.known,
            },
            Some(_) if self.confirmed => Standing::Ready,
            _ => Standing::Unconfirmed,
        })
    }

    /// Signs operations, in order, in as many announcements as it takes, and records each.
    async fn sign_all(&mut self, ops: Vec<Op>) -> Result<Vec<Announcement>, OwnError> {
        let mut signed = Vec::new();
        let mut rest = ops.as_slice();
        while !rest.is_empty() {
            let (announcement, used) = self.sign_some(rest).await?;
            // First: an announced asset that is deleted is retracted only if this is known.
            let assets: Vec<_> = announcement.ops().iter().filter_map(Op::asset).collect();
            self.ledger.catalog().note_signed_here(&assets).await?;
            let taken = self.ledger.take(vec![announcement.clone()]).await?;
            match taken.outcomes.first() {
                Some(Outcome::Applied) => {}
                Some(outcome) => return Err(OwnError::NotRecorded(*outcome)),
                None => return Err(OwnError::NotRecorded(Outcome::Unwanted)),
            }
            self.ledger.metrics().signed.inc();
            for asset in announcement.ops().iter().filter_map(retracted) {
                self.ledger.catalog().clear_retract_reason(asset).await?;
            }
            signed.push(announcement);
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(signed)
    }

    /// The next announcement with as many of the operations as fit.
    async fn sign_some(&self, ops: &[Op]) -> Result<(Announcement, usize), OwnError> {
        let feed = self.check().await?;
        let mut count = ops.len().min(MOST_OPS);
        loop {
            let draft = Draft {
                seq: feed.have,
                prev: feed.head,
                at: self.ledger.now(),
                ops: ops.iter().take(count).cloned().collect(),
            };
            match Announcement::sign(&self.key, draft) {
                Ok(announcement) => return Ok((announcement, count)),
                Err(SignError::TooLarge { .. }) if count > 1 => count /= 2,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
