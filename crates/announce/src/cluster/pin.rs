//! What the cluster is to keep, and how.

use std::collections::BTreeMap;

use cidcast_types::Timestamp;

use super::member::tags;
use crate::field::{self, Checked};

/// Longest name of a pin, in characters, as in the Pinning Service API.
const MAX_NAME: usize = 255;
/// Entries of `meta`.
const MAX_META: usize = 32;
/// Longest key or value of it, in characters.
const MAX_META_TEXT: usize = 255;
/// Most addresses of peers that may have it, as in the Pinning Service API.
const MAX_ORIGINS: usize = 20;
/// Longest key of a tag, in characters.
const MAX_TAG: usize = 64;
/// Most copies that can be asked for by number.
const MAX_COPIES: u16 = 1000;

/// How a root is kept, complete: it replaces what was said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinSpec {
    /// How many members keep it.
    pub copies: Copies,
    /// Higher goes first where not everything can go at once; 128 as a rule.
    pub priority: u8,
    /// It is let go after this time.
    pub expires: Option<Timestamp>,
    /// For people: 1 to 255 characters.
    pub name: Option<String>,
    /// Whatever its owner wants to find again: up to 32 entries of 1 to 255 characters.
    pub meta: BTreeMap<String, String>,
    /// A tag: copies go to members with different values of it, as far as there are enough.
    pub spread: Option<String>,
    /// Addresses of peers that have it: up to 20, each with `/p2p/`.
    pub origins: Vec<String>,
    /// Who may have its blocks.
    pub audience: PinAudience,
}

/// How many members keep a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copies {
    /// All of them.
    Everywhere,
    /// At least `min`, if there are so many, and not more than `max`; 1 to 1,000.
    Between {
        /// Fewer are repaired.
        min: u16,
        /// More are let go.
        max: u16,
    },
}

/// Who may have the blocks of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinAudience {
    /// Members of the cluster.
    Members,
    /// Anyone.
    Anyone,
}

impl PinSpec {
    /// `copies` of something that only members may have.
    pub fn new(copies: Copies) -> Self {
        Self {
            copies,
            priority: 128,
            expires: None,
            name: None,
            meta: BTreeMap::new(),
            spread: None,
            origins: Vec::new(),
            audience: PinAudience::Members,
        }
    }

    /// Whether a root may be kept so.
    ///
    /// # Errors
    ///
    /// [`crate::FieldError`] names the first that is out of bounds.
    pub fn check(&self) -> Checked {
        if let Copies::Between { min, max } = self.copies {
            let holds = 1 <= min && min <= max && max <= MAX_COPIES;
            field::expect("copies", "1 to 1,000, min not above max", holds)?;
        }
        if let Some(expires) = self.expires {
            field::integer("expires", expires.as_millis())?;
        }
        if let Some(name) = &self.name {
            field::not_empty("name", name)?;
            field::text("name", name, MAX_NAME)?;
        }
        tags("meta", &self.meta, MAX_META, MAX_META_TEXT)?;
        if let Some(tag) = &self.spread {
            field::not_empty("spread", tag)?;
            field::text("spread", tag, MAX_TAG)?;
        }
        field::at_most("origins", &self.origins, MAX_ORIGINS)?;
        let mut origins = self.origins.iter();
        origins.try_for_each(|origin| field::node_address("origins", origin))
    }
}
