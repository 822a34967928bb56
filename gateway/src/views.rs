//! How often playing began: a number for each subject, and nothing about who played.
//!
//! The gateway only counts in memory. Whoever shares the counter takes the numbers out now and then
//! and does with them what it likes; the gateway itself writes nothing (invariant 4 of the
//! architecture).

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::play::Subject;

/// Different subjects that are counted until somebody takes the numbers out. More are not: each
/// has to be playable here, so that nobody gets there by inventing names.
const MAX_SUBJECTS: usize = 16 * 1024;

/// Counts of views. Clones share them.
#[derive(Clone, Default)]
pub struct Views {
    counts: Arc<Mutex<HashMap<Subject, u64>>>,
}

impl Views {
    /// Nothing counted.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted since the last call, in no order.
    pub fn take(&self) -> Vec<(Subject, u64)> {
        mem::take(&mut *self.lock()).into_iter().collect()
    }

    /// One more view.
    pub(crate) fn count(&self, subject: Subject) {
        let mut counts = self.lock();
        if counts.len() >= MAX_SUBJECTS && !counts.contains_key(&subject) {
            return;
        }
        let count = counts.entry(subject).or_default();
        *count = count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, u64>> {
        // Each change is one step: a panic elsewhere leaves nothing half done.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views")
            .field("subjects", &self.lock().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use cidcast_types::{AssetId, Timestamp};

    use super::*;

    fn asset(n: u64) -> Subject {
        Subject::Asset(AssetId::from_parts(Timestamp::from_millis(n), 0))
    }

    #[test]
    fn what_was_taken_is_not_given_again() {
        let views = Views::new();
        let shared = views.clone();
        shared.count(asset(1));
        shared.count(asset(1));
        assert_eq!(views.take(), [(asset(1), 2)]);
        assert_eq!(views.take(), []);
    }

    #[test]
    fn the_number_of_subjects_is_bounded() {
        let views = Views::new();
        for n in 0..=MAX_SUBJECTS as u64 {
            views.count(asset(n));
        }
        views.count(asset(0));
        let taken = views.take();
        assert_eq!(taken.len(), MAX_SUBJECTS);
        assert!(taken.contains(&(asset(0), 2)), "what is known counts on");
    }
}
