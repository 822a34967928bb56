//! All of discovery, started and stopped as one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cidcast_announce::NodeKey;
use cidcast_catalog::{Catalog, Interest, NoticeLimits};
use cidcast_ipfs::names::Names;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_ipfs::{Blocks, Network};
use cidcast_runtime::{Clock, DrainTimeout, Shutdown};
use cidcast_store::Store;
use tokio::sync::broadcast::error::RecvError;

use crate::ask::Asker;
use crate::delivery::{Deliveries, DeliveryArgs};
use crate::feeds::{self, FeedArgs, FeedSettings, Feeds, LedgerError, Metrics, Mode, StartError};
use crate::figures::Figures;
use crate::follow::{FollowArgs, FollowersRule, Follows};
use crate::join::{JoinArgs, Joining};
use crate::notices::{Elsewhere, ElsewhereArgs, Herald, HeraldArgs, Inbox};
use crate::replication::{Replicas, ReplicationArgs, ReplicationSettings};
use crate::serve::{self, Desk};
use crate::trust::{BlockLists, Trust, TrustArgs, TrustSettings};
use crate::views::{self, TakeViews, ViewsArgs};

/// What discovery is started with.
#[derive(Clone)]
pub struct DiscoveryArgs {
    /// Where everything is recorded.
    pub catalog: Catalog,
    /// Where the bytes of announcements lie, as blocks.
    pub store: Store,
    /// What everything travels over.
    pub swarm: SwarmHandle,
    /// What time it is.
    pub clock: Clock,
    /// The publisher's key; made if it is not there.
    pub key_file: PathBuf,
    /// Where to count.
    pub metrics: Metrics,
    /// What the operator decides about feeds.
    pub feeds: FeedSettings,
    /// For web apps that are followed.
    pub network: Network,
    /// For names that are followed.
    pub names: Names,
    /// For announcements that names lead to.
    pub blocks: Blocks,
    /// The node's own key, which signs notices.
    pub node_key: Arc<NodeKey>,
    /// The bootstrap peers of the swarm, as they are configured.
    pub bootstrap: Vec<String>,
    /// What becomes of who is blocked or revoked.
    pub trust: TrustSettings,
    /// What becomes of who follows.
    pub followers: FollowersRule,
    /// What is copied here, and how.
    pub replication: ReplicationSettings,
    /// What was watched on this node.
    pub watched: TakeViews,
    /// Where to count everything but feeds.
    pub figures: Figures,
}

/// The running discovery of a node. It has to be stopped before the swarm is.
#[derive(Debug)]
pub struct Discovery {
    feeds: Feeds,
    trust: Trust,
    block_lists: BlockLists,
    deliveries: Deliveries,
    follows: Follows,
    joining: Joining,
    replicas: Replicas,
    elsewhere: Elsewhere,
    inbox: Inbox,
    tasks: Shutdown,
}

impl Discovery {
    /// Starts it over a running swarm. With [`Mode::Off`] nothing is sent, asked or answered; what
    /// is here can be shown and changed.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(args: DiscoveryArgs, shutdown: &Shutdown) -> Result<Self, StartError> {
        let tasks = shutdown.child();
        let (swarm, clock, mode) = (args.swarm.clone(), args.clock.clone(), args.feeds.mode);
        let trust = TrustArgs {
            catalog: args.catalog.clone(),
            swarm: swarm.clone(),
            clock: clock.clone(),
            settings: args.trust,
        };
        let trust = Trust::start(trust, &tasks).await?;
        let feeds = FeedArgs {
            catalog: args.catalog.clone(),
            store: args.store.clone(),
            swarm: swarm.clone(),
            network: args.network.clone(),
            names: args.names.clone(),
            blocks: args.blocks.clone(),
            trust: trust.clone(),
            key_file: args.key_file.clone(),
            clock: clock.clone(),
            metrics: args.metrics.clone(),
            settings: args.feeds.clone(),
        };
        let feeds = Feeds::start(feeds, &tasks).await?;
        feeds::keep_name(&feeds, args.names.clone(), args.key_file.clone(), &tasks).await?;
        let discovery = Self::with(args, feeds, trust, tasks);
        if mode != Mode::Off {
            discovery.watch_what_is_wanted();
            if let Some(inbound) = swarm.requests().serve() {
                serve::start(discovery.desk(clock), inbound, &discovery.tasks);
            }
        }
        Ok(discovery)
    }

    /// Everything else, around feeds and trust.
    fn with(args: DiscoveryArgs, feeds: Feeds, trust: Trust, tasks: Shutdown) -> Self {
        let talking = match feeds.mode() {
            Mode::Off => ended(),
            _ => tasks.clone(),
        };
        let (swarm, catalog, clock) = (args.swarm, args.catalog, args.clock);
        let inbox = Inbox::new(catalog.clone(), NoticeLimits::default());
        let asker = Asker::new(swarm.requests(), trust.clone());
        let deliveries = deliveries(&catalog, (&asker, &trust), &clock, &talking);
        let herald = Herald::new(HeraldArgs {
            catalog: catalog.clone(),
            deliveries: deliveries.clone(),
            key: Arc::clone(&args.node_key),
            obey: args.replication.obey,
            promise: args.replication.promise,
        });
        // Also when nothing is said to anyone: the operator sees them.
        let counted = (args.watched, &args.figures);
        count(&catalog, &herald, &clock, counted, &tasks);
        let knows = elsewhere(&catalog, &swarm, (&asker, &trust), (&inbox, &clock));
        let elsewhere = Elsewhere::start(knows, &talking);
        let replication = ReplicationArgs {
            catalog: catalog.clone(),
            store: args.store,
            network: args.network.clone(),
            swarm: swarm.clone(),
            herald,
            elsewhere: elsewhere.clone(),
            figures: args.figures,
            clock: clock.clone(),
            settings: args.replication,
        };
        let follows = FollowArgs {
            catalog: catalog.clone(),
            blocks: args.blocks,
            network: args.network,
            names: args.names,
            swarm: swarm.clone(),
            asker: asker.clone(),
            trust: trust.clone(),
            deliveries: deliveries.clone(),
            key: args.node_key,
            clock: clock.clone(),
            followers: args.followers,
        };
        let joining = JoinArgs {
            catalog,
            swarm,
            asker: asker.clone(),
            trust: trust.clone(),
            clock,
            bootstrap: args.bootstrap,
        };
        Self {
            block_lists: BlockLists::start(trust.clone(), asker, &talking),
            follows: Follows::start(follows, &talking),
            joining: Joining::start(joining, &talking),
            replicas: Replicas::start(replication, &talking),
            elsewhere,
            inbox,
            deliveries,
            feeds,
            trust,
            tasks,
        }
    }

    /// Who is followed or let in again is asked for at once. Who is followed no longer is forgotten,
    /// unless everybody is indexed here: nobody would hear of its retractions.
    fn watch_what_is_wanted(&self) {
        let (feeds, replicas) = (self.feeds.clone(), self.replicas.clone());
        let follows = self.follows.clone();
        let (mut follow_changes, mut trust_changes) = (follows.changes(), self.trust.changes());
        let mut said = feeds.events();
        let watching = async move {
            loop {
                // Also at first: follows may have ended with the process before.
                if let Err(error) = forget_unfollowed(&feeds).await {
                    tracing::warn!(%error, "who is followed no longer was not forgotten");
                }
                replicas.wake();
                loop {
                    let changed = tokio::select! {
                        changed = follow_changes.changed() => changed.is_ok(),
                        changed = trust_changes.changed() => changed.is_ok(),
                        event = said.recv() => {
                            if matches!(event, Err(RecvError::Closed)) {
                                return;
                            }
                            // A missed one is as good as any.
                            replicas.wake();
                            continue;
                        }
                    };
                    match changed {
                        true => break,
                        false => return,
                    }
                }
                feeds.refresh();
            }
        };
        let token = self.tasks.token().clone();
        self.tasks.spawn("what is wanted", async move {
            token.run_until_cancelled_owned(watching).await
        });
    }

    fn desk(&self, clock: Clock) -> Desk {
        Desk {
            feeds: self.feeds.clone(),
            trust: self.trust.clone(),
            block_lists: self.block_lists.clone(),
            follows: self.follows.clone(),
            joining: self.joining.clone(),
            inbox: self.inbox.clone(),
            elsewhere: self.elsewhere.clone(),
            clock,
        }
    }

    /// Feeds: the own one, and those of others.
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// Scores and blocks.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Signed block lists.
    pub fn block_lists(&self) -> &BlockLists {
        &self.block_lists
    }

    /// Notices that wait.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// Follows and followers.
    pub fn follows(&self) -> &Follows {
        &self.follows
    }

    /// How this node has found its peers.
    pub fn joining(&self) -> &Joining {
        &self.joining
    }

    /// Copies here and elsewhere, retractions and who obeyed them, views.
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// Tells every part to end, and waits for it.
    ///
    /// # Errors
    ///
    /// [`DrainTimeout`] if some part still runs; nothing is lost by ending the process then.
    pub async fn stop(&self, deadline: Duration) -> Result<(), DrainTimeout> {
        self.tasks.drain(deadline).await
    }
}

/// Whatever is started under it ends at once.
fn ended() -> Shutdown {
    let ended = Shutdown::new();
    ended.trigger();
    ended
}

/// Forgets those whom a follow has ended for and whom nobody wants any more.
async fn forget_unfollowed(feeds: &Feeds) -> Result<(), LedgerError> {
    let catalog = feeds.catalog();
    for publisher in catalog.unfollowed().await? {
        let interest = catalog.interest(&publisher).await?;
        if feeds.mode() == Mode::Follows && interest == Interest::Unknown {
            feeds.forget(&publisher).await?;
        }
        catalog.clear_unfollowed(&publisher).await?;
    }
    Ok(())
}

/// How nodes are asked for copies.
fn elsewhere(
    catalog: &Catalog,
    swarm: &SwarmHandle,
    (asker, trust): (&Asker, &Trust),
    (inbox, clock): (&Inbox, &Clock),
) -> ElsewhereArgs {
    ElsewhereArgs {
        catalog: catalog.clone(),
        swarm: swarm.clone(),
        asker: asker.clone(),
        trust: trust.clone(),
        inbox: inbox.clone(),
        clock: clock.clone(),
    }
}

/// Counts rows, and views.
fn count(
    catalog: &Catalog,
    herald: &Herald,
    clock: &Clock,
    (take, figures): (TakeViews, &Figures),
    tasks: &Shutdown,
) {
    figures.keep(catalog.clone(), tasks);
    let args = ViewsArgs {
        catalog: catalog.clone(),
        herald: herald.clone(),
        clock: clock.clone(),
        take,
        count: figures.views.clone(),
    };
    views::start(args, tasks);
}

/// The queue of notices.
fn deliveries(
    catalog: &Catalog,
    (asker, trust): (&Asker, &Trust),
    clock: &Clock,
    tasks: &Shutdown,
) -> Deliveries {
    let args = DeliveryArgs {
        catalog: catalog.clone(),
        asker: asker.clone(),
        trust: trust.clone(),
        clock: clock.clone(),
    };
    Deliveries::start(args, tasks)
}
