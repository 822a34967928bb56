//! Parts of a node that are told whenever an asset has changed.

use cidcast_ingest::Event;
use cidcast_runtime::Shutdown;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Calls `changed` for every event, as a task of this name. What was missed is as good as what was
/// heard: whoever is told compares everything.
pub(super) fn tell(
    task: &'static str,
    mut events: Receiver<Event>,
    changed: impl Fn() + Send + 'static,
    shutdown: &Shutdown,
) {
    let token = shutdown.token().clone();
    let telling = async move {
        while !matches!(events.recv().await, Err(RecvError::Closed)) {
            changed();
        }
    };
    shutdown.spawn(task, async move {
        token.run_until_cancelled_owned(telling).await
    });
}
