//! The order of a feed: where an announcement belongs, and what proves that a publisher has two
//! histories.

use cid::Cid;

use crate::announcement::Announcement;

/// The last announcement of a feed that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// Its CID.
    pub cid: Cid,
}

impl Head {
    /// The head of a feed that ends with `announcement`.
    pub fn of(announcement: &Announcement) -> Self {
        Self {
            seq: announcement.seq(),
            cid: announcement.cid(),
        }
    }
}

/// Where an announcement belongs in a feed of the same publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Right behind the head: apply it.
    Next,
    /// It is held already.
    Duplicate,
    /// Others before it are missing: fetch them first.
    Gap {
        /// The last number that is held.
        have: Option<u64>,
        /// The number that came.
        got: u64,
    },
    /// The publisher has signed two announcements with the number `seq`, or claims to have: the
    /// one that is held, and this one or this one's predecessor. See [`second_history`].
    Fork {
        /// The number at which the histories part, at the latest.
        seq: u64,
    },
    /// From before the snapshot that this feed began with: nothing to compare it with.
    BeforeStart,
}

/// Finds the place of `announcement` behind `head` (`None`: nothing is held). `held` answers with
/// the CID of the announcement of a number up to the head, if there is one.
pub fn place(
    head: Option<Head>,
    held: impl FnOnce(u64) -> Option<Cid>,
    announcement: &Announcement,
) -> Place {
    let got = announcement.seq();
    let Some(head) = head else {
        return match got {
            0 => Place::Next,
            got => Place::Gap { have: None, got },
        };
    };
    if got > head.seq.saturating_add(1) {
        return Place::Gap {
            have: Some(head.seq),
            got,
        };
    }
    if got > head.seq {
        return match announcement.prev() {
            Some(prev) if prev == head.cid => Place::Next,
            _ => Place::Fork { seq: head.seq },
        };
    }
    match held(got) {
        Some(cid) if cid == announcement.cid() => Place::Duplicate,
        Some(_) => Place::Fork { seq: got },
        None => Place::BeforeStart,
    }
}

/// The number at which two announcements prove two histories of one publisher: both have it, or
/// one is the next and names another predecessor. `None`: they prove nothing.
pub fn second_history(one: &Announcement, other: &Announcement) -> Option<u64> {
    if one.publisher() != other.publisher() {
        return None;
    }
    let (earlier, later) = if one.seq() <= other.seq() {
        (one, other)
    } else {
        (other, one)
    };
    let parts = if earlier.seq() == later.seq() {
        earlier.cid() != later.cid()
    } else {
        later.seq() - earlier.seq() == 1 && later.prev() != Some(earlier.cid())
    };
    parts.then(|| earlier.seq())
}
