//! Answering the requests of other nodes.
//!
//! Owns: one task that takes requests, and a bounded number that answer them. Ends: with the
//! `Shutdown` it was started under, or with the swarm. Cancel safety: a request that was cut off
//! is asked again by whoever asked.
//!
//! A peer that asks too fast is not answered: it is told so by silence, and asks somebody else.

use std::sync::Arc;
use std::time::Duration;

use cidcast_catalog::CatalogError;
use cidcast_ipfs::requests::{Inbound, Request as Arrived};
use cidcast_runtime::{Clock, Shutdown};
use tokio::sync::Semaphore;

use crate::feeds::{Feeds, Pace, Rate};
use crate::wire::{Hello, NoticeAnswer, Request, Response};

/// Program and version.
const AGENT: &str = concat!("cidcast/", env!("CARGO_PKG_VERSION"));
/// Catching up with a thousand publishers takes a request for each, from one peer in the worst case.
const RATE: Rate = Rate {
    burst: 256,
    every: Duration::from_millis(50),
};
const MOST_BUCKETS: usize = 4096;
/// Answers in the making: each holds up to 1 MiB.
const MOST_ANSWERS: usize = 16;

/// Answers until told to stop.
pub(crate) fn start(feeds: Feeds, mut inbound: Inbound, clock: Clock, shutdown: &Shutdown) {
    let stop = shutdown.token().clone();
    let tasks = shutdown.clone();
    shutdown.spawn("feed requests", async move {
        let mut pace = Pace::new(RATE, MOST_BUCKETS);
        let places = Arc::new(Semaphore::new(MOST_ANSWERS));
        loop {
            let arrived = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                arrived = inbound.next() => arrived,
            };
            let Some(arrived) = arrived else { return };
            if !pace.allows(arrived.peer, clock.now()) {
                feeds.metrics().asked("too_fast");
                continue;
            }
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let (feeds, stop) = (feeds.clone(), stop.clone());
            tasks.spawn("feed answer", async move {
                let _place = place;
                stop.run_until_cancelled(answer(&feeds, arrived)).await;
            });
        }
    });
}

async fn answer(feeds: &Feeds, arrived: Arrived) {
    let peer = arrived.peer;
    let request = match Request::decode(&arrived.bytes) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%peer, %error, "a request cannot be read");
            feeds.metrics().asked("unreadable");
            return;
        }
    };
    let response = match respond(feeds, request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request of a peer could not be answered");
            feeds.metrics().asked("failed");
            return;
        }
    };
    match response.encode() {
        Ok(bytes) => {
            let sent = arrived.reply.send(bytes);
            let outcome = sent.map_or("too_large", |()| "answered");
            feeds.metrics().asked(outcome);
        }
        Err(error) => tracing::error!(%error, "an answer could not be written"),
    }
}

async fn respond(feeds: &Feeds, request: Request) -> Result<Response, CatalogError> {
    Ok(match request {
        Request::Hello => Response::Hello(Hello {
            agent: AGENT.to_owned(),
            mode: feeds.mode().to_string(),
            publisher: Some(feeds.publisher()),
        }),
        Request::Heads { after } => feeds.answer_heads(after.as_ref()).await?,
        Request::Since {
            publisher,
            from,
            max_bytes,
        } => feeds.answer_since(&publisher, from, max_bytes).await?,
        Request::Peers => Response::Peers(Vec::new()),
        Request::Notices(notices) => Response::Notices(vec![NoticeAnswer::Later; notices.len()]),
    })
}
