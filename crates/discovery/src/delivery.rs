//! Deliveries: notices to other nodes, until they have arrived or are given up.
//!
//! [`Deliveries::send`] puts a signed notice into the catalog; the loop takes those that are due to
//! their nodes, many in one request and in the order in which they were queued. What does not arrive
//! is tried [`RETRY`] more times, each wait three times longer than the one before: 16 hours and 24
//! minutes in all, as PeerTube's first protocol had it. Then it is given up, stays visible, and can
//! be tried again by the operator. A notice that is refused is given up at once.
//!
//! Owns: one task, and up to [`AT_ONCE`] requests. Ends: with the `Shutdown` it was started under.
//! Cancel safety: a notice that was sent and not noted is sent again; whoever takes notices takes
//! the same one twice without harm. Across restarts everything is in rows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::NodeId;
use cidcast_catalog::{Catalog, CatalogError, Delivery, DeliveryCounts, NewDelivery, Undelivered};
use cidcast_runtime::{Backoff, Clock, Shutdown};
use futures::StreamExt;
use futures::stream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::ask::Asker;
use crate::trust::Trust;
use crate::wire::{NoticeAnswer, Request, Response};

/// When a notice is tried again. The ceiling is never reached; it bounds a changed schedule.
pub const RETRY: Backoff = Backoff {
    first: Duration::from_secs(2),
    factor: 3,
    ceiling: Duration::from_secs(24 * 3600),
    attempts: 10,
};
/// Nodes that are asked at a time (PeerTube: no more than 10).
pub const AT_ONCE: usize = 10;
/// Notices for one node in one request, and their bytes: a request has at most 128 KiB.
const MAX_NOTICES: u32 = 64;
const MAX_BYTES: usize = 96 << 10;
/// Nodes in one turn: whoever is slow holds up these and nobody else.
const NODES_IN_TURN: u32 = 64;
/// Without an event: a clock that was set back delays nothing for longer.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Longest description of an error that is kept.
const MAX_ERROR: usize = 300;

/// What deliveries are started with.
#[derive(Debug, Clone)]
pub struct DeliveryArgs {
    /// Where the queue is kept.
    pub catalog: Catalog,
    /// How nodes are asked.
    pub asker: Asker,
    /// Says who gets none.
    pub trust: Trust,
    /// For due times.
    pub clock: Clock,
}

/// A notice was not queued.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Too many wait.
    #[error(
        "too many notices wait to be delivered: drop some (cidcast peer deliveries), or wait until \
         they have arrived"
    )]
    Full,
    /// It is larger than any request.
    #[error("the notice has {bytes} bytes, and at most {MAX_BYTES} can be delivered")]
    TooLarge {
        /// What it has.
        bytes: usize,
    },
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// The queue of notices. Cheap to clone.
///
/// For replication and everybody else who has something to tell a node:
/// `deliveries.send(node, addresses, about, notice.bytes().clone()).await?`
#[derive(Debug, Clone)]
pub struct Deliveries {
    catalog: Catalog,
    clock: Clock,
    wake: Arc<Notify>,
}

impl Deliveries {
    /// Starts to deliver what waits.
    pub fn start(args: DeliveryArgs, shutdown: &Shutdown) -> Self {
        let deliveries = Self {
            catalog: args.catalog.clone(),
            clock: args.clock.clone(),
            wake: Arc::default(),
        };
        let worker = Worker {
            args,
            wake: Arc::clone(&deliveries.wake),
        };
        let token = shutdown.token().clone();
        shutdown.spawn("deliveries", async move {
            token.run_until_cancelled_owned(worker.run()).await
        });
        deliveries
    }

    /// Queues a signed notice for `to`, which may be found at `addresses` (multiaddresses with
    /// `/p2p/…`; the first 16 are kept; none: wherever the swarm finds it). A notice that waits for
    /// the same node and is `about` the same thing is replaced.
    ///
    /// # Errors
    ///
    /// [`DeliveryError`]; nothing was queued.
    pub async fn send(
        &self,
        to: NodeId,
        addresses: Vec<String>,
        about: &str,
        notice: Bytes,
    ) -> Result<(), DeliveryError> {
        if notice.len() > MAX_BYTES {
            return Err(DeliveryError::TooLarge {
                bytes: notice.len(),
            });
        }
        let new = NewDelivery {
            node: to,
            addresses,
            about: about.to_owned(),
            notice: notice.to_vec(),
        };
        if !self.catalog.add_delivery(&new, self.clock.now()).await? {
            return Err(DeliveryError::Full);
        }
        self.wake.notify_one();
        Ok(())
    }

    /// Up to `limit` notices that wait, after the first `skip`: tries, next time and last error.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn list(&self, skip: u32, limit: u32) -> Result<Vec<Delivery>, CatalogError> {
        self.catalog.deliveries(skip, limit).await
    }

    /// How many wait, and how many were given up.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn counts(&self) -> Result<DeliveryCounts, CatalogError> {
        self.catalog.delivery_counts().await
    }

    /// Tries one notice again now, or all of them, with all their tries before them. Answers how
    /// many there are.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn retry(&self, only: Option<i64>) -> Result<u64, CatalogError> {
        let tried = self
            .catalog
            .retry_deliveries(only, self.clock.now())
            .await?;
        self.wake.notify_one();
        Ok(tried)
    }

    /// Drops a notice; answers whether it was there.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn drop_notice(&self, id: i64) -> Result<bool, CatalogError> {
        self.catalog.drop_delivery(id).await
    }

    /// Looks at once at what is due: the clock has been moved, or a node is reachable again.
    pub fn hurry(&self) {
        self.wake.notify_one();
    }
}

struct Worker {
    args: DeliveryArgs,
    wake: Arc<Notify>,
}

impl Worker {
    async fn run(self) {
        loop {
            let wait = match self.turn().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "notices were not delivered");
                    LOOK_AGAIN
                }
            };
            let _ = timeout(wait, self.wake.notified()).await;
        }
    }

    /// Delivers what is due, and says how long there is nothing to do.
    async fn turn(&self) -> Result<Duration, CatalogError> {
        let now = self.args.clock.now();
        let catalog = &self.args.catalog;
        let nodes = catalog.nodes_to_deliver_to(now, NODES_IN_TURN).await?;
        let mut outcomes = stream::iter(nodes)
            .map(|node| self.deliver(node))
            .buffer_unordered(AT_ONCE);
        while let Some(outcome) = outcomes.next().await {
            outcome?;
        }
        let Some(next) = catalog.next_delivery_at().await? else {
            return Ok(LOOK_AGAIN);
        };
        let now = self.args.clock.now();
        let wait = next.as_millis().saturating_sub(now.as_millis());
        Ok(Duration::from_millis(wait).min(LOOK_AGAIN))
    }

    /// One request to one node, with as much of what is due as fits.
    async fn deliver(&self, node: NodeId) -> Result<(), CatalogError> {
        let catalog = &self.args.catalog;
        let now = self.args.clock.now();
        let mut due = catalog.due_deliveries(&node, now, MAX_NOTICES).await?;
        let mut bytes = 0;
        due.retain(|one| {
            bytes += one.notice.len();
            bytes <= MAX_BYTES
        });
        let Some(newest) = due.last() else {
            return Ok(());
        };
        if self.args.trust.refuses_node(&node) {
            let error = "the node is blocked or revoked here".to_owned();
            let given_up: Vec<_> = due.iter().map(|one| give_up(one, error.clone())).collect();
            return catalog.settle_deliveries(&[], &given_up).await;
        }
        let notices = due.iter().map(|one| one.notice.clone().into()).collect();
        let asked = due.len();
        let want = |response| match response {
            Response::Notices(answers) if answers.len() == asked => Some(answers),
            _ => None,
        };
        let request = Request::Notices(notices);
        let asker = &self.args.asker;
        match asker.ask(&node, &newest.addresses, request, want).await {
            Ok(answers) => self.settle(&due, answers).await,
            Err(error) => {
                tracing::debug!(%node, %error, "notices did not arrive");
                let error: String = error.to_string().chars().take(MAX_ERROR).collect();
                let failed: Vec<_> = due
                    .iter()
                    .map(|one| self.again(one, error.clone()))
                    .collect();
                catalog.settle_deliveries(&[], &failed).await
            }
        }
    }

    async fn settle(
        &self,
        due: &[Delivery],
        answers: Vec<NoticeAnswer>,
    ) -> Result<(), CatalogError> {
        let (mut arrived, mut failed) = (Vec::new(), Vec::new());
        for (one, answer) in due.iter().zip(answers) {
            match answer {
                NoticeAnswer::Accepted => arrived.push(one.id),
                NoticeAnswer::Refused { reason } => {
                    failed.push(give_up(one, format!("refused there: {reason}")));
                }
                NoticeAnswer::Later => {
                    failed.push(self.again(one, "not taken there at present".to_owned()));
                }
            }
        }
        let catalog = &self.args.catalog;
        catalog.settle_deliveries(&arrived, &failed).await
    }

    fn again(&self, one: &Delivery, error: String) -> Undelivered {
        let now = self.args.clock.now();
        let wait = RETRY.delay(one.failures.saturating_add(1));
        Undelivered {
            id: one.id,
            error,
            next_at: wait.map(|wait| now.after(wait)),
        }
    }
}

fn give_up(one: &Delivery, error: String) -> Undelivered {
    Undelivered {
        id: one.id,
        error,
        next_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_each_wait_three_times_longer_take_sixteen_hours() {
        let waits: Vec<u64> = (1..=11)
            .map_while(|failures| RETRY.delay(failures))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits.len(), 10);
        assert!(waits.windows(2).all(|pair| pair[1] == 3 * pair[0]));
        assert_eq!(waits.iter().sum::<u64>() / 3600, 16);
    }
}
