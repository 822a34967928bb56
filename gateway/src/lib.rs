//! The HTTP read path: IPFS gateway and playback.
