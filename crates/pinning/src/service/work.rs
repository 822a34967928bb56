//! The loop, and one look at everything that is not settled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cidcast_catalog::{Leaving, MAX_REQUESTED, PinRequest, RequestState};
use cidcast_ipfs::pinner::PinJob;
use cidcast_store::Holder;
use cidcast_types::Cid;
use futures::StreamExt as _;
use tokio::sync::watch;

use super::settle::{Found, Step, step};
use super::{HOLDER, Inner, ServiceError, audience, holder};

/// How often to look when nobody asks: pins that wait for a place, and origins that are away.
const TICK: Duration = Duration::from_secs(20);
/// How soon after a pin has ended.
const SETTLE: Duration = Duration::from_secs(1);
/// Pins of this service that may be on their way at once: the pinner's places are for others too.
const AT_ONCE: usize = 1024;
/// Requests that are given up in one look.
const LEAVING: u32 = 1024;
/// Origins that are dialled in one round: a hint, not a duty.
const ORIGINS: usize = 128;
/// Origins that are dialled at a time.
const DIALS: usize = 16;
/// How long dialling one may take.
const DIAL: Duration = Duration::from_secs(10);

impl Inner {
    pub(super) async fn keep_settling(&self) {
        // Dialling takes its time, which no request has to wait for.
        let (sender, receiver) = watch::channel(BTreeSet::new());
        tokio::join!(self.keep_looking(sender), self.keep_dialling(receiver));
    }

    async fn keep_looking(&self, dial: watch::Sender<BTreeSet<String>>) {
        let mut tick = tokio::time::interval(TICK);
        let mut ended = self.parts.pinner.ended();
        loop {
            match self.settle().await {
                Ok(origins) if origins.is_empty() => {}
                Ok(origins) => drop(dial.send_replace(origins)),
                Err(error) => tracing::warn!(%error, "pins for others could not be looked after"),
            }
            if let Ok(counts) = self.parts.catalog.pin_request_counts().await {
                self.parts.metrics.show(&counts);
            }
            tokio::select! {
                () = self.news.notified() => {}
                _ = tick.tick() => {}
                // Others may end at the same moment.
                Ok(()) = ended.changed() => tokio::time::sleep(SETTLE).await,
            }
        }
    }

    async fn keep_dialling(&self, mut wanted: watch::Receiver<BTreeSet<String>>) {
        while wanted.changed().await.is_ok() {
            let origins = wanted.borrow_and_update().clone();
            self.dial(origins).await;
        }
    }

    /// Brings rows, jobs and pins together; answers the origins of what is not here yet.
    pub(super) async fn settle(&self) -> Result<BTreeSet<String>, ServiceError> {
        let _turn = self.turn.lock().await;
        let catalog = &self.parts.catalog;
        let most = u32::try_from(MAX_REQUESTED).unwrap_or(u32::MAX);
        let requests = catalog.unsettled_pin_requests(most).await?;
        let origins = match requests.is_empty() {
            true => BTreeSet::new(),
            false => self.settle_each(&requests).await?,
        };
        for Leaving { id, cid } in catalog.leaving_pin_requests(LEAVING).await? {
            self.parts.pinner.remove(holder(id)?, cid).await?;
            catalog.forget_pin_request(id).await?;
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(origins)
    }

    async fn settle_each(&self, all: &[PinRequest]) -> Result<BTreeSet<String>, ServiceError> {
        // Before the pins: one that becomes complete in between is seen as a pin, not missed.
        let jobs = self.jobs();
        let mut places = AT_ONCE.saturating_sub(jobs.len());
        let (mut origins, mut said) = (BTreeSet::new(), Vec::new());
        for request in all {
            let id = request.id;
            let holder = holder(id)?;
            let is_here;
            let found = match jobs.get(&holder) {
                Some(job) => Found::Job(job),
                None if request.state == RequestState::Failed => Found::Nothing,
                None => {
                    is_here = self.is_pinned(&holder, request.wanted.cid).await?;
                    if is_here { Found::Pin } else { Found::Nothing }
                }
            };
            let step = step(request, found);
            if matches!(found, Found::Job(_)) || step == Step::Pin {
                let room = ORIGINS.saturating_sub(origins.len());
                origins.extend(request.wanted.origins.iter().take(room).cloned());
            }
            match step {
                Step::Nothing => {}
                Step::Say(state, error) => said.push((id, state, error)),
                Step::GiveUp(error) => {
                    let removed = self.parts.pinner.remove(holder, request.wanted.cid);
                    removed.await?;
                    said.push((id, RequestState::Failed, error));
                }
                Step::Pin if places == 0 => {}
                Step::Pin => {
                    places -= 1;
                    self.pin(holder, request).await?;
                }
            }
        }
        if !said.is_empty() {
            self.parts.catalog.settle_pin_requests(&said).await?;
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(origins)
    }

    async fn pin(&self, holder: Holder, request: &PinRequest) -> Result<(), ServiceError> {
        // What names nobody was refused when it was asked for.
        let audience = audience(&request.wanted).unwrap_or(cidcast_store::Audience::Members);
        let cid = request.wanted.cid;
        Ok(self.parts.pinner.add(holder, cid, audience).await?)
    }

    fn jobs(&self) -> BTreeMap<Holder, PinJob> {
        let jobs = self.parts.pinner.jobs().into_iter();
        let ours = jobs.filter(|job| job.holder.as_str().starts_with(HOLDER));
        ours.map(|job| (job.holder.clone(), job)).collect()
    }

    async fn is_pinned(&self, holder: &Holder, cid: Cid) -> Result<bool, ServiceError> {
        let (store, holder) = (self.parts.store.clone(), holder.clone());
        let roots = tokio::task::spawn_blocking(move || store.pinned_roots(&holder));
        let roots = roots.await.map_err(|_| ServiceError::Stopping)??;
        Ok(roots.contains(&cid))
    }

    /// Connects with those who are said to have something; whether it works shows in the pins.
    async fn dial(&self, origins: BTreeSet<String>) {
        let swarm = &self.parts.swarm;
        let dialling = futures::stream::iter(origins).map(|origin| async move {
            if let Err(error) = swarm.dial(&origin, DIAL).await {
                tracing::debug!(origin, %error, "an origin of a pin cannot be reached");
            }
        });
        dialling.buffer_unordered(DIALS).collect::<()>().await;
    }
}
