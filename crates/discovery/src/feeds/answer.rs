//! What this node answers when it is asked about feeds.

use cidcast_announce::Publisher;
use cidcast_catalog::CatalogError;

use super::ledger::Ledger;
use crate::wire::{Head, Heads, MAX_ANNOUNCEMENTS, MAX_FEEDS, MAX_HEADS, Mark, Response, Since};

/// An answer has at most this many bytes of announcements: with the newest and the one of the
/// snapshot, 64 KiB each at the most, it fits in what the protocol sends (1 MiB).
const MOST_BYTES: u64 = 768 << 10;

/// How much is here of whom, or of what has moved since a mark.
pub(super) async fn heads(
    ledger: &Ledger,
    after: Option<&Publisher>,
    since: Option<&Mark>,
) -> Result<Response, CatalogError> {
    // Before looking: what moves meanwhile is told again rather than not at all.
    let (mark, moved) = ledger.moved_since(since);
    let mark = Some(mark);
    let together = u64::try_from(MAX_FEEDS).unwrap_or(1);
    if let Some(heads) = moved {
        return Ok(Response::Heads(Heads {
            heads,
            more: false,
            mark,
            together,
        }));
    }
    let most = u32::try_from(MAX_HEADS).unwrap_or(u32::MAX);
    let here = ledger.catalog().feed_heads(after, most + 1).await?;
    let more = here.len() > MAX_HEADS;
    let heads = here.into_iter().take(MAX_HEADS).map(|feed| Head {
        publisher: feed.publisher,
        count: feed.have,
        newest: Some(feed.head),
    });
    let heads = heads.collect();
    Ok(Response::Heads(Heads {
        heads,
        more,
        mark,
        together,
    }))
}

/// Announcements of one publisher from number `from` on.
pub(super) async fn since(
    ledger: &Ledger,
    publisher: &Publisher,
    from: u64,
    max_bytes: u64,
) -> Result<Response, CatalogError> {
    let (most, room) = (MAX_ANNOUNCEMENTS, max_bytes.min(MOST_BYTES));
    let piece = piece(ledger, (publisher, from), most, room).await?;
    Ok(piece.into())
}

/// The same of several publishers, as far as there is room: the answer ends with the one that fills
/// it, so that it is never longer than one about that publisher alone could be.
pub(super) async fn feeds(
    ledger: &Ledger,
    feeds: &[(Publisher, u64)],
    max_bytes: u64,
) -> Result<Response, CatalogError> {
    let mut room = max_bytes.min(MOST_BYTES);
    let mut count = 0;
    let mut pieces = Vec::with_capacity(feeds.len());
    for (publisher, from) in feeds {
        let most = MAX_ANNOUNCEMENTS.saturating_sub(count);
        if (room == 0 && !pieces.is_empty()) || most == 0 {
            break;
        }
        let piece = piece(ledger, (publisher, *from), most, room).await?;
        room = room.saturating_sub(size(&piece));
        count += piece.announcements.len();
        pieces.push(piece);
    }
    Ok(Response::Feeds(pieces))
}

fn size(piece: &Since) -> u64 {
    let others = piece.newest.iter().chain(&piece.snapshot);
    let all = piece.announcements.iter().chain(others);
    all.map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
        .fold(0, u64::saturating_add)
}

/// So many announcements at most, in so many bytes; one, if there is any.
async fn piece(
    ledger: &Ledger,
    (publisher, from): (&Publisher, u64),
    most: usize,
    room: u64,
) -> Result<Since, CatalogError> {
    let mut answer = Since::default();
    let Some(feed) = ledger.catalog().feed(publisher).await? else {
        return Ok(answer);
    };
    // One that is not held here cannot be had here, and one from before saves nothing.
    let snapshot = ledger.catalog().held_snapshot(publisher).await?;
    if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.seq >= from) {
        answer.snapshot = ledger.bytes_of(snapshot.cid).await;
    }
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    let kept = ledger
        .catalog()
        .kept_announcements(publisher, from, most)
        .await?;
    let sizes = kept.iter().map(|one| (one.seq, one.bytes));
    let fitting = portion(sizes, from, room);
    let mut next = from;
    for announcement in kept.into_iter().take(fitting) {
        let Some(bytes) = ledger.bytes_of(announcement.cid).await else {
            break;
        };
        next += 1;
        answer.announcements.push(bytes);
    }
    if next < feed.have
        && let Some(head) = feed.head
    {
        answer.newest = ledger.bytes_of(head).await;
    }
    Ok(answer)
}

/// How many announcements, of numbers and sizes, one answer has: at least one, if the first is there.
/// What is not there ends it: order is what the asker relies on.
pub(crate) fn portion(
    kept: impl IntoIterator<Item = (u64, u64)>,
    from: u64,
    mut room: u64,
) -> usize {
    let fits = |(next, (seq, bytes)): &(u64, (u64, u64))| {
        let is_first = *next == from;
        let fits = seq == next && (*bytes <= room || is_first);
        room = room.saturating_sub(*bytes);
        fits
    };
    (from..).zip(kept).take_while(fits).count()
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
