//! Making the rows say what the plan says.

use std::collections::{BTreeMap, BTreeSet};

use cidcast_announce::Publisher;
use cidcast_catalog::{AssetOf, Catalog, CatalogError, Replica, WantedReplica};
use cidcast_types::PinState;

use super::plan::{Action, Kept, Plan, plan};
use super::survey::{Survey, View, survey};

/// Rows that are read at once.
const PAGE: u32 = 500;

/// What a plan changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reconciled {
    /// Copies that are wanted in a form in which they were not.
    pub(super) wanted: usize,
    /// Copies that are given up.
    pub(super) given_up: usize,
    /// Publishers of whom nothing is decided, because nobody was asked for copies yet.
    pub(super) undecided: usize,
    /// Publishers of whom nothing is fetched for now.
    pub(super) paused: BTreeSet<Publisher>,
    /// Bytes of the plan.
    pub(super) bytes: u64,
}

/// Plans, and writes what the plan changes.
pub(super) async fn reconcile(
    catalog: &Catalog,
    view: &View,
    budget: u64,
) -> Result<Reconciled, CatalogError> {
    let now = view.now;
    let survey = survey(catalog, view).await?;
    let budget = budget.saturating_sub(survey.settled_bytes);
    let plan = plan(&survey.rules, &survey.candidates, budget, now);
    let rows = rows(catalog).await?;
    let change = Change::of(&survey, &plan, &rows);
    if !change.wanted.is_empty() {
        catalog.want_replicas(&change.wanted, now).await?;
    }
    if !change.given_up.is_empty() {
        catalog.give_up_replicas(&change.given_up).await?;
    }
    Ok(Reconciled {
        wanted: change.wanted.len(),
        given_up: change.given_up.len(),
        undecided: survey.undecided,
        bytes: plan.bytes.saturating_add(survey.settled_bytes),
        paused: survey.paused,
    })
}

async fn rows(catalog: &Catalog) -> Result<BTreeMap<AssetOf, Replica>, CatalogError> {
    let mut rows = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = catalog.replicas(after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(rows);
        };
        after = last.id;
        rows.extend(page.into_iter().map(|row| (row.wanted.of, row)));
    }
}

/// The difference between the plan and the rows.
#[derive(Debug, Default)]
struct Change {
    wanted: Vec<WantedReplica>,
    given_up: Vec<AssetOf>,
}

impl Change {
    fn of(survey: &Survey, plan: &Plan, rows: &BTreeMap<AssetOf, Replica>) -> Self {
        let mut change = Self::default();
        for (place, kept) in plan.keep.iter().enumerate() {
            let row = rows.get(&kept.of);
            let Some(wanted) = wanted(survey, kept, row, place) else {
                continue;
            };
            if row.is_none_or(|row| differs(row, &wanted)) {
                change.wanted.push(wanted);
            }
        }
        let kept: BTreeSet<AssetOf> = plan.keep.iter().map(|kept| kept.of).collect();
        let candidates = survey.candidates.iter();
        let left_out = candidates.map(|c| c.of).filter(|of| !kept.contains(of));
        let gone = left_out.chain(survey.forbidden.iter().copied());
        change.given_up = gone
            .filter(|of| {
                let row = rows.get(of);
                row.is_some_and(|row| row.state != PinState::Unpinning)
            })
            .collect();
        change
    }
}

fn wanted(
    survey: &Survey,
    kept: &Kept,
    row: Option<&Replica>,
    place: usize,
) -> Option<WantedReplica> {
    let wanted = survey.wanted.get(&kept.of)?;
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    let held = row.and_then(|row| row.held.as_ref());
    Some(match (kept.action, held) {
        // As it is, whatever would be fetched today.
        (Action::Stay, Some(held)) => WantedReplica {
            of: kept.of,
            root: held.root,
            renditions: held.renditions.clone(),
            bytes: held.bytes,
            reason: kept.reason,
            place,
        },
        (Action::Stay | Action::Take | Action::Renew, _) => WantedReplica {
            of: kept.of,
            root: wanted.root,
            renditions: wanted.renditions.clone(),
            bytes: wanted.bytes,
            reason: kept.reason,
            place,
        },
    })
}

/// Whether the row has to be written. The place of what is here already matters to nobody.
fn differs(row: &Replica, wanted: &WantedReplica) -> bool {
    let place = match row.state {
        PinState::Pinned => row.wanted.place,
        _ => wanted.place,
    };
    let bytes = match row.state {
        PinState::Pinned => row.wanted.bytes,
        _ => wanted.bytes,
    };
    let settled = WantedReplica {
        place,
        bytes,
        ..wanted.clone()
    };
    row.state == PinState::Unpinning || row.wanted != settled
}
