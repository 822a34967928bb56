//! Fixtures and a sandbox for real nodes: development only.
//!
//! [`Node`] is a running `cidcast serve` in a data directory of its own, on free ports, driven
//! through its HTTP API and killed when dropped. [`clip`] makes source files with ffmpeg. Nothing
//! here is a fake: fakes would test themselves.

mod binary;
pub mod clip;
mod node;

pub use binary::{cidcast, command};
pub use node::{Node, NodeSettings, is};
