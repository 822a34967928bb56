//! What the cluster is to keep: for each root the latest operation that counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::PinSpec;

use crate::membership::Membership;
use crate::order::Place;

/// Names a root in one machine's memory.
pub(crate) type RootId = u32;

/// All operations on pins, and what they add up to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pinset {
    ids: HashMap<Cid, RootId>,
    roots: Vec<Root>,
}

/// What was said about one thing, in order: latest last. As a rule once or twice.
#[derive(Debug, Clone)]
struct History<T>(Vec<(Place, T)>);

impl<T> Default for History<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> History<T> {
    /// Takes what stands at a place, once.
    fn add(&mut self, place: Place, said: T) {
        let at = self.0.partition_point(|(other, _)| *other < place);
        if self.0.get(at).is_none_or(|(other, _)| *other != place) {
            self.0.insert(at, (place, said));
        }
    }

    /// Which of them counts.
    fn latest(&self, membership: &Membership) -> Option<usize> {
        let counts = |(place, _): &(Place, T)| membership.is_valid(place);
        self.0.iter().rposition(counts)
    }

    fn get(&self, index: usize) -> Option<&(Place, T)> {
        self.0.get(index)
    }
}

#[derive(Debug, Clone)]
struct Root {
    cid: Cid,
    ops: History<Option<Box<PinSpec>>>,
    /// Which of them counts.
    valid: Option<usize>,
    /// What members say of services outside.
    said: BTreeMap<(NodeId, String), History<bool>>,
    /// Services that keep it, and who says so.
    elsewhere: Vec<(NodeId, String)>,
}

impl Pinset {
    /// The id of a root, new if it is.
    pub(crate) fn intern(&mut self, cid: &Cid) -> RootId {
        if let Some(id) = self.ids.get(cid) {
            return *id;
        }
        let id = RootId::try_from(self.roots.len()).unwrap_or(RootId::MAX);
        self.ids.insert(*cid, id);
        self.roots.push(Root {
            cid: *cid,
            ops: History::default(),
            valid: None,
            said: BTreeMap::new(),
            elsewhere: Vec::new(),
        });
        id
    }

    pub(crate) fn id(&self, cid: &Cid) -> Option<RootId> {
        self.ids.get(cid).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.roots.len()
    }

    pub(crate) fn cid(&self, id: RootId) -> Option<Cid> {
        self.root(id).map(|root| root.cid)
    }

    /// Takes an operation: a specification, or `None` to let go. The root it concerns.
    pub(crate) fn add(
        &mut self,
        place: Place,
        cid: &Cid,
        spec: Option<Box<PinSpec>>,
        membership: &Membership,
    ) -> RootId {
        let id = self.intern(cid);
        if let Some(root) = self.roots.get_mut(id as usize) {
            root.ops.add(place, spec);
            root.settle(membership);
        }
        id
    }

    /// Takes what a member says of a service. The root it concerns.
    pub(crate) fn add_elsewhere(
        &mut self,
        place: Place,
        cid: &Cid,
        (service, kept): (&str, bool),
        membership: &Membership,
    ) -> RootId {
        let id = self.intern(cid);
        if let Some(root) = self.roots.get_mut(id as usize) {
            let said = root.said.entry((place.author, service.to_owned()));
            said.or_default().add(place, kept);
            root.settle(membership);
        }
        id
    }

    /// Looks again which operations count, after the members changed; the roots for which another
    /// one does now.
    pub(crate) fn settle(&mut self, membership: &Membership) -> Vec<RootId> {
        let mut changed = Vec::new();
        for (id, root) in (0..).zip(&mut self.roots) {
            let before = (root.valid, root.elsewhere.len());
            root.settle(membership);
            if (root.valid, root.elsewhere.len()) != before {
                changed.push(id);
            }
        }
        changed
    }

    /// How a root is to be kept; `None` if it is not.
    pub(crate) fn spec(&self, id: RootId) -> Option<&PinSpec> {
        let root = self.root(id)?;
        root.ops.get(root.valid?)?.1.as_deref()
    }

    /// Where the operation that counts stands.
    pub(crate) fn place(&self, id: RootId) -> Option<Place> {
        let root = self.root(id)?;
        root.ops.get(root.valid?).map(|(place, _)| *place)
    }

    /// Services outside the cluster that keep a root, with those who say so.
    pub(crate) fn elsewhere(&self, id: RootId) -> &[(NodeId, String)] {
        self.root(id).map_or(&[], |root| &root.elsewhere)
    }

    /// How many services keep a root.
    pub(crate) fn services(&self, id: RootId) -> usize {
        let services = self.elsewhere(id).iter().map(|(_, service)| service);
        services.collect::<BTreeSet<_>>().len()
    }

    fn root(&self, id: RootId) -> Option<&Root> {
        self.roots.get(id as usize)
    }
}

impl Root {
    fn settle(&mut self, membership: &Membership) {
        self.valid = self.ops.latest(membership);
        // Nobody looks whether it is still so for those who have gone.
        let of_members = self.said.iter();
        let of_members =
            of_members.filter(|((author, _), _)| membership.members().contains_key(author));
        let kept = of_members.filter(|(_, said)| {
            let latest = said.latest(membership).and_then(|index| said.get(index));
            latest.is_some_and(|(_, kept)| *kept)
        });
        self.elsewhere = kept.map(|(key, _)| key.clone()).collect();
    }
}
