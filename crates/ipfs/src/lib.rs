//! The embedded IPFS node: block access, UnixFS, and the libp2p swarm.
//!
//! [`Blocks`] is how everything above the store reads blocks. [`unixfs::add`] turns bytes and
//! trees of links into blocks by the `unixfs-v1-2025` profile, so that `ipfs add -r` of the same
//! files gives the same root CID; [`unixfs::read`] walks paths, lists directories and streams byte
//! ranges of any UnixFS DAG. [`Network`] gets what is not here: from peers by the exchange, and
//! from whom the settings name; [`fetch`] brings whole DAGs, [`provide`] tells the DHT what is
//! here, [`pinner`] brings it here to stay, [`names`] publishes and resolves names, [`gossip`] speaks
//! to everyone on a topic and [`requests`] to one peer. [`swarm`] runs rust-ipfs for its transports,
//! identify and DHT.
//!
//! What this crate never does: it decides nothing about visibility, allocation or what is to be
//! pinned; it does not use rust-ipfs's block repository or its Bitswap; it contacts no peer, relay,
//! resolver or router that the settings do not name.
//!
//! Invariants: a DAG from outside costs at most the bounds written in [`unixfs::read`] and ends in
//! an error, never in a panic; the root CID is a pure function of names and bytes; the node's key
//! file is either whole or absent.

mod blocks;
pub mod fetch;
pub mod gossip;
pub mod http;
pub mod names;
mod network;
pub mod pinner;
pub mod provide;
pub mod requests;
mod sources;
pub mod swarm;
mod throttle;
pub mod unixfs;
mod visit;

pub use blocks::{BlockError, Blocks, Trust};
pub use cidcast_exchange::{Class, Session, Standing, WantError};
pub use http::{CaFileError, HttpError, TlsError, check_ca_file};
pub use network::{DhtRole, Network, NetworkError, NetworkSettings, check_service};
pub use throttle::{Flow, Throttle};
