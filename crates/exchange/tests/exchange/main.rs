//! Exchanges over real swarms on loopback TCP, and peers that misbehave.

mod content;
mod hostile;
mod node;
mod privacy;
mod raw;
mod sessions;
mod sources;
mod transfer;
mod wire;
