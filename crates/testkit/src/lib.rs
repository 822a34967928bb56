//! Fixtures and a sandbox for real nodes: development only.
//!
//! [`Node`] is a running `cidcast serve` in a data directory of its own, on free ports, driven
//! through its HTTP API and killed when dropped; [`cli`] runs any other command of the binary.
//! [`clip`] makes source files with ffmpeg, [`media`] measures files and streams with it.
//! [`Remains`] is what a node leaves on its disk, [`SmallDisk`] one that fills up, [`Kubo`] the
//! reference IPFS node, [`SlowLine`] a long and lossy way between nodes,
//! [`noise`] bytes that are the same in every run. Nothing here is a fake: fakes
//! would test themselves.

mod binary;
mod cli;
pub mod clip;
mod events;
mod kubo;
pub mod media;
mod node;
mod noise;
mod remains;
mod slow_line;
mod small_disk;

pub use binary::{cidcast, cidcast_command, command};
pub use cli::{Said, cli};
pub use events::Events;
pub use kubo::{Kubo, KuboDaemon};
pub use node::{Node, NodeSettings, is};
pub use noise::{Dice, noise};
pub use remains::{Remains, processes_of};
pub use slow_line::{Line, SlowLine};
pub use small_disk::SmallDisk;
