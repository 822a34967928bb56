//! Which part of a DAG a pin keeps.

use std::collections::BTreeSet;

use cid::Cid;

/// Which part of a DAG a pin keeps. The decision is the caller's: the store knows no names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PinScope {
    /// All of it.
    #[default]
    Whole,
    /// All but what is below these blocks. They are kept themselves, and so is what can also be
    /// reached another way. Empty is the same as whole.
    Without(BTreeSet<Cid>),
}

impl PinScope {
    /// What is below this block is not kept.
    pub(crate) fn ends_at(&self, cid: &Cid) -> bool {
        match self {
            Self::Whole => false,
            Self::Without(left_out) => left_out.contains(cid),
        }
    }

    /// As in its row: the CIDs one after another; none for a whole DAG, which has no row.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Whole => None,
            Self::Without(left_out) if left_out.is_empty() => None,
            Self::Without(left_out) => {
                Some(left_out.iter().flat_map(|cid| cid.to_bytes()).collect())
            }
        }
    }

    pub(super) fn from_bytes(mut row: &[u8]) -> Result<Self, redb::Error> {
        let mut left_out = BTreeSet::new();
        while !row.is_empty() {
            let cid = Cid::read_bytes(&mut row)
                .map_err(|e| redb::Error::Corrupted(format!("scope of a pin: {e}")))?;
            left_out.insert(cid);
        }
        Ok(Self::Without(left_out))
    }

    /// Whether both keep the same, as far as can be told without the blocks.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}
