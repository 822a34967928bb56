//! What is between nodes: distance, upload, loss.
//!
//! The way from one node to another takes 5 to 300 ms, even on a logarithmic scale (the middle is
//! 39 ms), the same for the same two and in both directions, and up to a tenth more by chance. Of
//! the nodes, 30 % send 2 Mbit/s, 50 % 10, 20 % 100, bytes after each other; receiving costs no
//! time. When something of a message is lost, it is there a round trip and 200 ms later.

use super::chance::{Chance, mixed};

const MILLI: f64 = 1e3;
const NEAREST: f64 = 5.0 * MILLI;
const FARTHEST: f64 = 300.0 * MILLI;
/// The retransmission timeout of TCP and QUIC, at least.
const AGAIN: u64 = 200_000;
/// A frame's own bytes: IP, TCP, noise, yamux.
pub(super) const FRAME: u64 = 90;
/// A request's stream: opening it, agreeing on the protocol, closing it, in both directions.
pub(super) const STREAM: u64 = 250;

/// Microseconds from one node to another.
pub(super) fn distance(seed: u64, one: usize, other: usize) -> u64 {
    let (low, high) = (one.min(other) as u64, one.max(other) as u64);
    let place = mixed(seed ^ mixed(low << 32 | high));
    let even = (place >> 11) as f64 / (1u64 << 53) as f64;
    (NEAREST * (FARTHEST / NEAREST).powf(even)) as u64
}

/// Bits a second that a node sends; bootstrap nodes are in a data centre.
pub(super) fn upload(seed: u64, node: usize, is_bootstrap: bool) -> u64 {
    match mixed(seed ^ 0x5eed ^ mixed(node as u64)) % 10 {
        _ if is_bootstrap => 100_000_000,
        0..3 => 2_000_000,
        3..8 => 10_000_000,
        _ => 100_000_000,
    }
}

/// Microseconds until `bytes` have left.
pub(super) fn sending(bytes: u64, upload: u64) -> u64 {
    bytes.saturating_mul(8_000_000) / upload.max(1)
}

/// The way, this time.
pub(super) fn way(chance: &mut Chance, distance: u64, lost: f64) -> u64 {
    let more = (distance as f64 * 0.1 * chance.unit()) as u64;
    match chance.happens(lost) {
        true => 3 * distance + more + AGAIN,
        false => distance + more,
    }
}
