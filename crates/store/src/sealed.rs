//! Sealed packages: a DAG whose blocks only those with a key can read, for members of a cluster
//! that hold without reading.
//!
//! Each block of the plain DAG becomes one raw block: XChaCha20-Poly1305 over the block's CID and
//! its bytes. They are listed, in the order of a walk, the root first, by DAG-CBOR blocks under the
//! sealed root, so that any node can fetch, pin, count and verify a sealed DAG like any other.
//! `docs/sealed-format.md` has the bytes.
//!
//! What a holder without the key learns: how many blocks there are and how large, which key sealed
//! them, and which sealed DAGs share a block. Sealing the same DAG with the same key gives the same
//! sealed root, so it can be done again after a crash, or on another writer.

mod cipher;
mod index;

use cid::Cid;
use multihash_codetable::{Code, MultihashDigest};

use crate::dag::{Visit, Walk};
use crate::error::{BlockFolderError, DagError, GetError, PutError};
use crate::hold::InFlight;
use crate::key::RAW;
use crate::links::is_leaf;
use crate::store::Store;
use cipher::Cipher;
pub use cipher::{ParseSealKeyError, SealKey, SealKeyId};
pub use index::IndexError;
use index::{Index, Shard};

/// A sealed DAG that is here, complete, and not pinned yet.
#[derive(Debug)]
pub struct Sealed {
    /// What to pin, and what others hold.
    pub root: Cid,
    /// Its blocks, the listing included.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Keeps them until they are pinned.
    pub guard: InFlight,
}

/// A DAG that was read back, complete, and not pinned yet.
#[derive(Debug)]
pub struct Unsealed {
    /// The plain root.
    pub root: Cid,
    /// Its blocks.
    pub blocks: u64,
    /// Keeps them until they are pinned.
    pub guard: InFlight,
}

/// A DAG could not be sealed. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Part of it is not here.
    #[error("{root} cannot be sealed: block {cid} is not in this store; fetch it first")]
    Missing {
        /// The plain root.
        root: Box<Cid>,
        /// What is missing.
        cid: Cid,
    },
    /// A block leaves no room for what sealing adds.
    #[error("block {cid} has {bytes} bytes: only blocks up to {limit} can be sealed")]
    TooLarge {
        /// The block.
        cid: Box<Cid>,
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// The DAG cannot be walked.
    #[error(transparent)]
    Dag(#[from] DagError),
    /// A block cannot be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// A sealed block cannot be written.
    #[error(transparent)]
    Put(#[from] PutError),
}

/// A sealed DAG could not be read back. What was read before the failure does not stay.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// Part of the sealed DAG is not here.
    #[error("sealed block {0} is not in this store: fetch the sealed root first")]
    Missing(Cid),
    /// The root is no sealed root, or its listing is damaged.
    #[error("{root} is not a sealed package: {source}")]
    NotSealed {
        /// What was to be read.
        root: Box<Cid>,
        /// What is wrong.
        source: IndexError,
    },
    /// Sealed with another key.
    #[error("{root} was sealed with key {wanted}, not with {given}: import that key first")]
    OtherKey {
        /// What was to be read.
        root: Box<Cid>,
        /// The key that it needs.
        wanted: SealKeyId,
        /// The key that was given.
        given: SealKeyId,
    },
    /// The bytes were not sealed with this key, or are damaged.
    #[error("sealed block {0} is damaged or was made with another key; run `store verify`")]
    Damaged(Cid),
    /// A block cannot be read.
    #[error(transparent)]
    Folder(#[from] BlockFolderError),
    /// A plain block cannot be written.
    #[error(transparent)]
    Put(#[from] PutError),
}

impl Store {
    /// Seals the whole DAG under `root`, whose blocks must be here. Sealed blocks are put, not
    /// pinned: pin [`Sealed::root`] while the guard is held.
    ///
    /// # Errors
    ///
    /// [`SealError`] says what is missing or cannot be written.
    pub fn seal(&self, root: &Cid, key: &SealKey) -> Result<Sealed, SealError> {
        let cipher = Cipher::new(key);
        let (plain, guard) = (self.in_flight(), self.in_flight());
        let mut walk = Walk::new(root, self.core.settings.max_dag_blocks);
        let mut index = Index::new(key.id());
        let mut bytes = 0;
        while let Some(step) = walk.next()? {
            plain.hold_key(step.key);
            let missing = || SealError::Missing {
                root: Box::new(*root),
                cid: step.cid,
            };
            let data = self.core.folder.read(&step.key)?.ok_or_else(missing)?;
            if !is_leaf(&step.cid) {
                walk.expand(&step.cid, &data)?;
            }
            if step.visit == Visit::Again {
                continue;
            }
            let sealed = cipher.seal(&step.cid, &data)?;
            bytes += sealed.len() as u64;
            let cid = Cid::new_v1(RAW, Code::Sha2_256.digest(&sealed));
            self.put(&cid, &sealed, &guard)?;
            index.push(cid);
        }
        let parts = index.len() as u64;
        let blocks = index.blocks();
        let sealed_root = blocks.root;
        let listing = blocks.all.len() as u64;
        for (cid, data) in blocks.all {
            bytes += data.len() as u64;
            self.put(&cid, &data, &guard)?;
        }
        Ok(Sealed {
            root: sealed_root,
            blocks: parts + listing,
            bytes,
            guard,
        })
    }

    /// Which key a sealed root needs.
    ///
    /// # Errors
    ///
    /// [`UnsealError`] if it is no sealed root, or is not here.
    pub fn sealed_with(&self, root: &Cid) -> Result<SealKeyId, UnsealError> {
        Ok(self.sealed_index(root)?.key)
    }

    /// Reads a sealed DAG back: every plain block is checked against its CID and put. Pin
    /// [`Unsealed::root`] while the guard is held.
    ///
    /// # Errors
    ///
    /// [`UnsealError`] says what is missing or damaged.
    pub fn unseal(&self, root: &Cid, key: &SealKey) -> Result<Unsealed, UnsealError> {
        let index = self.sealed_index(root)?;
        if index.key != key.id() {
            return Err(UnsealError::OtherKey {
                root: Box::new(*root),
                wanted: index.key,
                given: key.id(),
            });
        }
        let cipher = Cipher::new(key);
        let guard = self.in_flight();
        let (mut first, mut blocks) = (None, 0);
        for shard in &index.shards {
            let data = self.sealed_block(shard)?;
            let parts = Shard::read(&data).map_err(|source| UnsealError::NotSealed {
                root: Box::new(*root),
                source,
            })?;
            for part in parts {
                let sealed = self.sealed_block(&part)?;
                let damaged = || UnsealError::Damaged(part);
                let (cid, data) = cipher.open(&sealed).ok_or_else(damaged)?;
                self.put_verified(&cid, &data, &guard)?;
                first.get_or_insert(cid);
                blocks += 1;
            }
        }
        let plain = first.ok_or_else(|| UnsealError::NotSealed {
            root: Box::new(*root),
            source: IndexError::Empty,
        })?;
        Ok(Unsealed {
            root: plain,
            blocks,
            guard,
        })
    }

    fn sealed_index(&self, root: &Cid) -> Result<index::Head, UnsealError> {
        let data = self.sealed_block(root)?;
        index::Head::read(&data).map_err(|source| UnsealError::NotSealed {
            root: Box::new(*root),
            source,
        })
    }

    fn sealed_block(&self, cid: &Cid) -> Result<bytes::Bytes, UnsealError> {
        self.get(cid).map_err(|error| match error {
            GetError::NotFound { cid } => UnsealError::Missing(cid),
            GetError::Folder(error) => UnsealError::Folder(error),
        })
    }
}
