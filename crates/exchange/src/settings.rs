//! What a caller may choose about an exchange.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// Bounds of an exchange. The defaults suit one node on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// Blocks that may be waited for at a time, over all sessions. A want takes less than 1 KiB.
    /// Default 16,384.
    pub max_wants: usize,
    /// Bytes that may be on order from one peer, by an estimate of the blocks' size: a fast line
    /// over 200 ms of delay carries about this much. Default 64 MiB.
    pub window_bytes: u64,
    /// Blocks that may be on order from one peer. Kubo holds 1,024 wants of a peer, and some hold
    /// what they have given lately among them. Default 960.
    pub window_blocks: usize,
    /// Wants of one peer that are held; those of the lowest priority are refused beyond that. One
    /// takes about 400 bytes. Default 2,048.
    pub ledger_wants: usize,
    /// Bytes of blocks after which a message is sent rather than packed further. Small blocks
    /// share a message; a large one goes alone. Default 768 KiB.
    pub message_bytes: usize,
    /// Threads that hash and write blocks at a time. Default: as many as there are processors, at
    /// least 2, at most 8.
    pub writers: usize,
    /// Threads that read blocks for peers at a time. Default as [`Self::writers`].
    pub readers: usize,
    /// Bytes of blocks that have arrived and are not written yet; beyond that nothing is read
    /// from any peer until some are. Default 32 MiB.
    pub unwritten_bytes: usize,
}

impl Default for ExchangeSettings {
    fn default() -> Self {
        let threads = available_parallelism().map_or(2, NonZeroUsize::get);
        let threads = threads.clamp(2, 8);
        Self {
            max_wants: 16_384,
            window_bytes: 64 << 20,
            window_blocks: 960,
            ledger_wants: 2048,
            message_bytes: 768 << 10,
            writers: threads,
            readers: threads,
            unwritten_bytes: 32 << 20,
        }
    }
}
