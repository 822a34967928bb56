//! Joining: how a newcomer finds its first peers.
