//! The state of the own feed as segments, on disk and pinned, before anything says so.

use cidcast_announce::{Publisher, SegmentBlock, SegmentWriter, SignError, Snapshot, StateEntry};
use cidcast_catalog::{CatalogError, FeedState, NoState, SnapshotGain};
use cidcast_store::InFlight;
use cidcast_types::Cid;
use std::sync::Arc;

use super::super::ledger::{Ledger, LedgerError, on_disk};
use super::policy;

/// Segments of a snapshot, as the format has it.
const MOST_SEGMENTS: usize = 1024;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the own feed has more than a snapshot can hold: {MOST_SEGMENTS} MiB")]
    TooLarge,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Written {
    /// Its segments are pinned.
    Snapshot(Snapshot),
    /// It would be nearly as large as what it replaces.
    DoesNotPay,
    /// The profile has to be announced once more.
    UndatedProfile,
}

/// Writes the state of a feed as it is now.
pub(super) async fn write(
    ledger: &Ledger,
    publisher: &Publisher,
    gain: &SnapshotGain,
) -> Result<Written, WriteError> {
    let mut state = match ledger.catalog().feed_state(publisher).await? {
        Ok(state) => state,
        Err(NoState::Empty) => return Ok(Written::DoesNotPay),
        Err(NoState::UndatedProfile) => return Ok(Written::UndatedProfile),
    };
    let mut segments = Segments {
        ledger: ledger.clone(),
        guard: Arc::new(ledger.store().in_flight()),
        cids: Vec::new(),
        bytes: 0,
    };
    let writer = SegmentWriter::new(*publisher);
    segments.fill(writer, &mut state, gain).await?;
    if segments.cids.is_empty() || !policy::pays(gain, segments.bytes) {
        return Ok(Written::DoesNotPay);
    }
    ledger
        .pin_segments(publisher, segments.cids.clone())
        .await?;
    Ok(Written::Snapshot(Snapshot {
        seq: state.have.saturating_sub(1),
        head: state.head,
        segments: segments.cids,
    }))
}

/// Segments that were written, held until they are pinned.
struct Segments {
    ledger: Ledger,
    guard: Arc<InFlight>,
    cids: Vec<Cid>,
    bytes: u64,
}

impl Segments {
    /// All of a state, with the memory of one segment; less if it does not pay.
    async fn fill(
        &mut self,
        mut writer: SegmentWriter,
        state: &mut FeedState,
        gain: &SnapshotGain,
    ) -> Result<(), WriteError> {
        loop {
            let entries = state.next().await?;
            if entries.is_empty() {
                break;
            }
            let (used, full) = encode(writer, entries).await?;
            writer = used;
            for segment in full {
                self.keep(segment).await?;
            }
            if !policy::pays(gain, self.bytes) {
                return Ok(());
            }
        }
        match writer.finish()? {
            Some(last) => self.keep(last).await,
            None => Ok(()),
        }
    }

    async fn keep(&mut self, segment: SegmentBlock) -> Result<(), WriteError> {
        if self.cids.len() >= MOST_SEGMENTS {
            return Err(WriteError::TooLarge);
        }
        self.cids.push(segment.cid);
        self.bytes = self.bytes.saturating_add(segment.bytes.len() as u64);
        let (store, guard) = (self.ledger.store().clone(), Arc::clone(&self.guard));
        let put = move || Ok(store.put(&segment.cid, &segment.bytes, &guard)?);
        Ok(on_disk(put).await?)
    }
}

/// Work for a thread of its own.
async fn encode(
    mut writer: SegmentWriter,
    entries: Vec<StateEntry>,
) -> Result<(SegmentWriter, Vec<SegmentBlock>), WriteError> {
    let encoding = tokio::task::spawn_blocking(move || {
        let mut full = Vec::new();
        for entry in &entries {
            full.extend(writer.push(entry)?);
        }
        Ok::<_, SignError>((writer, full))
    });
    let encoded = encoding.await.map_err(|_| LedgerError::Stopping)?;
    Ok(encoded?)
}
