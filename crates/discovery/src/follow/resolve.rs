//! From what an operator gave to the publisher that it leads to.

use std::time::Duration;

use cid::Cid;
use cidcast_announce::{Announcement, NodeId, Op, Publisher, VerifyError};
use cidcast_catalog::Resolved;
use cidcast_ipfs::names::{Names, ResolveNameError};
use cidcast_ipfs::swarm::check_bootstrap;
use cidcast_ipfs::{BlockError, Blocks, HttpError, Network, Trust};
use serde::Deserialize;
use tokio::time::timeout;

use super::target::Target;
use crate::ask::{AskError, Asker};
use crate::wire::{Request, Response};

/// Names that lead to names: more than this is a circle.
const MAX_HOPS: usize = 16;
/// Addresses above a page that are asked: pages are not deeper below their app.
const MAX_ABOVE: usize = 4;
/// Bytes of what a web app says about its publisher: a name and some addresses.
const MAX_ANSWER: usize = 64 << 10;
/// How long a web app may take.
const HTTP_DEADLINE: Duration = Duration::from_secs(20);
/// How long getting an announcement from the network may take.
const BLOCK_DEADLINE: Duration = Duration::from_secs(60);
/// Nodes of a publisher that are kept, and the length of its name in characters.
const MAX_NODES: usize = 8;
const MAX_NAME: usize = 100;

/// Why a target does not lead to a publisher now.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The node does not answer.
    #[error(transparent)]
    Node(#[from] AskError),
    /// The node publishes nothing of its own.
    #[error("the node {0} has no publisher of its own: follow another node, or a key")]
    NoPublisher(NodeId),
    /// The name leads nowhere.
    #[error(transparent)]
    Name(#[from] ResolveNameError),
    /// The name leads to something else.
    #[error(
        "the name leads to {path}, which is no publisher: it should lead to /ipns/ and the \
         publisher's key"
    )]
    NotAPublisher {
        /// Where it leads, shortened.
        path: String,
    },
    /// Names lead to names for ever.
    #[error("the name leads through more than {MAX_HOPS} names: it is a circle")]
    Circle,
    /// What it leads to is not to be had.
    #[error("the announcement that the name leads to is not to be had: {0}")]
    Block(#[from] BlockError),
    /// Nobody had it in time.
    #[error("nobody gave the announcement that the name leads to within {BLOCK_DEADLINE:?}")]
    Slow,
    /// What it leads to is no announcement.
    #[error("the name leads to something that is no announcement: {0}")]
    NotAnAnnouncement(#[from] VerifyError),
    /// The web app does not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The web app answers something else.
    #[error("{url} is no cidcast, or one without a publisher: {source}")]
    NotACidcast {
        /// What was asked.
        url: String,
        /// Why its answer cannot be read.
        source: serde_json::Error,
    },
}

/// What a web app says at `/api/v1/publisher`.
#[derive(Debug, Deserialize)]
struct PublisherAnswer {
    publisher: Publisher,
    #[serde(default)]
    name: String,
    #[serde(default)]
    nodes: Vec<String>,
}

/// Looks targets up.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    pub(super) network: Network,
    pub(super) names: Names,
    pub(super) blocks: Blocks,
    pub(super) asker: Asker,
}

impl Resolver {
    /// The publisher that `target` leads to.
    pub(super) async fn resolve(&self, target: &Target) -> Result<Resolved, ResolveError> {
        match target {
            Target::Key(publisher) => Ok(known(*publisher, "", Vec::new())),
            Target::Node { address, node } => self.of_node(node, address).await,
            Target::Name(name) => self.of_name(name).await,
            Target::Url(url) => self.of_url(url).await,
        }
    }

    async fn of_node(&self, node: &NodeId, address: &str) -> Result<Resolved, ResolveError> {
        let want = |response| match response {
            Response::Hello(hello) => Some(hello),
            _ => None,
        };
        let addresses = [address.to_owned()];
        let asked = self.asker.ask(node, &addresses, Request::Hello, want);
        let publisher = asked.await?.publisher;
        let publisher = publisher.ok_or(ResolveError::NoPublisher(*node))?;
        Ok(known(publisher, "", addresses.to_vec()))
    }

    async fn of_name(&self, name: &str) -> Result<Resolved, ResolveError> {
        let mut path = self.names.leads_to(name).await?;
        for _ in 0..MAX_HOPS {
            if let Some(cid) = path.strip_prefix("/ipfs/") {
                return self.of_announcement(cid, &path).await;
            }
            let rest = path
                .strip_prefix("/ipns/")
                .ok_or_else(|| elsewhere(&path))?;
            let (name, _) = rest.split_once('/').unwrap_or((rest, ""));
            // Its key says who it is, even while nobody has its record.
            if let Ok(publisher) = name.parse() {
                return Ok(known(publisher, "", Vec::new()));
            }
            path = self.names.leads_to(name).await?;
        }
        Err(ResolveError::Circle)
    }

    /// A publisher's own IPNS name leads to its newest announcement.
    async fn of_announcement(&self, cid: &str, path: &str) -> Result<Resolved, ResolveError> {
        let cid: Cid = cid.parse().map_err(|_| elsewhere(path))?;
        let visit = self.blocks.visit(&cid, Trust::Trusted);
        let get = async {
            match &visit {
                Some(visit) => visit.get(&cid).await,
                None => self.blocks.get(&cid).await,
            }
        };
        let got = timeout(BLOCK_DEADLINE, get).await;
        let bytes = got.map_err(|_| ResolveError::Slow)??;
        let announcement = Announcement::verify(&bytes)?;
        let profile = announcement.ops().iter().rev().find_map(|op| match op {
            Op::Profile(profile) => Some(profile),
            _ => None,
        });
        let publisher = announcement.publisher();
        Ok(match profile {
            Some(profile) => known(publisher, &profile.name, profile.nodes.clone()),
            None => known(publisher, "", Vec::new()),
        })
    }

    /// Any page of a web app leads to it: where it begins is found by leaving out the end of the
    /// path bit by bit.
    async fn of_url(&self, page: &str) -> Result<Resolved, ResolveError> {
        let mut outcome = self.of_base(page).await;
        for base in above(page).take(MAX_ABOVE) {
            match outcome {
                // Whoever does not answer at one path does not at another.
                Err(ResolveError::NotACidcast { .. })
                | Err(ResolveError::Http(HttpError::Status { .. })) => {}
                other => return other,
            }
            outcome = self.of_base(base).await;
        }
        outcome
    }

    async fn of_base(&self, base: &str) -> Result<Resolved, ResolveError> {
        let url = format!("{base}/api/v1/publisher");
        let asked = self.network.get_json(&url, MAX_ANSWER, HTTP_DEADLINE);
        let body = asked.await?;
        match serde_json::from_slice::<PublisherAnswer>(&body) {
            Ok(answer) => Ok(known(answer.publisher, &answer.name, answer.nodes)),
            Err(source) => Err(ResolveError::NotACidcast { url, source }),
        }
    }
}

/// The URL without the last part of its path, and so on until none is left.
fn above(url: &str) -> impl Iterator<Item = &str> {
    let host = url.find("://").map_or(0, |at| at + 3);
    std::iter::successors(Some(url), move |url| {
        let (above, _) = url.rsplit_once('/')?;
        (above.len() > host).then_some(above)
    })
    .skip(1)
}

fn elsewhere(path: &str) -> ResolveError {
    ResolveError::NotAPublisher {
        path: path.chars().take(128).collect(),
    }
}

/// Nothing but what can be shown and dialled.
fn known(publisher: Publisher, name: &str, nodes: Vec<String>) -> Resolved {
    let printable = name.chars().filter(|c| !c.is_control());
    let usable = nodes
        .into_iter()
        .filter(|address| address.len() <= 256 && node_at(address).is_some());
    Resolved {
        publisher,
        name: printable.take(MAX_NAME).collect(),
        nodes: usable.take(MAX_NODES).collect(),
    }
}

/// The node that a multiaddress ends in.
pub(crate) fn node_at(address: &str) -> Option<NodeId> {
    check_bootstrap(address).ok()?;
    let (_, node) = address.rsplit_once("/p2p/")?;
    node.parse().ok()
}

#[cfg(test)]
mod tests {
    use cidcast_announce::{NodeKey, SigningKey};

    use super::*;

    #[test]
    fn only_what_can_be_shown_and_dialled_is_kept() {
        let publisher = SigningKey::from_seed([1; 32]).publisher();
        let node = NodeKey::from_seed([2; 32]).node();
        let good = format!("/ip4/192.0.2.1/tcp/1/p2p/{node}");
        let nodes = vec![
            "nonsense".to_owned(),
            "/ip4/192.0.2.1/tcp/1".to_owned(),
            format!("/dns4/{}/tcp/1/p2p/{node}", "a".repeat(300)),
            good.clone(),
        ];
        let kept = known(publisher, "a\u{1b}[2J name", nodes);
        assert_eq!(kept.name, "a[2J name");
        assert_eq!(kept.nodes, std::slice::from_ref(&good));
        let many = known(publisher, &"x".repeat(1000), vec![good; 100]);
        assert_eq!((many.name.len(), many.nodes.len()), (MAX_NAME, MAX_NODES));
    }

    #[test]
    fn a_page_leads_to_the_addresses_above_it() {
        let page = "https://media.example.org/app/watch/1";
        let all: Vec<&str> = above(page).collect();
        let expected = [
            "https://media.example.org/app/watch",
            "https://media.example.org/app",
            "https://media.example.org",
        ];
        assert_eq!(all, expected);
        assert_eq!(above("https://media.example.org").count(), 0);
    }

    #[test]
    fn the_answer_of_a_web_app_may_grow() {
        let publisher = SigningKey::from_seed([1; 32]).publisher();
        let text = format!(r#"{{"publisher":"{publisher}","seq":9,"later":{{}}}}"#);
        let answer: PublisherAnswer = serde_json::from_str(&text).unwrap();
        assert_eq!(answer.publisher, publisher);
        assert!(serde_json::from_str::<PublisherAnswer>(r#"{"name":"x"}"#).is_err());
    }
}
