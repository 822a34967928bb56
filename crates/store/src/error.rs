//! One error per operation. Each text says what its reader can do.

use std::io;
use std::path::PathBuf;

use cid::Cid;

/// The folder of blocks could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BlockFolderError {
    /// No room: the disk is full, the quota is used up, or only the reserve is left.
    #[error("the disk of {} is full: free some space or delete assets, then retry", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// Anything else that the operating system refused.
    #[error("cannot {action} {}: {source}; check the disk and the folder's permissions", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// The pin database could not answer.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No room for the pin database; nothing was changed.
    #[error("the disk is full, so pins cannot be saved: free some space, then retry")]
    NoSpace,
    /// [`crate::Store::close`] was called.
    #[error("the store is closed: open it again")]
    Closed,
    /// The database answered with an error; it is opened anew for the next operation.
    #[error("the pin database failed: {0}; retry, and check the disk if it happens again")]
    Redb(#[source] Box<redb::Error>),
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another `Store` of this one, has it open.
    #[error(
        "the store in {} is in use by another process: stop that one or choose another data directory",
        dir.display()
    )]
    InUse {
        /// The store's directory.
        dir: PathBuf,
    },
    /// The `SHARDING` file names another layout.
    #[error(
        "{} is sharded by `{found}`, but this store reads only `{expected}`: export its blocks \
         to a CAR file and import them into a new store",
        path.display()
    )]
    Sharding {
        /// The folder of blocks.
        path: PathBuf,
        /// What the file says.
        found: String,
        /// What it must say.
        expected: &'static str,
    },
    /// The folder has files but no `SHARDING` file.
    #[error(
        "{} has files but is not a folder of blocks (no SHARDING file): choose an empty directory",
        path.display()
    )]
    NotABlockFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a later release.
    #[error(
        "the pin database has format {found}, this release reads up to {known}: upgrade cidcast"
    )]
    NewerFormat {
        /// The format in the file.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// The folder could not be prepared.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The pin database could not be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The thread that deletes could not be started.
    #[error("cannot start the thread that deletes blocks: {0}; raise the process's thread limit")]
    Thread(#[source] io::Error),
}

/// A block could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The block is not in this store.
    #[error("block {cid} is not in this store: fetch or add it first")]
    NotFound {
        /// The block that was asked for.
        cid: Cid,
    },
    /// It could not be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
}

/// A DAG that is on its way here could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// Too many are on their way.
    #[error(
        "{limit} DAGs are being fetched already: wait until some are complete, or give some up"
    )]
    TooMany {
        /// The bound.
        limit: u64,
    },
    /// The pin database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// What is here of it could not be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
}

/// A block could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// No room. Nothing was written; the same call can be repeated when there is room.
    #[error("the disk is full: free some space or delete assets, then retry")]
    NoSpace,
    /// Larger than [`crate::MAX_BLOCK_BYTES`].
    #[error(
        "block {cid} has {bytes} bytes, more than the {limit} that IPFS peers exchange: split it"
    )]
    TooLarge {
        /// The block.
        cid: Cid,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The bytes are not those of the CID.
    #[error("these bytes are not block {cid}: fetch it from another peer, or make the file again")]
    Mismatch {
        /// What they should have been.
        cid: Cid,
    },
    /// The CID's hash function is not one that this build computes.
    #[error("block {cid} uses hash function {code:#x}, which cannot be checked: use sha2-256")]
    UnknownHash {
        /// The block.
        cid: Cid,
        /// The multihash code.
        code: u64,
    },
    /// [`crate::Store::close`] was called.
    #[error("the store is closed: open it again")]
    Closed,
    /// It could not be written.
    #[error(transparent)]
    Folder(BlockFolderError),
}

impl From<BlockFolderError> for PutError {
    fn from(error: BlockFolderError) -> Self {
        match error {
            BlockFolderError::NoSpace { .. } => Self::NoSpace,
            other @ BlockFolderError::Io { .. } => Self::Folder(other),
        }
    }
}

/// Blocks could not be made durable: none written since the last sync may be relied on.
#[derive(Debug, thiserror::Error)]
#[error("blocks could not be synced to disk: {0}")]
pub struct SyncError(#[from] pub BlockFolderError);

/// The links of a block could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LinksError {
    /// Not dag-pb, although the CID says so.
    #[error("block {cid} is not valid dag-pb: {source}; make the file again")]
    DagPb {
        /// The block.
        cid: Box<Cid>,
        /// Why it did not parse.
        source: ipld_dagpb::Error,
    },
    /// Not dag-cbor, although the CID says so.
    #[error("block {cid} is not valid dag-cbor: {source}; make it again")]
    DagCbor {
        /// The block.
        cid: Box<Cid>,
        /// Why it did not parse.
        source: Box<serde_ipld_dagcbor::error::CodecError>,
    },
    /// A codec whose links this build does not know.
    #[error("block {cid} has codec {codec:#x}; only raw, dag-pb and dag-cbor can be followed")]
    UnknownCodec {
        /// The block.
        cid: Box<Cid>,
        /// Its multicodec code.
        codec: u64,
    },
}

/// A DAG could not be walked.
#[derive(Debug, thiserror::Error)]
pub enum DagError {
    /// A block's links could not be read.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// More blocks than the settings allow.
    #[error("{root} reaches more than {limit} blocks: raise max_dag_blocks or split it")]
    TooLarge {
        /// Where the walk began.
        root: Cid,
        /// The bound.
        limit: usize,
    },
}

/// A DAG could not be pinned. Nothing was pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A block under the root is not here.
    #[error(
        "{root} cannot be pinned, block {cid} is not in this store: add or fetch it, then retry"
    )]
    Missing {
        /// What was to be pinned.
        root: Box<Cid>,
        /// The first block that was missed.
        cid: Cid,
    },
    /// The DAG is malformed or too large.
    #[error(transparent)]
    Dag(#[from] DagError),
    /// A block could not be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The blocks could not be made durable.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The pin could not be saved.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum StatError {
    /// The folder of blocks could not be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The pin database could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Unreferenced blocks could not all be deleted; running it again continues.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The folder of blocks could not be read or written.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The pin database could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The store could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The caller asked to stop.
    #[error("the check was cancelled: run it again to check everything")]
    Cancelled,
    /// The folder of blocks could not be listed.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The pin database could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The DAG is malformed or too large.
    #[error(transparent)]
    Dag(#[from] DagError),
}

/// A DAG could not be exported. What was written so far is not a whole CAR file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A block under the root is not here.
    #[error("{root} cannot be exported, block {cid} is not in this store: add or fetch it first")]
    Missing {
        /// What was to be exported.
        root: Box<Cid>,
        /// The first block that was missed.
        cid: Cid,
    },
    /// The DAG is malformed or too large.
    #[error(transparent)]
    Dag(#[from] DagError),
    /// A block could not be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// The CAR file could not be written.
    #[error("cannot write the CAR file: {0}; check the disk it goes to")]
    Write(#[source] iroh_car::Error),
}

/// A CAR file could not be imported. Nothing of it is pinned.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not CARv1, truncated, or unreadable.
    #[error("cannot read the CAR file: {0}; only CARv1 is supported, export it again")]
    Read(#[source] iroh_car::Error),
    /// Larger than the settings allow.
    #[error("the CAR file has more than {limit} {what}: raise the import limits or split it")]
    TooLarge {
        /// What there was too much of.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A block was not what its CID says, or could not be written.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A root could not be pinned.
    #[error(transparent)]
    Pin(#[from] PinError),
}

/// Deletion did not get on.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// No block was deleted for a while although some are waiting.
    #[error("blocks are waiting to be deleted, but none was for {0} s: see the log for the reason")]
    Stuck(u64),
    /// [`crate::Store::close`] was called; what is left is deleted after the next open.
    #[error("the store is closed: open it again and deletion continues")]
    Closed,
}

/// The store did not close cleanly. It is closed all the same, and opens again.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    /// The blocks written last could not be synced.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

impl BlockFolderError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}

impl DatabaseError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace)
    }
}

impl PutError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace)
    }
}

impl SyncError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        self.0.is_no_space()
    }
}

impl PinError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Dag(_) => false,
            Self::Folder(error) => error.is_no_space(),
            Self::Sync(error) => error.is_no_space(),
            Self::Database(error) => error.is_no_space(),
        }
    }
}

impl ImportError {
    /// Whether it can be repeated when there is room on the disk.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Read(_) | Self::TooLarge { .. } => false,
            Self::Put(error) => error.is_no_space(),
            Self::Pin(error) => error.is_no_space(),
        }
    }
}
