//! What this node answers when it is asked about feeds.

use cidcast_announce::Publisher;
use cidcast_catalog::{CatalogError, KnownSnapshot, SnapshotState};

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
    let snapshot = ledger.catalog().known_snapshot(publisher).await?;
    if let Some(snapshot) = snapshot.filter(|snapshot| is_of_use(snapshot, from)) {
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

/// A snapshot that is not held here cannot be had here, and one from before saves nothing.
fn is_of_use(snapshot: &KnownSnapshot, from: u64) -> bool {
    snapshot.state == SnapshotState::Held && snapshot.seq >= from
}
