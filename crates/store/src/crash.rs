//! Marked places at which the crash test ends the process. In a shipped build they are nothing.

#[cfg(not(feature = "crash-points"))]
mod points {
    use std::path::Path;

    /// A place at which a crash must be harmless.
    #[inline]
    pub(crate) fn point() {}

    /// A block file appeared that is not synced yet.
    #[inline]
    pub(crate) fn unsynced(_path: &Path) {}

    /// Everything written so far is about to be synced: returns what [`synced`] needs.
    #[inline]
    pub(crate) fn before_sync() -> usize {
        0
    }

    /// What was written before the matching [`before_sync`] is durable.
    #[inline]
    pub(crate) fn synced(_mark: usize) {}
}

#[cfg(feature = "crash-points")]
mod points {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::{Mutex, PoisonError};

    static REMAINING: AtomicI64 = AtomicI64::new(-1);
    static POWER: Mutex<Option<Vec<PathBuf>>> = Mutex::new(None);

    /// Aborts the process at the `after`-th place from now. With `power_cut`, block files that
    /// were not synced are damaged first, as a power cut may do.
    pub fn arm(after: u32, power_cut: Option<()>) {
        *POWER.lock().unwrap_or_else(PoisonError::into_inner) = power_cut.map(|()| Vec::new());
        REMAINING.store(i64::from(after), Ordering::SeqCst);
    }

    pub(crate) fn point() {
        if REMAINING.load(Ordering::SeqCst) < 0 || REMAINING.fetch_sub(1, Ordering::SeqCst) != 0 {
            return;
        }
        let power = POWER.lock().unwrap_or_else(PoisonError::into_inner);
        for (n, path) in power.iter().flatten().enumerate() {
            // The three things that a file system may leave of an unsynced file.
            let _ = match n % 3 {
                0 => fs::write(path, b""),
                1 => fs::remove_file(path),
                _ => Ok(()),
            };
        }
        std::process::abort();
    }

    pub(crate) fn unsynced(path: &Path) {
        let mut power = POWER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = power.as_mut() {
            files.push(path.to_owned());
        }
    }

    pub(crate) fn before_sync() -> usize {
        POWER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map_or(0, Vec::len)
    }

    pub(crate) fn synced(mark: usize) {
        if let Some(files) = POWER
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            files.drain(..mark);
        }
    }
}

#[cfg(feature = "crash-points")]
#[doc(hidden)]
pub use points::arm;
pub(crate) use points::{before_sync, point, synced, unsynced};
