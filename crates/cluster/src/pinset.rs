//! What the cluster is to keep: for each root the latest operation that counts.

use std::collections::HashMap;

use cid::Cid;
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

#[derive(Debug, Clone)]
struct Root {
    cid: Cid,
    /// Latest last. As a rule one or two.
    ops: Vec<(Place, Option<Box<PinSpec>>)>,
    /// Which of them counts.
    valid: Option<usize>,
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
            ops: Vec::new(),
            valid: None,
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
            let at = root.ops.partition_point(|(other, _)| *other < place);
            if root.ops.get(at).is_none_or(|(other, _)| *other != place) {
                root.ops.insert(at, (place, spec));
            }
            root.settle(membership);
        }
        id
    }

    /// Looks again which operations count, after the members changed; the roots for which another
    /// one does now.
    pub(crate) fn settle(&mut self, membership: &Membership) -> Vec<RootId> {
        let mut changed = Vec::new();
        for (id, root) in (0..).zip(&mut self.roots) {
            let before = root.valid;
            root.settle(membership);
            if root.valid != before {
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

    fn root(&self, id: RootId) -> Option<&Root> {
        self.roots.get(id as usize)
    }
}

impl Root {
    fn settle(&mut self, membership: &Membership) {
        let counts = |(place, _): &(Place, _)| membership.is_valid(place);
        self.valid = self.ops.iter().rposition(counts);
    }
}
