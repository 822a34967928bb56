//! Everyone's logs: which entries are here, and which come next.

use std::collections::BTreeMap;

use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_announce::cluster::{ClusterId, Entry, Stamp, Tip};

/// What is kept of each log: a few bytes for each entry. The entries themselves are on disk.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    cluster: ClusterId,
    logs: BTreeMap<NodeId, Log>,
    newest: Stamp,
}

#[derive(Debug, Clone, Default)]
struct Log {
    /// SHA2-256 of each entry, by number.
    digests: Vec<[u8; 32]>,
    tip: Option<Cid>,
    is_forked: bool,
}

/// What an entry is to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It is the next.
    Next,
    /// It is here already.
    Known,
    /// Something before it is missing.
    Gap,
    /// Another entry has its number: its author has signed two.
    Fork,
    /// Of another cluster.
    Foreign,
}

impl Logs {
    pub(crate) fn new(cluster: ClusterId) -> Self {
        Self {
            cluster,
            logs: BTreeMap::new(),
            newest: Stamp::ZERO,
        }
    }

    pub(crate) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The latest stamp of all.
    pub(crate) fn newest(&self) -> Stamp {
        self.newest
    }

    /// Where an entry belongs.
    pub(crate) fn fit(&self, entry: &Entry) -> Fit {
        if entry.cluster() != self.cluster {
            return Fit::Foreign;
        }
        let empty = Log::default();
        let log = self.logs.get(&entry.author()).unwrap_or(&empty);
        let place = usize::try_from(entry.seq()).unwrap_or(usize::MAX);
        match log.digests.get(place) {
            Some(digest) if *digest == digest_of(&entry.cid()) => Fit::Known,
            Some(_) => Fit::Fork,
            None if place > log.digests.len() => Fit::Gap,
            None if entry.prev() == log.tip => Fit::Next,
            // Its author went on from an entry that nobody here has.
            None => Fit::Fork,
        }
    }

    /// Takes the next entry of a log.
    pub(crate) fn append(&mut self, entry: &Entry) {
        let log = self.logs.entry(entry.author()).or_default();
        log.digests.push(digest_of(&entry.cid()));
        log.tip = Some(entry.cid());
        self.newest = self.newest.max(entry.at());
    }

    /// Whether this is the first that is heard of it.
    pub(crate) fn note_fork(&mut self, author: NodeId) -> bool {
        let log = self.logs.entry(author).or_default();
        !std::mem::replace(&mut log.is_forked, true)
    }

    pub(crate) fn is_forked(&self, author: &NodeId) -> bool {
        self.logs.get(author).is_some_and(|log| log.is_forked)
    }

    /// How many entries of a log are here.
    pub(crate) fn len(&self, author: &NodeId) -> u64 {
        self.logs
            .get(author)
            .map_or(0, |log| log.digests.len() as u64)
    }

    /// Number and CID of the newest entry of a log.
    pub(crate) fn tip(&self, author: &NodeId) -> Option<Tip> {
        let log = self.logs.get(author)?;
        Some(Tip {
            author: *author,
            seq: (log.digests.len() as u64).checked_sub(1)?,
            cid: log.tip?,
        })
    }

    /// Of each log that has any, by author.
    pub(crate) fn tips(&self) -> impl Iterator<Item = Tip> + '_ {
        self.logs.keys().filter_map(|author| self.tip(author))
    }

    /// Whether somebody has signed another entry of this number than the one that is here.
    pub(crate) fn contradicts(&self, tip: &Tip) -> bool {
        let log = self.logs.get(&tip.author);
        let place = usize::try_from(tip.seq).unwrap_or(usize::MAX);
        let digest = log.and_then(|log| log.digests.get(place));
        digest.is_some_and(|digest| *digest != digest_of(&tip.cid))
    }
}

/// The digest in the CID of an entry.
fn digest_of(cid: &Cid) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(cid.hash().digest()) {
        *to = *from;
    }
    digest
}
