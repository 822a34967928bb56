//! All of discovery, started and stopped as one.

use std::time::Duration;

use cidcast_runtime::{DrainTimeout, Shutdown};

use crate::feeds::{FeedArgs, Feeds, Mode, StartError};
use crate::serve;

/// The running discovery of a node. It has to be stopped before the swarm is.
#[derive(Debug)]
pub struct Discovery {
    feeds: Feeds,
    tasks: Shutdown,
}

impl Discovery {
    /// Starts it over a running swarm.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(args: FeedArgs, shutdown: &Shutdown) -> Result<Self, StartError> {
        let tasks = shutdown.child();
        let (swarm, clock, mode) = (args.swarm.clone(), args.clock.clone(), args.settings.mode);
        let feeds = Feeds::start(args, &tasks).await?;
        if mode != Mode::Off
            && let Some(inbound) = swarm.requests().serve()
        {
            serve::start(feeds.clone(), inbound, clock, &tasks);
        }
        Ok(Self { feeds, tasks })
    }

    /// Feeds: the own one, and those of others.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Tells every part to end, and waits for it.
    ///
    /// # Errors
    ///
    /// [`DrainTimeout`] if some part still runs; nothing is lost by ending the process then.
    pub async fn stop(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.tasks.drain(deadline).await
    }
}
