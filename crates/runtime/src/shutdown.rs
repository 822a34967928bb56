//! A tree of tasks that is told to stop once, and waited for.
//!
//! Owns: a cancellation token and the set of tasks spawned under it. Ends: when [`Shutdown::trigger`]
//! is called here or on any ancestor. Cancel safety: [`Shutdown::triggered`] and
//! [`Shutdown::drain`] may be dropped and called again.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handle to a subtree of tasks. Clones are the same subtree; [`Shutdown::child`] makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

/// Tasks were still running when the deadline passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{running} tasks still ran {deadline:?} after they were told to stop")]
pub struct DrainTimeout {
    /// How many tasks had not ended.
    pub running: usize,
    /// How long was waited.
    pub deadline: Duration,
}

impl Shutdown {
    /// The root of a new tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A subtree: told to stop when this one is, waited for on its own.
    pub fn child(&self) -> Self {
        Self {
            token: self.token.child_token(),
            tasks: TaskTracker::new(),
        }
    }

    /// The token that is cancelled when this subtree must stop.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether this subtree was told to stop.
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Tells this subtree to stop.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Waits until this subtree is told to stop.
    pub async fn triggered(&self) {
        self.token.cancelled().await;
    }

    /// Runs a task in this subtree. The task watches [`Shutdown::token`] itself; `name` is for logs.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(async move {
            let output = task.await;
            tracing::trace!(task = name, "ended");
            output
        })
    }

    /// Tells the subtree to stop and waits until all its tasks have ended.
    ///
    /// # Errors
    ///
    /// [`DrainTimeout`] if some still run after `deadline`; they are left running.
    pub async fn drain(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.trigger();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .map_err(|_| DrainTimeout {
                running: self.tasks.len(),
                deadline,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let root = Shutdown::new();
        let (one, two) = (root.child(), root.child());
        one.trigger();
        assert!(one.is_triggered() && !two.is_triggered() && !root.is_triggered());
        root.trigger();
        assert!(two.is_triggered());
    }

    #[tokio::test]
    async fn drain_waits_for_every_task() {
        let root = Shutdown::new();
        let inner = root.clone();
        let task = root.spawn("waits", async move {
            inner.triggered().await;
            7
        });
        root.drain(Duration::from_secs(10)).await.unwrap();
        assert_eq!(task.await.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn drain_names_what_would_not_stop() {
        let root = Shutdown::new();
        root.spawn("deaf", std::future::pending::<()>());
        let late = root.drain(Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(late.running, 1);
    }
}
