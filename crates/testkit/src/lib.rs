//! Fakes, fixtures and a sandbox for nodes: development only.
