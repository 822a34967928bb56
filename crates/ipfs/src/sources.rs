//! Where blocks come from that no connected peer has.
//!
//! Cluster members first, then providers in the DHT, then delegated routers, then trustless HTTP
//! gateways; the order and its timing are [`hunt`]'s. Every list is the settings' and empty unless
//! somebody filled it: nothing public is contacted by itself.
//!
//! Owns: a feeder per session, which hunts for what the session starves for, a few blocks at a
//! time. Ends: with the session's last [`Fed`]. Cancel safety: a feeder that is dropped leaves
//! nothing behind but connections.

mod gateways;
mod hunt;
mod peers;
mod routers;
mod standing;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cid::Cid;
use cidcast_exchange::{PeerId, Session};
use cidcast_runtime::locked;
use cidcast_store::Store;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use rust_ipfs::Ipfs;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::http::{HttpClient, Question};
use hunt::{Found, Hunt, Source, Step};
use standing::{Conduct, Standings};

/// Hunts of one session at a time: enough to keep an HTTP gateway busy.
const HUNTS: usize = 16;
/// Hunts of all sessions at a time. A hunt is a few requests and dials.
const ALL_HUNTS: usize = 128;
/// How long a router may take.
const ROUTER: Duration = Duration::from_secs(10);
/// The root is looked for again only after this: its providers have all that is below it, so that
/// every block would repeat the question.
const ROOT_AGAIN: Duration = Duration::from_secs(60);
/// Peers that had something lately and are worth dialling again.
const RECENT: usize = 16;
/// Members that are dialled.
const MAX_MEMBERS: usize = 256;

/// The services that may be asked, as the settings name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Services {
    pub(crate) routers: Vec<String>,
    pub(crate) gateways: Vec<String>,
}

/// Everything that can be asked for blocks. Shared by all sessions.
pub(crate) struct Sources {
    ipfs: Ipfs,
    own: PeerId,
    store: Store,
    services: Services,
    http: HttpClient,
    members: Mutex<Vec<String>>,
    recent: Mutex<VecDeque<PeerId>>,
    standings: Mutex<Standings>,
    hunts: Semaphore,
}

/// A session, and the task that feeds it. Clones are the same session.
#[derive(Clone)]
pub(crate) struct Fed {
    session: Session,
    _feeder: Arc<AbortOnDropHandle<()>>,
}

impl Fed {
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }
}

/// What the hunts of one session have learnt.
struct Trail {
    session: Session,
    root: Cid,
    root_asked: Mutex<Option<Instant>>,
    helped: Mutex<Option<Source>>,
}

impl Sources {
    pub(crate) fn new(ipfs: Ipfs, store: Store, services: Services, http: HttpClient) -> Self {
        let own = ipfs.keypair().public().to_peer_id();
        Self {
            ipfs,
            own,
            store,
            services,
            http,
            members: Mutex::default(),
            recent: Mutex::default(),
            standings: Mutex::default(),
            hunts: Semaphore::new(ALL_HUNTS),
        }
    }

    /// Feeds `session`, which fetches what is below `root`.
    pub(crate) fn feed(self: &Arc<Self>, session: Session, root: Cid) -> Fed {
        let trail = Trail {
            session: session.clone(),
            root,
            root_asked: Mutex::default(),
            helped: Mutex::default(),
        };
        let sources = Arc::clone(self);
        let feeder = tokio::spawn(async move { sources.keep_feeding(trail).await });
        Fed {
            session,
            _feeder: Arc::new(AbortOnDropHandle::new(feeder)),
        }
    }

    /// Replaces the members that are dialled first.
    pub(crate) fn set_members(&self, mut addresses: Vec<String>) {
        addresses.truncate(MAX_MEMBERS);
        *locked(&self.members) = addresses;
    }

    /// Whether there is nobody at all to ask.
    pub(crate) async fn are_none(&self) -> bool {
        let services = &self.services;
        services.routers.is_empty()
            && services.gateways.is_empty()
            && locked(&self.members).is_empty()
            && self.ipfs.connected().await.unwrap_or_default().is_empty()
    }

    fn ipfs(&self) -> &Ipfs {
        &self.ipfs
    }

    fn own_id(&self) -> PeerId {
        self.own
    }

    fn member_addresses(&self) -> Vec<String> {
        locked(&self.members).clone()
    }

    fn recent_peers(&self) -> Vec<PeerId> {
        locked(&self.recent).iter().copied().collect()
    }

    async fn keep_feeding(&self, trail: Trail) {
        let mut hunts = FuturesUnordered::new();
        loop {
            tokio::select! {
                cid = trail.session.starving(), if hunts.len() < HUNTS => {
                    hunts.push(self.hunt(&trail, cid));
                }
                Some(()) = hunts.next(), if !hunts.is_empty() => self.remember(&trail.session),
            }
        }
    }

    /// Remembers who gave something, for sessions to come.
    fn remember(&self, session: &Session) {
        let mut recent = locked(&self.recent);
        for (peer, _) in session.progress().from {
            recent.retain(|known| *known != peer);
            recent.push_front(peer);
        }
        recent.truncate(RECENT);
    }

    /// Asks one source after another for one block.
    async fn hunt(&self, trail: &Trail, cid: Cid) {
        let Ok(_permit) = self.hunts.acquire().await else {
            return;
        };
        let start = Instant::now();
        let mut hunt = Hunt::new(&self.known_sources(), *locked(&trail.helped));
        let mut asked = FuturesUnordered::new();
        loop {
            let wait = match hunt.step(start.elapsed()) {
                Step::Over => return,
                // Somebody may have given the block in the meantime.
                Step::Ask(_) if self.has(cid).await => return,
                Step::Ask(source) => {
                    let answer = self.ask(source, trail, cid);
                    asked.push(answer.map(move |found| (source, found)).boxed());
                    continue;
                }
                Step::Wait(until) => Some(start + until),
                Step::WaitOut => None,
            };
            let (source, found) = tokio::select! {
                Some(answer) = asked.next(), if !asked.is_empty() => answer,
                () = until(wait) => continue,
            };
            tracing::debug!(%cid, ?source, ?found, "asked for a block");
            if found != Found::Nothing {
                *locked(&trail.helped) = Some(source);
            }
            hunt.ended(source, found, start.elapsed());
        }
    }

    fn known_sources(&self) -> Vec<Source> {
        let mut sources = vec![Source::Members, Source::Dht];
        if !self.services.routers.is_empty() {
            sources.push(Source::Routers);
        }
        if !self.services.gateways.is_empty() {
            sources.push(Source::Gateways);
        }
        sources
    }

    async fn ask(&self, source: Source, trail: &Trail, cid: Cid) -> Found {
        let session = &trail.session;
        match source {
            Source::Members => self.ask_members(session).await,
            Source::Dht => self.ask_dht(session, &trail.keys(cid)).await,
            Source::Routers => self.ask_routers(session, &trail.keys(cid)).await,
            Source::Gateways => self.ask_gateways(session, cid).await,
        }
    }

    /// Asks the routers in their order until one names peers that can be reached.
    async fn ask_routers(&self, session: &Session, keys: &[Cid]) -> Found {
        for router in &self.services.routers {
            for key in keys {
                if !self.is_open(router) {
                    break;
                }
                let providers = self.ask_router(router, key).await;
                if self.reach(session, providers).await == Found::Peers {
                    return Found::Peers;
                }
            }
        }
        Found::Nothing
    }

    async fn ask_router(&self, router: &str, key: &Cid) -> Vec<routers::Provider> {
        let question = Question {
            url: &routers::question(router, key),
            accept: routers::ACCEPT,
            limit: routers::MAX_ANSWER,
            deadline: ROUTER,
        };
        match self.http.get(question).await {
            Ok(answer) if answer.status.is_success() => {
                self.note(router, Conduct::Answered);
                routers::providers(router, &answer.media_type, &answer.body)
            }
            // 404 is how routers say that they know nobody.
            Ok(answer) if answer.status == http::StatusCode::NOT_FOUND => {
                self.note(router, Conduct::Answered);
                Vec::new()
            }
            Ok(answer) => {
                tracing::warn!(router, status = %answer.status, "a router refused");
                self.note(router, Conduct::Failed);
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(router, %error, "a router failed");
                self.note(router, Conduct::Failed);
                Vec::new()
            }
        }
    }

    fn is_open(&self, service: &str) -> bool {
        locked(&self.standings).is_open(service, Instant::now())
    }

    fn note(&self, service: &str, conduct: Conduct) {
        locked(&self.standings).note(service, conduct, Instant::now());
    }

    async fn has(&self, cid: Cid) -> bool {
        let store = self.store.clone();
        let asked = tokio::task::spawn_blocking(move || store.has(&cid));
        matches!(asked.await, Ok(Ok(true)))
    }
}

impl Trail {
    /// What to look for: the root, now and then, and the block itself. Most nodes announce roots
    /// only, and whoever has the root has the rest.
    fn keys(&self, cid: Cid) -> Vec<Cid> {
        let mut asked = locked(&self.root_asked);
        let is_due = asked.is_none_or(|at| at.elapsed() >= ROOT_AGAIN);
        if is_due || cid == self.root {
            *asked = Some(Instant::now());
        }
        if is_due && cid != self.root {
            vec![self.root, cid]
        } else {
            vec![cid]
        }
    }
}

/// Waits until a time; without one, for ever.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
