//! Rows of `replicas` and the values that they hold.

use cidcast_announce::{NodeId, Publisher};
use cidcast_types::PinState;

use crate::CatalogError;
use crate::replica::{AssetOf, HeldPackage, Renditions, Replica, ReplicaProgress, WantedReplica};
use crate::row::{count, document, parse, size, time, to_document, unreadable};

/// One row, column by column.
#[derive(Debug)]
pub(super) struct ReplicaRow {
    pub(super) id: i64,
    pub(super) publisher: Vec<u8>,
    pub(super) asset: String,
    pub(super) root: String,
    pub(super) renditions: Option<String>,
    pub(super) bytes: i64,
    pub(super) reason: String,
    pub(super) place: i64,
    pub(super) state: String,
    pub(super) done_bytes: i64,
    pub(super) done_blocks: i64,
    pub(super) known_blocks: i64,
    pub(super) error: Option<String>,
    pub(super) failures: i64,
    pub(super) next_at: Option<i64>,
    pub(super) queued_at: i64,
    pub(super) held_root: Option<String>,
    pub(super) held_renditions: Option<String>,
    pub(super) held_bytes: Option<i64>,
    pub(super) held_at: Option<i64>,
    pub(super) told_until: Option<i64>,
    pub(super) acknowledged: Option<i64>,
}

impl ReplicaRow {
    pub(super) fn into_replica(self) -> Result<Replica, CatalogError> {
        let state: PinState = parse("replicas.state", &self.state)?;
        let held = self.held()?;
        Ok(Replica {
            id: self.id,
            state,
            held,
            progress: ReplicaProgress {
                bytes: size("replicas.done_bytes", self.done_bytes)?,
                blocks: size("replicas.done_blocks", self.done_blocks)?,
                blocks_known: size("replicas.known_blocks", self.known_blocks)?,
            },
            failures: count("replicas.failures", self.failures)?,
            next_at: self
                .next_at
                .map(|at| time("replicas.next_at", at))
                .transpose()?,
            queued_at: time("replicas.queued_at", self.queued_at)?,
            told_until: self
                .told_until
                .map(|at| time("replicas.told_until", at))
                .transpose()?,
            acknowledged: self
                .acknowledged
                .map(|seq| size("replicas.acknowledged", seq))
                .transpose()?,
            wanted: WantedReplica {
                of: AssetOf {
                    publisher: publisher_of("replicas.publisher", &self.publisher)?,
                    asset: parse("replicas.asset", &self.asset)?,
                },
                root: parse("replicas.root", &self.root)?,
                renditions: renditions_from_json("replicas.renditions", self.renditions)?,
                bytes: size("replicas.bytes", self.bytes)?,
                reason: parse("replicas.reason", &self.reason)?,
                place: count("replicas.place", self.place)?,
            },
            error: self.error,
        })
    }

    fn held(&self) -> Result<Option<HeldPackage>, CatalogError> {
        let (Some(root), Some(bytes), Some(at)) = (&self.held_root, self.held_bytes, self.held_at)
        else {
            return Ok(None);
        };
        Ok(Some(HeldPackage {
            root: parse("replicas.held_root", root)?,
            renditions: renditions_from_json(
                "replicas.held_renditions",
                self.held_renditions.clone(),
            )?,
            bytes: size("replicas.held_bytes", bytes)?,
            at: time("replicas.held_at", at)?,
        }))
    }
}

/// A publisher's raw key.
pub(crate) fn publisher_of(column: &'static str, key: &[u8]) -> Result<Publisher, CatalogError> {
    Publisher::from_bytes(key).map_err(|error| unreadable(column, error))
}

/// A node's raw key.
pub(crate) fn node_of(column: &'static str, key: &[u8]) -> Result<NodeId, CatalogError> {
    NodeId::from_bytes(key).map_err(|error| unreadable(column, error))
}

/// NULL for all of them.
pub(crate) fn renditions_to_json(renditions: &Renditions) -> Result<Option<String>, CatalogError> {
    match renditions {
        Renditions::All => Ok(None),
        Renditions::Only(names) => to_document("renditions", names).map(Some),
    }
}

/// What [`renditions_to_json`] writes.
pub(crate) fn renditions_from_json(
    column: &'static str,
    json: Option<String>,
) -> Result<Renditions, CatalogError> {
    match json {
        None => Ok(Renditions::All),
        Some(json) => document(column, &json).map(Renditions::Only),
    }
}
