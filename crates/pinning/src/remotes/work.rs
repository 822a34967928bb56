//! The loop: which services are asked about which pins, and what is noted.

use std::time::Duration;

use cidcast_catalog::{CatalogError, RemotePin};
use cidcast_types::PinState;
use futures::StreamExt as _;

use super::Inner;
use super::note::{heard, unheard};
use super::service::{CallError, Said, Service, There};

/// Without news: for what was missed.
const LOOK: Duration = Duration::from_secs(300);
/// Calls at a time: services limit how often they are asked.
const AT_ONCE: usize = 4;
/// Pins in one round.
const ROUND: u32 = 64;
/// How long connecting with a peer of a service may take.
const DIAL: Duration = Duration::from_secs(10);
/// Peers of a service that are connected with for one pin.
const DELEGATES: usize = 4;

impl Inner {
    pub(super) async fn keep_asking(&self, service: &Service) {
        let name = &service.settings.name;
        loop {
            let wait = match self.ask_all_due(service).await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(service = name, %error, "remote pins could not be looked after");
                    LOOK
                }
            };
            tokio::select! {
                () = service.news.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Asks until nothing is due; answers how long until something is.
    async fn ask_all_due(&self, service: &Service) -> Result<Duration, CatalogError> {
        let name = &service.settings.name;
        loop {
            let now = self.clock.now();
            let due = self.catalog.remote_pins_due(name, now, ROUND).await?;
            if due.is_empty() {
                break;
            }
            let asking = futures::stream::iter(due).map(|pin| self.ask(service, pin));
            let noted: Vec<_> = asking.buffer_unordered(AT_ONCE).collect().await;
            noted.into_iter().collect::<Result<Vec<()>, _>>()?;
            self.show(name).await?;
        }
        self.show(name).await?;
        let next = self.catalog.next_remote_at(name).await?;
        let now = self.clock.now().as_millis();
        let wait = next.map(|at| Duration::from_millis(at.as_millis().saturating_sub(now)));
        Ok(wait.map_or(LOOK, |wait| wait.min(LOOK)))
    }

    async fn show(&self, name: &str) -> Result<(), CatalogError> {
        let counts = self.catalog.remote_pin_counts().await?;
        self.metrics.show(name, &counts);
        Ok(())
    }

    /// Asks about one pin what is to be asked, and notes the answer.
    async fn ask(&self, service: &Service, pin: RemotePin) -> Result<(), CatalogError> {
        if pin.state == PinState::Unpinning {
            return self.give_up(service, &pin).await;
        }
        let answer = self.pin_or_look(service, &pin).await;
        let now = self.clock.now();
        let note = match answer {
            Ok(said) => {
                self.metrics.called(&pin.service, "answered");
                if said.state == There::OnItsWay {
                    self.meet(&said.delegates).await;
                }
                heard(&pin, said, now)
            }
            Err(error) => {
                self.metrics.called(&pin.service, "failed");
                tracing::warn!(service = pin.service, root = %pin.cid, %error,
                    "a remote pin could not be looked after, will retry");
                unheard(&pin, error.to_string(), now)
            }
        };
        let noted = self.catalog.note_remote_pin(&pin, &note).await?;
        if noted && note.state != pin.state {
            self.changes.send_modify(|count| *count += 1);
            tracing::info!(service = pin.service, root = %pin.cid, state = %note.state, "remote pin");
        }
        Ok(())
    }

    async fn pin_or_look(&self, service: &Service, pin: &RemotePin) -> Result<Said, CallError> {
        let is_new = match pin.state {
            PinState::Queued => true,
            // The service gave it up, or the call did not get through.
            PinState::Error => match pin.request {
                None => true,
                // Only what is missing is written.
                Some(_) if service.archive().is_some() => true,
                Some(_) => {
                    let said = service.look(pin).await?;
                    if matches!(said.state, There::OnItsWay | There::Pinned) {
                        return Ok(said);
                    }
                    service.unpin(pin).await?;
                    true
                }
            },
            _ => false,
        };
        if !is_new {
            return service.look(pin).await;
        }
        let origins = self.swarm.own_addresses().await;
        service.pin(pin, &origins).await
    }

    async fn give_up(&self, service: &Service, pin: &RemotePin) -> Result<(), CatalogError> {
        match service.unpin(pin).await {
            Ok(()) => {
                self.metrics.called(&pin.service, "answered");
                self.catalog.forget_remote_pin(pin.id).await?;
                self.changes.send_modify(|count| *count += 1);
                Ok(())
            }
            Err(error) => {
                self.metrics.called(&pin.service, "failed");
                let note = unheard(pin, error.to_string(), self.clock.now());
                let noted = self.catalog.note_remote_pin(pin, &note);
                noted.await.map(drop)
            }
        }
    }

    /// Connects with peers of a service that fetches: it may not reach this node by itself.
    async fn meet(&self, delegates: &[String]) {
        let dialling = delegates.iter().take(DELEGATES).map(|delegate| async move {
            if let Err(error) = self.swarm.dial(delegate, DIAL).await {
                tracing::debug!(delegate, %error, "a peer of a pinning service cannot be reached");
            }
        });
        futures::future::join_all(dialling).await;
    }
}
