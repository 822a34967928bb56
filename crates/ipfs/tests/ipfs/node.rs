//! A swarm by itself.

use std::time::Duration;

use cidcast_ipfs::swarm::{Swarm, SwarmHandle, SwarmSettings};
use cidcast_runtime::Shutdown;
use tempfile::TempDir;

use crate::swarm::{LONG, settings};

/// A swarm with a folder of its own.
pub(crate) struct Node {
    pub(crate) swarm: Swarm,
    pub(crate) folder: TempDir,
}

impl Node {
    pub(crate) async fn new(listen: &[&str], change: impl FnOnce(&mut SwarmSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path(), listen);
        settings.retry = Duration::from_millis(100);
        change(&mut settings);
        let swarm = Swarm::start(settings, None, &Shutdown::new()).await;
        Self {
            swarm: swarm.unwrap(),
            folder,
        }
    }

    pub(crate) fn handle(&self) -> SwarmHandle {
        self.swarm.handle()
    }

    pub(crate) async fn address(&self) -> String {
        self.swarm.listen_addresses().await.remove(0)
    }

    pub(crate) async fn meet(&self, other: &Self) {
        let address = other.address().await;
        self.swarm.connect(&address, LONG).await.unwrap();
    }
}

/// Looks until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let seen = tokio::time::timeout(LONG, looking).await;
    seen.unwrap_or_else(|_| panic!("never: {what}"))
}
