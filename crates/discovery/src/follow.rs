//! Following: whose announcements are wanted here, and with what policy.

mod target;

pub use target::{ParseTargetError, Target};
