//! Feeds: the own one, and those of others.
//!
//! What is public among this node's assets is announced in its own feed ([`own`]); what other
//! publishers announce is recorded if it is wanted, in order and within quotas ([`ledger`]), heard
//! by gossip and asked for when it was missed ([`travel`], [`sync`]). Snapshots let newcomers skip the
//! past, and old nodes drop it ([`snapshots`]).
//!
//! [`Feeds`] is the handle for everybody else. What it shows comes from the catalog, so that it is
//! the same before and after a restart.

mod answer;
mod changes;
mod evidence;
mod fetch;
pub(crate) mod hearing;
mod key;
mod ledger;
mod metrics;
mod named;
mod naming;
mod own;
mod pace;
mod segments;
mod settings;
mod snapshots;
mod sync;
mod travel;

use std::fmt;
use std::path::PathBuf;

use cidcast_announce::{Profile, Publisher, SigningKey};
use cidcast_catalog::{Catalog, CatalogError, OwnKey};
use cidcast_ipfs::gossip::{self, JoinError};
use cidcast_ipfs::names::Names;
use cidcast_ipfs::swarm::SwarmHandle;
use cidcast_ipfs::{Blocks, Network};
use cidcast_runtime::{Clock, Shutdown, random_u128};
use cidcast_store::Store;
use cidcast_types::AssetId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::trust::Trust;
use crate::wire::{Mark, Response};
use key::KeyOrigin;
use own::Own;
use segments::Getter;
use snapshots::Snapshots;
use travel::{Command, Parts, Travel};

pub(crate) use pace::{Pace, Rate};
#[cfg(feature = "simulation")]
pub(crate) use {
    answer::portion,
    changes::Changes,
    fetch::MAX_BYTES,
    hearing::{Heard, Hearing},
    ledger::Taken,
    sync::{Action, Failure, Sync, SyncSettings},
};

pub use key::PublisherKeyError;
pub use ledger::{FeedEvent, LedgerError};
pub use metrics::{Metrics, Outcome, SnapshotFate};
pub use own::{OwnError, OwnStatus, Standing};
pub use settings::{FeedSettings, Mode, ParseModeError};

/// Commands that wait; callers wait beyond that.
const MOST_WAITING: usize = 64;

/// Characters of a reason, as the format has it.
const MOST_REASON: usize = 1_000;

/// What feeds are started with.
#[derive(Clone)]
pub struct FeedArgs {
    /// Where everything is recorded.
    pub catalog: Catalog,
    /// Where the bytes of announcements lie, as blocks.
    pub store: Store,
    /// What they travel over.
    pub swarm: SwarmHandle,
    /// For the segments of snapshots.
    pub network: Network,
    /// For what the network remembers of the own feed.
    pub names: Names,
    /// The same.
    pub blocks: Blocks,
    /// Says who is not listened to, and is told what peers deliver.
    pub trust: Trust,
    /// The publisher's key; made if it is not there.
    pub key_file: PathBuf,
    /// What time it is.
    pub clock: Clock,
    /// Where to count.
    pub metrics: Metrics,
    /// What the operator decides.
    pub settings: FeedSettings,
}

/// Why feeds did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The publisher's key cannot be used.
    #[error(transparent)]
    Key(#[from] PublisherKeyError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// What an earlier process left could not be tidied up.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The topic was not joined.
    #[error(transparent)]
    Gossip(#[from] JoinError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The feeds of a node. Clones are the same.
#[derive(Clone)]
pub struct Feeds {
    ledger: ledger::Ledger,
    status: watch::Receiver<OwnStatus>,
    commands: mpsc::Sender<Command>,
}

impl Feeds {
    /// Starts to announce, hear and catch up. With [`Mode::Off`] nothing is sent or taken, and what
    /// was recorded before can still be shown.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is left running.
    pub async fn start(args: FeedArgs, shutdown: &Shutdown) -> Result<Self, StartError> {
        let now = args.clock.now();
        let key_file = args.key_file.clone();
        let loading = tokio::task::spawn_blocking(move || key::load_or_make(&key_file));
        let (key, origin) = loading.await.map_err(|_| StartError::Stopping)??;
        let publisher = key.publisher();
        let state = match origin {
            KeyOrigin::Made => OwnKey::Confirmed,
            KeyOrigin::Found => OwnKey::Unconfirmed,
        };
        args.catalog
            .set_own_publisher(&publisher, state, now)
            .await?;
        let confirmed = args.catalog.own_key(&publisher).await? == Some(OwnKey::Confirmed);
        let (status, watching) = watch::channel(OwnStatus {
            publisher,
            standing: match confirmed {
                true => Standing::Ready,
                false => Standing::Unconfirmed,
            },
            error: None,
            reconciled_at: None,
            waiting: 0,
        });
        let mode = args.settings.mode;
        let ledger = ledger::Ledger::new(
            args.catalog.clone(),
            args.store.clone(),
            args.clock.clone(),
            args.settings.clone(),
            args.metrics.clone(),
        );
        ledger.tidy_all().await?;
        let (commands, commands_out) = mpsc::channel(MOST_WAITING);
        let feeds = Self {
            ledger: ledger.clone(),
            status: watching,
            commands,
        };
        if mode == Mode::Off {
            return Ok(feeds);
        }
        let own = Own::new(key, ledger, confirmed, status);
        feeds.set_out(args, own, commands_out, shutdown).await?;
        Ok(feeds)
    }

    /// Starts what moves.
    async fn set_out(
        &self,
        args: FeedArgs,
        own: Own,
        commands: mpsc::Receiver<Command>,
        shutdown: &Shutdown,
    ) -> Result<(), StartError> {
        let joining = args.swarm.gossip().join(travel::TOPIC, gossip::MAX_BYTES);
        let (topic, messages) = joining.await?;
        let getter = Getter::new(args.network);
        let snapshots = Snapshots {
            ledger: self.ledger.clone(),
            getter: getter.clone(),
            commands: self.commands.clone(),
            own: own.publisher(),
            looked_at: None,
        };
        let travel = Travel::new(Parts {
            own,
            ledger: self.ledger.clone(),
            trust: args.trust,
            requests: args.swarm.requests(),
            swarm: args.swarm,
            topic,
            messages,
            commands,
            getter,
            names: args.names,
            blocks: args.blocks,
            seed: u64::try_from(random_u128() >> 64).unwrap_or(1),
        });
        let stop = shutdown.token().clone();
        shutdown.spawn("feeds", travel.run(stop));
        snapshots.start(shutdown);
        Ok(())
    }

    /// Everything that is recorded: feeds, announced assets, tombstones, forks.
    pub fn catalog(&self) -> &Catalog {
        self.ledger.catalog()
    }

    /// The own feed, as it is now.
    pub fn own(&self) -> OwnStatus {
        self.status.borrow().clone()
    }

    /// The own feed, as it changes.
    pub fn watch_own(&self) -> watch::Receiver<OwnStatus> {
        self.status.clone()
    }

    /// For whom this node signs.
    pub fn publisher(&self) -> Publisher {
        self.status.borrow().publisher
    }

    /// Whose announcements are indexed here.
    pub fn mode(&self) -> Mode {
        self.ledger.settings().mode
    }

    /// What feeds say, from now on. Who lags behind misses events and reads the rows instead.
    pub fn events(&self) -> broadcast::Receiver<FeedEvent> {
        self.ledger.events()
    }

    /// What was counted.
    pub fn metrics(&self) -> &Metrics {
        self.ledger.metrics()
    }

    /// Something about the assets of this node has changed: the own feed follows soon.
    pub fn changed(&self) {
        // A full queue wakes the task anyway.
        let _ = self.commands.try_send(Command::Reconcile);
    }

    /// Why an asset is about to be retracted, for the announcement that will say so: also if that
    /// is by the next process.
    ///
    /// # Errors
    ///
    /// [`CatalogError`]
    pub async fn retract_because(&self, asset: &AssetId, reason: &str) -> Result<(), CatalogError> {
        let reason: String = reason.chars().take(MOST_REASON).collect();
        self.catalog().set_retract_reason(asset, &reason).await
    }

    /// Whom is followed has changed, or the operator has no patience: everybody is asked again.
    pub fn refresh(&self) {
        let _ = self.commands.try_send(Command::Refresh);
    }

    /// Says who the publisher is, in the own feed. The addresses of this node are kept up to date
    /// by themselves.
    ///
    /// # Errors
    ///
    /// [`OwnError`]; nothing was announced.
    pub async fn set_profile(&self, profile: Profile) -> Result<(), OwnError> {
        self.command(|done| Command::SetProfile { profile, done })
            .await
    }

    /// The operator vouches that nothing more was ever signed with the own key than is here. If
    /// that is wrong, the feed forks for good.
    ///
    /// # Errors
    ///
    /// [`OwnError`]
    pub async fn confirm_own(&self) -> Result<(), OwnError> {
        self.command(|done| Command::Confirm { done }).await
    }

    /// Takes the bytes of an announcement that came by another way than gossip: the same is checked.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]
    pub async fn offer(&self, bytes: &[u8]) -> Result<Outcome, LedgerError> {
        let announcement = match self.ledger.verify(bytes) {
            Ok(announcement) => announcement,
            Err(outcome) => return Ok(outcome),
        };
        let taken = self.ledger.take(vec![announcement]).await?;
        Ok(taken.outcomes.first().copied().unwrap_or(Outcome::Unwanted))
    }

    /// Forgets all that a publisher announced here: rows, index and blocks. Evidence against it
    /// stays. Whether it comes again is for whoever decides about follows and blocks.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]
    pub async fn forget(&self, publisher: &Publisher) -> Result<(), LedgerError> {
        self.ledger.forget(publisher).await
    }

    /// Answers a peer that asks how much is here of whom.
    pub(crate) async fn answer_heads(
        &self,
        after: Option<&Publisher>,
        since: Option<&Mark>,
    ) -> Result<Response, CatalogError> {
        answer::heads(&self.ledger, after, since).await
    }

    /// Answers a peer that asks for a piece of a feed.
    pub(crate) async fn answer_since(
        &self,
        publisher: &Publisher,
        from: u64,
        max_bytes: u64,
    ) -> Result<Response, CatalogError> {
        answer::since(&self.ledger, publisher, from, max_bytes).await
    }

    /// Answers a peer that asks for pieces of several feeds.
    pub(crate) async fn answer_feeds(
        &self,
        feeds: &[(Publisher, u64)],
        max_bytes: u64,
    ) -> Result<Response, CatalogError> {
        answer::feeds(&self.ledger, feeds, max_bytes).await
    }

    /// Answers a peer that asks who has forked.
    pub(crate) async fn answer_forked(
        &self,
        after: Option<&Publisher>,
    ) -> Result<Response, CatalogError> {
        answer::forked(&self.ledger, after).await
    }

    /// Answers a peer that asks for evidence.
    pub(crate) async fn answer_evidence(
        &self,
        publisher: &Publisher,
    ) -> Result<Response, CatalogError> {
        answer::evidence(&self.ledger, publisher).await
    }

    async fn command(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), OwnError>>) -> Command,
    ) -> Result<(), OwnError> {
        let (done, answer) = oneshot::channel();
        let sent = self.commands.send(command(done)).await;
        sent.map_err(|_| OwnError::Off)?;
        answer.await.map_err(|_| OwnError::Off)?
    }
}

/// Keeps the publisher's IPNS name at the newest announcement of the own feed, so that whoever knows
/// the name finds the feed through the DHT. Does nothing while discovery is off.
///
/// # Errors
///
/// [`PublisherKeyError`] if the key cannot be read.
pub async fn keep_name(
    feeds: &Feeds,
    names: Names,
    key_file: PathBuf,
    shutdown: &Shutdown,
) -> Result<(), PublisherKeyError> {
    if feeds.mode() == Mode::Off {
        return Ok(());
    }
    let path = key_file.clone();
    let loading = tokio::task::spawn_blocking(move || key::load_or_make(&key_file));
    let (key, _) = loading.await.map_err(|_| PublisherKeyError::Chance)??;
    let kept = naming::keep(
        names,
        &key,
        feeds.ledger.clone(),
        feeds.watch_own(),
        shutdown,
    );
    kept.map_err(|_| PublisherKeyError::Corrupt { path })
}

/// Puts another publisher's key in the place of the one in `key_file`. It counts from the next start
/// on, and nothing is signed with it until a node that knows its feed has been asked.
///
/// # Errors
///
/// [`PublisherKeyError::Write`]
pub fn import_key(key_file: &std::path::Path, key: &SigningKey) -> Result<(), PublisherKeyError> {
    key::save(key_file, key)
}

/// The publisher's key, for an export.
///
/// # Errors
///
/// [`PublisherKeyError`]; a key that is not there is made.
pub fn load_key(key_file: &std::path::Path) -> Result<SigningKey, PublisherKeyError> {
    Ok(key::load_or_make(key_file)?.0)
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeds")
            .field("own", &self.own().publisher)
            .finish_non_exhaustive()
    }
}
