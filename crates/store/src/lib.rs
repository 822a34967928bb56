//! Block store and pins on disk.
//!
//! One file per block in Kubo's flatfs layout (`<dir>/blocks`), and pins with reference counts in
//! an embedded key-value store (`<dir>/pins.redb`). The API is synchronous: async callers use a
//! blocking thread.
//!
//! It never talks to the network, never decides what should be pinned, and never trusts bytes
//! from outside: [`Store::put_verified`] and [`Store::import_car`] hash before they write, while
//! [`Store::put`] takes the word of a caller that has just hashed.
//!
//! Invariants:
//! 1. A pin exists only if every block under its root is on disk and synced. [`Store::pin`] makes
//!    it so itself: it walks, syncs, then commits.
//! 2. A block that a pin refers to, or that an [`InFlight`] guard holds, is never deleted.
//! 3. A block file appears under its name only when it is complete as far as this process knows
//!    (temporary name, then rename); after a power cut, only unpinned blocks can be damaged, and
//!    [`Store::put`] replaces those.
//! 4. Blocks are found by multihash: CIDv0 and CIDv1 of one multihash are one block. Identity
//!    CIDs carry their bytes and are never stored.
//! 5. What has arrived of a DAG that somebody keeps ([`Store::keep_partial`]) is not deleted, in
//!    this process or the next, until it expires or is dropped.
//! 6. A store killed at any instruction opens again; what an unpin left undeleted is remembered
//!    (`doomed`) and deleted then.
//!
//! Lock order: a shard of the hold table, then the pin database. The pin database is never held
//! while a shard is taken.

mod car;
mod crash;
mod dag;
mod delete;
mod error;
mod flatfs;
mod hold;
mod key;
mod links;
mod metrics;
mod pins;
mod sealed;
mod settings;
mod store;
mod verify;

pub use car::{ExportedCar, ImportLimits};
#[cfg(feature = "crash-points")]
#[doc(hidden)]
pub use crash::arm as arm_crash_point;
pub use delete::Swept;
pub use error::{
    BlockFolderError, CloseError, DagError, DatabaseError, ExportError, FlushError, GetError,
    ImportError, LinksError, OpenError, PartialError, PinError, PutError, StatError, SweepError,
    SyncError, VerifyError,
};
pub use hold::InFlight;
pub use key::is_block;
pub use links::links;
pub use metrics::Metrics;
pub use pins::{Audience, Holder, ParseHolderError, Partial, Pin, PinScope, PinSummary, Unpinned};
pub use sealed::{
    IndexError, ParseSealKeyError, SealError, SealKey, SealKeyId, Sealed, UnsealError, Unsealed,
};
pub use settings::StoreSettings;
pub use store::{DiskUsage, Stat, Store};
pub use verify::{DagReport, VerifyProgress, VerifyReport};

/// The largest block that is written or imported: 2 MiB, the most that IPFS peers exchange
/// (Bitswap specification, "Block Sizes").
pub const MAX_BLOCK_BYTES: usize = 2 << 20;
