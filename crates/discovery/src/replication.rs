//! Replication: what is copied to this disk, and what has to go for it.
