//! Block store and pins on disk.
