//! The cluster at work: what the machine decides, done.
//!
//! [`Cluster`] is the handle; while the node is a member there is a *seat*: a machine with the tasks
//! around it. Whatever happens is given to the machine, and what it wants is done in that order.
//!
//! Owns: of a seat, one task each for its clock, its actions, the requests of others, the store's
//! pins, the pinset's wishes and the checks, and one for each request and repair under way. Ends:
//! with the `Shutdown` that it was started under, or when the cluster is left. Cancel safety: what
//! was signed is kept before anybody hears of it; everything else is done again after a start.

mod answer;
mod ask;
mod elsewhere;
mod metrics;
mod perform;
mod proof;
mod repair;
mod seat;
mod watch;
mod wishes;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cid::Cid;
use cidcast_announce::cluster::{
    ClusterId, Copies, Entry, EntryDraft, Invitation, InvitationDraft, MemberSettings, Nonce,
    ParseInvitationError, PinSpec, Role,
};
use cidcast_announce::{NodeId, NodeKey, SignError};
use cidcast_catalog::{Catalog, CatalogError, ClusterRowsError};
use cidcast_ipfs::Network;
use cidcast_ipfs::pinner::{Pinner, PinnerError};
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_runtime::{Clock, Shutdown, locked, random_u128};
use cidcast_store::{DatabaseError, ParseHolderError, Store};
use cidcast_types::Timestamp;

use crate::machine::{CommandError, Health, Machine, MemberView, PinFilter, PinView};
use crate::settings::Settings;
use crate::wire::{Request, Response};

pub use ask::AskError;
pub use elsewhere::Replicas;
pub use metrics::ClusterMetrics;
use seat::Seat;

/// Holder of the pins that the cluster wants here.
pub const HOLDER: &str = "cidcast:cluster";
/// In `meta` of a pin: the asset that it is of, and the node that has it.
pub const META_ASSET: &str = "asset";
/// In `meta` of a pin that others asked for: the request.
pub const META_REQUEST: &str = "request";
/// See [`META_ASSET`].
pub const META_NODE: &str = "node";

/// How long an invitation is good for, unless something else is asked for.
pub const INVITATION: Duration = Duration::from_secs(24 * 3600);
/// How long tasks of a seat may take to end.
const ENDING: Duration = Duration::from_secs(10);
/// How long a node that leaves waits for somebody to hear of it.
const FAREWELL: Duration = Duration::from_secs(20);
/// Addresses in an invitation.
const ADDRESSES: usize = 16;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Whether this engine is the one: otherwise it does nothing, and what it had waits.
    pub is_on: bool,
    /// Times and bounds.
    pub machine: Settings,
    /// Bytes that this member offers; none: whatever the disk has.
    pub capacity: Option<u64>,
    /// Copies of what is pinned without saying how many.
    pub copies: Copies,
}

/// What it works with.
#[derive(Debug)]
pub struct ClusterParts {
    /// Keeps the logs.
    pub catalog: Catalog,
    /// Has the blocks.
    pub store: Store,
    /// Fetches and pins.
    pub pinner: Pinner,
    /// Is told who the members are, and repairs.
    pub network: Network,
    /// Carries messages.
    pub swarm: SwarmHandle,
    /// Signs.
    pub key: Arc<NodeKey>,
    /// Where time begins.
    pub clock: Clock,
    /// Counts.
    pub metrics: ClusterMetrics,
}

/// The cluster that a node is in, or may come into. Clones are the same.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Arc<ClusterParts>,
    settings: ClusterSettings,
    seat: Mutex<Option<Arc<Seat>>>,
    /// Held by whoever comes or goes.
    turn: tokio::sync::Mutex<()>,
    shutdown: Shutdown,
}

/// The cluster in short.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Which.
    pub cluster: ClusterId,
    /// The name that its founder gave it.
    pub name: String,
    /// This node.
    pub me: NodeId,
    /// What it may do; none if it was put out.
    pub role: Option<Role>,
    /// Since when it is a member.
    pub joined_at: Timestamp,
    /// The rest.
    pub health: Health,
}

/// Something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is none.
    #[error(
        "this node is in no cluster: `cidcast cluster init` founds one, `cidcast cluster join TOKEN` joins one"
    )]
    NotInCluster,
    /// Something else keeps copies.
    #[error(
        "this node hands its pins to an IPFS Cluster (cluster.engine): manage its peers with \
         ipfs-cluster-ctl, and its pins with `cidcast pin`"
    )]
    OtherEngine,
    /// There is one already.
    #[error("this node is in a cluster already: `cidcast cluster leave` leaves it")]
    InCluster,
    /// It cannot be done here, or not by this member.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The token is none.
    #[error(transparent)]
    Token(#[from] ParseInvitationError),
    /// A value is out of bounds.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The inviter does not want this node.
    #[error("the cluster does not let this node in: {0}")]
    Refused(String),
    /// Nobody who could be asked answers.
    #[error("no member answers ({0}): check that one runs and can be reached, then try again")]
    Unreachable(String),
    /// The answer makes no sense.
    #[error("the member's answer is of no use ({0}): update both nodes to the same version")]
    Answer(String),
    /// Rows could not be read or written.
    #[error(transparent)]
    Rows(#[from] ClusterRowsError),
    /// The pin database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The pinner failed.
    #[error(transparent)]
    Pinner(#[from] PinnerError),
    /// Never, by its form.
    #[error(transparent)]
    Holder(#[from] ParseHolderError),
    /// The node is ending.
    #[error("the node is stopping: retry when it runs again")]
    Stopping,
}

impl From<CatalogError> for ClusterError {
    fn from(error: CatalogError) -> Self {
        Self::Rows(error.into())
    }
}

impl Cluster {
    /// Takes up the seat that an earlier process left, if there is one, under `shutdown`.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] if what was kept cannot be read; nothing is left running.
    pub async fn start(
        parts: ClusterParts,
        settings: ClusterSettings,
        shutdown: &Shutdown,
    ) -> Result<Self, ClusterError> {
        let cluster = Self {
            inner: Arc::new(Inner {
                parts: Arc::new(parts),
                settings,
                seat: Mutex::new(None),
                turn: tokio::sync::Mutex::new(()),
                shutdown: shutdown.child(),
            }),
        };
        let is_on = cluster.inner.settings.is_on;
        if is_on && cluster.inner.parts.catalog.cluster().await?.is_some() {
            cluster.sit_down().await?;
        }
        Ok(cluster)
    }

    async fn sit_down(&self) -> Result<(), ClusterError> {
        let inner = &self.inner;
        let parts = Arc::clone(&inner.parts);
        let seat = Seat::start(parts, inner.settings.clone(), &inner.shutdown).await?;
        *locked(&inner.seat) = Some(seat);
        Ok(())
    }

    fn seat(&self) -> Result<Arc<Seat>, ClusterError> {
        let seat = locked(&self.inner.seat).clone();
        seat.ok_or(match self.inner.settings.is_on {
            true => ClusterError::NotInCluster,
            false => ClusterError::OtherEngine,
        })
    }

    /// Copies of what is pinned without saying how many.
    pub fn default_copies(&self) -> Copies {
        self.inner.settings.copies
    }

    /// Founds a cluster of which this node is the first member.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; nothing has changed.
    pub async fn found(&self, name: &str) -> Result<Status, ClusterError> {
        let _turn = self.inner.turn.lock().await;
        self.expect_none()?;
        let parts = &self.inner.parts;
        let now = parts.clock.now();
        let genesis = [Entry::sign(
            &parts.key,
            Machine::genesis(name.to_owned(), now),
        )?];
        for cluster in genesis.iter().map(Entry::cluster) {
            parts.catalog.join_cluster(cluster, &genesis, now).await?;
        }
        self.sit_down().await?;
        self.status().await
    }

    /// A token that lets one node in, once.
    ///
    /// # Errors
    ///
    /// [`ClusterError`], also if this node may not invite.
    pub async fn invite(&self, role: Role, good_for: Duration) -> Result<Invitation, ClusterError> {
        let seat = self.seat()?;
        let (now, parts) = (seat.now(), &self.inner.parts);
        // Whether it may: what would be signed is not.
        seat.with(|machine| machine.draft(now, Vec::new()))?;
        let mut addresses = parts.swarm.own_addresses().await;
        addresses.truncate(ADDRESSES);
        let nonce = Nonce::from_bytes(random_u128().to_be_bytes());
        let draft = InvitationDraft {
            cluster: seat.cluster(),
            addresses,
            role,
            nonce,
            until: now.after(good_for),
        };
        Ok(Invitation::sign(&parts.key, draft)?)
    }

    /// Joins the cluster that a token is for. A join that was cut off is repeated with the same
    /// token.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; this node is in no cluster then.
    pub async fn join(&self, token: &str, name: &str) -> Result<Status, ClusterError> {
        let _turn = self.inner.turn.lock().await;
        self.expect_none()?;
        let invitation: Invitation = token.trim().parse()?;
        let parts = &self.inner.parts;
        let mut own = parts.swarm.own_addresses().await;
        own.truncate(crate::wire::MAX_ADDRESSES);
        let request = Request::Join {
            invitation: invitation.bytes().clone(),
            name: name.to_owned(),
            addresses: own,
        };
        let addresses = &invitation.says().addresses;
        let inviter = invitation.inviter();
        let logs = match ask::ask_at(&parts.swarm, inviter, addresses, request).await {
            Ok(Response::Joined(logs)) => logs,
            Ok(Response::Refused { reason }) => return Err(ClusterError::Refused(reason)),
            Ok(_) => return Err(ClusterError::Answer("it says something else".to_owned())),
            Err(error) => return Err(ClusterError::Unreachable(error.to_string())),
        };
        let cluster = invitation.says().cluster;
        let now = parts.clock.now();
        let mut known = false;
        for (author, count) in logs {
            let mut from = 0;
            while from < count {
                let request = Request::Entries { author, from };
                let answer = ask::ask_at(&parts.swarm, inviter, addresses, request).await;
                let entries = ask::entries(answer, author, from).map_err(ClusterError::Answer)?;
                from = entries.last().map_or(count, |entry| entry.seq() + 1);
                if known {
                    parts.catalog.keep_cluster_entries(&entries).await?;
                } else {
                    parts.catalog.join_cluster(cluster, &entries, now).await?;
                    known = true;
                }
            }
        }
        let mut whom = vec![(inviter, addresses.clone())];
        let others = ask::ask_at(&parts.swarm, inviter, addresses, Request::Addresses).await;
        if let Ok(Response::Addresses(others)) = others {
            let me = parts.key.node();
            whom.extend(
                others
                    .into_iter()
                    .filter(|(node, _)| *node != me && *node != inviter),
            );
        }
        parts.catalog.note_member_addresses(&whom, now).await?;
        self.sit_down().await?;
        self.status().await
    }

    fn expect_none(&self) -> Result<(), ClusterError> {
        match self.seat() {
            Ok(_) => Err(ClusterError::InCluster),
            Err(ClusterError::NotInCluster) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Leaves: another member signs that this one is out, and everything of the cluster that is here
    /// is let go of. With `even_unheard`, also if nobody hears of it.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; this node is a member as before.
    pub async fn leave(&self, even_unheard: bool) -> Result<(), ClusterError> {
        let _turn = self.inner.turn.lock().await;
        let seat = self.seat()?;
        if !seat.with(|machine| machine.is_removed()) {
            let farewell = tokio::time::timeout(FAREWELL, seat.say_farewell()).await;
            let heard = farewell.unwrap_or_else(|_| Err("none in time".to_owned()));
            if let Err(reason) = heard
                && !even_unheard
            {
                return Err(ClusterError::Unreachable(reason));
            }
        }
        locked(&self.inner.seat).take();
        if let Err(error) = seat.end(ENDING).await {
            tracing::warn!(%error, "work for the cluster did not end in time");
        }
        self.forget().await
    }

    async fn forget(&self) -> Result<(), ClusterError> {
        let parts = &self.inner.parts;
        // An empty list is always usable.
        let _ = parts.network.set_members(Vec::new());
        let jobs = parts.pinner.jobs().into_iter();
        for job in jobs.filter(|job| job.holder.as_str() == HOLDER) {
            parts.pinner.remove(job.holder, job.root).await?;
        }
        let store = parts.store.clone();
        let holder = HOLDER.parse()?;
        let unpinned = tokio::task::spawn_blocking(move || store.unpin(&holder, None));
        unpinned.await.map_err(|_| ClusterError::Stopping)??;
        Ok(parts.catalog.leave_cluster().await?)
    }

    /// The cluster in short.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotInCluster`], or the catalog's.
    pub async fn status(&self) -> Result<Status, ClusterError> {
        let seat = self.seat()?;
        let row = self.inner.parts.catalog.cluster().await?;
        let row = row.ok_or(ClusterError::NotInCluster)?;
        let (now, me) = (seat.now(), self.inner.parts.key.node());
        Ok(seat.with(|machine| Status {
            cluster: machine.cluster(),
            name: machine.name().to_owned(),
            me,
            role: machine.settings_of(&me).map(|settings| settings.role),
            joined_at: row.joined_at,
            health: machine.health(now),
        }))
    }

    /// Every member, this one included, by key.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotInCluster`]
    pub fn members(&self) -> Result<Vec<MemberView>, ClusterError> {
        let seat = self.seat()?;
        let now = seat.now();
        Ok(seat.with(|machine| machine.members(now)))
    }

    /// Changes what is set for a member.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; nothing has changed.
    pub async fn set_member(
        &self,
        member: NodeId,
        change: impl FnOnce(&mut MemberSettings) + Send,
    ) -> Result<(), ClusterError> {
        self.sign(|machine, now| machine.settle_member(now, member, change))
            .await
    }

    /// Puts a member out.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; nothing has changed.
    pub async fn remove_member(&self, member: NodeId) -> Result<(), ClusterError> {
        self.sign(|machine, now| machine.remove_member(now, member))
            .await
    }

    /// Keeps a root.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; nothing has changed.
    pub async fn pin(&self, root: Cid, spec: PinSpec) -> Result<(), ClusterError> {
        self.sign(|machine, now| machine.pin_root(now, root, spec))
            .await
    }

    /// Lets go of a root.
    ///
    /// # Errors
    ///
    /// [`ClusterError`]; nothing has changed.
    pub async fn unpin(&self, root: Cid) -> Result<(), ClusterError> {
        self.sign(|machine, now| machine.unpin_root(now, root))
            .await
    }

    async fn sign(
        &self,
        draft: impl FnOnce(&Machine, Timestamp) -> Result<EntryDraft, CommandError> + Send,
    ) -> Result<(), ClusterError> {
        self.seat()?.sign(draft).await
    }

    /// A root of the pinset.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotInCluster`]; [`CommandError::NotPinned`] if it is not in the pinset.
    pub fn pin_view(&self, root: &Cid) -> Result<PinView, ClusterError> {
        let view = self.seat()?.with(|machine| machine.pin(root));
        Ok(view.ok_or(CommandError::NotPinned(*root))?)
    }

    /// Roots of the pinset, those with the fewest copies of what they need first, then the newest;
    /// how many there are in all.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotInCluster`]
    pub fn pins(
        &self,
        filter: PinFilter,
        offset: usize,
        limit: usize,
    ) -> Result<(Vec<PinView>, usize), ClusterError> {
        let seat = self.seat()?;
        Ok(seat.with(|machine| machine.pins(filter, offset, limit)))
    }

    /// Challenges those who keep a root, or everyone, now; how many challenges go out.
    ///
    /// # Errors
    ///
    /// [`ClusterError::NotInCluster`]
    pub fn audit(&self, root: Option<&Cid>) -> Result<usize, ClusterError> {
        let seat = self.seat()?;
        let now = seat.now();
        let challenges = seat.with(|machine| machine.audit_now(root, now));
        let many = challenges.len();
        seat.want(challenges);
        // What is here is looked at as well.
        seat.check_soon();
        Ok(many)
    }

    /// Assets of this node have changed: the pinset is brought up to date.
    pub fn assets_changed(&self) {
        if let Ok(seat) = self.seat() {
            seat.look_at_wishes();
        }
    }

    /// The store was found to have damaged blocks: what is pinned is checked, and repaired.
    pub fn store_is_damaged(&self) {
        if let Ok(seat) = self.seat() {
            seat.check_soon();
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("is_member", &locked(&self.inner.seat).is_some())
            .finish_non_exhaustive()
    }
}
