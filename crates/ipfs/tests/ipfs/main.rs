//! Black-box tests of the embedded IPFS node: root CIDs against Kubo, reading of honest and
//! dishonest DAGs, the swarm.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "clippy knows the functions that tests call only inside a crate as tests"
)]

mod far;
mod fetching;
mod golden;
mod gossip;
mod kubo;
mod kubo_shapes;
mod kubo_transfer;
mod malicious;
mod naming;
mod node;
mod parts;
mod peer;
mod reading;
mod recipes;
mod requests;
mod resuming;
mod services;
mod swarm;
mod swarm_reach;
mod visiting;
