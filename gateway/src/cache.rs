//! A bounded memory of things that never change, because their key names their content.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// Keeps what was used lately, within a weight.
///
/// Two generations: an entry is added to the young one and comes back to it when it is used; a
/// full young generation becomes the old one, whose entries are forgotten. Every operation takes
/// the same short time however much is kept, which an exact order of use would not give for less.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    generations: Mutex<Generations<K, V>>,
    generation_weight: usize,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_weight: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// Keeps at most `weight` in all, in the unit of [`Cache::insert`].
    pub(crate) fn new(weight: usize) -> Self {
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_weight: 0,
        };
        Self {
            generations: Mutex::new(generations),
            generation_weight: weight / 2,
        }
    }

    /// What was kept under `key`.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut all = self.lock();
        if let Some((value, _)) = all.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, weight)) = all.old.remove_entry(key)?;
        all.add(key, value.clone(), weight, self.generation_weight);
        Some(value)
    }

    /// Keeps `value`, unless it alone is too heavy.
    pub(crate) fn insert(&self, key: K, value: V, weight: usize) {
        if weight <= self.generation_weight {
            self.lock().add(key, value, weight, self.generation_weight);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        // A panic between the two steps of an insertion loses entries, never their truth.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn add(&mut self, key: K, value: V, weight: usize, limit: usize) {
        if self.young_weight.saturating_add(weight) > limit {
            self.old = mem::take(&mut self.young);
            self.young_weight = 0;
        }
        if self.young.insert(key, (value, weight)).is_none() {
            self.young_weight = self.young_weight.saturating_add(weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let cache = Cache::new(8);
        for key in 0..100 {
            cache.insert(key, key, 1);
            assert_eq!(cache.get(&0), Some(0), "after {key}");
        }
        let kept = (0..100).filter(|key| cache.get(key).is_some()).count();
        assert!(kept <= 8, "{kept}");
        assert_eq!(cache.get(&99), Some(99));
    }

    #[test]
    fn what_is_too_heavy_is_not_kept() {
        let cache = Cache::new(8);
        cache.insert("a", 1, 5);
        assert_eq!(cache.get(&"a"), None);
    }
}
