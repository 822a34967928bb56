//! The words that every other crate speaks: ids, states, times.
//!
//! This crate parses and formats. It never reads a clock, a disk, a network or a random source,
//! and knows nothing of how a value is stored or sent.
//!
//! Invariants: a value that exists is valid (parse once, at the border); `Display` and `FromStr`
//! of each type are inverses; enum spellings are part of the public API and never change.

mod asset;
mod id;
mod name;
mod pin;
mod time;

pub use asset::{AssetState, ParseStateError, ParseVisibilityError, Visibility};
pub use cid::Cid;
pub use id::{AssetId, ParseIdError, PinRequestId, RootCid, UploadId};
pub use name::{ParseRenditionNameError, RenditionName};
pub use pin::{ParsePinStateError, PinState};
pub use time::{Micros, Timestamp};
