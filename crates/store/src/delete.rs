//! Deleting blocks that nothing refers to, in the background.
//!
//! One thread owns the work. It ends when the store is closed or dropped, after the block in
//! hand. Two kinds of work wake it: an unpin has written block keys to the `doomed` table of the
//! pin database (they survive a restart), or a guard let go of blocks (kept in memory up to a
//! bound, and written to `doomed` when the thread ends). A key is only a suspicion: every block
//! is looked at again under its lock before it goes.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use cidcast_runtime::locked;

use crate::crash;
use crate::error::{DatabaseError, FlushError, SweepError};
use crate::key::BlockKey;
use crate::store::Core;

/// Keys that guards let go of and that wait in memory: 80 MB at most. More than that are left to
/// the next sweep.
const MAX_RELEASED: usize = 1 << 20;
/// Keys taken from the `doomed` table at a time: one small transaction each.
const BATCH: usize = 256;
/// After a failure (a full disk, as a rule), wait so long unless there is new work.
const RETRY: Duration = Duration::from_secs(10);
/// A flush gives up when nothing was deleted for so long.
const STUCK: Duration = Duration::from_secs(60);

/// What the deleting thread has to do.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    released: Vec<BlockKey>,
    doomed: bool,
    busy: bool,
    stopping: bool,
    /// Keys looked at so far, to see that the thread gets on.
    done: u64,
}

/// What became of a block that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was there and is gone.
    Deleted,
    /// It was not there.
    Absent,
    /// A pin refers to it, or a guard holds it.
    Wanted,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blocks deleted because nothing referred to them.
    pub deleted: u64,
    /// Blocks that stayed.
    pub kept: u64,
}

impl Queue {
    /// The `doomed` table has new keys.
    pub(crate) fn doomed(&self) {
        locked(&self.state).doomed = true;
        self.changed.notify_all();
    }

    /// Nobody holds these blocks any more.
    pub(crate) fn released(&self, mut keys: Vec<BlockKey>) {
        if keys.is_empty() {
            return;
        }
        let mut state = locked(&self.state);
        let room = MAX_RELEASED.saturating_sub(state.released.len());
        if keys.len() > room {
            tracing::warn!(
                left = keys.len() - room,
                "too many blocks to delete, run a sweep later"
            );
            keys.truncate(room);
        }
        state.released.append(&mut keys);
        drop(state);
        self.changed.notify_all();
    }

    /// Asks the thread to end after the block in hand.
    pub(crate) fn stop(&self) {
        locked(&self.state).stopping = true;
        self.changed.notify_all();
    }

    /// Waits until there is nothing to delete.
    pub(crate) fn flush(&self) -> Result<(), FlushError> {
        let mut state = locked(&self.state);
        while state.busy || state.doomed || !state.released.is_empty() {
            if state.stopping {
                return Err(FlushError::Closed);
            }
            let done = state.done;
            let waited = self
                .changed
                .wait_timeout_while(state, STUCK, |s| {
                    s.done == done && !s.stopping && (s.busy || s.doomed || !s.released.is_empty())
                })
                .unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() {
                return Err(FlushError::Stuck(STUCK.as_secs()));
            }
        }
        Ok(())
    }

    /// Waits for work: the released keys, which may be none if only `doomed` has some.
    fn next(&self) -> Option<Vec<BlockKey>> {
        let mut state = locked(&self.state);
        state.busy = false;
        self.changed.notify_all();
        while !state.stopping && !state.doomed && state.released.is_empty() {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.stopping {
            return None;
        }
        state.busy = true;
        state.doomed = false;
        Some(std::mem::take(&mut state.released))
    }

    /// Counts progress; whether to go on.
    fn step(&self) -> bool {
        let mut state = locked(&self.state);
        state.done += 1;
        let go_on = !state.stopping;
        drop(state);
        self.changed.notify_all();
        go_on
    }

    /// After a failure: puts the work back and waits a while.
    fn back_off(&self, released: Vec<BlockKey>) {
        self.released(released);
        let mut state = locked(&self.state);
        state.doomed = true;
        let (waiting, before) = (state.released.len(), state.done);
        let _ = self
            .changed
            .wait_timeout_while(state, RETRY, |s| {
                !s.stopping && s.released.len() == waiting && s.done == before
            })
            .unwrap_or_else(PoisonError::into_inner);
    }

    fn leftover(&self) -> Vec<BlockKey> {
        std::mem::take(&mut locked(&self.state).released)
    }
}

/// The thread's body.
pub(crate) fn run(core: &Core) {
    while let Some(mut released) = core.queue.next() {
        let done = delete_released(core, &mut released).and_then(|()| delete_doomed(core));
        if let Err(error) = done {
            tracing::warn!(%error, "cannot delete blocks now, will retry");
            core.queue.back_off(released);
        } else if !released.is_empty() {
            core.queue.released(released);
        }
    }
    let rest = core.queue.leftover();
    if !rest.is_empty()
        && let Err(error) = core.pins.doom(&rest)
    {
        tracing::warn!(%error, blocks = rest.len(), "unused blocks stay until the next sweep");
    }
}

fn delete_released(core: &Core, keys: &mut Vec<BlockKey>) -> Result<(), SweepError> {
    while let Some(key) = keys.last() {
        core.delete_unwanted(key)?;
        keys.pop();
        if !core.queue.step() {
            break;
        }
    }
    Ok(())
}

fn delete_doomed(core: &Core) -> Result<(), SweepError> {
    loop {
        let batch = core.pins.doomed(BATCH)?;
        if batch.is_empty() {
            return Ok(());
        }
        for (key, _) in &batch {
            core.delete_unwanted(key)?;
            if !core.queue.step() {
                return Ok(());
            }
        }
        crash::point();
        core.pins.forget_doomed(&batch)?;
        crash::point();
    }
}

impl Core {
    /// Deletes the block unless somebody wants it.
    pub(crate) fn delete_unwanted(&self, key: &BlockKey) -> Result<Fate, SweepError> {
        let mut shard = self.holds.shard(key);
        if shard.is_held(key) || self.pins.is_referenced(key)? {
            return Ok(Fate::Wanted);
        }
        if !self.folder.remove(key)? {
            return Ok(Fate::Absent);
        }
        self.metrics.blocks_deleted.inc();
        Ok(Fate::Deleted)
    }

    /// Deletes every block that nobody wants.
    pub(crate) fn sweep(&self) -> Result<Swept, SweepError> {
        let mut swept = Swept::default();
        for folder in self.folder.folders()? {
            for key in self.folder.blocks_in(&folder)? {
                if self.is_closed() {
                    return Err(DatabaseError::Closed.into());
                }
                match self.delete_unwanted(&key)? {
                    Fate::Deleted => swept.deleted += 1,
                    Fate::Wanted => swept.kept += 1,
                    Fate::Absent => {}
                }
            }
        }
        Ok(swept)
    }
}

/// The running thread. Dropping it stops the thread and waits for it.
#[derive(Debug)]
pub(crate) struct Deleter {
    queue: Arc<Queue>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Deleter {
    /// Starts the thread.
    pub(crate) fn start(core: Arc<Core>) -> std::io::Result<Self> {
        let queue = Arc::clone(&core.queue);
        let thread = std::thread::Builder::new()
            .name("store-delete".to_owned())
            .spawn(move || run(&core))?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Stops the thread and waits for the block in hand.
    pub(crate) fn stop(&self) {
        self.queue.stop();
        if let Some(thread) = locked(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the deleting thread panicked, unused blocks stay until the next open");
        }
    }
}

impl Drop for Deleter {
    fn drop(&mut self) {
        self.stop();
    }
}
