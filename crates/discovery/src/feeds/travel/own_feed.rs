//! The own feed, as it travels: when it may be signed, and telling everybody.

use cidcast_announce::Announcement;
use tokio::time::Instant;

use super::super::named::{self, NameError};
use super::super::own::OwnError;
use super::{Done, PINNING, Travel};

impl Travel {
    /// A key that came from elsewhere may be signed with once everybody who is connected has said
    /// what they have, somebody among them knows the feed, the network was asked for what the
    /// publisher's name leads to, and all of that is here.
    pub(super) async fn confirm_own(&mut self) {
        if self.own.is_confirmed() || self.speaking.is_empty() {
            return;
        }
        if self.elsewhere.should_look_up(self.ledger.now()) {
            let (names, blocks) = (self.names.clone(), self.blocks.clone());
            let own = self.own.publisher();
            self.under_way.spawn(async move {
                let result = named::newest(&names, &blocks, &own).await;
                Done::Name { result }
            });
        }
        let Some(most) = self.elsewhere.most(&self.speaking) else {
            return;
        };
        let Ok(Some(feed)) = self.ledger.catalog().feed(&self.own.publisher()).await else {
            return;
        };
        if feed.have >= most && feed.have >= feed.known {
            match self.own.confirm().await {
                Ok(()) => {
                    tracing::info!(have = feed.have, "the own feed is complete here");
                    self.reconcile_at = Instant::now();
                }
                Err(error) => tracing::error!(%error, "the own key could not be confirmed"),
            }
        }
    }

    pub(super) async fn reconcile(&mut self) {
        self.reconcile_at = Instant::now() + self.ledger.settings().reconcile_every;
        let reach = self.swarm.reach().await;
        let nodes = match reach.external.is_empty() {
            true => reach.listening,
            false => reach.external,
        };
        let result = self
            .own
            .reconcile(addresses(nodes, &self.swarm.peer_id()))
            .await;
        if self.own.is_waiting() {
            self.reconcile_at = Instant::now() + PINNING;
        }
        match self.spread(result).await {
            Ok(()) => {}
            Err(OwnError::NotReady(standing)) => {
                tracing::debug!(?standing, "the own feed is not signed now");
            }
            Err(error) => tracing::error!(%error, "the own feed could not be reconciled"),
        }
    }

    /// Tells everybody.
    pub(super) async fn spread(
        &mut self,
        signed: Result<Vec<Announcement>, OwnError>,
    ) -> Result<(), OwnError> {
        for announcement in signed? {
            if let Err(error) = self.topic.publish(announcement.bytes().clone()).await {
                // Whoever connects asks what there is.
                tracing::debug!(seq = announcement.seq(), %error, "nobody to tell");
            }
        }
        Ok(())
    }

    /// The own name leads to an announcement: it exists, and so do those before it.
    pub(super) async fn name_told(&mut self, result: Result<Option<Announcement>, NameError>) {
        let noted = match result {
            Ok(Some(newest)) => {
                let noted = self.ledger.catalog().note_exists(&newest).await;
                noted.map_err(NameError::from)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        self.own
            .doubt(noted.as_ref().err().map(ToString::to_string));
        match noted {
            Ok(()) => self.elsewhere.name_told(),
            Err(_) => self.elsewhere.name_failed(self.ledger.now()),
        }
        self.reconcile_at = Instant::now();
    }
}

/// Addresses as a profile has them: at most 16, each ending in this node's peer id.
fn addresses(nodes: Vec<String>, peer_id: &str) -> Vec<String> {
    const MOST: usize = 16;
    let suffix = format!("/p2p/{peer_id}");
    let whole = nodes
        .into_iter()
        .map(|address| match address.ends_with(&suffix) {
            true => address,
            false => address + &suffix,
        });
    let mut whole: Vec<String> = whole.filter(|address| address.len() <= 512).collect();
    whole.sort();
    whole.dedup();
    whole.truncate(MOST);
    whole
}
