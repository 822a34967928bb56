//! Why the operator retracts something, from the request until it is announced.
//!
//! Kept in memory only: what is lost when the node ends in between is the reason, not the
//! retraction.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cidcast_types::AssetId;

/// Reasons that wait. An asset that is never retracted leaves its reason behind.
const MOST: usize = 1_000;
/// Characters of a reason, as the format has it.
const MOST_REASON: usize = 1_000;

/// What was said, by asset.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Mutex<BTreeMap<AssetId, String>>);

impl Reasons {
    pub(super) fn say(&self, asset: &AssetId, reason: &str) {
        let mut all = self.lock();
        if all.len() < MOST || all.contains_key(asset) {
            all.insert(*asset, reason.chars().take(MOST_REASON).collect());
        }
    }

    /// What was said of an asset, possibly nothing.
    pub(super) fn of(&self, asset: &AssetId) -> String {
        self.lock().get(asset).cloned().unwrap_or_default()
    }

    /// It was announced.
    pub(super) fn forget(&self, asset: &AssetId) {
        self.lock().remove(asset);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AssetId, String>> {
        // Each change is one step: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_waits_until_it_was_announced() {
        let reasons = Reasons::default();
        let asset: AssetId = "01j9z3k5v8q2w4e6r7t9y0a1b2".parse().unwrap();
        assert_eq!(reasons.of(&asset), "");
        reasons.say(&asset, &"x".repeat(5_000));
        assert_eq!(reasons.of(&asset).len(), MOST_REASON);
        reasons.forget(&asset);
        assert_eq!(reasons.of(&asset), "");
    }
}
