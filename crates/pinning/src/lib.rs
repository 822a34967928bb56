//! The IPFS Pinning Service API, version 1
//! (<https://ipfs.github.io/pinning-services-api-spec/>).
//!
//! [`service`] keeps pins here that others ask for; [`remotes`] has pins of this node kept by others,
//! by an IPFS Cluster or in object storage too; [`wire`] has the documents that both sides exchange.
//! None listens on a socket: that is the node's.
//!
//! Invariants:
//! - A request that was answered is in the catalog, and is worked on after any restart.
//! - A pin that is replaced goes only when its successor is complete or given up.
//! - A service is asked with a bound, a deadline and growing waits; what is to be asked is a row.
//! - `failed` is said only after [`service::TRIES`] attempts; until then it is `pinning`.

pub mod remotes;
pub mod service;
pub mod wire;
