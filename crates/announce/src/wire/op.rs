//! An operation: a map of one entry, from its kind to its fields.

use std::fmt;

use cid::Cid;
use cidcast_types::AssetId;
use ipld_core::ipld::Ipld;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asset::PublishWire;
use crate::field::{self, Checked, FieldError};
use crate::op::{Op, Profile, Retract, Snapshot};

const PUBLISH: &str = "publish";
const RETRACT: &str = "retract";
const PROFILE: &str = "profile";
const SNAPSHOT: &str = "snapshot";
/// How deep the fields of an unknown operation may nest.
pub(crate) const MAX_DEPTH: usize = 16;

pub(crate) enum OpWire {
    Publish(Box<PublishWire>),
    Retract(RetractWire),
    Profile(ProfileWire),
    Snapshot(SnapshotWire),
    Unknown(String, Ipld),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetractWire {
    asset: AssetId,
    reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileWire {
    name: String,
    about: String,
    nodes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    web: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SnapshotWire {
    seq: u64,
    head: Cid,
    segments: Vec<Cid>,
}

impl Serialize for OpWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Publish(fields) => map.serialize_entry(PUBLISH, fields)?,
            Self::Retract(fields) => map.serialize_entry(RETRACT, fields)?,
            Self::Profile(fields) => map.serialize_entry(PROFILE, fields)?,
            Self::Snapshot(fields) => map.serialize_entry(SNAPSHOT, fields)?,
            Self::Unknown(kind, fields) => map.serialize_entry(kind, fields)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for OpWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OpVisitor)
    }
}

struct OpVisitor;

impl<'de> Visitor<'de> for OpVisitor {
    type Value = OpWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation: a map of one entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OpWire, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(A::Error::custom("an operation without a kind"));
        };
        let op = match kind.as_str() {
            PUBLISH => OpWire::Publish(map.next_value()?),
            RETRACT => OpWire::Retract(map.next_value()?),
            PROFILE => OpWire::Profile(map.next_value()?),
            SNAPSHOT => OpWire::Snapshot(map.next_value()?),
            _ => OpWire::Unknown(kind, map.next_value()?),
        };
        match map.next_key::<String>()? {
            None => Ok(op),
            Some(_) => Err(A::Error::custom("an operation of two kinds")),
        }
    }
}

impl OpWire {
    /// The operation as signed. `None`: of an unknown kind, which is only read.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        Some(match op {
            Op::Publish(publish) => Self::Publish(Box::new(PublishWire::of(publish))),
            Op::Retract(Retract { asset, reason }) => Self::Retract(RetractWire {
                asset: *asset,
                reason: reason.clone(),
            }),
            Op::Profile(profile) => Self::Profile(ProfileWire {
                name: profile.name.clone(),
                about: profile.about.clone(),
                nodes: profile.nodes.clone(),
                web: profile.web.clone(),
            }),
            Op::Snapshot(snapshot) => Self::Snapshot(SnapshotWire {
                seq: snapshot.seq,
                head: snapshot.head,
                segments: snapshot.segments.clone(),
            }),
            Op::Unknown { .. } => return None,
        })
    }

    /// The operation, its fields within their bounds.
    pub(crate) fn read(self) -> Result<Op, FieldError> {
        let op = match self {
            Self::Publish(fields) => Op::Publish(Box::new(fields.read()?)),
            Self::Retract(RetractWire { asset, reason }) => Op::Retract(Retract { asset, reason }),
            Self::Profile(ProfileWire {
                name,
                about,
                nodes,
                web,
            }) => Op::Profile(Profile {
                name,
                about,
                nodes,
                web,
            }),
            Self::Snapshot(SnapshotWire {
                seq,
                head,
                segments,
            }) => Op::Snapshot(Snapshot {
                seq,
                head,
                segments,
            }),
            Self::Unknown(kind, fields) => {
                check_depth(&fields, MAX_DEPTH)?;
                Op::Unknown { kind }
            }
        };
        op.check()?;
        Ok(op)
    }
}

/// Whether a value nests at most `left` deep.
pub(crate) fn check_depth(value: &Ipld, left: usize) -> Checked {
    let below = match left.checked_sub(1) {
        Some(below) => below,
        None => return field::expect("op", "at most 16 deep", false),
    };
    match value {
        Ipld::List(list) => list.iter().try_for_each(|value| check_depth(value, below)),
        Ipld::Map(map) => map.values().try_for_each(|value| check_depth(value, below)),
        _ => Ok(()),
    }
}
