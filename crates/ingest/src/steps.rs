//! The steps of a job, in order. Each takes the value of the one before.

pub(crate) mod package;
pub(crate) mod pin;
pub(crate) mod probe;
pub(crate) mod transcode;
