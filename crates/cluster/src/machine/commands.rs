//! What an operator asks for: drafts of entries, to be signed and given back as
//! [`crate::Event::Signed`].

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{
    ClusterOp, EntryDraft, Invitation, MemberSettings, PinSpec, Role, Stamp,
};
use cidcast_types::Timestamp;

use super::Machine;

/// Something cannot be done in this cluster, or not by this member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// This node only stores.
    #[error("this node is a follower: ask a writer of the cluster (`cidcast cluster peers`)")]
    NotAWriter,
    /// This node was put out.
    #[error("this node is not a member of the cluster any longer: join again with a new token")]
    Removed,
    /// No such member.
    #[error("{0} is not a member of the cluster: `cidcast cluster peers` lists them")]
    NoSuchMember(NodeId),
    /// Not in the pinset.
    #[error("{0} is not pinned by the cluster: `cidcast pin ls` lists what is")]
    NotPinned(Cid),
    /// The token is for another cluster.
    #[error("the token is for another cluster: ask one of its members for another")]
    OtherCluster,
    /// Too late.
    #[error("the token has expired: ask for another (`cidcast cluster token`)")]
    Expired,
    /// Somebody has used it.
    #[error("the token was used already: ask for another (`cidcast cluster token`)")]
    Used,
    /// Whoever gave it may not.
    #[error("the token was given by a node that may not invite: ask a writer of the cluster")]
    InviterMayNot,
    /// The own log is not complete here: a second entry of a number would be signed.
    #[error(
        "this node has not fetched its own log back from the other members yet: try again in a moment"
    )]
    CatchingUp,
    /// Nobody would be left who can change anything.
    #[error("this is the only writer: make another member a writer first")]
    LastWriter,
}

impl Machine {
    /// The entry that founds a cluster.
    pub fn genesis(name: String, now: Timestamp) -> EntryDraft {
        EntryDraft {
            cluster: None,
            seq: 0,
            prev: None,
            at: Stamp::ZERO.next(now),
            ops: vec![ClusterOp::Found { name }],
        }
    }

    /// The next entry of this member's log.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotAWriter`], [`CommandError::Removed`], [`CommandError::CatchingUp`].
    pub fn draft(&self, now: Timestamp, ops: Vec<ClusterOp>) -> Result<EntryDraft, CommandError> {
        let me = self.membership.members().get(&self.me);
        match me.map(|settings| settings.role) {
            Some(Role::Writer) => {}
            Some(Role::Follower) => return Err(CommandError::NotAWriter),
            None => return Err(CommandError::Removed),
        }
        if self.has_forgotten() {
            return Err(CommandError::CatchingUp);
        }
        let tip = self.logs.tip(&self.me);
        Ok(EntryDraft {
            cluster: Some(self.logs.cluster()),
            seq: self.logs.len(&self.me),
            prev: tip.map(|tip| tip.cid),
            at: self.logs.newest().next(now),
            ops,
        })
    }

    /// Takes a node in that shows an invitation, under the name that it gives itself unless it has
    /// one. `None`: it is a member by this invitation already.
    ///
    /// # Errors
    ///
    /// [`CommandError`] says why the invitation is not good, or not any longer.
    pub fn admit(
        &self,
        now: Timestamp,
        member: NodeId,
        name: &str,
        invitation: &Invitation,
    ) -> Result<Option<EntryDraft>, CommandError> {
        let says = invitation.says();
        if says.cluster != self.logs.cluster() {
            return Err(CommandError::OtherCluster);
        }
        let members = self.membership.members();
        let inviter = members.get(&invitation.inviter());
        if inviter.is_none_or(|settings| settings.role != Role::Writer) {
            return Err(CommandError::InviterMayNot);
        }
        if let Some(user) = self.membership.user_of(&says.nonce) {
            let is_same = user == member && members.contains_key(&member);
            return if is_same {
                Ok(None)
            } else {
                Err(CommandError::Used)
            };
        }
        if says.until <= now {
            return Err(CommandError::Expired);
        }
        let settings = members.get(&member).cloned();
        let mut settings = settings.unwrap_or_else(|| MemberSettings::new(says.role));
        if settings.name.is_empty() {
            name.clone_into(&mut settings.name);
        }
        let op = ClusterOp::Admit {
            member,
            settings: MemberSettings {
                role: says.role,
                ..settings
            },
            invitation: says.nonce,
        };
        self.draft(now, vec![op]).map(Some)
    }

    /// Sets a member anew.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no such member, or no writer would be left.
    pub fn settle_member(
        &self,
        now: Timestamp,
        member: NodeId,
        change: impl FnOnce(&mut MemberSettings),
    ) -> Result<EntryDraft, CommandError> {
        let settings = self.membership.members().get(&member);
        let mut settings = settings
            .cloned()
            .ok_or(CommandError::NoSuchMember(member))?;
        change(&mut settings);
        if settings.role != Role::Writer {
            self.keep_a_writer_besides(&member)?;
        }
        self.draft(now, vec![ClusterOp::Settle { member, settings }])
    }

    /// Puts a member out. What it has said up to now, as far as it is known here, still counts.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if there is no such member, or no writer would be left.
    pub fn remove_member(
        &self,
        now: Timestamp,
        member: NodeId,
    ) -> Result<EntryDraft, CommandError> {
        if !self.membership.members().contains_key(&member) {
            return Err(CommandError::NoSuchMember(member));
        }
        self.keep_a_writer_besides(&member)?;
        let last = self.logs.len(&member).checked_sub(1);
        let mut draft = self.draft(now, vec![ClusterOp::Remove { member, last }])?;
        if member == self.me {
            // Its own farewell counts, too.
            let last = Some(draft.seq);
            draft.ops = vec![ClusterOp::Remove { member, last }];
        }
        Ok(draft)
    }

    /// Keeps a root.
    ///
    /// # Errors
    ///
    /// [`CommandError::NotAWriter`], [`CommandError::Removed`].
    pub fn pin_root(
        &self,
        now: Timestamp,
        root: Cid,
        spec: PinSpec,
    ) -> Result<EntryDraft, CommandError> {
        let spec = Box::new(spec);
        self.draft(now, vec![ClusterOp::Pin { root, spec }])
    }

    /// Lets go of a root.
    ///
    /// # Errors
    ///
    /// [`CommandError`] if it is not in the pinset.
    pub fn unpin_root(&self, now: Timestamp, root: Cid) -> Result<EntryDraft, CommandError> {
        if self.spec(&root).is_none() {
            return Err(CommandError::NotPinned(root));
        }
        self.draft(now, vec![ClusterOp::Unpin { root }])
    }

    /// Whether somebody has more of this member's log than it has itself: it lost its disk.
    fn has_forgotten(&self) -> bool {
        let len = self.logs.len(&self.me);
        let beats = self.peers.values().filter_map(|peer| peer.beat.as_ref());
        let mut tips = beats.flat_map(|beat| &beat.tips);
        tips.any(|tip| tip.author == self.me && tip.seq >= len)
    }

    fn keep_a_writer_besides(&self, member: &NodeId) -> Result<(), CommandError> {
        let members = self.membership.members().iter();
        let mut others =
            members.filter(|(node, settings)| *node != member && settings.role == Role::Writer);
        others.next().map(drop).ok_or(CommandError::LastWriter)
    }
}
