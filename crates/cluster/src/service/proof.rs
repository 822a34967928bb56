//! Challenges: a member that says it keeps a root shows that it has blocks of it, chosen by chance.
//!
//! Who has the root itself picks blocks from its own copy and compares hashes over a fresh nonce. Who
//! does not asks for the blocks on a path from the root to a leaf, each of which has to hash to what
//! the one above it names. Neither proves that the member reads them from its own disk just now: it
//! could ask a third one within the deadline.

use bytes::{Bytes, BytesMut};
use cid::Cid;
use cidcast_announce::NodeId;
use cidcast_runtime::random_u128;
use cidcast_store::{MAX_BLOCK_BYTES, Store, is_block, links};
use sha2::{Digest, Sha256};

use super::seat::Seat;
use crate::event::{Event, ProofOutcome};
use crate::wire::{Request, Response};

/// Paths that one challenge follows in an own copy.
const PATHS: usize = 8;
/// Blocks on one path: deeper DAGs are not published.
const DEPTH: usize = 32;

/// What proves that somebody has a block: SHA-256 of the nonce and its bytes.
pub(super) fn hash(nonce: &[u8; 16], block: &[u8]) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(nonce);
    sha.update(block);
    sha.finalize().into()
}

/// Blocks of a root, and their bytes.
struct Sample {
    blocks: Vec<(Cid, Bytes)>,
    /// A block here is not what it should be.
    is_damaged: bool,
}

impl Seat {
    /// Challenges a member, and tells the machine how it went.
    pub(super) async fn challenge(&self, of: NodeId, root: Cid) {
        let Ok(_place) = self.challenges.acquire().await else {
            return;
        };
        let outcome = if self.with(|machine| machine.is_held(&root)) {
            self.compare(of, root).await
        } else {
            self.follow(of, root).await
        };
        self.parts.metrics.proved(outcome);
        let member = of;
        self.feed(Event::Proof {
            member,
            root,
            outcome,
        });
    }

    /// With blocks of the own copy.
    async fn compare(&self, of: NodeId, root: Cid) -> ProofOutcome {
        let store = self.parts.store.clone();
        let sample = tokio::task::spawn_blocking(move || sample(&store, &root));
        let Ok(Some(sample)) = sample.await else {
            return ProofOutcome::Unanswered;
        };
        if sample.is_damaged {
            self.feed(Event::Suspected { root });
        }
        let nonce = random_u128().to_be_bytes();
        let request = Request::Challenge {
            root,
            blocks: sample.blocks.iter().map(|(cid, _)| *cid).collect(),
            nonce,
        };
        let hashes = match self.ask(of, request).await {
            Ok(Response::Hashes(hashes)) => hashes,
            Ok(_) => return ProofOutcome::Failed,
            Err(_) => return ProofOutcome::Unanswered,
        };
        let expected = sample
            .blocks
            .iter()
            .map(|(_, data)| Some(hash(&nonce, data)));
        if hashes.into_iter().eq(expected) {
            let sizes = sample.blocks.iter().map(|(_, data)| data.len() as u64);
            ProofOutcome::Proved { bytes: sizes.sum() }
        } else {
            ProofOutcome::Failed
        }
    }

    /// Along a path from the root, block by block.
    async fn follow(&self, of: NodeId, root: Cid) -> ProofOutcome {
        let (mut next, mut bytes) = (root, 0);
        for _ in 0..DEPTH {
            let block = match self.whole_block(of, root, next).await {
                Ok(block) => block,
                Err(outcome) => return outcome,
            };
            bytes += block.len() as u64;
            let below = links(&next, &block).unwrap_or_default();
            match pick(&below) {
                Some(link) => next = link,
                None => break,
            }
        }
        ProofOutcome::Proved { bytes }
    }

    async fn whole_block(&self, of: NodeId, root: Cid, block: Cid) -> Result<Bytes, ProofOutcome> {
        let mut whole = BytesMut::new();
        loop {
            let from = whole.len() as u64;
            let request = Request::Piece { root, block, from };
            let (piece, total) = match self.ask(of, request).await {
                Ok(Response::Piece {
                    bytes: Some(bytes),
                    total,
                }) => (bytes, total),
                Ok(_) => return Err(ProofOutcome::Failed),
                Err(_) => return Err(ProofOutcome::Unanswered),
            };
            whole.extend_from_slice(&piece);
            let is_whole = whole.len() as u64 >= total;
            if is_whole && is_block(&block, &whole) {
                return Ok(whole.freeze());
            }
            if is_whole || piece.is_empty() || whole.len() > MAX_BLOCK_BYTES {
                return Err(ProofOutcome::Failed);
            }
        }
    }
}

/// Leaves of a root by chance, with the root itself; `None` if it cannot be read.
fn sample(store: &Store, root: &Cid) -> Option<Sample> {
    let mut sample = Sample {
        blocks: Vec::new(),
        is_damaged: false,
    };
    for path in 0..PATHS {
        let mut next = *root;
        for depth in 0..DEPTH {
            let Ok(data) = store.get(&next) else {
                sample.is_damaged = true;
                break;
            };
            if !is_block(&next, &data) {
                sample.is_damaged = true;
                break;
            }
            let below = pick(&links(&next, &data).ok()?);
            let is_wanted = below.is_none() || (path == 0 && depth == 0);
            if is_wanted && sample.blocks.iter().all(|(cid, _)| *cid != next) {
                sample.blocks.push((next, data));
            }
            match below {
                Some(link) => next = link,
                None => break,
            }
        }
    }
    (!sample.blocks.is_empty()).then_some(sample)
}

fn pick(links: &[Cid]) -> Option<Cid> {
    let len = u128::try_from(links.len()).ok().filter(|len| *len > 0)?;
    let at = usize::try_from(random_u128() % len).ok()?;
    links.get(at).copied()
}
