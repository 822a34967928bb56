//! The publisher's IPNS name: it stands for the newest announcement of the own feed.
//!
//! Owns: one task. Ends: with the `Shutdown` it was started under. Cancel safety: the name is
//! published again at the next start. Nothing is published while this node may be behind: the name
//! would go back in time for everybody.

use std::time::Duration;

use cidcast_announce::SigningKey;
use cidcast_ipfs::names::{NameKey, Names, NotAKey};
use cidcast_runtime::Shutdown;
use cidcast_types::Cid;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::ledger::Ledger;
use super::own::{OwnStatus, Standing};

/// Announcements come in bursts, and telling the DHT takes seconds.
const SETTLE: Duration = Duration::from_secs(5);
/// Without news: for what was not told.
const TURN: Duration = Duration::from_secs(600);

/// Keeps the name at the newest announcement.
pub(super) fn keep(
    names: Names,
    key: &SigningKey,
    ledger: Ledger,
    status: watch::Receiver<OwnStatus>,
    shutdown: &Shutdown,
) -> Result<(), NotAKey> {
    let key = NameKey::from_secret(key.seed())?;
    let mut events = ledger.events();
    let stop = shutdown.token().clone();
    let work = async move {
        let mut told = None;
        loop {
            let own = status.borrow().clone();
            if own.standing == Standing::Ready {
                let feed = ledger.catalog().feed(&own.publisher).await;
                let head = feed.ok().flatten().and_then(|feed| feed.head);
                if let Some(head) = head.filter(|head| told != Some(*head))
                    && is_told(&names, &key, &head).await
                {
                    told = Some(head);
                }
            }
            let news = async {
                loop {
                    match events.recv().await {
                        Ok(event) if event.publisher != own.publisher => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            if tokio::time::timeout(TURN, news).await.is_ok() {
                tokio::time::sleep(SETTLE).await;
            }
        }
    };
    shutdown.spawn("feed name", async move {
        stop.run_until_cancelled_owned(work).await;
    });
    Ok(())
}

async fn is_told(names: &Names, key: &NameKey, head: &Cid) -> bool {
    match names.publish_as(key, &format!("/ipfs/{head}")).await {
        Ok(published) => {
            tracing::debug!(name = %published.name, %head, "the feed's name was published");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the feed's name could not be published");
            false
        }
    }
}
