//! The IPFS Pinning Service API, version 1
//! (<https://ipfs.github.io/pinning-services-api-spec/>).
//!
//! [`service`] keeps pins here that others ask for; [`wire`] has the documents that both sides
//! exchange. Neither listens on a socket: that is the node's.
//!
//! Invariants:
//! - A request that was answered is in the catalog, and is worked on after any restart.
//! - A pin that is replaced goes only when its successor is complete or given up.
//! - `failed` is said only after [`service::TRIES`] attempts; until then it is `pinning`.

pub mod service;
pub mod wire;
