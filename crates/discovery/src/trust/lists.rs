//! Signed block lists: one's own for others, and those of others.
//!
//! A list is believed because the operator imported it, and only as far as its signature reaches:
//! who is blocked by it is shown with the publisher who says so. A list that came from its
//! publisher's nodes is asked for again every day; anybody who has it may give it, because it is
//! signed. Taking a list back takes back every block that only it said.
//!
//! Owns: one task. Ends: with the `Shutdown` it was started under. Cancel safety: a list is here
//! whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cidcast_announce::{
    BlockList, BlockListDraft, Blocked, NodeId, Publisher, SignError, SigningKey, VerifyError,
};
use cidcast_catalog::{BlockedError, CatalogError, ListSource, NewBlockList, Subject};
use cidcast_runtime::{Backoff, Shutdown};
use cidcast_types::Timestamp;

use super::{Trust, node_of};
use crate::ask::{AskError, Asker};
use crate::follow::node_at;
use crate::wire::{Request, Response};

/// When a publisher is asked for a newer list.
const AGAIN: Duration = Duration::from_secs(24 * 3600);
/// When it is asked after a failure.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(60),
    factor: 3,
    ceiling: Duration::from_secs(24 * 3600),
    attempts: u32::MAX,
};
/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(300);
/// Nodes that are asked for one list: its publisher's, then others that are connected.
const MAX_ASKED: usize = 6;
/// Reasons in a list, in characters (docs/announcement-format.md).
const MAX_REASON: usize = 200;

/// A block list was not made, found or taken.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It is not what its publisher signed.
    #[error("not a signed block list: {0}")]
    Verify(#[from] VerifyError),
    /// Somebody else signed it.
    #[error("the list is signed by {found}, not by {expected}")]
    OtherAuthor {
        /// Who was asked for.
        expected: Publisher,
        /// Who signed it.
        found: Publisher,
    },
    /// Nobody who was asked has one.
    #[error("none of {asked} nodes that were asked has a block list of {publisher}")]
    Nobody {
        /// Whose.
        publisher: Publisher,
        /// How many were asked.
        asked: usize,
        /// Why the last of them did not give it.
        source: Option<AskError>,
    },
    /// The rows do not allow it.
    #[error(transparent)]
    Rows(#[from] BlockedError),
    /// The database failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Block lists, to be made and imported. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BlockLists {
    trust: Trust,
    asker: Asker,
}

impl BlockLists {
    /// Starts to ask for newer lists.
    pub fn start(trust: Trust, asker: Asker, shutdown: &Shutdown) -> Self {
        let lists = Self { trust, asker };
        let worker = lists.clone();
        let token = shutdown.token().clone();
        shutdown.spawn("block lists", async move {
            Box::pin(token.run_until_cancelled_owned(worker.keep_fresh())).await
        });
        lists
    }

    /// Everybody whom the operator blocks, signed: for a file.
    ///
    /// # Errors
    ///
    /// [`ListError`]
    pub async fn export(&self, key: &SigningKey, title: &str) -> Result<BlockList, ListError> {
        let own = self.trust.inner.catalog.own_blocked().await?;
        let entries: BTreeMap<Blocked, String> = own
            .into_iter()
            .map(|(subject, reason)| {
                let reason = reason.chars().take(MAX_REASON).collect();
                (listed(&subject), reason)
            })
            .collect();
        let draft = BlockListDraft {
            title: title.to_owned(),
            at: self.trust.inner.clock.now(),
            entries,
        };
        Ok(BlockList::sign(key, draft)?)
    }

    /// As [`Self::export`], and other nodes that ask for the list of this publisher get it.
    ///
    /// # Errors
    ///
    /// [`ListError`]
    pub async fn share(&self, key: &SigningKey, title: &str) -> Result<BlockList, ListError> {
        let list = self.export(key, title).await?;
        let shared = Some((&list.author(), list.at(), list.bytes().as_ref()));
        self.trust.inner.catalog.share_block_list(shared).await?;
        Ok(list)
    }

    /// Nobody gets the operator's own list any more.
    ///
    /// # Errors
    ///
    /// [`ListError`]
    pub async fn unshare(&self) -> Result<(), ListError> {
        Ok(self.trust.inner.catalog.share_block_list(None).await?)
    }

    /// Imports a list from its bytes, as [`Self::export`] gives them.
    ///
    /// # Errors
    ///
    /// [`ListError`]
    pub async fn import(&self, bytes: &[u8]) -> Result<BlockList, ListError> {
        let list = BlockList::verify(bytes)?;
        self.take(&list, ListSource::File, None).await?;
        Ok(list)
    }

    /// Imports the list of a publisher from its nodes, or from whoever has it, and asks again every
    /// day.
    ///
    /// # Errors
    ///
    /// [`ListError`]
    pub async fn import_from(&self, publisher: &Publisher) -> Result<BlockList, ListError> {
        let list = self.find(publisher).await?;
        let next = self.trust.inner.clock.now().after(AGAIN);
        self.take(&list, ListSource::Publisher, Some(next)).await?;
        Ok(list)
    }

    /// What is answered to a node that asks for the list of a publisher.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn of(&self, publisher: &Publisher) -> Result<Option<Bytes>, CatalogError> {
        let bytes = self
            .trust
            .inner
            .catalog
            .signed_block_list(publisher)
            .await?;
        Ok(bytes.map(Bytes::from))
    }

    async fn take(
        &self,
        list: &BlockList,
        source: ListSource,
        next_at: Option<Timestamp>,
    ) -> Result<(), ListError> {
        let inner = &self.trust.inner;
        let mut entries = Vec::new();
        for (blocked, reason) in list.entries() {
            let subject = subject(blocked);
            // Nobody's list cuts this node off from itself.
            if self.trust.check_not_oneself(&subject).await.is_ok() {
                entries.push((subject, reason.clone()));
            }
        }
        let new = NewBlockList {
            publisher: list.author(),
            title: list.title().to_owned(),
            source,
            at: list.at(),
            bytes: list.bytes().to_vec(),
            entries,
            next_at,
        };
        inner
            .catalog
            .import_block_list(&new, inner.clock.now())
            .await?;
        Ok(self.trust.changed().await?)
    }

    /// Asks the publisher's nodes, then others, and believes what the publisher signed.
    async fn find(&self, publisher: &Publisher) -> Result<BlockList, ListError> {
        let asked = self.whom_to_ask(publisher).await?;
        let mut last = None;
        for (node, addresses) in &asked {
            let request = Request::BlockList {
                publisher: *publisher,
            };
            let want = |response| match response {
                Response::BlockList(list) => Some(list),
                _ => None,
            };
            match self.asker.ask(node, addresses, request, want).await {
                Ok(Some(bytes)) => {
                    let list = BlockList::verify(&bytes)?;
                    let found = list.author();
                    if found == *publisher {
                        return Ok(list);
                    }
                    let expected = *publisher;
                    return Err(ListError::OtherAuthor { expected, found });
                }
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(ListError::Nobody {
            publisher: *publisher,
            asked: asked.len(),
            source: last,
        })
    }

    async fn whom_to_ask(
        &self,
        publisher: &Publisher,
    ) -> Result<Vec<(NodeId, Vec<String>)>, CatalogError> {
        let inner = &self.trust.inner;
        let feed = inner.catalog.feed(publisher).await?;
        let announced = feed.map(|feed| feed.profile.nodes).unwrap_or_default();
        let follows = inner.catalog.follows().await?.into_iter();
        let followed = follows
            .filter(|follow| follow.publisher == Some(*publisher))
            .flat_map(|follow| follow.nodes);
        let mut asked: Vec<(NodeId, Vec<String>)> = Vec::new();
        for address in announced.into_iter().chain(followed) {
            let Some(node) = node_at(&address) else {
                continue;
            };
            match asked.iter_mut().find(|(known, _)| *known == node) {
                Some((_, addresses)) => addresses.push(address),
                None => asked.push((node, vec![address])),
            }
        }
        let connected = inner.swarm.peers().into_iter();
        let speakers = connected.filter(|peer| {
            let protocol = cidcast_ipfs::requests::PROTOCOL;
            peer.protocols.iter().any(|name| name == protocol)
        });
        for node in speakers.filter_map(|peer| node_of(&peer.id)) {
            if !asked.iter().any(|(known, _)| *known == node) {
                asked.push((node, Vec::new()));
            }
        }
        asked.truncate(MAX_ASKED);
        Ok(asked)
    }

    async fn keep_fresh(self) {
        loop {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "block lists were not looked after");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn refresh(&self) -> Result<(), CatalogError> {
        let inner = &self.trust.inner;
        let now = inner.clock.now();
        for list in inner.catalog.block_lists().await? {
            if list.next_at.is_none_or(|next| next > now) {
                continue;
            }
            // Large: a request to one node after another, with all that each may come to.
            let error = match Box::pin(self.import_from(&list.publisher)).await {
                Ok(newest) if newest.title() == list.title => continue,
                Ok(newest) => format!("its publisher's list is called {:?} now", newest.title()),
                Err(ListError::Catalog(error)) => return Err(error),
                Err(error) => error.to_string(),
            };
            let wait = RETRY.delay(list.failures.saturating_add(1));
            let next = now.after(wait.unwrap_or(RETRY.ceiling));
            inner
                .catalog
                .block_list_failed(list.id, &error, next)
                .await?;
        }
        Ok(())
    }
}

fn subject(blocked: &Blocked) -> Subject {
    match blocked {
        Blocked::Publisher(publisher) => Subject::Publisher(*publisher),
        Blocked::Node(node) => Subject::Peer(*node),
    }
}

fn listed(subject: &Subject) -> Blocked {
    match subject {
        Subject::Publisher(publisher) => Blocked::Publisher(*publisher),
        Subject::Peer(node) => Blocked::Node(*node),
    }
}
