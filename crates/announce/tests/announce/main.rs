//! Signing and verifying, seen from outside the crate.

mod announcements;
mod draft;
