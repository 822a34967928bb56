//! Everything that gets blocks from elsewhere, as one handle.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use bytes::Bytes;
use cid::Cid;
use cidcast_exchange::{Class, Exchange, PeerId, Standing};
use cidcast_runtime::Shutdown;
use cidcast_store::Store;
use rust_ipfs::{DhtMode, Ipfs};

use crate::fetch::{Fetch, FetchSettings};
use crate::http::{HttpClient, HttpError, Question, TlsError};
use crate::sources::{Fed, Services, Sources};
use crate::swarm::{AddressError, Swarm, parse_peer};
use crate::visit::Visits;

/// What part this node takes in the DHT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DhtRole {
    /// Answers others once it is known to be reachable from outside; in a private network, from the
    /// start.
    #[default]
    Auto,
    /// Asks only.
    Client,
    /// Answers others from the start: for networks of one's own, where nobody sees the outside.
    Server,
}

/// Whom to ask for blocks that are not here, and how long.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    /// Base URLs of delegated routers. Empty: none is asked.
    pub routers: Vec<String>,
    /// Base URLs of trustless HTTP gateways. Empty: none is asked.
    pub http_gateways: Vec<String>,
    /// A PEM file of certification authorities that routers and gateways may have their
    /// certificates from, besides Mozilla's.
    pub ca_file: Option<PathBuf>,
    /// How long nothing may move for a block before it is given up.
    pub fetch_timeout: Duration,
    /// What part this node takes in the DHT.
    pub dht: DhtRole,
    /// Bytes of other people's content that viewers' reads may keep on disk unpinned. The oldest
    /// goes first; what is being read stays.
    pub visit_bytes: u64,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            routers: Vec::new(),
            http_gateways: Vec::new(),
            ca_file: None,
            // Two dials that time out and a DHT look-up fit in.
            fetch_timeout: Duration::from_secs(30),
            dht: DhtRole::Auto,
            visit_bytes: 4 << 30,
        }
    }
}

/// Why the network cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A service's address is not usable.
    #[error("{url:?} is not the address of a service; write it like https://router.example.org")]
    Service {
        /// The setting.
        url: String,
    },
    /// HTTPS cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The DHT did not take its role.
    #[error("the DHT does not answer; restart the node")]
    Dht,
}

/// Whether a setting is the base URL of a router or HTTP gateway.
///
/// # Errors
///
/// [`NetworkError::Service`] saying what one looks like.
pub fn check_service(url: &str) -> Result<(), NetworkError> {
    let parsed: Option<::http::Uri> = url.parse().ok();
    let is_usable = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
    });
    if is_usable {
        Ok(())
    } else {
        Err(NetworkError::Service {
            url: url.to_owned(),
        })
    }
}

/// A node's way to other nodes' blocks. Clones are cheap and share everything. It holds no task of
/// its own but those of the sessions that it is asked for, which end with them.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    ipfs: Ipfs,
    store: Store,
    sources: Arc<Sources>,
    visits: Visits,
    http: HttpClient,
    settings: NetworkSettings,
}

impl Network {
    /// A network over `exchange`, which is mounted in `swarm` and writes to `store`. `shutdown`
    /// ends its housekeeping.
    ///
    /// # Errors
    ///
    /// [`NetworkError`]; nothing is left running.
    pub async fn start(
        swarm: &Swarm,
        exchange: Exchange,
        store: Store,
        settings: NetworkSettings,
        shutdown: &Shutdown,
    ) -> Result<Self, NetworkError> {
        for url in settings.routers.iter().chain(&settings.http_gateways) {
            check_service(url)?;
        }
        let http = HttpClient::new(settings.ca_file.as_deref())?;
        let ipfs = swarm.ipfs().clone();
        let mode = match settings.dht {
            // Nobody outside of a private network says that this node can be reached.
            DhtRole::Auto if swarm.is_private() => DhtMode::Server,
            DhtRole::Auto => DhtMode::Auto,
            DhtRole::Client => DhtMode::Client,
            DhtRole::Server => DhtMode::Server,
        };
        ipfs.dht_mode(mode).await.map_err(|_| NetworkError::Dht)?;
        let services = Services {
            routers: settings.routers.clone(),
            gateways: settings.http_gateways.clone(),
        };
        let sources = Sources::new(ipfs.clone(), store.clone(), services, http.clone());
        let visits = Visits::new(settings.visit_bytes);
        let inner = Inner {
            exchange,
            ipfs,
            store,
            sources: Arc::new(sources),
            visits,
            http,
            settings,
        };
        let network = Self {
            inner: Arc::new(inner),
        };
        let (visits, token) = (network.inner.visits.clone(), shutdown.token().clone());
        shutdown.spawn("visits", async move {
            token.run_until_cancelled(visits.keep_tidy()).await;
            visits.end_all();
        });
        Ok(network)
    }

    /// The cluster members, by their multiaddresses, which end in `/p2p/…`; one may have several.
    /// They are dialled first for what is not here, are given the blocks whose audience they are
    /// among, and what they give is not shown to strangers. Replaces all of them.
    ///
    /// # Errors
    ///
    /// [`AddressError`] for the first one that is not usable; nothing is changed.
    pub fn set_members(&self, members: Vec<(String, Standing)>) -> Result<(), AddressError> {
        let standing = |(address, standing): &(String, Standing)| {
            parse_peer(address).map(|(peer, _)| (peer, *standing))
        };
        let parsed = members.iter().map(standing);
        let standings = parsed.collect::<Result<HashMap<PeerId, Standing>, _>>()?;
        let addresses = members.into_iter().map(|(address, _)| address).collect();
        self.inner
            .visits
            .set_members(standings.keys().copied().collect());
        self.inner.exchange.set_members(standings);
        self.inner.sources.set_members(addresses);
        Ok(())
    }

    /// Brings the whole DAG under `root` here. Nothing happens until [`Fetch::finish`] is polled.
    pub fn fetch(&self, root: Cid, settings: FetchSettings) -> Fetch {
        let fed = self.fed(settings.class, root);
        let store = self.inner.store.clone();
        Fetch::new(fed, store, root, settings, self.fetch_timeout())
    }

    /// What the web page at `url` answers to a GET for JSON, of at most `limit` bytes, all of it
    /// within `deadline`. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// [`HttpError`], also for every status but 200.
    pub async fn get_json(
        &self,
        url: &str,
        limit: usize,
        deadline: Duration,
    ) -> Result<Bytes, HttpError> {
        let question = Question {
            url,
            accept: "application/json",
            limit,
            deadline,
        };
        let answer = self.inner.http.get(question).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(HttpError::Status {
                host: url.chars().take(200).collect(),
                status,
            }),
        }
    }

    /// The exchange behind this.
    pub fn exchange(&self) -> &Exchange {
        &self.inner.exchange
    }

    /// Whether there is nobody to ask: no peer, no member, no service.
    pub async fn is_alone(&self) -> bool {
        self.inner.sources.are_none().await
    }

    /// How long nothing may move for a block before it is given up.
    pub fn fetch_timeout(&self) -> Duration {
        self.inner.settings.fetch_timeout
    }

    pub(crate) fn fed(&self, class: Class, root: Cid) -> Fed {
        let session = self.inner.exchange.session(class);
        self.inner.sources.feed(session, root)
    }

    pub(crate) fn visits(&self) -> &Visits {
        &self.inner.visits
    }

    pub(crate) fn ipfs(&self) -> &Ipfs {
        &self.inner.ipfs
    }

    /// Asks services by HTTP, with the certificates that the settings trust.
    pub fn http(&self) -> &HttpClient {
        &self.inner.http
    }

    pub(crate) fn routers(&self) -> &[String] {
        &self.inner.settings.routers
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_a_url_with_a_host() {
        for good in [
            "https://router.example.org",
            "http://127.0.0.1:8080/",
            "http://[::1]:80/base",
        ] {
            assert!(check_service(good).is_ok(), "{good}");
        }
        for bad in [
            "router.example.org",
            "ftp://a",
            "https://",
            "/ip4/1.2.3.4",
            "http://a?b",
        ] {
            assert!(check_service(bad).is_err(), "{bad}");
        }
    }
}
