//! From a root CID and names to the content they mean, for those who may see it.

use std::future::Future;

use cidcast_ipfs::unixfs::read::{self, Kind, ListError, Node, ReadError, ResolveError};
use cidcast_ipfs::{BlockError, Blocks, WantError};
use cidcast_types::Cid;

use crate::Gateway;
use crate::access::Caller;
use crate::openness::Openness;
use crate::problem::{Problem, shortened};

/// What a content path means.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    /// The CID of the root and of each name on the way; the last one is the content.
    pub(crate) roots: Vec<Cid>,
    /// The content.
    pub(crate) node: Node,
    /// Who may keep it.
    pub(crate) openness: Openness,
    /// Through which it was found, and is to be read.
    pub(crate) blocks: Blocks,
}

impl Gateway {
    /// The content under `root` that `names` lead to.
    pub(crate) async fn resolve(
        &self,
        caller: &Caller,
        root: &Cid,
        names: &[String],
    ) -> Result<Resolved, Problem> {
        let view = self.view(caller, root).await?;
        self.resolve_in(view, caller, root, names).await
    }

    /// As [`Self::resolve`], through blocks that the caller of this has already.
    pub(crate) async fn resolve_in(
        &self,
        blocks: Blocks,
        caller: &Caller,
        root: &Cid,
        names: &[String],
    ) -> Result<Resolved, Problem> {
        let openness = self.admit(&blocks, caller, root).await?;
        let mut node = self.step(&blocks, root, root, "").await?;
        let mut roots = vec![*root];
        for name in names {
            let parent = node.cid;
            node = self.step(&blocks, root, &parent, name).await?;
            self.admit(&blocks, caller, &node.cid).await?;
            roots.push(node.cid);
        }
        if matches!(node.kind, Kind::File { .. }) {
            self.admit_file(&blocks, caller, &node.cid).await?;
        }
        Ok(Resolved {
            roots,
            node,
            openness,
            blocks,
        })
    }

    /// One name below `parent`; no name is `parent` itself.
    async fn step(
        &self,
        blocks: &Blocks,
        root: &Cid,
        parent: &Cid,
        name: &str,
    ) -> Result<Node, Problem> {
        self.in_time(read::resolve(blocks, parent, name))
            .await?
            .map_err(|error| resolve_problem(root, parent, name, &error))
    }

    /// Gives up what takes longer than a read may.
    pub(crate) async fn in_time<T>(&self, read: impl Future<Output = T>) -> Result<T, Problem> {
        let deadline = self.settings.limits.read_deadline;
        tokio::time::timeout(deadline, read)
            .await
            .map_err(|_| Problem::TooSlow)
    }
}

fn resolve_problem(root: &Cid, parent: &Cid, name: &str, error: &ResolveError) -> Problem {
    match error {
        ResolveError::NotFound { .. } | ResolveError::NotADirectory { .. } => Problem::NoSuchName {
            segment: shortened(name),
            parent: *parent,
        },
        ResolveError::Block(error) => root_problem(root, error),
        ResolveError::Node(_) | ResolveError::ShardTooDeep { .. } => {
            Problem::Malformed { cid: *parent }
        }
        ResolveError::PathTooLong => Problem::BadPath {
            reason: "it has too many names",
        },
    }
}

/// What a client is told of a block that could not be had, when it asked for what is below `root`.
pub(crate) fn root_problem(root: &Cid, error: &BlockError) -> Problem {
    match error {
        BlockError::NotFound { cid } if **cid == *root => Problem::NotHere { cid: *root },
        other => block_problem(other),
    }
}

/// What a client is told of a block that could not be had.
pub(crate) fn block_problem(error: &BlockError) -> Problem {
    match error {
        BlockError::NotFound { cid } => Problem::Incomplete { cid: **cid },
        BlockError::Unreachable { cid } => Problem::Unreachable { cid: **cid },
        BlockError::Fetch { source, .. } if source.is_no_space() => Problem::NoSpace,
        BlockError::Fetch {
            source: WantError::TooManyWants { .. },
            ..
        } => Problem::Busy,
        BlockError::Store { .. } | BlockError::Audience { .. } | BlockError::Fetch { .. } => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "block could not be read"
            );
            Problem::Internal
        }
        BlockError::Stopping { .. } => Problem::Busy,
    }
}

/// What a client is told of a file that could not be read before its answer began.
pub(crate) fn read_problem(cid: &Cid, error: &ReadError) -> Problem {
    match error {
        ReadError::Block(error) => block_problem(error),
        ReadError::NotAFile { cid } => Problem::NotUnixfs { cid: **cid },
        ReadError::OutOfRange { .. }
        | ReadError::WrongSize { .. }
        | ReadError::TooDeep { .. }
        | ReadError::Node(_) => Problem::Malformed { cid: *cid },
    }
}

/// What a client is told of a directory that could not be listed.
pub(crate) fn list_problem(cid: &Cid, error: &ListError) -> Problem {
    match error {
        ListError::Block(error) => block_problem(error),
        ListError::NotADirectory { cid } => Problem::NotUnixfs { cid: **cid },
        ListError::TooManyEntries { .. } | ListError::BadShard { .. } | ListError::Node(_) => {
            Problem::Malformed { cid: *cid }
        }
    }
}
