//! What a cluster knows of a member besides its key.

use std::collections::BTreeMap;

use crate::field::{self, Checked};

/// Longest name, in characters.
const MAX_NAME: usize = 64;
/// Tags of one member.
const MAX_TAGS: usize = 16;
/// Longest key or value of a tag, in characters.
const MAX_TAG: usize = 64;
/// Largest weight, in percent.
const MAX_WEIGHT: u32 = 10_000;

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It changes the pinset and the members, and may read everything.
    Writer,
    /// It only stores.
    Follower,
}

/// What is set for a member, complete: it replaces what was set before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSettings {
    /// For people: up to 64 characters, may be empty.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Where it stands and what it is: up to 16, keys and values of 1 to 64 characters.
    pub tags: BTreeMap<String, String>,
    /// Its share of pins beside members with as much room, in percent: 100 as a rule, 0 to 10,000.
    pub weight: u32,
    /// Whether it is on its way out: it gets nothing new and keeps what others do not have yet.
    pub draining: bool,
}

impl MemberSettings {
    /// Those of a new member.
    pub fn new(role: Role) -> Self {
        Self {
            name: String::new(),
            role,
            tags: BTreeMap::new(),
            weight: 100,
            draining: false,
        }
    }

    /// Whether a member may be set so.
    ///
    /// # Errors
    ///
    /// [`crate::FieldError`] names the first that is out of bounds.
    pub fn check(&self) -> Checked {
        field::text("name", &self.name, MAX_NAME)?;
        tags("tags", &self.tags, MAX_TAGS, MAX_TAG)?;
        let holds = self.weight <= MAX_WEIGHT;
        field::expect("weight", "a percentage of at most 10,000", holds)
    }
}

/// Keys and values that are not empty, within their bounds.
pub(super) fn tags(
    field: &'static str,
    tags: &BTreeMap<String, String>,
    most: usize,
    longest: usize,
) -> Checked {
    if tags.len() > most {
        return field::refuse(field, field::Problem::TooLong(most));
    }
    for text in tags.iter().flat_map(|(key, value)| [key, value]) {
        field::not_empty(field, text)?;
        field::text(field, text, longest)?;
    }
    Ok(())
}
