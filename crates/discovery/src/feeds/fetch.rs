//! Asking one peer for what was missed, and taking what it gives.

use bytes::Bytes;
use cidcast_announce::{Announcement, Op, Publisher, Snapshot};
use cidcast_ipfs::requests::{RequestError, Requests};
use cidcast_ipfs::swarm::PeerId;

use super::ledger::{Begun, Ledger, LedgerError};
use super::metrics::{Outcome, SnapshotFate};
use super::segments::{Getter, SnapshotError, Wanted};
use crate::ask::deed_of_request;
use crate::trust::Deed;
use crate::wire::{Heads, Mark, Request, Response, Since, WireError};

/// Bytes of announcements that are asked for at once.
pub(crate) const MAX_BYTES: u64 = 768 << 10;

/// Why a peer brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the answer cannot be read: {0}")]
    Wire(#[from] WireError),
    #[error("the answer is one to another question")]
    OtherAnswer,
    #[error("an announcement in the answer is {}", .0.as_str())]
    Bad(Outcome),
    #[error("the answer has announcements of somebody else, or out of order")]
    OutOfOrder,
    #[error("the peer has not what it claimed to have")]
    Nothing,
    #[error("what it gave was not taken: {}", .0.as_str())]
    NotTaken(Outcome),
    #[error("what it gave, number {0}, contradicts what is here: the publisher has two histories")]
    Contradicts(u64),
    #[error("it has only what comes after a snapshot: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error(
        "it has only what comes after a snapshot, and that was not taken: no room, or not wanted"
    )]
    SnapshotNotTaken,
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the node is stopping")]
    Stopping,
}

impl FetchError {
    /// Whether the peer cannot be asked anything for a while.
    pub(super) fn is_about_peer(&self) -> bool {
        matches!(
            self,
            Self::Request(
                RequestError::Address(_)
                    | RequestError::Connect(_)
                    | RequestError::NotConnected { .. }
                    | RequestError::Unsupported { .. }
            )
        )
    }
}

/// What came of asking says about the peer; nothing if it is nobody's fault.
pub(super) fn deed<T>(result: &Result<T, FetchError>) -> Option<Deed> {
    match result {
        Ok(_) => Some(Deed::Delivered),
        Err(FetchError::Request(error)) => deed_of_request(error),
        Err(FetchError::Wire(_)) => Some(Deed::Malformed),
        Err(FetchError::OtherAnswer | FetchError::OutOfOrder) => Some(Deed::OffTheMark),
        Err(FetchError::Bad(outcome)) => deed_of(*outcome),
        Err(_) => None,
    }
}

/// The same of several feeds: one answer is one deed, and what is wrong with one of them counts.
pub(super) fn deed_of_pieces(result: &Result<Vec<Piece>, FetchError>) -> Option<Deed> {
    let Ok(pieces) = result else {
        return deed(result);
    };
    let bad = pieces.iter().filter(|(_, result)| result.is_err());
    let mut wrong = bad.filter_map(|(_, result)| deed(result));
    let some = pieces.iter().any(|(_, result)| result.is_ok());
    wrong.next().or(some.then_some(Deed::Delivered))
}

/// What an announcement that was no good says about the peer that sent it.
pub(super) fn deed_of(outcome: Outcome) -> Option<Deed> {
    match outcome {
        Outcome::Forged => Some(Deed::Forged),
        Outcome::Oversized => Some(Deed::Excessive),
        // What cannot be read may be of a later version; the rest is not this peer's doing.
        _ => None,
    }
}

/// How much a peer has of whom, from one publisher on, or of what has moved since a mark.
pub(super) async fn heads(
    requests: &Requests,
    peer: PeerId,
    after: Option<Publisher>,
    since: Option<Mark>,
) -> Result<Heads, FetchError> {
    let request = Request::Heads { after, since }.encode()?;
    let answer = requests.send(peer, request).await?;
    match Response::decode(&answer)? {
        Response::Heads(heads) => Ok(heads),
        _ => Err(FetchError::OtherAnswer),
    }
}

/// What came of one feed: how much of it is here then.
pub(super) type Piece = (Publisher, Result<u64, FetchError>);

/// Fetches pieces of feeds, each from a number on, and records them. Those that the answer had no room
/// for are not in the result.
pub(super) async fn feeds(
    ledger: &Ledger,
    (requests, getter, peer): (&Requests, &Getter, PeerId),
    feeds: &[(Publisher, u64)],
) -> Result<Vec<Piece>, FetchError> {
    let given = ask(requests, peer, feeds).await?;
    if given.is_empty() {
        return Err(FetchError::Nothing);
    }
    let mut given: Vec<_> = feeds.iter().zip(given).collect();
    // Getting a snapshot takes long, and the others are here already.
    given.sort_by_key(|(_, since)| since.snapshot.is_some());
    let mut pieces = Vec::with_capacity(given.len());
    for ((publisher, from), since) in given {
        let taken = take(ledger, (getter, peer), (*publisher, *from), since).await;
        pieces.push((*publisher, taken));
    }
    Ok(pieces)
}

async fn ask(
    requests: &Requests,
    peer: PeerId,
    feeds: &[(Publisher, u64)],
) -> Result<Vec<Since>, FetchError> {
    let max_bytes = MAX_BYTES;
    let request = match *feeds {
        // Everybody knows this one.
        [(publisher, from)] => Request::Since {
            publisher,
            from,
            max_bytes,
        },
        _ => Request::Feeds {
            feeds: feeds.to_vec(),
            max_bytes,
        },
    };
    let answer = requests.send(peer, request.encode()?).await?;
    match Response::decode(&answer)? {
        Response::Since(since) if feeds.len() == 1 => Ok(vec![since]),
        Response::Feeds(given) if feeds.len() > 1 => Ok(given),
        _ => Err(FetchError::OtherAnswer),
    }
}

/// Records a piece of a feed. A feed of which nothing is here begins with a snapshot if there is one,
/// and so does one that cannot be gone on with: the peer has dropped what comes next.
async fn take(
    ledger: &Ledger,
    (getter, peer): (&Getter, PeerId),
    (publisher, from): (Publisher, u64),
    since: Since,
) -> Result<u64, FetchError> {
    let verifying = {
        let ledger = ledger.clone();
        tokio::task::spawn_blocking(move || verify(&ledger, publisher, from, &since))
    };
    let verified = verifying.await.map_err(|_| FetchError::Stopping)??;
    if let Some(newest) = verified.newest {
        ledger
            .catalog()
            .note_exists(&newest)
            .await
            .map_err(LedgerError::from)?;
    }
    let is_all = verified.announcements.is_empty();
    if let Some(named_by) = verified.snapshot.filter(|_| is_all || from == 0) {
        match begin_with(ledger, (getter, peer), &named_by, from).await {
            Ok(have) => return Ok(have),
            Err(error) if is_all => return Err(error),
            Err(error) => tracing::debug!(%publisher, %error, "the history instead of a snapshot"),
        }
    }
    if is_all {
        return Err(FetchError::Nothing);
    }
    let last = verified.announcements.last().map(Announcement::seq);
    let taken = ledger.take(verified.announcements).await?;
    if taken.have > from {
        return Ok(taken.have);
    }
    let outcome = taken
        .outcomes
        .into_iter()
        .find(|one| *one != Outcome::Applied);
    Err(match outcome {
        Some(Outcome::Conflicting) => FetchError::Contradicts(last.unwrap_or(from)),
        outcome => FetchError::NotTaken(outcome.unwrap_or(Outcome::Unwanted)),
    })
}

/// Begins a feed with a snapshot that a peer has.
async fn begin_with(
    ledger: &Ledger,
    (getter, peer): (&Getter, PeerId),
    named_by: &Announcement,
    from: u64,
) -> Result<u64, FetchError> {
    let publisher = named_by.publisher();
    let snapshot = snapshot_in(named_by).filter(|snapshot| snapshot.seq >= from);
    let snapshot = snapshot.ok_or(FetchError::Nothing)?;
    let room = ledger.room(&publisher).await?;
    let wanted = Wanted {
        publisher,
        snapshot,
        named_by: named_by.cid(),
        peer: Some(peer),
        room: room.ok_or(FetchError::NotTaken(Outcome::Unwanted))?,
    };
    let got = getter.get(wanted, ledger.now()).await;
    if got
        .as_ref()
        .is_err_and(|error| !matches!(error, SnapshotError::Rests | SnapshotError::Busy))
    {
        ledger.metrics().snapshot(SnapshotFate::Refused);
    }
    match ledger.begin_with(named_by, snapshot, &got?).await? {
        Begun::Loaded { have } => {
            ledger.metrics().snapshot(SnapshotFate::Loaded);
            tracing::info!(%publisher, have, "a feed begins with a snapshot");
            Ok(have)
        }
        Begun::Here { have } if have > from => Ok(have),
        Begun::Here { .. } | Begun::NotTaken => {
            ledger.metrics().snapshot(SnapshotFate::Refused);
            Err(FetchError::SnapshotNotTaken)
        }
    }
}

/// The snapshot that an announcement names: the newest, if there are several.
pub(super) fn snapshot_in(announcement: &Announcement) -> Option<&Snapshot> {
    let snapshots = announcement.ops().iter().filter_map(|op| match op {
        Op::Snapshot(snapshot) => Some(snapshot),
        _ => None,
    });
    snapshots.max_by_key(|snapshot| snapshot.seq)
}

struct Verified {
    announcements: Vec<Announcement>,
    newest: Option<Announcement>,
    snapshot: Option<Announcement>,
}

/// Hashes and checks signatures: work for a thread of its own.
fn verify(
    ledger: &Ledger,
    publisher: Publisher,
    from: u64,
    since: &Since,
) -> Result<Verified, FetchError> {
    let check = |bytes: &Bytes| ledger.verify(bytes).map_err(FetchError::Bad);
    let announcements = since.announcements.iter().map(check);
    let announcements = announcements.collect::<Result<Vec<_>, _>>()?;
    let in_order = (from..)
        .zip(&announcements)
        .all(|(seq, one)| one.publisher() == publisher && one.seq() == seq);
    let newest = since.newest.as_ref().map(check).transpose()?;
    let snapshot = since.snapshot.as_ref().map(check).transpose()?;
    let is_of_it = |one: &Announcement| one.publisher() == publisher;
    if !in_order || !newest.iter().chain(&snapshot).all(is_of_it) {
        return Err(FetchError::OutOfOrder);
    }
    Ok(Verified {
        announcements,
        newest,
        snapshot,
    })
}
