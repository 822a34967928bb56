//! Feeds: the own one, and those of others.
