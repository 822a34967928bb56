//! What is assumed about the world.

use cidcast_catalog::FeedLimits;

use crate::feeds::FeedSettings;

/// A network, and what happens to it. [`Model::of`] is what the figures in docs/performance.md are
/// taken with.
#[derive(Debug, Clone)]
pub struct Model {
    /// Nodes that are on.
    pub nodes: usize,
    /// Bootstrap nodes, of which everybody knows three.
    pub bootstraps: usize,
    /// Publishers, each with a feed; the first `nodes` of them live on the nodes.
    pub publishers: usize,
    /// Announcements in each feed at the beginning.
    pub length: usize,
    /// Where chance begins.
    pub seed: u64,
    /// Share of the nodes that is switched off within an hour, while as many are switched on: half
    /// of them for the first time, with nothing, half again, with what they had. Half of those that
    /// go close their connections, half just vanish.
    pub churn: f64,
    /// Whether nodes give marks with their lists of heads (docs/feed-protocol.md).
    pub marks: bool,
    /// What may be kept.
    pub limits: FeedLimits,
    /// Share of messages by gossip that a node has no time for, and drops.
    pub dropped: f64,
    /// Share of messages of which something is lost, and sent again.
    pub lost: f64,
}

impl Model {
    /// `nodes` with as many publishers, whole, without churn; three bootstrap nodes for every 300.
    pub fn of(nodes: usize, seed: u64) -> Self {
        Self {
            nodes,
            bootstraps: 3 * nodes.div_ceil(300),
            publishers: nodes,
            length: 3,
            seed,
            churn: 0.0,
            marks: true,
            limits: FeedSettings::default().quota,
            dropped: 0.005,
            lost: 0.01,
        }
    }
}
