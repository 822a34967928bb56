//! Names that can change what they stand for: IPNS and DNSLink.
//!
//! A published name stays published: its sequence number is on disk, and its record is signed anew
//! and sent again long before it expires. Resolving asks the DHT and the configured routers, and
//! believes nothing that is not signed by the name's key (IPNS specification, "Record
//! Verification").
//!
//! Owns: one task that publishes again. Ends: with the `Shutdown` it was started under. Cancel
//! safety: a publication that is dropped half-way is on disk and goes out at the next turn.

mod dnslink;
mod lent;
mod name;
mod record;
mod saved;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cidcast_runtime::Shutdown;
use rust_ipfs::Keypair;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::Network;
use crate::swarm::{KeyError, load_or_create_key};

pub use dnslink::DnslinkError;
use lent::Lent;
pub use lent::{NameKey, NotAKey};
pub use name::{IpnsName, ParseNameError};
pub use record::RecordError;
use record::Signed;
pub use saved::SavedError;
use saved::{Folder, Saved};

/// Names that lead to names: more than this is a circle.
const MAX_HOPS: usize = 16;
/// How long looking for one record may take. The DHT asks 20 peers, some of which are gone.
const LOOKUP: Duration = Duration::from_secs(20);
/// How long is looked for an older record of one's own, when nothing is on disk.
const OWN_LOOKUP: Duration = Duration::from_secs(8);
/// How long sending one record may take: with the above, less than a request to the API.
const SEND: Duration = Duration::from_secs(20);
/// After a turn in which a record could not be sent.
const AGAIN: Duration = Duration::from_secs(60);
/// Longest path that a name may stand for.
const MAX_VALUE: usize = 1024;

/// How names are kept.
#[derive(Debug, Clone)]
pub struct NameSettings {
    /// The folder of published names and of their keys, other than the node's.
    pub folder: PathBuf,
    /// DNS servers for DNSLink. Empty: the operating system's.
    pub dns_servers: Vec<SocketAddr>,
    /// How long a record is valid.
    pub lifetime: Duration,
    /// How often records are sent again; much less than their lifetime, so that a node that is off
    /// for a day loses no name.
    pub republish_every: Duration,
}

impl NameSettings {
    /// The defaults of the IPNS specification: 48 hours, sent again every 4.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            dns_servers: Vec::new(),
            lifetime: Duration::from_secs(48 * 3600),
            republish_every: Duration::from_secs(4 * 3600),
        }
    }
}

/// A name that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name.
    pub name: IpnsName,
    /// What it stands for.
    pub value: String,
    /// How often it has changed.
    pub sequence: u64,
    /// Whether the network has it.
    pub reach: Reach,
}

/// How far a record got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Another peer has it.
    Network,
    /// Only this node has it; it is sent as soon as somebody takes it.
    Here,
}

/// Why a name was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Not something that a name can stand for.
    #[error("{value:?} cannot be named; give a path that begins with /ipfs/ or /ipns/")]
    Value {
        /// What was given, shortened.
        value: String,
    },
    /// Not the name of a key.
    #[error("{key:?} cannot be the name of a key; use 1 to 64 letters, digits and hyphens")]
    KeyName {
        /// What was given, shortened.
        key: String,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The sequence number could not be kept.
    #[error(transparent)]
    Saved(#[from] SavedError),
    /// The record could not be made.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The node is stopping.
    #[error("the node is stopping; publish again when it runs")]
    Stopping,
}

/// Why a name could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveNameError {
    /// Neither a path nor a name.
    #[error("{text:?} is no name; give k51…, a DNS name, or a path /ipns/…")]
    Syntax {
        /// What was given, shortened.
        text: String,
    },
    /// Nobody has a valid record.
    #[error("nobody who was asked has a valid record of {name}; is its publisher online?")]
    NoRecord {
        /// The name.
        name: IpnsName,
    },
    /// The DNS has no link.
    #[error(transparent)]
    Dnslink(#[from] DnslinkError),
    /// Names lead to names for ever.
    #[error("{text:?} leads through more than 16 names; it is a circle")]
    Circle {
        /// What was to be resolved.
        text: String,
    },
}

/// The names of a node. Clones are the same.
#[derive(Clone)]
pub struct Names {
    inner: Arc<Inner>,
}

struct Inner {
    network: Network,
    settings: NameSettings,
    folder: Folder,
    lent: Lent,
    /// One publication at a time, so that sequence numbers follow each other.
    publishing: Mutex<()>,
}

impl Names {
    /// Opens the folder of names and keeps what is there published.
    ///
    /// # Errors
    ///
    /// [`SavedError`] if the folder cannot be used.
    pub fn start(
        network: Network,
        settings: NameSettings,
        shutdown: &Shutdown,
    ) -> Result<Self, SavedError> {
        let folder = Folder::open(&settings.folder)?;
        let names = Self {
            inner: Arc::new(Inner {
                network,
                settings,
                folder,
                lent: Lent::default(),
                publishing: Mutex::default(),
            }),
        };
        let (keeper, token) = (names.clone(), shutdown.token().clone());
        shutdown.spawn("names", async move {
            token.run_until_cancelled(keeper.keep()).await;
        });
        Ok(names)
    }

    /// Makes a key's name stand for `value`, a path `/ipfs/…` or `/ipns/…`. No `key`: the node's
    /// own; a named key is made at its first use.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. That no peer could be told is none: [`Published::reach`] says so.
    pub async fn publish(&self, key: Option<&str>, value: &str) -> Result<Published, PublishError> {
        check_value(value)?;
        let _turn = self.inner.publishing.lock().await;
        let keypair = self.keypair(key).await?;
        let name = IpnsName::of(keypair.public().to_peer_id());
        let owner = Owner::Here(key.map(str::to_owned));
        let saved = self.next(name, owner, value).await?;
        self.send(&keypair, &saved).await
    }

    /// As [`Self::publish`], under a key that belongs to the caller. The key may have been used on
    /// another host in the meantime, so the network is asked for the newest record first, which
    /// takes some seconds where nobody answers. The key stays lent: see [`Self::lend`].
    ///
    /// # Errors
    ///
    /// [`PublishError`], as above.
    pub async fn publish_as(&self, key: &NameKey, value: &str) -> Result<Published, PublishError> {
        check_value(value)?;
        let _turn = self.inner.publishing.lock().await;
        self.inner.lent.add(key.clone());
        let saved = self.next(key.name(), Owner::Lent, value).await?;
        self.send(key.keypair(), &saved).await
    }

    /// Lets what was published under the key be published again, until [`Self::return_key`] or the
    /// node's end.
    pub fn lend(&self, key: &NameKey) {
        self.inner.lent.add(key.clone());
    }

    /// Publishes nothing more under a lent key, and forgets it.
    pub fn return_key(&self, name: &IpnsName) {
        self.inner.lent.remove(name);
    }

    /// The path that a name stands for in the end, `/ipfs/…`. `text` is an IPNS name, a DNS name,
    /// or a path `/ipns/…`; what follows the name in a path is kept.
    ///
    /// # Errors
    ///
    /// [`ResolveNameError`].
    pub async fn resolve(&self, text: &str) -> Result<String, ResolveNameError> {
        let mut path = match text.starts_with('/') {
            true => text.to_owned(),
            false => format!("/ipns/{text}"),
        };
        for _ in 0..MAX_HOPS {
            if path.starts_with("/ipfs/") {
                return Ok(path);
            }
            let rest = path.strip_prefix("/ipns/");
            let rest = rest.ok_or_else(|| syntax(&path))?;
            let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
            let target = self.step(name).await?;
            path = match below {
                "" => target,
                below => format!("{}/{below}", target.trim_end_matches('/')),
            };
        }
        let text = text.chars().take(100).collect();
        Err(ResolveNameError::Circle { text })
    }

    /// What one name stands for.
    async fn step(&self, name: &str) -> Result<String, ResolveNameError> {
        if let Ok(name) = name.parse::<IpnsName>() {
            let found = self.inner.newest(&name, LOOKUP).await;
            let record = found.ok_or(ResolveNameError::NoRecord { name })?;
            return Ok(record.value);
        }
        if !dnslink::is_dns_name(name.trim_end_matches('.')) {
            return Err(syntax(name));
        }
        Ok(dnslink::look_up(name, &self.inner.settings.dns_servers).await?)
    }

    fn lent(&self, name: &str) -> Option<NameKey> {
        self.inner.lent.get(&name.parse().ok()?)
    }

    async fn keypair(&self, key: Option<&str>) -> Result<Keypair, PublishError> {
        let Some(key) = key else {
            return Ok(self.inner.network.ipfs().keypair().clone());
        };
        let is_name = (1..=64).contains(&key.len())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name {
            let key = key.chars().take(100).collect();
            return Err(PublishError::KeyName { key });
        }
        let file = self.inner.folder.key_file(key);
        let loaded = tokio::task::spawn_blocking(move || load_or_create_key(&file)).await;
        Ok(loaded.map_err(|_| PublishError::Stopping)??)
    }

    /// The next state of a name, on disk when this returns.
    async fn next(&self, name: IpnsName, owner: Owner, value: &str) -> Result<Saved, PublishError> {
        let before = self.on_disk(move |folder| folder.read(&name)).await?;
        let before = before.map(|saved| (saved.value, saved.sequence));
        let newest = match (&before, &owner) {
            (Some(_), Owner::Here(_)) => before,
            // The file may have been lost, or the key used elsewhere: go on from what the network
            // remembers.
            _ => {
                let found = self.inner.newest(&name, OWN_LOOKUP).await;
                let found = found.map(|record| (record.value, record.sequence));
                [before, found]
                    .into_iter()
                    .flatten()
                    .max_by_key(|(_, sequence)| *sequence)
            }
        };
        let (key, lent) = match owner {
            Owner::Here(key) => (key, None),
            Owner::Lent => (None, Some(name.to_string())),
        };
        let next = Saved {
            key,
            lent,
            value: value.to_owned(),
            sequence: match newest {
                Some((same, sequence)) if same == value => sequence,
                Some((_, sequence)) => sequence.saturating_add(1),
                None => 0,
            },
        };
        let written = next.clone();
        self.on_disk(move |folder| folder.write(&name, &written))
            .await?;
        Ok(next)
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, SavedError> + Send + 'static,
    ) -> Result<T, PublishError> {
        let folder = self.inner.folder.clone();
        let done = tokio::task::spawn_blocking(move || work(&folder)).await;
        Ok(done.map_err(|_| PublishError::Stopping)??)
    }

    async fn send(&self, keypair: &Keypair, saved: &Saved) -> Result<Published, PublishError> {
        let signed = Signed::new(keypair, saved, self.inner.settings.lifetime)?;
        let sent = self.inner.network.ipfs().dht_put(
            signed.name.dht_key(),
            signed.bytes,
            rust_ipfs::Quorum::One,
        );
        let reach = match timeout(SEND, sent).await {
            Ok(Ok(())) => Reach::Network,
            Ok(Err(error)) => {
                tracing::debug!(name = %signed.name, %error, "no peer took the record");
                Reach::Here
            }
            Err(_) => Reach::Here,
        };
        Ok(Published {
            name: signed.name,
            value: saved.value.clone(),
            sequence: saved.sequence,
            reach,
        })
    }

    /// Sends every record again and again.
    async fn keep(&self) {
        loop {
            let wait = match self.republish().await {
                Reach::Network => self.inner.settings.republish_every,
                Reach::Here => AGAIN.min(self.inner.settings.republish_every),
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends every record; how far the worst got.
    async fn republish(&self) -> Reach {
        let _turn = self.inner.publishing.lock().await;
        let all = match self.on_disk(Folder::all).await {
            Ok(all) => all,
            Err(error) => {
                tracing::error!(%error, "published names could not be read");
                return Reach::Here;
            }
        };
        let mut worst = Reach::Network;
        for saved in all {
            let keypair = match &saved.lent {
                Some(name) => match self.lent(name) {
                    Some(key) => Ok(key.keypair().clone()),
                    // Its owner has not come for it, or has taken it elsewhere.
                    None => continue,
                },
                None => self.keypair(saved.key.as_deref()).await,
            };
            let sent = match keypair {
                Ok(keypair) => self.send(&keypair, &saved).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(published) if published.reach == Reach::Network => {}
                Ok(_) => worst = Reach::Here,
                Err(error) => {
                    tracing::error!(%error, "a name could not be published again");
                    worst = Reach::Here;
                }
            }
        }
        worst
    }
}

/// Whose key a name is published under.
enum Owner {
    /// The node's own, or a named key in the folder.
    Here(Option<String>),
    /// Somebody else's.
    Lent,
}

fn check_value(value: &str) -> Result<(), PublishError> {
    let is_path = value.starts_with("/ipfs/") || value.starts_with("/ipns/");
    if is_path && value.len() <= MAX_VALUE && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let value = value.chars().take(100).collect();
    Err(PublishError::Value { value })
}

fn syntax(text: &str) -> ResolveNameError {
    let text = text.chars().take(100).collect();
    ResolveNameError::Syntax { text }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}
