//! What the announcements of a feed add up to.

use std::collections::BTreeMap;

use cidcast_types::{AssetId, Timestamp};

use crate::announcement::Announcement;
use crate::op::{Op, Profile, Publish};

/// The operation that decides about one asset, or the profile, and the announcement it was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// Number of the announcement.
    pub seq: u64,
    /// Time of the announcement.
    pub at: Timestamp,
    /// A publish, a retract or a profile: nothing else leaves a state.
    pub op: Op,
}

/// What an entry is about. Ordered as the entries of a snapshot are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Profile,
    Asset(AssetId),
}

impl Subject {
    /// `None`: the operation leaves no state.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        match op {
            Op::Publish(publish) => Some(Self::Asset(publish.asset)),
            Op::Retract(retract) => Some(Self::Asset(retract.asset)),
            Op::Profile(_) => Some(Self::Profile),
            Op::Snapshot(_) | Op::Unknown { .. } => None,
        }
    }
}

/// For each asset its last operation, be it a retraction, and the last profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    entries: BTreeMap<Subject, StateEntry>,
}

impl State {
    /// Every entry, the profile first, then the assets by id: the order of snapshot segments.
    pub fn entries(&self) -> impl Iterator<Item = &StateEntry> {
        self.entries.values()
    }

    /// What was last said about an asset: a publish or a retract.
    pub fn asset(&self, asset: AssetId) -> Option<&StateEntry> {
        self.entries.get(&Subject::Asset(asset))
    }

    /// The assets that are public.
    pub fn published(&self) -> impl Iterator<Item = &Publish> {
        self.entries.values().filter_map(|entry| match &entry.op {
            Op::Publish(publish) => Some(&**publish),
            _ => None,
        })
    }

    /// Whether the last word about an asset is its retraction.
    pub fn is_retracted(&self, asset: AssetId) -> bool {
        let entry = self.asset(asset);
        entry.is_some_and(|entry| matches!(entry.op, Op::Retract(_)))
    }

    /// Who the publisher says to be.
    pub fn profile(&self) -> Option<&Profile> {
        match &self.entries.get(&Subject::Profile)?.op {
            Op::Profile(profile) => Some(profile),
            _ => None,
        }
    }

    pub(crate) fn apply(&mut self, announcement: &Announcement) {
        for op in announcement.ops() {
            self.insert(StateEntry {
                seq: announcement.seq(),
                at: announcement.at(),
                op: op.clone(),
            });
        }
    }

    pub(crate) fn insert(&mut self, entry: StateEntry) {
        if let Some(subject) = Subject::of(&entry.op) {
            self.entries.insert(subject, entry);
        }
    }
}
