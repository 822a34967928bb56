//! Snapshots: made of the own feed, held of those that are indexed here, and what they make
//! dispensable.
//!
//! Owns: one task. Each turn it makes a snapshot of the own feed if that pays ([`policy`]), brings
//! the segments of newly announced ones here, one snapshot at a time and within the quota of its
//! publisher, and drops announcements from before a snapshot that is held. Ends: with the
//! `Shutdown` that it was started under. Cancel safety: segments are pinned before a row or an
//! announcement says so, and a note made before that releases what nothing needs at the next start.

mod policy;
mod write;

use std::time::Duration;

use cidcast_announce::{Op, Profile, Publisher};
use cidcast_catalog::{FeedChange, Holding, KnownSnapshot, SnapshotState};
use cidcast_runtime::Shutdown;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::ledger::{FeedEvent, Ledger, LedgerError};
use super::metrics::SnapshotFate;
use super::own::OwnError;
use super::segments::{Getter, SnapshotError, Wanted};
use super::travel::Command;
use write::{WriteError, Written};

/// Announcements come in bursts.
const SETTLE: Duration = Duration::from_secs(1);
/// Without news: for what failed.
const TURN: Duration = Duration::from_secs(600);
/// Publishers that are looked at together.
const PAGE: u32 = 100;

/// Why a turn did not end well. The next one tries again.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the announcement of a snapshot cannot be read any more: {0}")]
    Announced(#[from] cidcast_announce::VerifyError),
    #[error(transparent)]
    Own(#[from] OwnError),
}

impl From<cidcast_catalog::CatalogError> for TurnError {
    fn from(error: cidcast_catalog::CatalogError) -> Self {
        Self::Ledger(error.into())
    }
}

/// See the module.
pub(super) struct Snapshots {
    pub(super) ledger: Ledger,
    pub(super) getter: Getter,
    /// To whom signs.
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) own: Publisher,
    /// How many announcements there were when a snapshot was tried.
    pub(super) looked_at: Option<u64>,
}

impl Snapshots {
    pub(super) fn start(mut self, shutdown: &Shutdown) {
        let (stop, mut events) = (shutdown.token().clone(), self.ledger.events());
        let work = async move {
            // The operator may have allowed less than before.
            if let Err(error) = self.prune(None).await {
                tracing::warn!(%error, "history was not dropped");
            }
            loop {
                if let Err(error) = self.turn().await {
                    tracing::warn!(%error, "snapshots were not dealt with");
                }
                if timeout(TURN, self.news(&mut events)).await.is_ok() {
                    sleep(SETTLE).await;
                }
            }
        };
        shutdown.spawn("snapshots", async move {
            stop.run_until_cancelled_owned(work).await;
        });
    }

    /// Waits for something that may be a reason for a turn.
    async fn news(&self, events: &mut Receiver<FeedEvent>) {
        loop {
            match events.recv().await {
                Ok(event) if event.publisher == self.own => return,
                Ok(event) if event.change == FeedChange::Snapshotted => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    async fn turn(&mut self) -> Result<(), TurnError> {
        self.make_own().await?;
        let mut after = None;
        loop {
            let catalog = self.ledger.catalog();
            let page = catalog.snapshots_to_hold(after.as_ref(), PAGE).await?;
            for publisher in &page {
                // One that cannot be had keeps nobody else's from being held.
                if let Err(error) = self.hold(publisher).await {
                    tracing::warn!(%publisher, %error, "a snapshot is not held");
                }
            }
            after = page.last().copied();
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Makes a snapshot of the own feed, if it is time.
    async fn make_own(&mut self) -> Result<(), TurnError> {
        let catalog = self.ledger.catalog();
        let gain = catalog.snapshot_gain(&self.own).await?;
        let every = self.ledger.settings().snapshot_every;
        if gain.announcements < self.looked_at.unwrap_or(0) {
            self.looked_at = None;
        }
        if !policy::is_due(&gain, every, self.looked_at) {
            return Ok(());
        }
        // Whatever comes of it, the next announcement is no reason to try again.
        self.looked_at = Some(gain.announcements);
        match write::write(&self.ledger, &self.own, &gain).await? {
            Written::DoesNotPay => Ok(()),
            Written::UndatedProfile => {
                let feed = catalog.feed(&self.own).await?;
                let profile = feed.map_or_else(Profile::default, |feed| feed.profile);
                self.sign(Op::Profile(profile)).await
            }
            Written::Snapshot(snapshot) => {
                let seq = snapshot.seq;
                let signed = self.sign(Op::Snapshot(snapshot)).await;
                if signed.is_err() {
                    // Nothing names them.
                    self.ledger.tidy(&self.own).await?;
                }
                signed?;
                self.ledger.metrics().snapshot(SnapshotFate::Made);
                tracing::info!(seq, "a snapshot of the own feed was announced");
                Ok(())
            }
        }
    }

    async fn sign(&self, op: Op) -> Result<(), TurnError> {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(Command::Sign { op, done }).await;
        sent.map_err(|_| OwnError::Off)?;
        Ok(answer.await.map_err(|_| OwnError::Off)??)
    }

    /// Brings the newest snapshot of a publisher here, if there is room.
    async fn hold(&self, publisher: &Publisher) -> Result<(), TurnError> {
        let known = self.ledger.catalog().known_snapshot(publisher).await?;
        let known = known.filter(|known| known.state == SnapshotState::Named);
        let (Some(known), Some(room)) = (known, self.ledger.room(publisher).await?) else {
            return Ok(());
        };
        // What this node wrote itself is here.
        let here = match *publisher == self.own {
            true => self.ledger.size_of(known.segments.clone()).await?,
            false => None,
        };
        let (held, _guard) = match here {
            Some(bytes) => (self.keep(publisher, &known, bytes).await?, None),
            None => match self.fetch(publisher, &known, room).await? {
                None => return Ok(()),
                Some(got) => (self.keep(publisher, &known, got.bytes).await?, Some(got)),
            },
        };
        match held {
            Holding::Held => self.ledger.metrics().snapshot(SnapshotFate::Held),
            Holding::OverQuota(_) => self.ledger.metrics().snapshot(SnapshotFate::Refused),
            Holding::Superseded => {}
        }
        Ok(self.prune(Some(publisher)).await?)
    }

    async fn keep(
        &self,
        publisher: &Publisher,
        known: &KnownSnapshot,
        bytes: u64,
    ) -> Result<Holding, LedgerError> {
        let segments = known.segments.clone();
        self.ledger
            .hold(publisher, (&known.cid, segments), bytes)
            .await
    }

    async fn fetch(
        &self,
        publisher: &Publisher,
        known: &KnownSnapshot,
        room: u64,
    ) -> Result<Option<super::segments::Segments>, TurnError> {
        // The rows have not all that is needed to read it.
        let Some(bytes) = self.ledger.bytes_of(known.cid).await else {
            return Ok(None);
        };
        let announcement = cidcast_announce::Announcement::verify(&bytes)?;
        let Some(snapshot) = super::fetch::snapshot_in(&announcement) else {
            return Ok(None);
        };
        let wanted = Wanted {
            publisher: *publisher,
            snapshot,
            named_by: known.cid,
            peer: None,
            room,
        };
        match self.getter.get(wanted, self.ledger.now()).await {
            Ok(segments) => Ok(Some(segments)),
            Err(SnapshotError::Rests | SnapshotError::Busy) => Ok(None),
            Err(error) => {
                tracing::debug!(%publisher, %error, "a snapshot cannot be held");
                self.ledger.metrics().snapshot(SnapshotFate::Refused);
                Ok(None)
            }
        }
    }

    /// Drops what a snapshot that is held makes dispensable, of one publisher or of all. The own
    /// history stays.
    async fn prune(&self, only: Option<&Publisher>) -> Result<(), LedgerError> {
        let history = self.ledger.settings().history;
        for (publisher, before) in self.ledger.catalog().prunable(history, only).await? {
            if publisher == self.own {
                continue;
            }
            let pruned = self.ledger.prune(&publisher, before).await?;
            self.ledger.metrics().snapshot(SnapshotFate::Pruned);
            tracing::info!(%publisher, pruned, "announcements before a snapshot were dropped");
        }
        Ok(())
    }
}
