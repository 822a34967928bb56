//! What this node's assets, and those who pin here, ask of the pinset: each that is ready is kept by
//! the cluster, and let go of when it is deleted.

use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::cluster::{ClusterOp, PinAudience, PinSpec};
use cidcast_catalog::{Wish, WishAudience, Wisher};

use super::seat::Seat;
use super::{ClusterError, META_ASSET, META_NODE, META_REQUEST};

/// Events come in bursts: an upload changes its asset many times.
const SETTLE: Duration = Duration::from_secs(1);
/// How often to look when nothing is heard.
const TURN: Duration = Duration::from_secs(60);
/// After an error.
const AGAIN: Duration = Duration::from_secs(10);
/// Assets in one entry.
const BATCH: u32 = 64;
/// Characters of a pin's name.
const NAME: usize = 255;

impl Seat {
    pub(super) async fn keep_wishing(self: &Arc<Self>) {
        loop {
            let wait = match self.look_at_assets().await {
                Ok(()) => TURN,
                Err(error) => {
                    tracing::warn!(%error, "the pinset does not have all assets of this node yet");
                    AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wishes.notified() => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    async fn look_at_assets(&self) -> Result<(), ClusterError> {
        if !self.is_writer() {
            return Ok(());
        }
        let catalog = &self.parts.catalog;
        loop {
            let old = catalog.old_wishes(BATCH).await?;
            if old.is_empty() {
                break;
            }
            for wish in old {
                let root = wish.root;
                let is_last = catalog.forget_wish(&wish.wisher, &root).await?;
                if is_last && self.is_own(&wish) {
                    self.sign(|machine, now| machine.unpin_root(now, root))
                        .await?;
                }
            }
        }
        loop {
            let new = catalog.new_wishes(BATCH).await?;
            if new.is_empty() {
                return Ok(());
            }
            let ops: Vec<ClusterOp> = new.iter().filter_map(|wish| self.op_of(wish)).collect();
            if !ops.is_empty() {
                self.sign(|machine, now| machine.draft(now, ops)).await?;
            }
            catalog.note_wishes(&new).await?;
        }
    }

    /// Whether the pinset has the root because of this node.
    fn is_own(&self, wish: &Wish) -> bool {
        let me = self.me.to_string();
        self.with(|machine| {
            let spec = machine.spec(&wish.root);
            spec.is_some_and(|spec| spec.meta.get(META_NODE) == Some(&me))
        })
    }

    /// What brings the pinset to what an asset asks for; none if it is so, or somebody else's.
    fn op_of(&self, wish: &Wish) -> Option<ClusterOp> {
        let (root, me) = (wish.root, self.me.to_string());
        let audience = match wish.audience {
            WishAudience::Members => PinAudience::Members,
            WishAudience::Anyone => PinAudience::Anyone,
        };
        let there = self.with(|machine| machine.spec(&root).cloned());
        let mut spec = match there {
            Some(spec) if spec.meta.get(META_NODE) != Some(&me) => return None,
            Some(spec) => spec,
            None => PinSpec::new(self.settings.copies),
        };
        let before = spec.clone();
        match &wish.wisher {
            Wisher::Asset(asset) => {
                spec.audience = audience;
                spec.meta.insert(META_ASSET.to_owned(), asset.to_string());
            }
            Wisher::Request(request) => {
                // An own asset may have the same root, and be for more.
                if !spec.meta.contains_key(META_ASSET) || audience == PinAudience::Anyone {
                    spec.audience = audience;
                }
                spec.meta
                    .insert(META_REQUEST.to_owned(), request.to_string());
            }
        }
        let name: String = wish.title.chars().take(NAME).collect();
        if !name.is_empty() {
            spec.name = Some(name);
        }
        spec.meta.insert(META_NODE.to_owned(), me);
        (spec != before).then(|| ClusterOp::Pin {
            root,
            spec: Box::new(spec),
        })
    }
}
