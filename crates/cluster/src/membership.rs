//! Who is a member, at every place in the order.
//!
//! Only operations of writers change the members, and writers are made by such operations: so they
//! are replayed in their one order. A removal also says how much of the removed member's log
//! counts; what it voids may stand before the removal, so the replay begins again with each
//! removal that is found to hold. There are few such operations.
//!
//! Of two members that remove each other without knowing it, the one that was admitted first
//! stays: a time is quickly made up, a place in the order of admissions is not. That is why
//! entries of a removed member are still taken, although they do nothing but that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterOp, MemberSettings, Nonce, Role};

use crate::order::Place;

/// All operations that concern members, and what they add up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Membership {
    ops: BTreeMap<Place, ClusterOp>,
    state: State,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct State {
    /// Each node that ever was a member, with its changes in order.
    histories: HashMap<NodeId, Vec<Change>>,
    members: BTreeMap<NodeId, MemberSettings>,
    used: HashMap<Nonce, NodeId>,
    name: String,
}

#[derive(Debug, Clone, PartialEq)]
struct Change {
    at: Place,
    becomes: Becomes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Becomes {
    A(Role),
    /// Out, and only the entries before this number counted.
    Out(u64),
}

/// Entries of an author from this number on are void, up to the place where it is admitted again.
#[derive(Debug, Clone, Copy)]
struct Cut {
    author: NodeId,
    from: u64,
    at: Place,
}

impl Membership {
    /// Takes an operation; whether anything changed.
    pub(crate) fn add(&mut self, place: Place, op: &ClusterOp) -> bool {
        if self.ops.insert(place, op.clone()).is_some() {
            return false;
        }
        let before = std::mem::take(&mut self.state);
        self.state = replay(&self.ops);
        before != self.state
    }

    /// Takes many operations, and adds them up once.
    pub(crate) fn add_all(&mut self, ops: impl IntoIterator<Item = (Place, ClusterOp)>) {
        self.ops.extend(ops);
        self.state = replay(&self.ops);
    }

    /// The name that its founder gave the cluster.
    pub(crate) fn name(&self) -> &str {
        &self.state.name
    }

    /// Today's members.
    pub(crate) fn members(&self) -> &BTreeMap<NodeId, MemberSettings> {
        &self.state.members
    }

    /// Whether a node ever was a member.
    pub(crate) fn was_member(&self, node: &NodeId) -> bool {
        self.state.histories.contains_key(node)
    }

    /// Author and number of the entry by which a node was put out, if it is out.
    pub(crate) fn removal_of(&self, node: &NodeId) -> Option<(NodeId, u64)> {
        let last = self.state.histories.get(node)?.last()?;
        let is_out = matches!(last.becomes, Becomes::Out(_));
        is_out.then_some((last.at.author, last.at.seq))
    }

    /// Who has used an invitation.
    pub(crate) fn user_of(&self, nonce: &Nonce) -> Option<NodeId> {
        self.state.used.get(nonce).copied()
    }

    /// Whether an operation counts: its author was a writer there, and no removal voids it.
    pub(crate) fn is_valid(&self, place: &Place) -> bool {
        let history = self.state.histories.get(&place.author);
        history.is_some_and(|changes| counts(changes, place))
    }
}

/// Whether what stands at `place` counts, by the changes of its author.
fn counts(changes: &[Change], place: &Place) -> bool {
    let earlier = changes.iter().take_while(|change| change.at < *place);
    let is_writer = matches!(
        earlier.last(),
        Some(Change {
            becomes: Becomes::A(Role::Writer),
            ..
        })
    );
    is_writer && !is_cut(changes, place)
}

/// Whether a removal voids it: a later entry than the removal left, before it was admitted again.
fn is_cut(changes: &[Change], place: &Place) -> bool {
    changes.iter().enumerate().any(|(index, change)| {
        let Becomes::Out(from) = change.becomes else {
            return false;
        };
        let after = changes.iter().skip(index + 1);
        let mut again = after.filter(|change| matches!(change.becomes, Becomes::A(_)));
        place.seq >= from && again.next().is_none_or(|again| *place < again.at)
    })
}

fn replay(ops: &BTreeMap<Place, ClusterOp>) -> State {
    let mut cuts: BTreeMap<Place, Cut> = BTreeMap::new();
    loop {
        match replay_with(ops, &cuts) {
            Ok(state) => return state,
            Err(cut) => {
                cuts.insert(cut.at, cut);
            }
        }
    }
}

/// One pass, with the removals that were found to hold up to now. If there are more, it is the one
/// by the eldest member that holds next. Each pass adds one, so there are at most as many as
/// removals.
fn replay_with(
    ops: &BTreeMap<Place, ClusterOp>,
    cuts: &BTreeMap<Place, Cut>,
) -> Result<State, Cut> {
    let mut state = State::default();
    // Founders and admissions that end a cut.
    let mut admitted: BTreeSet<(NodeId, Place)> = BTreeSet::new();
    let mut next: Option<(Place, Cut)> = None;
    for (place, op) in ops {
        if cuts.contains_key(place) {
            // It was found to hold, and does so even if its author is out by a later finding.
            state.apply(*place, op, &mut admitted);
            continue;
        }
        let is_founding = matches!(op, ClusterOp::Found { .. });
        let is_void = cuts.values().any(|cut| {
            let again = |(node, at): &(NodeId, Place)| *node == cut.author && *at > cut.at;
            let is_again = admitted.iter().any(again);
            cut.author == place.author && place.seq >= cut.from && !is_again
        });
        let author = state.members.get(&place.author);
        let is_writer = author.is_some_and(|settings| settings.role == Role::Writer);
        if is_void || !(is_writer || is_founding) {
            continue;
        }
        if let ClusterOp::Remove { member, last } = op {
            let cut = Cut {
                author: *member,
                from: last.map_or(0, |last| last.saturating_add(1)),
                at: *place,
            };
            let age = state.admission_of(&place.author).unwrap_or(*place);
            let is_elder = next.is_none_or(|(other, _)| age < other);
            if is_elder && state.members.contains_key(member) {
                next = Some((age, cut));
            }
            continue;
        }
        state.apply(*place, op, &mut admitted);
    }
    match next {
        Some((_, cut)) => Err(cut),
        None => Ok(state),
    }
}

impl State {
    /// Where a node was let in first.
    fn admission_of(&self, node: &NodeId) -> Option<Place> {
        let history = self.histories.get(node)?;
        history.first().map(|change| change.at)
    }

    fn apply(&mut self, at: Place, op: &ClusterOp, admitted: &mut BTreeSet<(NodeId, Place)>) {
        match op {
            ClusterOp::Found { name } => {
                self.name.clone_from(name);
                self.set(at, at.author, MemberSettings::new(Role::Writer));
                admitted.insert((at.author, at));
            }
            ClusterOp::Admit {
                member,
                settings,
                invitation,
            } => {
                // The first use counts; the same node may be let in by it again.
                let user = *self.used.entry(*invitation).or_insert(*member);
                if user == *member {
                    self.set(at, user, settings.clone());
                    admitted.insert((user, at));
                }
            }
            ClusterOp::Settle { member, settings } if self.members.contains_key(member) => {
                self.set(at, *member, settings.clone());
            }
            ClusterOp::Remove { member, last } if self.members.remove(member).is_some() => {
                let becomes = Becomes::Out(last.map_or(0, |last| last.saturating_add(1)));
                let history = self.histories.entry(*member).or_default();
                history.push(Change { at, becomes });
            }
            _ => {}
        }
    }

    fn set(&mut self, at: Place, member: NodeId, settings: MemberSettings) {
        let becomes = Becomes::A(settings.role);
        let history = self.histories.entry(member).or_default();
        history.push(Change { at, becomes });
        self.members.insert(member, settings);
    }
}
