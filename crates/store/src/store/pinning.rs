//! Pinning and unpinning.

use cid::Cid;

use super::{Core, Store};
use crate::crash;
use crate::dag::{Visit, Walk};
use crate::error::{DatabaseError, PinError};
use crate::hold::InFlight;
use crate::key::BlockKey;
use crate::links::is_leaf;
use crate::pins::{Audience, Holder, NewPin, Pin, PinScope, PinSummary, Totals, Unpinned};

impl Store {
    /// Pins the DAG under `root` for `holder`: every block must be here, is synced, and stays.
    /// Durable when this returns. A pin that exists already takes the new audience; one of a part
    /// becomes one of the whole.
    pub fn pin(
        &self,
        holder: &Holder,
        root: &Cid,
        audience: Audience,
    ) -> Result<PinSummary, PinError> {
        self.pin_part(holder, root, audience, &PinScope::Whole)
    }

    /// As [`Self::pin`], of a part of the DAG: only its blocks must be here, are counted, kept and
    /// looked for by [`Self::verify`]. A pin that exists already takes the new scope, in one step:
    /// what it gains must be here, and what it loses is deleted in the background unless another
    /// pin has it.
    pub fn pin_part(
        &self,
        holder: &Holder,
        root: &Cid,
        audience: Audience,
        scope: &PinScope,
    ) -> Result<PinSummary, PinError> {
        if let Some(summary) = self.core.pins.keep(holder, root, audience, scope)? {
            return Ok(summary);
        }
        let mut summaries = self.pin_each(holder, &[*root], audience, scope)?;
        Ok(summaries.pop().unwrap_or_default())
    }

    /// Pins single blocks, not what they link to: a pin for each, all or none. For things that are
    /// complete by themselves, such as the announcements of a feed, each of which links to the one
    /// before it. Durable when this returns.
    pub fn pin_blocks(
        &self,
        holder: &Holder,
        blocks: &[Cid],
        audience: Audience,
    ) -> Result<(), PinError> {
        let guard = self.in_flight();
        let mut pins = Vec::with_capacity(blocks.len());
        for cid in blocks {
            let Ok(key) = BlockKey::of(cid) else {
                continue; // it carries its bytes
            };
            guard.hold_key(key);
            let size = self.core.folder.size(&key)?;
            let size = size.ok_or_else(|| PinError::Missing {
                root: Box::new(*cid),
                cid: *cid,
            })?;
            pins.push(NewPin {
                root: *cid,
                blocks: vec![(key, u32::try_from(size).unwrap_or(u32::MAX))],
                scope: PinScope::Whole,
            });
        }
        self.core.sync()?;
        let unpinned = self.core.pins.add(holder, audience, &pins)?;
        if unpinned.blocks > 0 {
            self.core.queue.doomed();
        }
        self.core.metrics.pins_added.inc_by(pins.len() as u64);
        self.core.show(&self.core.pins.totals()?);
        drop(guard);
        Ok(())
    }

    /// Pins several roots, all or none, in one durable step.
    pub fn pin_all(
        &self,
        holder: &Holder,
        roots: &[Cid],
        audience: Audience,
    ) -> Result<Vec<PinSummary>, PinError> {
        self.pin_each(holder, roots, audience, &PinScope::Whole)
    }

    fn pin_each(
        &self,
        holder: &Holder,
        roots: &[Cid],
        audience: Audience,
        scope: &PinScope,
    ) -> Result<Vec<PinSummary>, PinError> {
        // Held until the pins are saved, so that no block goes between being seen and being
        // referred to.
        let guard = self.in_flight();
        let pins = roots
            .iter()
            .map(|root| self.core.collect(root, scope, &guard))
            .collect::<Result<Vec<_>, _>>()?;
        self.core.sync()?;
        crash::point();
        let unpinned = self.core.pins.add(holder, audience, &pins)?;
        if unpinned.blocks > 0 {
            self.core.queue.doomed();
        }
        self.core.metrics.pins_added.inc_by(pins.len() as u64);
        self.core.show(&self.core.pins.totals()?);
        drop(guard);
        Ok(pins.iter().map(NewPin::summary).collect())
    }

    /// Removes one pin of a holder, or all of them; no pin is no error. Durable when this
    /// returns. Blocks that no pin refers to any more are deleted in the background.
    pub fn unpin(&self, holder: &Holder, root: Option<&Cid>) -> Result<Unpinned, DatabaseError> {
        let unpinned = self.core.pins.remove(holder, root)?;
        self.core.unpinned(unpinned)
    }

    /// As [`Self::unpin`], of some pins of a holder in one durable step.
    pub fn unpin_blocks(&self, holder: &Holder, roots: &[Cid]) -> Result<Unpinned, DatabaseError> {
        if roots.is_empty() {
            return Ok(Unpinned::default());
        }
        let unpinned = self.core.pins.remove_each(holder, roots)?;
        self.core.unpinned(unpinned)
    }

    /// Changes who may have the blocks of all pins of a holder; how many pins it has.
    pub fn set_audience(&self, holder: &Holder, audience: Audience) -> Result<u64, DatabaseError> {
        self.core.pins.set_audience(holder, audience)
    }

    /// Who may have a block: `None` if no pin refers to it. One look-up. An identity CID carries
    /// its bytes, so anyone who can ask has them already.
    pub fn audience(&self, cid: &Cid) -> Result<Option<Audience>, DatabaseError> {
        match BlockKey::of(cid) {
            Ok(key) => self.core.pins.audience(&key),
            Err(_) => Ok(Some(Audience::Anyone)),
        }
    }

    /// The pin of a root for a holder, if there is one.
    pub fn pin_of(&self, holder: &Holder, root: &Cid) -> Result<Option<Pin>, DatabaseError> {
        self.core.pins.pin(holder, root)
    }

    /// The roots of all pins of a holder.
    pub fn pinned_roots(&self, holder: &Holder) -> Result<Vec<Cid>, DatabaseError> {
        self.core.pins.roots(holder)
    }

    /// The pins of every holder whose name begins so, by holder and root.
    pub fn pins_with(&self, prefix: &str) -> Result<Vec<Pin>, DatabaseError> {
        self.core.pins.pins_with(prefix)
    }

    /// Every pin, by holder and root.
    pub fn pins(&self) -> Result<Vec<Pin>, DatabaseError> {
        self.core.pins.pins()
    }
}

impl Core {
    /// Walks a DAG, as far as `scope` goes, and holds each block of it.
    fn collect(&self, root: &Cid, scope: &PinScope, guard: &InFlight) -> Result<NewPin, PinError> {
        let mut walk = Walk::new(root, self.settings.max_dag_blocks);
        let mut blocks = Vec::new();
        while let Some(step) = walk.next()? {
            guard.hold_key(step.key);
            let missing = || PinError::Missing {
                root: Box::new(*root),
                cid: step.cid,
            };
            let size = if is_leaf(&step.cid) || scope.ends_at(&step.cid) {
                self.folder.size(&step.key)?.ok_or_else(missing)?
            } else {
                let data = self.folder.read(&step.key)?.ok_or_else(missing)?;
                walk.expand(&step.cid, &data)?;
                data.len() as u64
            };
            if step.visit == Visit::First {
                blocks.push((step.key, u32::try_from(size).unwrap_or(u32::MAX)));
            }
        }
        Ok(NewPin {
            root: *root,
            blocks,
            scope: scope.clone(),
        })
    }

    /// What follows from pins that were removed.
    fn unpinned(&self, unpinned: Unpinned) -> Result<Unpinned, DatabaseError> {
        if unpinned.blocks > 0 {
            self.queue.doomed();
        }
        self.metrics.pins_removed.inc_by(unpinned.pins);
        self.show(&self.pins.totals()?);
        Ok(unpinned)
    }

    /// Shows what is pinned in the metrics.
    pub(super) fn show(&self, totals: &Totals) {
        let signed = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.pinned_blocks.set(signed(totals.blocks));
        self.metrics.pinned_bytes.set(signed(totals.bytes));
    }
}
