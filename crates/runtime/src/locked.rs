//! A mutex whose poisoning does not matter.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex that guards short critical sections, each of which leaves its value consistent
/// wherever it panics: nobody has to refuse the value because somebody else did.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
