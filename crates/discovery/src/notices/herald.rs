//! What this node says to publishers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::{
    Day, Holds, NodeId, NodeKey, Notice, Outcome, Publisher, Says, SignError, ViewSharing,
};
use cidcast_catalog::{
    AssetOf, Catalog, CatalogError, Copy, CopyState, HeldPackage, NoticeLimits, Renditions, Replica,
};
use cidcast_types::Timestamp;

use crate::delivery::{Deliveries, DeliveryError};

use crate::takedown::Obey;

/// Copies, or days of views, that are told of in one go.
const BATCH: u32 = 200;
/// This node's own word always has room: it has no more copies than its budget.
const OWN: NoticeLimits = NoticeLimits {
    per_asset: u32::MAX,
    per_node: u32::MAX,
    total: u32::MAX,
};

/// What the herald is made from.
#[derive(Debug)]
pub struct HeraldArgs {
    /// Copies and views.
    pub catalog: Catalog,
    /// Takes notices to their nodes.
    pub deliveries: Deliveries,
    /// Signs.
    pub key: Arc<NodeKey>,
    /// What is done about retractions here.
    pub obey: Obey,
    /// How long a publisher is promised that a copy stays; it is told again when half of it is
    /// over.
    pub promise: Duration,
}

/// Something could not be said. It is tried again at the next turn.
#[derive(Debug, thiserror::Error)]
pub enum HeraldError {
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A notice could not be signed.
    #[error("a notice could not be signed: {0}")]
    Sign(#[from] SignError),
}

/// Says what this node has to say. Clones are the same.
#[derive(Debug, Clone)]
pub struct Herald {
    inner: Arc<HeraldArgs>,
}

impl Herald {
    /// Nothing is said before it is asked to.
    pub fn new(args: HeraldArgs) -> Self {
        Self {
            inner: Arc::new(args),
        }
    }

    /// Tells publishers of copies that they have not been told of, or not for long enough.
    pub(crate) async fn tell_of_copies(&self, now: Timestamp) -> Result<(), HeraldError> {
        let catalog = &self.inner.catalog;
        let soon = now.after(self.inner.promise / 2);
        loop {
            let untold = catalog.replicas_to_tell(soon, BATCH).await?;
            for replica in &untold {
                let until = now.after(self.inner.promise);
                if let Some(held) = &replica.held {
                    self.tell_of_copy(&replica.wanted.of, held, until, now)
                        .await?;
                }
                catalog.replica_told(&replica.wanted.of, until).await?;
            }
            if untold.len() < BATCH as usize {
                return Ok(());
            }
        }
    }

    /// Tells the publisher that a copy is going: that its retraction was obeyed, or that the copy
    /// is not here any more, if it was told that it is.
    pub(crate) async fn tell_of_the_end(
        &self,
        replica: &Replica,
        now: Timestamp,
    ) -> Result<(), HeraldError> {
        let of = replica.wanted.of;
        let AssetOf { publisher, asset } = of;
        if let Some(tombstone) = self.inner.catalog.tombstone(&of).await? {
            let seq = tombstone.seq;
            let outcome = Outcome::Deleted;
            let says = Says::RetractionAck {
                publisher,
                asset,
                seq,
                outcome,
            };
            self.say(says, &format!("acknowledgement/{of}"), now)
                .await?;
        }
        if replica.told_until.is_some_and(|until| until > now) {
            let root = replica.held.as_ref().map(|held| held.root);
            let root = root.unwrap_or(replica.wanted.root);
            let says = Says::ReplicaWithdrawn {
                publisher,
                asset,
                root,
            };
            let notice = self.say(says, &format!("replica/{of}"), now).await?;
            let copy = Copy {
                of,
                node: notice.node(),
                root,
                renditions: Renditions::All,
                state: CopyState::Withdrawn,
                until: now,
                at: now,
                first_seen: now,
                notice: notice.bytes().to_vec(),
            };
            self.show(&copy).await?;
        }
        Ok(())
    }

    /// Tells publishers what became of copies that stay although they were retracted.
    pub(crate) async fn acknowledge(&self, now: Timestamp) -> Result<(), HeraldError> {
        if self.inner.obey == Obey::Delete {
            return Ok(());
        }
        let catalog = &self.inner.catalog;
        for (of, seq) in catalog.unacknowledged(BATCH).await? {
            let says = Says::RetractionAck {
                publisher: of.publisher,
                asset: of.asset,
                seq,
                outcome: self.inner.obey.outcome(),
            };
            self.say(says, &format!("acknowledgement/{of}"), now)
                .await?;
            catalog.replica_acknowledged(&of, seq).await?;
        }
        Ok(())
    }

    /// Tells publishers how often their assets were watched here on days that are over, if they
    /// want to know.
    pub(crate) async fn tell_of_views(&self, now: Timestamp) -> Result<(), HeraldError> {
        let catalog = &self.inner.catalog;
        loop {
            let untold = catalog.untold_views(Day::of(now), BATCH).await?;
            for views in &untold {
                let AssetOf { publisher, asset } = views.of;
                let announced = catalog.announced_asset(&publisher, &asset).await?;
                let is_shared = announced
                    .is_some_and(|announced| announced.content.views == ViewSharing::Share);
                if is_shared {
                    let (day, count) = (views.day, views.count);
                    let says = Says::Views {
                        publisher,
                        asset,
                        day,
                        count,
                    };
                    let about = format!("views/{}/{day}", views.of);
                    self.say(says, &about, now).await?;
                }
            }
            catalog.views_told(&untold).await?;
            if untold.len() < BATCH as usize {
                return Ok(());
            }
        }
    }

    async fn tell_of_copy(
        &self,
        of: &AssetOf,
        held: &HeldPackage,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), HeraldError> {
        let says = Says::Replica {
            publisher: of.publisher,
            asset: of.asset,
            root: held.root,
            holds: match &held.renditions {
                Renditions::All => Holds::All,
                Renditions::Only(names) => Holds::Only(names.clone()),
            },
            until,
        };
        let notice = self.say(says, &format!("replica/{of}"), now).await?;
        let copy = Copy {
            of: *of,
            node: notice.node(),
            root: held.root,
            renditions: held.renditions.clone(),
            state: CopyState::Held,
            until,
            at: now,
            first_seen: held.at,
            notice: notice.bytes().to_vec(),
        };
        self.show(&copy).await
    }

    /// Keeps what this node said of its own copy among what others said: whoever asks for copies of
    /// a publisher gets it too, also when no node of the publisher is left.
    async fn show(&self, copy: &Copy) -> Result<(), HeraldError> {
        Ok(self.inner.catalog.note_copy(copy, OWN).await.map(drop)?)
    }

    /// Signs, and queues for every node of the publisher but this one.
    async fn say(&self, says: Says, about: &str, now: Timestamp) -> Result<Notice, HeraldError> {
        let publisher = says.publisher();
        let notice = Notice::sign(&self.inner.key, now, says)?;
        for (node, addresses) in self.nodes_of(&publisher).await? {
            let bytes = notice.bytes().clone();
            let queued = self.inner.deliveries.send(node, addresses, about, bytes);
            match queued.await {
                Ok(()) => {}
                Err(DeliveryError::Catalog(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(%node, about, %error, "a notice is not sent"),
            }
        }
        Ok(notice)
    }

    /// The nodes that the publisher's profile names, with their addresses.
    async fn nodes_of(
        &self,
        publisher: &Publisher,
    ) -> Result<BTreeMap<NodeId, Vec<String>>, CatalogError> {
        let feed = self.inner.catalog.feed(publisher).await?;
        let mut nodes: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        let own = self.inner.key.node();
        for address in feed.map(|feed| feed.profile.nodes).unwrap_or_default() {
            let name = address.rsplit_once("/p2p/").map(|(_, name)| name);
            let node = name.and_then(|name| name.parse().ok());
            if let Some(node) = node.filter(|node| *node != own) {
                nodes.entry(node).or_default().push(address);
            }
        }
        Ok(nodes)
    }
}
