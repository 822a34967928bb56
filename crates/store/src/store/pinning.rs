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

    /// Pins several roots, all or none.
    pub(crate) fn pin_all(
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
        if unpinned.blocks > 0 {
            self.core.queue.doomed();
        }
        self.core.metrics.pins_removed.inc_by(unpinned.pins);
        self.core.show(&self.core.pins.totals()?);
        Ok(unpinned)
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

    /// Shows what is pinned in the metrics.
    pub(super) fn show(&self, totals: &Totals) {
        let signed = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.pinned_blocks.set(signed(totals.blocks));
        self.metrics.pinned_bytes.set(signed(totals.bytes));
    }
}
