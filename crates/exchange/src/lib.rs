//! Bitswap: blocks asked from peers and given to peers, as a libp2p behaviour.
//!
//! Speaks `/ipfs/bitswap/1.2.0` and `/ipfs/bitswap/1.1.0` (IPFS Bitswap specification). Three parts
//! that know each other by plain values only:
//! - the *link*: a connection handler per connection, which turns streams into messages and
//!   messages into streams. Any number of inbound streams (Kubo opens one for every message), one
//!   outbound stream that is used again and again.
//! - the *client* and the *server*: state machines without clock, network or disk. The client
//!   decides whom to ask for what, and when to ask somebody else; the server remembers who wants
//!   what and decides whose turn it is.
//! - the *worker*: one task that carries events between them, and the pool of threads that hash,
//!   write and read.
//!
//! It never decides what should be fetched or kept, never looks for peers and never dials.
//!
//! Invariants:
//! 1. A block is written, and handed to whoever waits for it, only if somebody here wants it and
//!    its bytes hash to its CID.
//! 2. A block is sent to a peer only if its audience allows it at that moment. A refused block
//!    looks exactly like one that is not here.
//! 3. What a peer can make this node hold is bounded: wants in its ledger, bytes of unfinished
//!    frames, messages not yet looked at, answers not yet written. Its speed is its own affair: a
//!    peer that does not read or write slows nobody else.
//! 4. Every want has an end: its block, or an error after a time without progress.

mod behaviour;
mod block_id;
mod client;
mod command;
mod error;
mod exchange;
mod link;
mod message;
mod metrics;
mod report;
mod server;
mod session;
mod settings;
mod standing;
mod worker;

pub use behaviour::Behaviour;
pub use error::{SupplyError, WantError};
pub use exchange::Exchange;
pub use libp2p::PeerId;
#[doc(hidden)] // for fuzzing
pub use message::{Dialect, Malformed, Message};
pub use report::{PeerReport, Progress};
pub use session::{Class, Session};
pub use settings::ExchangeSettings;
pub use standing::Standing;
