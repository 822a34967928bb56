//! Asking one node, page by page, and taking what it passes on.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{NodeId, Notice, Publisher, Says, VerifyError};
use cidcast_catalog::{AssetOf, CatalogError, CopyQuery};
use cidcast_ipfs::swarm::{Scope, passed_on};
use cidcast_types::AssetId;
use tokio::time::sleep;

use super::Elsewhere;
use crate::trust::{Deed, peer_of};
use crate::wire::{Copies, MAX_NOTICES, Request, Response};

/// Pages that are asked of one node at a time: ten thousand copies. The next round begins anew.
const MAX_PAGES: usize = 40;
/// Between pages: far below what a peer answers in that time, so that its patience is left to
/// those who ask for announcements.
const BETWEEN: Duration = Duration::from_millis(200);

/// What came of asking.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Notices that say something new.
    pub(super) fresh: usize,
    /// Notices that were not known, and could not be taken: most likely the feed is not here yet
    /// as far as they are about.
    pub(super) left_out: usize,
    /// Where some of the nodes can be reached from here, as far as the one that was asked knows.
    pub(super) addresses: Vec<String>,
}

/// Where a page ends.
type Place = (AssetId, NodeId);

/// What of a page is worth taking.
struct Read {
    notices: Vec<Notice>,
    last: Option<Place>,
}

impl Elsewhere {
    /// Asks one node for copies of a publisher's assets, or of one of them, and takes what it
    /// passes on. Who does not answer has nothing to say.
    pub(super) async fn ask(
        &self,
        node: &NodeId,
        publisher: Publisher,
        asset: Option<AssetId>,
    ) -> Result<Answer, CatalogError> {
        let mut answer = Answer::default();
        let mut after = None;
        for page in 0..MAX_PAGES {
            if page > 0 {
                sleep(BETWEEN).await;
            }
            let Some(page) = self.page(node, publisher, asset, after).await else {
                break;
            };
            self.note_addresses(node, &page, &mut answer);
            let Some(read) = self
                .read(node, publisher, asset, after, page.notices)
                .await?
            else {
                break;
            };
            let now = self.args.clock.now();
            let fresh = self.args.inbox.hear(&read.notices, now).await?;
            answer.fresh += fresh;
            answer.left_out += read.notices.len().saturating_sub(fresh);
            // In order, or it would never end.
            if !page.more || read.last <= after {
                break;
            }
            after = read.last;
        }
        Ok(answer)
    }

    async fn page(
        &self,
        node: &NodeId,
        publisher: Publisher,
        asset: Option<AssetId>,
        after: Option<Place>,
    ) -> Option<Copies> {
        let request = Request::Copies {
            publisher,
            asset,
            after,
        };
        let want = |response| match response {
            Response::Copies(copies) => Some(copies),
            _ => None,
        };
        match self.args.asker.ask(node, &[], request, want).await {
            Ok(copies) => Some(copies),
            Err(error) => {
                tracing::debug!(%node, %error, "a node says nothing about copies");
                None
            }
        }
    }

    /// Reads a page: what is known already costs no signature check. `None` if there is a forgery
    /// or something else that was not asked for in it, which is held against the node.
    async fn read(
        &self,
        node: &NodeId,
        publisher: Publisher,
        asset: Option<AssetId>,
        after: Option<Place>,
        page: Vec<Bytes>,
    ) -> Result<Option<Read>, CatalogError> {
        let known = self.known(publisher, asset, after).await?;
        let verified = tokio::task::spawn_blocking(move || verify(page, &known));
        let Ok(verified) = verified.await else {
            return Ok(None);
        };
        let deed = match &verified {
            Err(VerifyError::Signature | VerifyError::TooLarge { .. }) => Some(Deed::Forged),
            // What cannot be read may be of a later version.
            Err(_) => None,
            Ok(read)
                if read
                    .notices
                    .iter()
                    .all(|one| answers(one, publisher, asset)) =>
            {
                None
            }
            Ok(_) => Some(Deed::OffTheMark),
        };
        if let (Some(deed), Some(peer)) = (deed, peer_of(node)) {
            self.args.trust.note_peer(&peer, deed).await;
            return Ok(None);
        }
        let own = self.own_node();
        Ok(verified.ok().map(|mut read| {
            // What this node said itself comes from nobody else.
            read.notices.retain(|one| Some(one.node()) != own);
            read
        }))
    }

    /// What is here of the page that was asked for.
    async fn known(
        &self,
        publisher: Publisher,
        asset: Option<AssetId>,
        after: Option<Place>,
    ) -> Result<HashMap<Vec<u8>, Place>, CatalogError> {
        let query = CopyQuery {
            publisher: Some(publisher),
            asset,
            after: after.map(|(asset, node)| (AssetOf { publisher, asset }, node)),
            limit: u32::try_from(MAX_NOTICES).unwrap_or(u32::MAX),
        };
        let rows = self.args.catalog.copies(&query).await?.into_iter();
        Ok(rows
            .map(|row| (row.notice, (row.of.asset, row.node)))
            .collect())
    }

    /// Keeps addresses that lead somewhere from here.
    fn note_addresses(&self, node: &NodeId, page: &Copies, answer: &mut Answer) {
        let peer = peer_of(node).and_then(|peer| self.args.swarm.peer(&peer));
        let from = peer
            .and_then(|peer| peer.scope())
            .unwrap_or(Scope::Internet);
        let leading = page.addresses.iter().filter(|address| {
            let passed = passed_on(address);
            passed.is_some_and(|(_, scope)| scope >= from)
        });
        // A few pages of them: each has a bound.
        answer.addresses.extend(leading.cloned());
    }
}

/// Checks those that are not known. The first that is no notice ends it.
fn verify(page: Vec<Bytes>, known: &HashMap<Vec<u8>, Place>) -> Result<Read, VerifyError> {
    let mut read = Read {
        notices: Vec::new(),
        last: None,
    };
    for bytes in page {
        if let Some(place) = known.get(bytes.as_ref()) {
            read.last = Some(*place);
            continue;
        }
        let notice = Notice::verify(&bytes)?;
        read.last = asset_of(&notice).map(|asset| (asset, notice.node()));
        read.notices.push(notice);
    }
    Ok(read)
}

/// Whether it is one that was asked for.
fn answers(notice: &Notice, publisher: Publisher, asset: Option<AssetId>) -> bool {
    let of = asset_of(notice);
    of.is_some() && notice.says().publisher() == publisher && (asset.is_none() || asset == of)
}

/// Of what it says that there is a copy, or is none any more.
fn asset_of(notice: &Notice) -> Option<AssetId> {
    match notice.says() {
        Says::Replica { asset, .. } | Says::ReplicaWithdrawn { asset, .. } => Some(*asset),
        _ => None,
    }
}
