//! What is open to anyone: asked of the store's pins, block by block.
//!
//! Pins are recursive, so whatever lies below an open root should be open. Two kinds of CID break
//! that: an identity CID is its own block and can link to anything, and blocks are found by
//! multihash, so that a raw block can be asked for as if it were a dag-pb node, with whatever
//! links its bytes then seem to have. Therefore an untrusted caller's way is checked at every
//! step, and so is every block of a file before its first byte is sent. (The inner shards of a
//! sharded directory are not: what such a disguise could show of them is names and CIDs.)

use cidcast_store::{Audience, DatabaseError, GetError, Store, links};
use cidcast_types::Cid;

use crate::Gateway;
use crate::access::Caller;
use crate::problem::Problem;

/// The raw codec: a block without links.
const RAW: u64 = 0x55;

/// Links followed below one file. 1 MiB leaves make this 256 GiB.
const MAX_LINKS: usize = 1 << 18;

/// Whether content may be kept by caches that others share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Openness {
    /// Its pin is open to anyone.
    Open,
    /// It is shown to this caller only.
    Private,
}

/// Why a block's audience could not be told.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("the pins could not be read: run `cidcast store verify`")]
    Pins(#[from] DatabaseError),
    #[error("a block could not be read: run `cidcast store verify`")]
    Block(#[from] GetError),
}

impl Gateway {
    /// Whether `caller` may see the block `cid`. A block that no pin opens to anyone does not
    /// exist for an untrusted caller: private, unpinned and absent blocks all read the same.
    pub(crate) async fn admit(&self, caller: &Caller, cid: &Cid) -> Result<Openness, Problem> {
        let wanted = *cid;
        let open = self.ask(move |store| Ok(is_open(store, &wanted)?)).await?;
        match (open, caller.is_trusted()) {
            (true, _) => Ok(Openness::Open),
            (false, true) => Ok(Openness::Private),
            (false, false) => Err(Problem::NotHere { cid: *cid }),
        }
    }

    /// Whether `caller` may see every block of the file `cid`, itself already admitted.
    pub(crate) async fn admit_file(&self, caller: &Caller, cid: &Cid) -> Result<(), Problem> {
        if caller.is_trusted() || cid.codec() == RAW {
            return Ok(());
        }
        let wanted = *cid;
        let open = self.ask(move |store| is_open_below(store, &wanted)).await?;
        if open {
            Ok(())
        } else {
            Err(Problem::NotHere { cid: *cid })
        }
    }

    async fn ask(
        &self,
        question: impl FnOnce(&Store) -> Result<bool, AskError> + Send + 'static,
    ) -> Result<bool, Problem> {
        let store = self.store.clone();
        let asked = tokio::task::spawn_blocking(move || question(&store));
        match self.in_time(asked).await? {
            Ok(Ok(open)) => Ok(open),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "audience of a block could not be told");
                Err(Problem::Internal)
            }
            Err(_) => Err(Problem::Busy),
        }
    }
}

fn is_open(store: &Store, cid: &Cid) -> Result<bool, DatabaseError> {
    Ok(store.audience(cid)? == Some(Audience::Anyone))
}

/// Whether every block below `cid` is open. What is missing or unreadable is not.
fn is_open_below(store: &Store, cid: &Cid) -> Result<bool, AskError> {
    let mut waiting = vec![*cid];
    let mut followed = 0;
    while let Some(node) = waiting.pop() {
        let block = match store.get(&node) {
            Err(GetError::NotFound { .. }) => return Ok(false),
            found => found?,
        };
        let Ok(children) = links(&node, &block) else {
            return Ok(false);
        };
        followed += children.len();
        if followed > MAX_LINKS {
            return Ok(false);
        }
        for child in children {
            if !is_open(store, &child)? {
                return Ok(false);
            }
            if child.codec() != RAW {
                waiting.push(child);
            }
        }
    }
    Ok(true)
}
