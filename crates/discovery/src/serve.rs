//! Answering the requests of other nodes.
//!
//! Owns: one task that takes requests, and a bounded number that answer them. Ends: with the
//! `Shutdown` it was started under, or with the swarm. Cancel safety: a request that was cut off
//! is asked again by whoever asked.
//!
//! A peer that asks too fast is not answered: it is told so by silence, and asks somebody else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{Notice, Says, VerifyError};
use cidcast_catalog::CatalogError;
use cidcast_ipfs::requests::{Inbound, Request as Arrived};
use cidcast_runtime::{Clock, Shutdown};
use tokio::sync::Semaphore;

use crate::feeds::{Feeds, Pace, Rate};
use crate::follow::{Follows, Taken};
use crate::join::Joining;
use crate::notices::{Elsewhere, Inbox, NoticeRefused};
use crate::trust::{BlockLists, Deed, Trust};
use crate::wire::{Hello, MAX_TEXT, NoticeAnswer, Request, Response};

/// Program and version.
const AGENT: &str = concat!("cidcast/", env!("CARGO_PKG_VERSION"));
/// Catching up with a thousand publishers takes some thirty requests, and one for each publisher of
/// nodes that do not ask for several feeds at once: 15 seconds from one peer.
pub(crate) const RATE: Rate = Rate {
    burst: 256,
    every: Duration::from_millis(20),
};
pub(crate) const MOST_BUCKETS: usize = 4096;
/// Answers in the making: each holds up to 1 MiB.
const MOST_ANSWERS: usize = 16;

/// Whom to turn to with a request.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) feeds: Feeds,
    pub(crate) trust: Trust,
    pub(crate) block_lists: BlockLists,
    pub(crate) follows: Follows,
    pub(crate) joining: Joining,
    pub(crate) inbox: Inbox,
    pub(crate) elsewhere: Elsewhere,
    pub(crate) clock: Clock,
}

/// Answers until told to stop.
pub(crate) fn start(desk: Desk, mut inbound: Inbound, shutdown: &Shutdown) {
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
            if desk.trust.refuses_peer(&arrived.peer) {
                desk.feeds.metrics().asked("refused");
                continue;
            }
            if !pace.allows(arrived.peer, desk.clock.now()) {
                desk.feeds.metrics().asked("too_fast");
                continue;
            }
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                place = Arc::clone(&places).acquire_owned() => place,
            };
            let (desk, stop) = (desk.clone(), stop.clone());
            tasks.spawn("feed answer", async move {
                let _place = place;
                stop.run_until_cancelled(answer(&desk, arrived)).await;
            });
        }
    });
}

async fn answer(desk: &Desk, arrived: Arrived) {
    let (peer, feeds) = (arrived.peer, &desk.feeds);
    let request = match Request::decode(&arrived.bytes) {
        Ok(request) => request,
        Err(error) => {
            tracing::debug!(%peer, %error, "a request cannot be read");
            feeds.metrics().asked("unreadable");
            // A later version asks for more than this one knows: that is nobody's fault.
            return;
        }
    };
    let response = match respond(desk, &arrived, request).await {
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

async fn respond(
    desk: &Desk,
    arrived: &Arrived,
    request: Request,
) -> Result<Response, CatalogError> {
    let feeds = &desk.feeds;
    Ok(match request {
        Request::Hello => Response::Hello(Hello {
            agent: AGENT.to_owned(),
            mode: feeds.mode().to_string(),
            publisher: Some(feeds.publisher()),
        }),
        Request::Heads { after, since } => {
            let heads = feeds.answer_heads(after.as_ref(), since.as_ref());
            heads.await?
        }
        Request::Since {
            publisher,
            from,
            max_bytes,
        } => feeds.answer_since(&publisher, from, max_bytes).await?,
        Request::Feeds {
            feeds: wanted,
            max_bytes,
        } => feeds.answer_feeds(&wanted, max_bytes).await?,
        Request::Peers => Response::Peers(desk.joining.peers_for(&arrived.peer)),
        Request::BlockList { publisher } => {
            Response::BlockList(desk.block_lists.of(&publisher).await?)
        }
        Request::Forked { after } => feeds.answer_forked(after.as_ref()).await?,
        Request::Evidence { publisher } => feeds.answer_evidence(&publisher).await?,
        Request::Copies {
            publisher,
            asset,
            after,
        } => {
            let (mut copies, nodes) = desk.elsewhere.answer(publisher, asset, after).await?;
            copies.addresses = desk.joining.nodes_for(&arrived.peer, &nodes);
            Response::Copies(copies)
        }
        Request::Notices(notices) => {
            let mut answers = Vec::with_capacity(notices.len());
            for notice in notices {
                answers.push(take_notice(desk, arrived, &notice).await?);
            }
            Response::Notices(answers)
        }
    })
}

/// Whoever brings it, a notice is what its node has signed.
async fn take_notice(
    desk: &Desk,
    arrived: &Arrived,
    bytes: &Bytes,
) -> Result<NoticeAnswer, CatalogError> {
    let refused = |reason: &str| NoticeAnswer::Refused {
        reason: reason.chars().take(MAX_TEXT).collect(),
    };
    let notice = match Notice::verify(bytes) {
        Ok(notice) => notice,
        Err(error) => {
            // What cannot be read may be of a later version.
            if matches!(error, VerifyError::Signature | VerifyError::TooLarge { .. }) {
                desk.trust.note_peer(&arrived.peer, Deed::Forged).await;
            }
            return Ok(refused(&error.to_string()));
        }
    };
    match notice.says() {
        Says::Follow { .. } | Says::Unfollow { .. } => {
            Ok(match desk.follows.take(&notice).await? {
                Taken::Accepted => NoticeAnswer::Accepted,
                Taken::Refused(reason) => refused(reason),
                Taken::Later => NoticeAnswer::Later,
            })
        }
        Says::Replica { .. }
        | Says::ReplicaWithdrawn { .. }
        | Says::RetractionAck { .. }
        | Says::Views { .. } => match desk.inbox.take(&notice, desk.clock.now()).await {
            Ok(()) => Ok(NoticeAnswer::Accepted),
            Err(NoticeRefused::Catalog(error)) => Err(error),
            Err(NoticeRefused::Old) => Ok(NoticeAnswer::Accepted),
            Err(NoticeRefused::Full) => Ok(NoticeAnswer::Later),
            Err(error) => Ok(refused(&error.to_string())),
        },
        _ => Ok(NoticeAnswer::Later),
    }
}
