//! The embedded IPFS node: swarm, UnixFS, block access.
