//! Following: whose announcements are wanted here, with what policy, and who wants ours.
//!
//! A follow is kept as the operator gave it: a key, an address of a node, a name or a URL. What it
//! leads to is looked up, kept, and looked up again every day; a failure is tried again, ever more
//! rarely, and forgets nothing. When a name leads to another publisher than before, nothing changes
//! until the operator accepts that: names are lost and stolen. The nodes of a followed publisher are
//! told of it by a signed notice, once a week, and stayed connected with.
//!
//! Others that follow a publisher of this node are listed, followed back, or refused, as the
//! operator chose.
//!
//! Owns: one task. Ends: with the `Shutdown` it was started under. Cancel safety: all state is in
//! rows; a target that was being looked up is looked up again, a notice is sent twice at most.

mod resolve;
mod target;
mod tell;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use cidcast_announce::{NodeId, NodeKey, Notice, Publisher, Says};
use cidcast_catalog::{
    Catalog, CatalogError, Follow, FollowError, FollowOrigin, FollowPolicy, FollowSaid, Follower,
    FollowerChange, FollowerState, Interest, NewFollow,
};
use cidcast_ipfs::names::Names;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_ipfs::{Blocks, Network};
use cidcast_runtime::{Clock, Shutdown};
use tokio::sync::{Notify, watch};

use crate::ask::Asker;
use crate::delivery::Deliveries;
use crate::trust::{Trust, peer_of};

pub use resolve::ResolveError;
pub(crate) use resolve::node_at;
pub use target::{ParseTargetError, Target};

/// Follow-backs that there may be: anybody may follow.
const MAX_FOLLOW_BACKS: usize = 1_000;

/// What becomes of those who follow a publisher of this node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FollowersRule {
    /// They are listed.
    #[default]
    List,
    /// They are listed, and their publishers followed with this policy.
    FollowBack(FollowPolicy),
    /// They are refused.
    Refuse,
}

/// What following is started with.
#[derive(Clone)]
pub struct FollowArgs {
    /// Where follows are kept.
    pub catalog: Catalog,
    /// For announcements that names lead to.
    pub blocks: Blocks,
    /// For web apps.
    pub network: Network,
    /// For names.
    pub names: Names,
    /// For staying connected.
    pub swarm: SwarmHandle,
    /// How nodes are asked.
    pub asker: Asker,
    /// Says who is not followed although a row says so.
    pub trust: Trust,
    /// How nodes are told.
    pub deliveries: Deliveries,
    /// Signs notices.
    pub key: Arc<NodeKey>,
    /// For due times.
    pub clock: Clock,
    /// What the operator chose.
    pub followers: FollowersRule,
}

/// How a follow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowState {
    /// Its target has not been looked up yet.
    LookingUp,
    /// It leads to a publisher.
    Followed,
    /// Its target cannot be looked up; whom it led to before is still followed.
    Failing,
    /// It leads to another publisher than before: the operator has to accept that.
    Moved,
}

impl FollowState {
    /// Of a follow.
    pub fn of(follow: &Follow) -> Self {
        if follow.offered.is_some() {
            Self::Moved
        } else if follow.error.is_some() {
            Self::Failing
        } else if follow.publisher.is_some() {
            Self::Followed
        } else {
            Self::LookingUp
        }
    }

    /// The stable spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LookingUp => "looking-up",
            Self::Followed => "followed",
            Self::Failing => "failing",
            Self::Moved => "moved",
        }
    }
}

/// What became of a notice about following.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is noted.
    Accepted,
    /// It is not, and will not be.
    Refused(&'static str),
    /// There is no room at present.
    Later,
}

/// Follows and followers, to be asked and changed by as many as like. Cheap to clone.
#[derive(Clone)]
pub struct Follows {
    inner: Arc<Inner>,
}

struct Inner {
    args: FollowArgs,
    wake: Notify,
    /// Counts what changes who is followed, and how.
    changes: watch::Sender<u64>,
}

impl Follows {
    /// Starts to look up, to tell and to stay connected.
    pub fn start(args: FollowArgs, shutdown: &Shutdown) -> Self {
        let follows = Self {
            inner: Arc::new(Inner {
                args,
                wake: Notify::new(),
                changes: watch::Sender::new(0),
            }),
        };
        let worker = worker::Worker::new(follows.clone());
        let token = shutdown.token().clone();
        shutdown.spawn("follows", async move {
            token.run_until_cancelled_owned(worker.run()).await
        });
        follows
    }

    /// Follows whom `target` leads to.
    ///
    /// # Errors
    /// See [`FollowError`]. That it leads nowhere is none: the follow says so.
    pub async fn follow(
        &self,
        target: &Target,
        policy: FollowPolicy,
    ) -> Result<Follow, FollowError> {
        let new = NewFollow {
            target: target.to_string(),
            origin: FollowOrigin::Operator,
            policy,
            publisher: target.publisher(),
            nodes: Vec::new(),
        };
        let follow = self.catalog().add_follow(&new, self.now()).await?;
        self.changed();
        Ok(follow)
    }

    /// Changes what a follow wants.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn edit(&self, id: i64, policy: &FollowPolicy) -> Result<Follow, FollowError> {
        let now = self.now();
        let follow = self.catalog().set_follow_policy(id, policy, now).await?;
        self.changed();
        Ok(follow)
    }

    /// Accepts that a follow leads to another publisher than before.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn accept(&self, id: i64) -> Result<Follow, FollowError> {
        let follow = self.catalog().accept_offered(id, self.now()).await?;
        self.changed();
        Ok(follow)
    }

    /// Ends a follow, and tells the publisher's nodes unless another follow leads there too.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn unfollow(&self, id: i64) -> Result<Follow, FollowError> {
        let follow = self.catalog().remove_follow(id).await?;
        if let Some(publisher) = follow.publisher {
            let others = self.catalog().followed().await?;
            if !others.contains_key(&publisher) {
                self.tell_of_the_end(&follow, publisher).await;
            }
        }
        self.changed();
        Ok(follow)
    }

    /// Looks a follow's target up again now, or that of every follow.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn look_up_again(&self, only: Option<i64>) -> Result<(), CatalogError> {
        self.catalog().hurry_follows(only, self.now()).await?;
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Every follow, oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn list(&self) -> Result<Vec<Follow>, CatalogError> {
        self.catalog().follows().await
    }

    /// One follow.
    ///
    /// # Errors
    /// See [`FollowError`].
    pub async fn get(&self, id: i64) -> Result<Follow, FollowError> {
        self.catalog().follow(id).await
    }

    /// What is wanted of every publisher that is followed and not refused.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn policies(&self) -> Result<BTreeMap<Publisher, FollowPolicy>, CatalogError> {
        let mut policies = self.catalog().followed().await?;
        for publisher in self.inner.args.trust.fates().await?.keys() {
            policies.remove(publisher);
        }
        Ok(policies)
    }

    /// Changes whenever a follow begins, ends, is edited, or leads somewhere.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Up to `limit` of those who follow a publisher of this node, after the first `skip`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn followers(&self, skip: u32, limit: u32) -> Result<Vec<Follower>, CatalogError> {
        self.catalog().followers(skip, limit).await
    }

    /// Forgets a follower; answers whether there was one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_follower(&self, node: &NodeId) -> Result<bool, CatalogError> {
        self.catalog().forget_follower(node).await
    }

    /// Takes a notice about following, from whomever. Other notices are refused.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn take(&self, notice: &Notice) -> Result<Taken, CatalogError> {
        let (publisher, by, state) = match notice.says() {
            Says::Follow { publisher, by } => (*publisher, *by, FollowerState::Following),
            Says::Unfollow { publisher } => (*publisher, None, FollowerState::Left),
            _ => return Ok(Taken::Refused("not about following")),
        };
        let args = &self.inner.args;
        if args.trust.refuses_node(&notice.node()) {
            return Ok(Taken::Refused("this node is not trusted"));
        }
        if self.catalog().interest(&publisher).await? != Interest::Own {
            return Ok(Taken::Refused("not the publisher of this node"));
        }
        if state == FollowerState::Following && args.followers == FollowersRule::Refuse {
            return Ok(Taken::Refused("this node takes no followers"));
        }
        let said = FollowSaid {
            node: notice.node(),
            publisher,
            by,
            state,
            at: notice.at(),
        };
        match self.catalog().note_follower(&said, self.now()).await? {
            FollowerChange::Full => Ok(Taken::Later),
            FollowerChange::Old | FollowerChange::Noted => Ok(Taken::Accepted),
            FollowerChange::New => {
                tracing::info!(node = %said.node, ?by, "a new follower");
                if let (FollowersRule::FollowBack(policy), Some(by)) = (&args.followers, by) {
                    self.follow_back(&said.node, by, policy.clone()).await?;
                }
                Ok(Taken::Accepted)
            }
        }
    }

    /// That the follower's publisher is its own is its claim; a wrong one gains it nothing that a
    /// key of its own making would not.
    async fn follow_back(
        &self,
        node: &NodeId,
        publisher: Publisher,
        policy: FollowPolicy,
    ) -> Result<(), CatalogError> {
        let catalog = self.catalog();
        if catalog.interest(&publisher).await? != Interest::Unknown {
            return Ok(());
        }
        let all = catalog.follows().await?;
        let backs = all
            .iter()
            .filter(|follow| follow.origin == FollowOrigin::FollowBack);
        if backs.count() >= MAX_FOLLOW_BACKS {
            tracing::warn!(%publisher, "not followed back: too many are");
            return Ok(());
        }
        let new = NewFollow {
            target: publisher.to_string(),
            origin: FollowOrigin::FollowBack,
            policy,
            publisher: Some(publisher),
            nodes: self.addresses_of(node),
        };
        match catalog.add_follow(&new, self.now()).await {
            Ok(_) => tracing::info!(%publisher, "followed back"),
            Err(FollowError::Catalog(error)) => return Err(error),
            Err(error) => tracing::debug!(%publisher, %error, "not followed back"),
        }
        self.changed();
        Ok(())
    }

    /// Where a connected node listens, as it says.
    fn addresses_of(&self, node: &NodeId) -> Vec<String> {
        let swarm = &self.inner.args.swarm;
        let peer = peer_of(node).and_then(|peer| swarm.peer(&peer));
        let addresses = peer.map(|peer| peer.addresses()).unwrap_or_default();
        let texts = addresses.into_iter().map(|(_, address)| address);
        texts.take(4).collect()
    }

    fn catalog(&self) -> &Catalog {
        &self.inner.args.catalog
    }

    fn now(&self) -> cidcast_types::Timestamp {
        self.inner.args.clock.now()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|count| *count += 1);
        self.inner.wake.notify_one();
    }
}

impl std::fmt::Debug for Follows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follows").finish_non_exhaustive()
    }
}
