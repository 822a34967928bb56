//! What lets one node into a cluster, once.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use cid::multibase::Base;
use cidcast_types::Timestamp;
use serde_bytes::ByteArray;

use super::id::ClusterId;
use super::member::Role;
use super::nonce::Nonce;
use super::wire::{InvitationWire, RoleWire};
use crate::envelope::{Domain, Envelope, Unverified, VERSION, check_version};
use crate::error::{SignError, VerifyError};
use crate::field::{self, Checked};
use crate::public_key::NodeId;
use crate::secret::NodeKey;

/// Largest invitation. Nothing larger is parsed.
pub const MAX_INVITATION_BYTES: usize = 4 << 10;
const DOMAIN: Domain = Domain("cidcast-cluster-invitation-v1");
/// Begins the text of an invitation.
const PREFIX: &str = "cidcast-join-";
/// Addresses of the inviter.
const MAX_ADDRESSES: usize = 16;

/// An invitation, with a valid signature of the member that gives it. As text it is one line, and
/// a secret: whoever shows it first is let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    envelope: Envelope,
    inviter: NodeId,
    content: InvitationDraft,
}

/// What an invitation is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationDraft {
    /// Into which cluster.
    pub cluster: ClusterId,
    /// Where the inviter can be reached: 1 to 16, each with `/p2p/`.
    pub addresses: Vec<String>,
    /// What the new member may do.
    pub role: Role,
    /// Random: what is used up when somebody has joined.
    pub nonce: Nonce,
    /// It is void after this time, by the inviter's clock.
    pub until: Timestamp,
}

/// Not the text of an invitation.
#[derive(Debug, thiserror::Error)]
pub enum ParseInvitationError {
    /// Another text.
    #[error(
        "this is not a token: it is one line that begins with {PREFIX}, from `cidcast cluster token`"
    )]
    NotAToken,
    /// Damaged, or made up.
    #[error("the token is damaged: copy the whole line again ({0})")]
    Invalid(#[from] VerifyError),
}

impl Invitation {
    /// Signs an invitation.
    ///
    /// # Errors
    ///
    /// [`SignError::Field`] names what is out of bounds.
    pub fn sign(key: &NodeKey, draft: InvitationDraft) -> Result<Self, SignError> {
        draft.check()?;
        let inviter = key.node();
        let body = InvitationWire {
            v: VERSION,
            cluster: draft.cluster.cid(),
            inviter: ByteArray::new(*inviter.as_bytes()),
            addresses: draft.addresses.clone(),
            role: RoleWire::of(draft.role),
            nonce: ByteArray::new(*draft.nonce.as_bytes()),
            until: draft.until,
        };
        Ok(Self {
            envelope: Envelope::seal(&body, DOMAIN, key, MAX_INVITATION_BYTES)?,
            inviter,
            content: draft,
        })
    }

    /// Reads and verifies bytes from outside.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says what is wrong, first found first.
    pub fn verify(bytes: &[u8]) -> Result<Self, VerifyError> {
        let opened = Unverified::<InvitationWire>::open(bytes, MAX_INVITATION_BYTES)?;
        check_version(opened.body.v)?;
        let inviter = NodeId::from_bytes(opened.body.inviter.as_slice())?;
        opened.check_signature(DOMAIN, &inviter.0)?;
        let body = opened.body;
        field::link("cluster", &body.cluster)?;
        let content = InvitationDraft {
            cluster: ClusterId::new(body.cluster).ok_or(VerifyError::NotCanonical)?,
            addresses: body.addresses,
            role: body.role.read(),
            nonce: Nonce::from_bytes(body.nonce.into_array()),
            until: body.until,
        };
        content.check()?;
        Ok(Self {
            envelope: Envelope::of(Bytes::copy_from_slice(bytes)),
            inviter,
            content,
        })
    }

    /// The canonical bytes, as they travel.
    pub fn bytes(&self) -> &Bytes {
        self.envelope.bytes()
    }

    /// Who invites.
    pub fn inviter(&self) -> NodeId {
        self.inviter
    }

    /// What it says.
    pub fn says(&self) -> &InvitationDraft {
        &self.content
    }
}

impl InvitationDraft {
    fn check(&self) -> Checked {
        field::integer("until", self.until.as_millis())?;
        let some = !self.addresses.is_empty();
        field::expect("addresses", "at least one", some)?;
        field::at_most("addresses", &self.addresses, MAX_ADDRESSES)?;
        let mut addresses = self.addresses.iter();
        addresses.try_for_each(|address| field::node_address("addresses", address))
    }
}

/// One line: the prefix and the bytes in base64url without padding.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", Base::Base64Url.encode(self.bytes()))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inviter, .. } = self;
        let InvitationDraft { cluster, until, .. } = &self.content;
        write!(f, "Invitation(by {inviter} to {cluster} until {until})")
    }
}

impl FromStr for Invitation {
    type Err = ParseInvitationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.trim().strip_prefix(PREFIX);
        let encoded = encoded.filter(|encoded| encoded.len() <= 2 * MAX_INVITATION_BYTES);
        let bytes = encoded.and_then(|encoded| Base::Base64Url.decode(encoded).ok());
        let bytes = bytes.ok_or(ParseInvitationError::NotAToken)?;
        Ok(Self::verify(&bytes)?)
    }
}
