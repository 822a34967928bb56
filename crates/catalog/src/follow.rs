//! Who is followed, and what a follow wants.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use cidcast_announce::Publisher;
use cidcast_types::{RenditionName, Timestamp};

use crate::spelled::spelled;

/// How much of a followed publisher is copied to this node. Written `none`, `newest:N`,
/// `budget:BYTES` (or with a unit, such as `budget:20GiB`) or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replicate {
    /// Nothing: it is only listed and found.
    #[default]
    None,
    /// This many of its newest assets.
    Newest(u32),
    /// Whatever fits in this many bytes.
    Budget(u64),
    /// Everything.
    All,
}

/// Not an amount to replicate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount to replicate: write none, newest:N, budget:SIZE (such as budget:20GiB) \
     or all"
)]
pub struct ParseReplicateError(String);

/// As sizes are written in the configuration, largest first in each system.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl fmt::Display for Replicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Newest(count) => write!(f, "newest:{count}"),
            Self::Budget(bytes) => write!(f, "budget:{bytes}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl FromStr for Replicate {
    type Err = ParseReplicateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            None if text == "none" => Some(Self::None),
            None if text == "all" => Some(Self::All),
            Some(("newest", count)) => count.parse().ok().map(Self::Newest),
            Some(("budget", size)) => bytes(size).map(Self::Budget),
            _ => None,
        };
        parsed.ok_or_else(|| ParseReplicateError(text.chars().take(64).collect()))
    }
}

/// `<digits>` or `<digits> <unit>`, within what SQLite holds.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim();
    let factor = match unit {
        "" => 1,
        unit => {
            let mut units = UNITS.iter();
            units.find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1
        }
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
    i64::try_from(bytes).is_ok().then_some(bytes)
}

spelled! {
    /// What comes first when not everything fits.
    pub enum Strategy as "newest, watched or rare" {
        /// What was announced last.
        Newest = "newest",
        /// What is watched most on this node.
        Watched = "watched",
        /// What the fewest nodes hold.
        Rare = "rare",
    }
}

spelled! {
    /// Whether copies are fetched.
    pub enum TransferPace as "running or paused" {
        /// As the schedule says.
        Running = "running",
        /// Not before the operator says so; what is here stays.
        Paused = "paused",
    }
}

/// What a follow wants of its publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowPolicy {
    /// How much is copied.
    pub replicate: Replicate,
    /// Only these renditions are; empty: all.
    pub renditions: Vec<RenditionName>,
    /// What comes first.
    pub strategy: Strategy,
    /// A copy is not given up for another one before it is this old.
    pub min_lifetime: Duration,
    /// Whether its copies are fetched.
    pub pace: TransferPace,
}

impl Default for FollowPolicy {
    /// Index only.
    fn default() -> Self {
        Self {
            replicate: Replicate::None,
            renditions: Vec::new(),
            strategy: Strategy::Newest,
            min_lifetime: Duration::from_secs(24 * 3600),
            pace: TransferPace::Running,
        }
    }
}

spelled! {
    /// Why somebody is followed.
    pub enum FollowOrigin as "operator or follow-back" {
        /// The operator said so.
        Operator = "operator",
        /// It follows this node.
        FollowBack = "follow-back",
    }
}

/// A follow that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFollow {
    /// As it was given: a key, an address of a node, a name or a URL.
    pub target: String,
    /// Why.
    pub origin: FollowOrigin,
    /// What it wants.
    pub policy: FollowPolicy,
    /// The publisher, if the target says it by itself; otherwise it is looked up at once.
    pub publisher: Option<Publisher>,
    /// Multiaddresses of its nodes, as far as they are known already.
    pub nodes: Vec<String>,
}

/// A follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follow {
    /// Never used twice.
    pub id: i64,
    /// As it was given.
    pub target: String,
    /// Why.
    pub origin: FollowOrigin,
    /// What it wants.
    pub policy: FollowPolicy,
    /// Whom the target led to; `None` until it has been looked up.
    pub publisher: Option<Publisher>,
    /// Somebody else whom it leads to now. Nothing changes until the operator accepts that.
    pub offered: Option<Publisher>,
    /// What the publisher calls itself, as the target said.
    pub name: String,
    /// Multiaddresses of its nodes, as the target said.
    pub nodes: Vec<String>,
    /// How often in a row looking it up has failed.
    pub failures: u32,
    /// Why it failed the last time.
    pub error: Option<String>,
    /// When it was last looked up with success.
    pub resolved_at: Option<Timestamp>,
    /// When it is looked up again; `None` if there is nothing to look up.
    pub next_at: Option<Timestamp>,
    /// When the publisher's nodes were last told.
    pub told_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
}

/// What looking up a target gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Whom it leads to.
    pub publisher: Publisher,
    /// What the publisher calls itself; may be empty.
    pub name: String,
    /// Multiaddresses of its nodes; may be empty.
    pub nodes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn amounts_are_written_with_or_without_a_unit() {
        for (text, amount) in [
            ("none", Replicate::None),
            ("all", Replicate::All),
            ("newest:20", Replicate::Newest(20)),
            ("budget:1000", Replicate::Budget(1000)),
            ("budget:20GiB", Replicate::Budget(20 << 30)),
            ("budget:2 tb", Replicate::Budget(2_000_000_000_000)),
        ] {
            assert_eq!(text.parse(), Ok(amount), "{text}");
        }
        for bad in [
            "",
            "newest",
            "newest:-1",
            "newest:x",
            "budget:",
            "budget:1XB",
            "budget:99999999TiB",
            "All",
        ] {
            assert!(bad.parse::<Replicate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_word_reads_back() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.to_string().parse(), Ok(*strategy));
        }
        let error = "oldest".parse::<Strategy>().unwrap_err();
        assert!(error.to_string().contains("newest, watched or rare"));
    }

    proptest! {
        #[test]
        fn an_amount_reads_back(count: u32, bytes in 0..=i64::MAX.unsigned_abs()) {
            for amount in [Replicate::Newest(count), Replicate::Budget(bytes)] {
                prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Replicate>();
        }
    }
}
