//! The encoded shape of what members sign. Field by field it is `docs/cluster-log-format.md`.

use std::collections::BTreeMap;
use std::fmt;

use cid::Cid;
use cidcast_types::Timestamp;
use ipld_core::ipld::Ipld;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteArray, ByteBuf};

use super::member::{MemberSettings, Role};
use super::nonce::Nonce;
use super::op::ClusterOp;
use super::pin::{Copies, PinAudience, PinSpec};
use crate::error::VerifyError;
use crate::field::{Checked, root_bytes};
use crate::public_key::NodeId;
use crate::wire::{MAX_DEPTH, check_depth};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryWire {
    pub(super) v: u64,
    pub(super) cluster: Option<Cid>,
    pub(super) author: ByteArray<32>,
    pub(super) seq: u64,
    pub(super) prev: Option<Cid>,
    pub(super) wall: Timestamp,
    pub(super) count: u32,
    pub(super) ops: Vec<ClusterOpWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeartbeatWire {
    pub(super) v: u64,
    pub(super) cluster: Cid,
    pub(super) node: ByteArray<32>,
    pub(super) boot: u64,
    pub(super) number: u64,
    pub(super) at: Timestamp,
    pub(super) capacity: u64,
    pub(super) free: u64,
    pub(super) pins: u64,
    pub(super) bytes: u64,
    pub(super) changes: u64,
    pub(super) tips: Vec<TipWire>,
    pub(super) protocol: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TipWire {
    pub(super) author: ByteArray<32>,
    pub(super) seq: u64,
    pub(super) cid: Cid,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InvitationWire {
    pub(super) v: u64,
    pub(super) cluster: Cid,
    pub(super) inviter: ByteArray<32>,
    pub(super) addresses: Vec<String>,
    pub(super) role: RoleWire,
    pub(super) nonce: ByteArray<16>,
    pub(super) until: Timestamp,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleWire {
    Writer,
    Follower,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsWire {
    name: String,
    role: RoleWire,
    tags: BTreeMap<String, String>,
    weight: u32,
    draining: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundWire {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdmitWire {
    member: ByteArray<32>,
    settings: SettingsWire,
    invitation: ByteArray<16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleWire {
    member: ByteArray<32>,
    settings: SettingsWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveWire {
    member: ByteArray<32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

/// The binary CID as plain bytes: as a link, whoever pins a log would pin what it names.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnpinWire {
    root: ByteBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ElsewhereWire {
    root: ByteBuf,
    service: String,
    kept: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PinWire {
    root: ByteBuf,
    /// Left out: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    copies: Option<CopiesWire>,
    priority: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    meta: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spread: Option<String>,
    origins: Vec<String>,
    audience: AudienceWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CopiesWire {
    min: u16,
    max: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AudienceWire {
    Members,
    Anyone,
}

/// A map of one entry, from the operation's kind to its fields.
pub(super) enum ClusterOpWire {
    Found(FoundWire),
    Admit(AdmitWire),
    Settle(SettleWire),
    Remove(RemoveWire),
    Pin(Box<PinWire>),
    Unpin(UnpinWire),
    Elsewhere(ElsewhereWire),
    Unknown(String, Ipld),
}

const FOUND: &str = "found";
const ADMIT: &str = "admit";
const SETTLE: &str = "settle";
const REMOVE: &str = "remove";
const PIN: &str = "pin";
const UNPIN: &str = "unpin";
const ELSEWHERE: &str = "elsewhere";

impl Serialize for ClusterOpWire {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Found(fields) => map.serialize_entry(FOUND, fields)?,
            Self::Admit(fields) => map.serialize_entry(ADMIT, fields)?,
            Self::Settle(fields) => map.serialize_entry(SETTLE, fields)?,
            Self::Remove(fields) => map.serialize_entry(REMOVE, fields)?,
            Self::Pin(fields) => map.serialize_entry(PIN, fields)?,
            Self::Unpin(fields) => map.serialize_entry(UNPIN, fields)?,
            Self::Elsewhere(fields) => map.serialize_entry(ELSEWHERE, fields)?,
            Self::Unknown(kind, fields) => map.serialize_entry(kind, fields)?,
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for ClusterOpWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OpVisitor)
    }
}

struct OpVisitor;

impl<'de> Visitor<'de> for OpVisitor {
    type Value = ClusterOpWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation: a map of one entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClusterOpWire, A::Error> {
        let Some(kind) = map.next_key::<String>()? else {
            return Err(A::Error::custom("an operation without a kind"));
        };
        let op = match kind.as_str() {
            FOUND => ClusterOpWire::Found(map.next_value()?),
            ADMIT => ClusterOpWire::Admit(map.next_value()?),
            SETTLE => ClusterOpWire::Settle(map.next_value()?),
            REMOVE => ClusterOpWire::Remove(map.next_value()?),
            PIN => ClusterOpWire::Pin(map.next_value()?),
            UNPIN => ClusterOpWire::Unpin(map.next_value()?),
            ELSEWHERE => ClusterOpWire::Elsewhere(map.next_value()?),
            _ => ClusterOpWire::Unknown(kind, map.next_value()?),
        };
        match map.next_key::<String>()? {
            None => Ok(op),
            Some(_) => Err(A::Error::custom("an operation of two kinds")),
        }
    }
}

impl ClusterOpWire {
    /// The operation as signed. `None`: of an unknown kind, which is only read.
    pub(super) fn of(op: &ClusterOp) -> Option<Self> {
        Some(match op {
            ClusterOp::Found { name } => Self::Found(FoundWire { name: name.clone() }),
            ClusterOp::Admit {
                member,
                settings,
                invitation,
            } => Self::Admit(AdmitWire {
                member: ByteArray::new(*member.as_bytes()),
                settings: SettingsWire::of(settings),
                invitation: ByteArray::new(*invitation.as_bytes()),
            }),
            ClusterOp::Settle { member, settings } => Self::Settle(SettleWire {
                member: ByteArray::new(*member.as_bytes()),
                settings: SettingsWire::of(settings),
            }),
            ClusterOp::Remove { member, last } => Self::Remove(RemoveWire {
                member: ByteArray::new(*member.as_bytes()),
                last: *last,
            }),
            ClusterOp::Pin { root, spec } => Self::Pin(Box::new(PinWire::of(root, spec))),
            ClusterOp::Unpin { root } => Self::Unpin(UnpinWire {
                root: ByteBuf::from(root.to_bytes()),
            }),
            ClusterOp::Elsewhere {
                root,
                service,
                kept,
            } => Self::Elsewhere(ElsewhereWire {
                root: ByteBuf::from(root.to_bytes()),
                service: service.clone(),
                kept: *kept,
            }),
            ClusterOp::Unknown { .. } => return None,
        })
    }

    pub(super) fn read(self) -> Result<ClusterOp, VerifyError> {
        Ok(match self {
            Self::Found(FoundWire { name }) => ClusterOp::Found { name },
            Self::Admit(fields) => ClusterOp::Admit {
                member: NodeId::from_bytes(fields.member.as_slice())?,
                settings: fields.settings.read(),
                invitation: Nonce::from_bytes(fields.invitation.into_array()),
            },
            Self::Settle(fields) => ClusterOp::Settle {
                member: NodeId::from_bytes(fields.member.as_slice())?,
                settings: fields.settings.read(),
            },
            Self::Remove(fields) => ClusterOp::Remove {
                member: NodeId::from_bytes(fields.member.as_slice())?,
                last: fields.last,
            },
            Self::Pin(fields) => fields.read()?,
            Self::Unpin(fields) => ClusterOp::Unpin {
                root: root_bytes(&fields.root)?,
            },
            Self::Elsewhere(fields) => ClusterOp::Elsewhere {
                root: root_bytes(&fields.root)?,
                service: fields.service,
                kept: fields.kept,
            },
            Self::Unknown(kind, fields) => {
                check_depth(&fields, MAX_DEPTH)?;
                ClusterOp::Unknown { kind }
            }
        })
    }
}

impl PinWire {
    fn of(root: &Cid, spec: &PinSpec) -> Self {
        Self {
            root: ByteBuf::from(root.to_bytes()),
            copies: match spec.copies {
                Copies::Everywhere => None,
                Copies::Between { min, max } => Some(CopiesWire { min, max }),
            },
            priority: spec.priority,
            expires: spec.expires,
            name: spec.name.clone(),
            meta: spec.meta.clone(),
            spread: spec.spread.clone(),
            origins: spec.origins.clone(),
            audience: match spec.audience {
                PinAudience::Members => AudienceWire::Members,
                PinAudience::Anyone => AudienceWire::Anyone,
            },
        }
    }

    fn read(self) -> Checked<ClusterOp> {
        let spec = PinSpec {
            copies: match self.copies {
                None => Copies::Everywhere,
                Some(CopiesWire { min, max }) => Copies::Between { min, max },
            },
            priority: self.priority,
            expires: self.expires,
            name: self.name,
            meta: self.meta,
            spread: self.spread,
            origins: self.origins,
            audience: match self.audience {
                AudienceWire::Members => PinAudience::Members,
                AudienceWire::Anyone => PinAudience::Anyone,
            },
        };
        Ok(ClusterOp::Pin {
            root: root_bytes(&self.root)?,
            spec: Box::new(spec),
        })
    }
}

impl SettingsWire {
    fn of(settings: &MemberSettings) -> Self {
        Self {
            name: settings.name.clone(),
            role: RoleWire::of(settings.role),
            tags: settings.tags.clone(),
            weight: settings.weight,
            draining: settings.draining,
        }
    }

    fn read(self) -> MemberSettings {
        MemberSettings {
            name: self.name,
            role: self.role.read(),
            tags: self.tags,
            weight: self.weight,
            draining: self.draining,
        }
    }
}

impl RoleWire {
    pub(super) fn of(role: Role) -> Self {
        match role {
            Role::Writer => Self::Writer,
            Role::Follower => Self::Follower,
        }
    }

    pub(super) fn read(self) -> Role {
        match self {
            Self::Writer => Role::Writer,
            Self::Follower => Role::Follower,
        }
    }
}
