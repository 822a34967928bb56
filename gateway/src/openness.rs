//! What is open to anyone: asked of the store's pins, block by block.
//!
//! Pins are recursive, so whatever lies below an open root should be open. Two kinds of CID break
//! that: an identity CID is its own block and can link to anything, and blocks are found by
//! multihash, so that a raw block can be asked for as if it were a dag-pb node, with whatever
//! links its bytes then seem to have. Therefore an untrusted caller's way is checked at every
//! step, and so is every block of a file before its first byte is sent. (The inner shards of a
//! sharded directory are not: what such a disguise could show of them is names and CIDs.)
//!
//! What no pin here holds is read by a *visit*, over the network. A visit for a stranger checks
//! each block itself ([`Blocks::visit`]): what strangers gave to this node is open to anyone.

use cidcast_ipfs::{Blocks, Trust};
use cidcast_store::{Audience, DatabaseError, GetError, Store, links};
use cidcast_types::Cid;

use crate::Gateway;
use crate::access::Caller;
use crate::problem::Problem;
use crate::resolve::root_problem;

/// The raw codec: a block without links.
const RAW: u64 = 0x55;

/// The identity hash: the CID carries its block, and what that links to may be anywhere.
const IDENTITY: u64 = 0x00;

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
    /// The blocks through which `caller` reads what is below `root`: what is pinned here is
    /// complete here, and everything else is visited.
    pub(crate) async fn view(&self, caller: &Caller, root: &Cid) -> Result<Blocks, Problem> {
        let is_inline = root.hash().code() == IDENTITY;
        let trust = match caller.is_trusted() {
            true => Trust::Trusted,
            false => Trust::Stranger,
        };
        let is_here = match self.audience(root).await? {
            Some(Audience::Anyone) => !is_inline,
            Some(Audience::Writers | Audience::Members) => trust == Trust::Trusted,
            None => false,
        };
        if is_here {
            return Ok(self.blocks.local());
        }
        // A segment is visited with the package in whose playlist it stands.
        let parent = self.parents.get(root);
        let visit = self.blocks.visit(&parent.unwrap_or(*root), trust);
        Ok(visit.unwrap_or_else(|| self.blocks.local()))
    }

    /// Whether `caller` may see the block `cid` through `view`. A block that is not open to anyone
    /// does not exist for an untrusted caller: private, unpinned and absent blocks all read the
    /// same.
    pub(crate) async fn admit(
        &self,
        view: &Blocks,
        caller: &Caller,
        cid: &Cid,
    ) -> Result<Openness, Problem> {
        let is_open = self.audience(cid).await? == Some(Audience::Anyone);
        if is_open {
            return Ok(Openness::Open);
        }
        if view.is_visit() {
            self.in_time(view.get(cid))
                .await?
                .map_err(|error| root_problem(cid, &error))?;
            return Ok(match view.is_strangers(cid) {
                true => Openness::Open,
                false => Openness::Private,
            });
        }
        if caller.is_trusted() {
            return Ok(Openness::Private);
        }
        Err(Problem::NotHere { cid: *cid })
    }

    /// Whether `caller` may see every block of the file `cid`, itself already admitted.
    pub(crate) async fn admit_file(
        &self,
        view: &Blocks,
        caller: &Caller,
        cid: &Cid,
    ) -> Result<(), Problem> {
        // A visit checks each block when it is read.
        if caller.is_trusted() || view.is_visit() || cid.codec() == RAW {
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

    /// Whether `caller` may see every block of these files.
    pub(crate) async fn admit_files(
        &self,
        view: &Blocks,
        caller: &Caller,
        files: Vec<Cid>,
    ) -> Result<(), Problem> {
        // A visit checks each block when it is read.
        if caller.is_trusted() || view.is_visit() {
            return Ok(());
        }
        let closed = self.ask(move |store| {
            for file in files {
                if !is_open(store, &file)? || file.codec() != RAW && !is_open_below(store, &file)? {
                    return Ok(Some(file));
                }
            }
            Ok(None)
        });
        match closed.await? {
            Some(cid) => Err(Problem::NotHere { cid }),
            None => Ok(()),
        }
    }

    async fn audience(&self, cid: &Cid) -> Result<Option<Audience>, Problem> {
        let wanted = *cid;
        self.ask(move |store| Ok(store.audience(&wanted)?)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Store) -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.store.clone();
        let asked = tokio::task::spawn_blocking(move || question(&store));
        match self.in_time(asked).await? {
            Ok(Ok(answer)) => Ok(answer),
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
