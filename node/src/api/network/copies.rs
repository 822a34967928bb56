//! Who has a copy of what, as their signed notices say, and who has obeyed a retraction.

use std::collections::BTreeMap;

use cidcast_announce::{NodeId, Outcome};
use cidcast_catalog::{AssetOf, Copy, CopyQuery, CopyState, Renditions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::Api;
use super::super::problem::Problem;

/// Holders that are shown of one asset.
const SHOWN: u32 = 1000;

/// A node that holds, or held, a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Copy)]
pub(crate) struct CopyView {
    /// The node's peer id.
    pub(crate) peer: String,
    /// Names of renditions; null: all of them.
    pub(crate) renditions: Option<Vec<String>>,
    /// held, withdrawn, or unknown: it only acknowledged a retraction.
    pub(crate) state: String,
    /// Until when it promises to have it, if it does not say so again.
    pub(crate) until: Option<u64>,
    /// After a retraction: deleted, unindexed or kept; null while it has not answered.
    pub(crate) retraction: Option<String>,
}

/// A copy of one of this node's assets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct OutgoingView {
    /// The asset's id.
    pub(crate) asset: String,
    /// Its title, if it is still here.
    pub(crate) title: Option<String>,
    #[serde(flatten)]
    pub(crate) copy: CopyView,
}

impl CopyView {
    pub(super) fn new(copy: &Copy, outcome: Option<Outcome>) -> Self {
        Self {
            peer: copy.node.to_string(),
            renditions: names(&copy.renditions),
            state: match copy.state {
                CopyState::Held => "held".to_owned(),
                CopyState::Withdrawn => "withdrawn".to_owned(),
            },
            until: Some(copy.until.as_millis()),
            retraction: outcome.map(word),
        }
    }

    fn acknowledged(node: &NodeId, outcome: Outcome) -> Self {
        Self {
            peer: node.to_string(),
            renditions: None,
            state: "unknown".to_owned(),
            until: None,
            retraction: Some(word(outcome)),
        }
    }
}

/// `deleted`, `unindexed` or `kept`.
fn word(outcome: Outcome) -> String {
    match outcome {
        Outcome::Deleted => "deleted".to_owned(),
        Outcome::Unindexed => "unindexed".to_owned(),
        Outcome::Kept => "kept".to_owned(),
    }
}

/// The names, or nothing for all.
pub(super) fn names(renditions: &Renditions) -> Option<Vec<String>> {
    match renditions {
        Renditions::All => None,
        Renditions::Only(names) => Some(names.iter().map(ToString::to_string).collect()),
    }
}

impl Api {
    /// Everybody who holds an asset, held it until it was retracted, or acknowledged that.
    pub(crate) async fn holders(&self, of: &AssetOf) -> Result<Vec<CopyView>, Problem> {
        let query = CopyQuery {
            publisher: Some(of.publisher),
            asset: Some(of.asset),
            after: None,
            limit: SHOWN,
        };
        let copies = self.catalog.copies(&query).await?;
        let answers = self.catalog.acknowledgements(of).await?;
        let mut answers: BTreeMap<NodeId, Outcome> = answers
            .iter()
            .map(|answer| (answer.node, answer.outcome))
            .collect();
        let mut holders = Vec::with_capacity(copies.len());
        for copy in &copies {
            let answer = answers.remove(&copy.node);
            if copy.state == CopyState::Held || answer.is_some() {
                holders.push(CopyView::new(copy, answer));
            }
        }
        let others = answers.iter();
        holders.extend(others.map(|(node, outcome)| CopyView::acknowledged(node, *outcome)));
        Ok(holders)
    }
}
