//! Stopping a node: intake, workers, swarm and exchange, catalog, store, in this order and bounded in time.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{RunFile, Running};

/// Encoders are killed at once; this is for disk syncs.
const WORKERS: Duration = Duration::from_secs(20);
/// A player may be in the middle of a segment; it asks again.
const CONNECTIONS: Duration = Duration::from_secs(5);
/// Blocks that are being written.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Writing the log of SQLite back into its file.
const CATALOG: Duration = Duration::from_secs(10);
/// Syncing the blocks folder and closing the pins.
const STORE: Duration = Duration::from_secs(20);

impl Running {
    /// Stops everything. Says whether all of it ended in time; what did not is safe to kill.
    pub(crate) async fn stop(self) -> Stopped {
        let mut stopped = Stopped::Clean;
        let mut note = |what: &str, problem: Option<String>| {
            if let Some(problem) = problem {
                tracing::warn!(what, problem, "did not stop in time");
                stopped = Stopped::Late;
            }
        };
        if let Err(error) = RunFile::remove(&self.data_dir) {
            tracing::warn!(%error, "could not remove run.json");
        }
        // No new requests; uploads in flight end with the write path, which keeps what arrived.
        self.intake.trigger();
        let workers = self.ingest.stop(WORKERS).await;
        note("workers", workers.err().map(|error| error.to_string()));
        // Whoever waits for a block of a peer hears that there will be none.
        self.exchange_tasks.trigger();
        let connections = self.intake.drain(CONNECTIONS).await;
        note(
            "connections",
            connections.err().map(|error| error.to_string()),
        );
        note(
            "swarm",
            self.swarm.stop().await.err().map(|error| error.to_string()),
        );
        let exchange = self.exchange_tasks.drain(EXCHANGE).await;
        note("exchange", exchange.err().map(|error| error.to_string()));
        let closed = tokio::time::timeout(CATALOG, self.catalog.close()).await;
        note("catalog", closed.err().map(|error| error.to_string()));
        let store = self.store;
        let closing = tokio::task::spawn_blocking(move || store.close());
        match tokio::time::timeout(STORE, closing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => note("store", Some(error.to_string())),
            Ok(Err(error)) => note("store", Some(error.to_string())),
            Err(error) => note("store", Some(error.to_string())),
        }
        drop(self.lock);
        stopped
    }
}

/// How stopping went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Everything ended and was closed.
    Clean,
    /// Something did not end in time. Nothing is lost: the next start goes on.
    Late,
}

/// Waits for SIGINT or SIGTERM; a second one ends the process at once.
pub(crate) async fn stop_signal() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        eprintln!("stopped at once, on a second signal");
        std::process::exit(130);
    });
    Ok(name)
}
