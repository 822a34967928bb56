//! What this node answers when it is asked about feeds.

use cidcast_announce::Publisher;
use cidcast_catalog::CatalogError;

use super::ledger::Ledger;
use crate::wire::{MAX_ANNOUNCEMENTS, MAX_HEADS, Response, Since};

/// An answer has at most this many bytes of announcements: with the newest and the one of the
/// snapshot, 64 KiB each at the most, it fits in what the protocol sends (1 MiB).
const MOST_BYTES: u64 = 768 << 10;

/// How much is here of whom.
pub(super) async fn heads(
    ledger: &Ledger,
    after: Option<&Publisher>,
) -> Result<Response, CatalogError> {
    let most = u32::try_from(MAX_HEADS).unwrap_or(u32::MAX);
    let mut heads = ledger.catalog().feed_heads(after, most + 1).await?;
    let more = heads.len() > MAX_HEADS;
    heads.truncate(MAX_HEADS);
    Ok(Response::Heads { heads, more })
}

/// Announcements of one publisher from number `from` on.
pub(super) async fn since(
    ledger: &Ledger,
    publisher: &Publisher,
    from: u64,
    max_bytes: u64,
) -> Result<Response, CatalogError> {
    let mut answer = Since::default();
    let Some(feed) = ledger.catalog().feed(publisher).await? else {
        return Ok(answer.into());
    };
    // One that is not held here cannot be had here, and one from before saves nothing.
    let snapshot = ledger.catalog().held_snapshot(publisher).await?;
    if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.seq >= from) {
        answer.snapshot = ledger.bytes_of(snapshot.cid).await;
    }
    let most = u32::try_from(MAX_ANNOUNCEMENTS).unwrap_or(u32::MAX);
    let kept = ledger
        .catalog()
        .kept_announcements(publisher, from, most)
        .await?;
    let (mut next, mut room) = (from, max_bytes.min(MOST_BYTES));
    for announcement in kept {
        // What is not here ends the answer: order is what the asker relies on.
        let is_first = answer.announcements.is_empty();
        if announcement.seq != next || (announcement.bytes > room && !is_first) {
            break;
        }
        let Some(bytes) = ledger.bytes_of(announcement.cid).await else {
            break;
        };
        room = room.saturating_sub(announcement.bytes);
        next += 1;
        answer.announcements.push(bytes);
    }
    if next < feed.have
        && let Some(head) = feed.head
    {
        answer.newest = ledger.bytes_of(head).await;
    }
    Ok(answer.into())
}

/// Publishers against whom there is evidence here.
pub(super) async fn forked(
    ledger: &Ledger,
    after: Option<&Publisher>,
) -> Result<Response, CatalogError> {
    let most = u32::try_from(MAX_HEADS).unwrap_or(u32::MAX);
    let mut publishers = ledger.catalog().forked_publishers(after, most + 1).await?;
    let more = publishers.len() > MAX_HEADS;
    publishers.truncate(MAX_HEADS);
    Ok(Response::Forked { publishers, more })
}

/// Two announcements of a publisher that cannot both be, if there are.
pub(super) async fn evidence(
    ledger: &Ledger,
    publisher: &Publisher,
) -> Result<Response, CatalogError> {
    let forks = ledger.catalog().forks(publisher).await?;
    let first = forks.into_iter().next();
    let pair = first.map(|fork| (fork.first.into(), fork.second.into()));
    Ok(Response::Evidence(pair))
}
