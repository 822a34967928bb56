//! What there is to decide about: the follows' policies, what their publishers announce, and what
//! is here, as the catalog says.

use std::collections::{BTreeMap, BTreeSet};

use cidcast_announce::{NodeId, Publisher};
use cidcast_catalog::{
    AnnouncedAsset, AnnouncedQuery, AssetOf, Catalog, CatalogError, Fate, FollowPolicy, Listing,
    Renditions, Replica, Replicate, TransferPace,
};
use cidcast_types::{AssetId, PinState, RootCid, Timestamp};

use super::plan::{Amount, Candidate, Here, Rule, Version};
use crate::takedown::Obey;

/// Assets of one publisher that are looked at: the newest. What is here is looked at in any case.
const MAX_CANDIDATES: usize = 10_000;
/// Rows that are read at once.
const PAGE: u32 = 200;

/// All that a plan is made from, and what it needs to become rows.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) rules: Vec<Rule>,
    pub(super) candidates: Vec<Candidate>,
    /// What would be fetched of each candidate.
    pub(super) wanted: BTreeMap<AssetOf, Wanted>,
    /// Copies that go whatever the plan says.
    pub(super) forbidden: Vec<AssetOf>,
    /// Bytes of copies that stay whatever the plan says: those of something that was retracted
    /// and whose operator does not delete, and those of which nothing is decided yet.
    pub(super) settled_bytes: u64,
    /// Publishers of whom nothing is decided yet.
    pub(super) undecided: usize,
    /// Publishers of whom nothing is fetched for now.
    pub(super) paused: BTreeSet<Publisher>,
}

/// What would be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) root: RootCid,
    pub(super) renditions: Renditions,
    pub(super) bytes: u64,
}

/// What the operator decided, besides follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices {
    /// For publishers that are refused.
    pub(super) fate: Fate,
    /// For what is retracted.
    pub(super) obey: Obey,
}

/// From where it is looked.
#[derive(Debug)]
pub(super) struct View {
    pub(super) choices: Choices,
    /// This node: its own copies are not elsewhere.
    pub(super) node: Option<NodeId>,
    /// Publishers of whose copies others were asked.
    pub(super) asked: BTreeSet<Publisher>,
    pub(super) now: Timestamp,
}

/// Looks at everything. Of publishers of whose copies nobody was asked yet nothing is decided:
/// what is here once stays for its minimum lifetime, so it had better be what is rare.
pub(super) async fn survey(catalog: &Catalog, view: &View) -> Result<Survey, CatalogError> {
    let mut survey = Survey::default();
    let mut replicas = replicas(catalog).await?;
    let policies = policies(catalog, view.choices.fate).await?;
    for (publisher, policy) in &policies {
        let here = replicas.remove(publisher).unwrap_or_default();
        if let Policy::Paused(_) = policy {
            survey.paused.insert(*publisher);
        }
        if matches!(policy, Policy::Follow(_)) && !view.asked.contains(publisher) {
            survey.undecided += 1;
            survey.settled_bytes += here.values().map(room_of).sum::<u64>();
            continue;
        }
        survey.rules.push(rule(*publisher, policy));
        let node = view.node.as_ref();
        let mut scout = Scout {
            catalog,
            obey: view.choices.obey,
            survey: &mut survey,
            copies: catalog.copy_counts(publisher, node, view.now).await?,
            views: catalog.views_here(publisher).await?,
            publisher: *publisher,
            policy,
            here,
        };
        scout.look().await?;
    }
    // Of publishers without a policy everything goes.
    for (publisher, here) in replicas {
        for asset in here.into_keys() {
            survey.forbidden.push(AssetOf { publisher, asset });
        }
    }
    Ok(survey)
}

/// What a copy takes that is left as it is.
fn room_of(replica: &Replica) -> u64 {
    let held = replica.held.as_ref().map_or(0, |held| held.bytes);
    match replica.state {
        PinState::Unpinning => 0,
        _ => held.max(replica.wanted.bytes),
    }
}

/// What is wanted of a publisher.
#[derive(Debug)]
enum Policy {
    Follow(FollowPolicy),
    /// What is here stays as it is, also if it is in part, but what is retracted.
    Paused(FollowPolicy),
    /// It is refused, and what is here stays.
    Frozen,
}

/// The copies of one publisher that are here or on their way.
type Holdings = BTreeMap<AssetId, Replica>;

async fn replicas(catalog: &Catalog) -> Result<BTreeMap<Publisher, Holdings>, CatalogError> {
    let mut all: BTreeMap<Publisher, Holdings> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = catalog.replicas(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        after = last.id;
        for replica in page {
            let of = replica.wanted.of;
            all.entry(of.publisher)
                .or_default()
                .insert(of.asset, replica);
        }
    }
}

async fn policies(
    catalog: &Catalog,
    fate: Fate,
) -> Result<BTreeMap<Publisher, Policy>, CatalogError> {
    let followed = catalog.followed().await?.into_iter();
    let mut all: BTreeMap<Publisher, Policy> = followed
        .map(|(publisher, policy)| match policy.pace {
            TransferPace::Running => (publisher, Policy::Follow(policy)),
            TransferPace::Paused => (publisher, Policy::Paused(policy)),
        })
        .collect();
    for refused in catalog.refused_publishers().await? {
        match refused.fate.unwrap_or(fate) {
            Fate::Delete => all.remove(&refused.publisher),
            Fate::Keep | Fate::Unindex => all.insert(refused.publisher, Policy::Frozen),
        };
    }
    Ok(all)
}

fn rule(publisher: Publisher, policy: &Policy) -> Rule {
    let defaults = FollowPolicy::default();
    let (amount, policy) = match policy {
        Policy::Frozen => (Amount::Frozen, &defaults),
        Policy::Paused(policy) => (Amount::Frozen, policy),
        Policy::Follow(policy) => {
            let amount = match policy.replicate {
                Replicate::None => Amount::Nothing,
                Replicate::Newest(count) => Amount::Newest(count),
                Replicate::Budget(bytes) => Amount::Budget(bytes),
                Replicate::All => Amount::All,
            };
            (amount, policy)
        }
    };
    Rule {
        publisher,
        amount,
        strategy: policy.strategy,
        min_lifetime: policy.min_lifetime,
    }
}

/// Looks at one publisher.
struct Scout<'a> {
    catalog: &'a Catalog,
    obey: Obey,
    survey: &'a mut Survey,
    copies: BTreeMap<AssetId, u32>,
    views: BTreeMap<AssetId, u64>,
    publisher: Publisher,
    policy: &'a Policy,
    here: Holdings,
}

impl Scout<'_> {
    async fn look(&mut self) -> Result<(), CatalogError> {
        let mut seen = BTreeSet::new();
        let mut query = AnnouncedQuery {
            publisher: Some(self.publisher),
            limit: PAGE,
            ..AnnouncedQuery::default()
        };
        while seen.len() < self.most() {
            let page = self.catalog.announced(&query).await?;
            for asset in &page.items {
                if seen.insert(asset.content.asset) {
                    self.consider(asset).await?;
                }
            }
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        // What is left is here and was not seen: old, or not announced any more.
        for (asset, replica) in std::mem::take(&mut self.here) {
            match self
                .catalog
                .announced_asset(&self.publisher, &asset)
                .await?
            {
                Some(announced) => {
                    self.here.insert(asset, replica);
                    self.consider(&announced).await?;
                }
                None => self.settle(&replica).await?,
            }
        }
        Ok(())
    }

    /// How many of the newest are looked at.
    fn most(&self) -> usize {
        match self.policy {
            Policy::Frozen | Policy::Paused(_) => 0,
            Policy::Follow(policy) => match policy.replicate {
                Replicate::None => 0,
                Replicate::Newest(count) => {
                    // Some more: what came to be known last is not always the newest.
                    let count = usize::try_from(count).unwrap_or(MAX_CANDIDATES);
                    count.saturating_add(200).min(MAX_CANDIDATES)
                }
                Replicate::Budget(_) | Replicate::All => MAX_CANDIDATES,
            },
        }
    }

    async fn consider(&mut self, announced: &AnnouncedAsset) -> Result<(), CatalogError> {
        let content = &announced.content;
        let of = AssetOf {
            publisher: self.publisher,
            asset: content.asset,
        };
        let replica = self.here.remove(&of.asset);
        let is_removed =
            announced.listing == Listing::Hidden && self.catalog.is_removed(&of).await?;
        let wanted = match (is_removed, self.policy) {
            (true, _) => None,
            (false, Policy::Follow(policy)) => wanted(announced, policy),
            (false, Policy::Frozen | Policy::Paused(_)) => Some(whole(announced)),
        };
        let Some(wanted) = wanted else {
            if replica.is_some() {
                self.survey.forbidden.push(of);
            }
            return Ok(());
        };
        if let (Policy::Paused(_), Some(replica)) = (self.policy, &replica)
            && !matches!(replica.state, PinState::Pinned | PinState::Unpinning)
        {
            self.survey.settled_bytes += room_of(replica);
            return Ok(());
        }
        // One that is being given up counts as gone.
        let replica = replica.filter(|replica| replica.state != PinState::Unpinning);
        let held = replica.as_ref().and_then(|replica| replica.held.as_ref());
        let frozen = matches!(self.policy, Policy::Frozen | Policy::Paused(_));
        self.survey.candidates.push(Candidate {
            of,
            announced_at: content.created_at,
            bytes: wanted.bytes,
            min_copies: content.replication.min,
            max_copies: content.replication.max,
            // The origin has one.
            copies: self.copies.get(&of.asset).map_or(1, |count| count + 1),
            views: self.views.get(&of.asset).copied().unwrap_or(0),
            here: held.map(|held| Here {
                since: held.at,
                bytes: held.bytes,
                version: match frozen
                    || (held.root == wanted.root && held.renditions == wanted.renditions)
                {
                    true => Version::Current,
                    false => Version::Outdated,
                },
            }),
        });
        self.survey.wanted.insert(of, wanted);
        Ok(())
    }

    /// A copy of something that is not announced any more.
    async fn settle(&mut self, replica: &Replica) -> Result<(), CatalogError> {
        let of = replica.wanted.of;
        let is_retracted = self.catalog.tombstone(&of).await?.is_some();
        let stays = match is_retracted {
            true => self.obey != Obey::Delete && !self.catalog.is_removed(&of).await?,
            // The feed was forgotten.
            false => matches!(self.policy, Policy::Frozen | Policy::Paused(_)),
        };
        match &replica.held {
            Some(held) if stays => self.survey.settled_bytes += held.bytes,
            _ => self.survey.forbidden.push(of),
        }
        Ok(())
    }
}

/// What a follow would have of an asset; `None` if it has none of the renditions that the follow
/// is for.
fn wanted(announced: &AnnouncedAsset, policy: &FollowPolicy) -> Option<Wanted> {
    let all = &announced.content.renditions;
    let names = all.iter().map(|rendition| &rendition.name);
    let chosen: Vec<_> = names
        .filter(|name| policy.renditions.contains(name))
        .cloned()
        .collect();
    if policy.renditions.is_empty() || chosen.len() == all.len() {
        return Some(whole(announced));
    }
    if chosen.is_empty() {
        return None;
    }
    let left_out = all
        .iter()
        .filter(|rendition| !chosen.contains(&rendition.name));
    let left_out = left_out.fold(0_u64, |sum, rendition| sum.saturating_add(rendition.bytes));
    Some(Wanted {
        root: announced.content.root,
        renditions: Renditions::of(&chosen),
        bytes: announced.content.bytes.saturating_sub(left_out),
    })
}

fn whole(announced: &AnnouncedAsset) -> Wanted {
    Wanted {
        root: announced.content.root,
        renditions: Renditions::All,
        bytes: announced.content.bytes,
    }
}
