//! What services outside the cluster keep: said in the log, so that every member counts it.

use std::collections::BTreeSet;

use cid::Cid;
use cidcast_announce::cluster::ClusterOp;

use super::{Cluster, ClusterError};
use crate::machine::Machine;

/// Operations in one entry.
const BATCH: usize = 256;

/// Roots with the addresses of services that keep them.
pub type Replicas = BTreeSet<(Cid, String)>;

impl Cluster {
    /// Tells the others which roots of the pinset services keep for this node, if that has changed.
    /// What is `in_doubt` stays as it was said: a service that is away for a while is no reason to
    /// make copies. Nothing is said where this node is in no cluster, or may not write.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; the call can be repeated.
    pub async fn say_elsewhere(
        &self,
        kept: &Replicas,
        in_doubt: &Replicas,
    ) -> Result<(), ClusterError> {
        let Ok(seat) = self.seat() else {
            return Ok(());
        };
        if !seat.is_writer() {
            return Ok(());
        }
        let news = seat.with(|machine| news(machine, kept, in_doubt));
        for ops in news.chunks(BATCH) {
            let ops = ops.to_vec();
            seat.sign(|machine, now| machine.draft(now, ops)).await?;
        }
        Ok(())
    }
}

fn news(machine: &Machine, kept: &Replicas, in_doubt: &Replicas) -> Vec<ClusterOp> {
    let said: Replicas = machine.said_elsewhere().into_iter().collect();
    let is_pinned = |(root, _): &&(Cid, String)| machine.spec(root).is_some();
    let new = kept.difference(&said).filter(is_pinned);
    let new = new.map(|replica| op(replica, true));
    let gone = said.difference(kept);
    let gone = gone.filter(|replica| !in_doubt.contains(*replica));
    new.chain(gone.map(|replica| op(replica, false))).collect()
}

fn op((root, service): &(Cid, String), kept: bool) -> ClusterOp {
    ClusterOp::Elsewhere {
        root: *root,
        service: service.clone(),
        kept,
    }
}
