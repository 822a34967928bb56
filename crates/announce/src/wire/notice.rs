//! The body of a notice.

use cidcast_types::{AssetId, RenditionName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::asset::read_root;
use crate::error::VerifyError;
use crate::field::{Problem, refuse};
use crate::notice::{Holds, Outcome, Says};
use crate::public_key::Publisher;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeWire {
    pub(crate) v: u64,
    pub(crate) node: ByteArray<32>,
    pub(crate) at: Timestamp,
    pub(crate) says: SaysWire,
}

/// A map of one entry, from what is said to its fields.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SaysWire {
    Replica(ReplicaWire),
    ReplicaWithdrawn(WithdrawnWire),
    RetractionAck(AckWire),
    Views(ViewsWire),
    Follow(FollowWire),
    Unfollow(UnfollowWire),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplicaWire {
    publisher: ByteArray<32>,
    asset: AssetId,
    root: ByteBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renditions: Option<Vec<RenditionName>>,
    until: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithdrawnWire {
    publisher: ByteArray<32>,
    asset: AssetId,
    root: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AckWire {
    publisher: ByteArray<32>,
    asset: AssetId,
    seq: u64,
    outcome: OutcomeWire,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OutcomeWire {
    Deleted,
    Unindexed,
    Kept,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ViewsWire {
    publisher: ByteArray<32>,
    asset: AssetId,
    day: String,
    count: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowWire {
    publisher: ByteArray<32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<ByteArray<32>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnfollowWire {
    publisher: ByteArray<32>,
}

fn key(publisher: Publisher) -> ByteArray<32> {
    ByteArray::new(*publisher.as_bytes())
}

fn publisher(bytes: &ByteArray<32>) -> Result<Publisher, VerifyError> {
    Ok(Publisher::from_bytes(bytes.as_slice())?)
}

impl SaysWire {
    pub(crate) fn of(says: &Says) -> Self {
        match says {
            Says::Replica {
                publisher,
                asset,
                root,
                holds,
                until,
            } => Self::Replica(ReplicaWire {
                publisher: key(*publisher),
                asset: *asset,
                root: ByteBuf::from(root.cid().to_bytes()),
                renditions: match holds {
                    Holds::All => None,
                    Holds::Only(renditions) => Some(renditions.clone()),
                },
                until: *until,
            }),
            Says::ReplicaWithdrawn {
                publisher,
                asset,
                root,
            } => Self::ReplicaWithdrawn(WithdrawnWire {
                publisher: key(*publisher),
                asset: *asset,
                root: ByteBuf::from(root.cid().to_bytes()),
            }),
            Says::RetractionAck {
                publisher,
                asset,
                seq,
                outcome,
            } => Self::RetractionAck(AckWire {
                publisher: key(*publisher),
                asset: *asset,
                seq: *seq,
                outcome: OutcomeWire::of(*outcome),
            }),
            Says::Views {
                publisher,
                asset,
                day,
                count,
            } => Self::Views(ViewsWire {
                publisher: key(*publisher),
                asset: *asset,
                day: day.to_string(),
                count: *count,
            }),
            Says::Follow { publisher, by } => Self::Follow(FollowWire {
                publisher: key(*publisher),
                by: by.map(key),
            }),
            Says::Unfollow { publisher } => Self::Unfollow(UnfollowWire {
                publisher: key(*publisher),
            }),
        }
    }

    pub(crate) fn read(self) -> Result<Says, VerifyError> {
        Ok(match self {
            Self::Replica(fields) => Says::Replica {
                publisher: publisher(&fields.publisher)?,
                asset: fields.asset,
                root: read_root(&fields.root)?,
                holds: fields.renditions.map_or(Holds::All, Holds::Only),
                until: fields.until,
            },
            Self::ReplicaWithdrawn(fields) => Says::ReplicaWithdrawn {
                publisher: publisher(&fields.publisher)?,
                asset: fields.asset,
                root: read_root(&fields.root)?,
            },
            Self::RetractionAck(fields) => Says::RetractionAck {
                publisher: publisher(&fields.publisher)?,
                asset: fields.asset,
                seq: fields.seq,
                outcome: fields.outcome.read(),
            },
            Self::Views(fields) => Says::Views {
                publisher: publisher(&fields.publisher)?,
                asset: fields.asset,
                day: match fields.day.parse() {
                    Ok(day) => day,
                    Err(_) => refuse("day", Problem::Expected("a day"))?,
                },
                count: fields.count,
            },
            Self::Follow(fields) => Says::Follow {
                publisher: publisher(&fields.publisher)?,
                by: fields.by.as_ref().map(publisher).transpose()?,
            },
            Self::Unfollow(fields) => Says::Unfollow {
                publisher: publisher(&fields.publisher)?,
            },
        })
    }
}

impl OutcomeWire {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Deleted => Self::Deleted,
            Outcome::Unindexed => Self::Unindexed,
            Outcome::Kept => Self::Kept,
        }
    }

    fn read(self) -> Outcome {
        match self {
            Self::Deleted => Outcome::Deleted,
            Self::Unindexed => Outcome::Unindexed,
            Self::Kept => Outcome::Kept,
        }
    }
}
