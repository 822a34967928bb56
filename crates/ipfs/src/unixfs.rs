//! Files and directories as DAGs of blocks (UnixFS specification, dag-pb and raw blocks).
//!
//! [`add`] writes one profile, `unixfs-v1-2025` (IPIP-499). [`read`] accepts what the
//! specification allows: any chunk size and width, raw and dag-pb leaves, inline data, CIDv0,
//! sharded directories of any legal fanout.

pub mod add;
mod data;
mod hamt;
mod node;
pub mod read;

pub use data::DataError;
pub(crate) use node::Node;
pub use node::{NodeError, NodeFault};

/// Codec of a block that is nothing but file bytes.
pub const RAW: u64 = 0x55;
/// Codec of a block that is a dag-pb node.
pub const DAG_PB: u64 = 0x70;
