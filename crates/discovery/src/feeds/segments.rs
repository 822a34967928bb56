//! Bringing the segments of a snapshot here: bounded, verified, held and not pinned yet.
//!
//! A snapshot that could not be had, or was wrong, is left alone for a while, so that neither a
//! hostile publisher nor a peer that only claims to have it costs more than one attempt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{Publisher, SegmentError, Snapshot, SnapshotReader};
use cidcast_ipfs::swarm::PeerId;
use cidcast_ipfs::{Class, Network, Session, WantError};
use cidcast_runtime::locked;
use cidcast_types::{Cid, Timestamp};
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// The largest segment there is.
const SEGMENT: u64 = cidcast_announce::MAX_SEGMENT_BYTES as u64;
/// Segments on the way at a time: 8 MiB, which the exchange bounds as well.
const WIDTH: usize = 8;
/// How long nothing may move for a segment.
const PATIENCE: Duration = Duration::from_secs(20);
/// When everybody who is connected says no: somebody may be about to connect.
const GRACE: Duration = Duration::from_secs(2);
/// For all of a snapshot: this, and then some for each segment, which makes 200 KB/s the least.
const DEADLINE: Duration = Duration::from_secs(30);
const DEADLINE_EACH: Duration = Duration::from_secs(5);
/// Snapshots on the way at a time. Fewer than requests for feeds, so that those never wait for
/// snapshots alone.
const AT_A_TIME: usize = 2;
/// A snapshot that this peer did not give is not asked of it again for so long.
const NOT_GIVEN: Duration = Duration::from_secs(300);
/// One that is wrong is not asked of anybody.
const WRONG: Duration = Duration::from_secs(24 * 3600);
/// Snapshots that are left alone; the next one takes the place of one whose time is nearest.
const MOST_RESTING: usize = 1024;

/// Why a snapshot is not here.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("the snapshot was tried a while ago: the history is asked for instead")]
    Rests,
    #[error("other snapshots are on their way: this one has to wait")]
    Busy,
    #[error("the snapshot has {segments} segments, and there is room for {room} bytes")]
    NoRoom { segments: usize, room: u64 },
    #[error("the snapshot has no segments")]
    Empty,
    #[error("nobody who is connected gives segment {segment} of the snapshot")]
    NotGiven { segment: Cid },
    #[error(transparent)]
    Want(#[from] WantError),
    #[error("the snapshot took longer than {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the snapshot is not valid: {0}")]
    Wrong(#[from] SegmentError),
    #[error("the node is stopping")]
    Stopping,
}

impl SnapshotError {
    /// Whether the publisher signed something that is no snapshot.
    fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong(_) | Self::Empty)
    }
}

/// Segments that are in the store, as long as this lives.
pub(super) struct Segments {
    _session: Session,
    /// Of all of them.
    pub(super) bytes: u64,
}

/// A snapshot that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) publisher: Publisher,
    pub(super) snapshot: &'a Snapshot,
    /// The announcement that names it.
    pub(super) named_by: Cid,
    /// Who says to have it.
    pub(super) peer: Option<PeerId>,
    /// Bytes that it may have.
    pub(super) room: u64,
}

/// Gets segments. Clones share their bounds and what they have learnt.
#[derive(Clone)]
pub(super) struct Getter {
    network: Network,
    places: Arc<Semaphore>,
    resting: Arc<Mutex<Resting>>,
}

impl Getter {
    pub(super) fn new(network: Network) -> Self {
        Self {
            network,
            places: Arc::new(Semaphore::new(AT_A_TIME)),
            resting: Arc::default(),
        }
    }

    /// All segments of a snapshot, read and found to be what its publisher signed.
    pub(super) async fn get(
        &self,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Result<Segments, SnapshotError> {
        if locked(&self.resting).rests(wanted.peer, wanted.named_by, now) {
            return Err(SnapshotError::Rests);
        }
        check_room(wanted.snapshot, wanted.room)?;
        let _place = self.places.try_acquire().map_err(|_| SnapshotError::Busy)?;
        let count = u32::try_from(wanted.snapshot.segments.len()).unwrap_or(u32::MAX);
        let deadline = DEADLINE + DEADLINE_EACH * count;
        let got = timeout(deadline, self.get_all(wanted)).await;
        let got = got.unwrap_or(Err(SnapshotError::Slow(deadline)));
        if let Err(error) = &got
            && !matches!(error, SnapshotError::Stopping)
        {
            let (peer, span) = match error.is_wrong() {
                true => (None, WRONG),
                false => (wanted.peer, NOT_GIVEN),
            };
            locked(&self.resting).leave_alone(peer, wanted.named_by, now.after(span), now);
        }
        got
    }

    async fn get_all(&self, wanted: Wanted<'_>) -> Result<Segments, SnapshotError> {
        let session = self.network.exchange().session(Class::Replication);
        if let Some(peer) = wanted.peer {
            session.add_peer(peer);
        }
        let bytes = tokio::select! {
            bytes = read_all(&session, wanted) => bytes?,
            segment = hopeless(&session) => return Err(SnapshotError::NotGiven { segment }),
        };
        Ok(Segments {
            _session: session,
            bytes,
        })
    }
}

/// Before anything is asked for: all but the last segment are full, if who wrote them was not
/// wasteful.
fn check_room(snapshot: &Snapshot, room: u64) -> Result<(), SnapshotError> {
    let segments = snapshot.segments.len();
    let least = (segments as u64).saturating_sub(1).saturating_mul(SEGMENT);
    match segments {
        0 => Err(SnapshotError::Empty),
        _ if least > room => Err(SnapshotError::NoRoom { segments, room }),
        _ => Ok(()),
    }
}

async fn read_all(session: &Session, wanted: Wanted<'_>) -> Result<u64, SnapshotError> {
    let mut reader = SnapshotReader::new(wanted.publisher, wanted.snapshot);
    let asked = (0..).zip(wanted.snapshot.segments.iter().copied());
    let asked = asked.map(|(order, cid)| async move { session.get(&cid, order, PATIENCE).await });
    let mut arriving = stream::iter(asked).buffered(WIDTH);
    let mut sum: u64 = 0;
    while let Some(segment) = arriving.next().await {
        let segment: Bytes = segment?;
        sum = sum.saturating_add(segment.len() as u64);
        if sum > wanted.room {
            let (segments, room) = (wanted.snapshot.segments.len(), wanted.room);
            return Err(SnapshotError::NoRoom { segments, room });
        }
        // Hashes and parses a megabyte: work for a thread of its own.
        let reading = tokio::task::spawn_blocking(move || {
            let read = reader.read(&segment).map(drop);
            (reader, read)
        });
        let (read, result) = reading.await.map_err(|_| SnapshotError::Stopping)?;
        reader = read;
        result?;
    }
    reader.finish()?;
    Ok(sum)
}

/// Waits until nobody who is connected gives some segment.
async fn hopeless(session: &Session) -> Cid {
    loop {
        let segment = session.starving().await;
        let before = session.progress().blocks;
        sleep(GRACE).await;
        if session.progress().blocks == before {
            return segment;
        }
    }
}

/// Snapshots that are left alone, by the announcement that names them; for one peer or for all.
#[derive(Debug, Default)]
struct Resting(BTreeMap<(Option<PeerId>, Cid), Timestamp>);

impl Resting {
    fn rests(&self, peer: Option<PeerId>, snapshot: Cid, now: Timestamp) -> bool {
        [peer, None].into_iter().any(|peer| {
            let until = self.0.get(&(peer, snapshot));
            until.is_some_and(|until| *until > now)
        })
    }

    fn leave_alone(
        &mut self,
        peer: Option<PeerId>,
        snapshot: Cid,
        until: Timestamp,
        now: Timestamp,
    ) {
        if self.0.len() >= MOST_RESTING {
            self.0.retain(|_, until| *until > now);
        }
        if self.0.len() >= MOST_RESTING {
            let nearest = self.0.iter().min_by_key(|(_, until)| **until);
            if let Some(nearest) = nearest.map(|(key, _)| *key) {
                self.0.remove(&nearest);
            }
        }
        self.0.insert((peer, snapshot), until);
    }
}

#[cfg(test)]
mod tests {
    use cidcast_announce::SigningKey;

    use super::*;

    fn cid(n: u64) -> Cid {
        let mut bytes = vec![0x01, 0x71, 0x12, 0x20];
        bytes.extend([7; 24]);
        bytes.extend(n.to_be_bytes());
        Cid::try_from(bytes).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn peer() -> PeerId {
        let key = SigningKey::from_seed([1; 32]);
        key.publisher().peer_id().parse().unwrap()
    }

    fn of(segments: u64) -> Snapshot {
        Snapshot {
            seq: 9,
            head: cid(9),
            segments: (0..segments).map(cid).collect(),
        }
    }

    #[test]
    fn a_snapshot_for_which_there_is_no_room_is_not_asked_for() {
        assert!(check_room(&of(1), 10).is_ok(), "it may be small");
        assert!(check_room(&of(64), 64 << 20).is_ok());
        let huge = check_room(&of(1024), 64 << 20);
        assert!(matches!(
            huge,
            Err(SnapshotError::NoRoom { segments: 1024, .. })
        ));
        assert!(matches!(
            check_room(&of(0), 1 << 30),
            Err(SnapshotError::Empty)
        ));
    }

    #[test]
    fn what_was_not_given_is_asked_of_others_and_what_is_wrong_of_nobody() {
        let mut resting = Resting::default();
        resting.leave_alone(Some(peer()), cid(1), at(600), at(0));
        assert!(resting.rests(Some(peer()), cid(1), at(599)));
        assert!(!resting.rests(None, cid(1), at(599)));
        assert!(!resting.rests(Some(peer()), cid(2), at(599)));
        assert!(!resting.rests(Some(peer()), cid(1), at(600)));
        resting.leave_alone(None, cid(2), at(600), at(0));
        assert!(resting.rests(Some(peer()), cid(2), at(599)));
    }

    #[test]
    fn memory_of_snapshots_is_bounded() {
        let mut resting = Resting::default();
        for n in 0..5_000 {
            resting.leave_alone(None, cid(n), at(10_000 + n), at(0));
        }
        assert_eq!(resting.0.len(), MOST_RESTING);
        assert!(resting.rests(None, cid(4_999), at(1)));
    }
}
