//! Asking a peer against whom it has evidence of a fork, and for that evidence.
//!
//! Gossip tells those who listen; this tells everybody else, also who hears of one branch only. A
//! peer names the newest announcement of each feed: where another one has that number here, it is
//! asked for it, and the two are the evidence.

use cidcast_announce::{Announcement, Publisher, chain};
use cidcast_ipfs::requests::Requests;
use cidcast_ipfs::swarm::PeerId;

use super::fetch::FetchError;
use super::ledger::{Ledger, LedgerError};
use super::metrics::Outcome;
use crate::wire::{Request, Response};

/// Answers about forked publishers that are read of one peer at a time: 8000 of them.
const MOST_ANSWERS: usize = 8;
/// Pieces of evidence that are taken from one peer at a time; the next time goes on.
const MOST_PIECES: usize = 16;
/// Newest announcements that are asked of one peer at a time. The evidence that they are says who
/// is asked about no more, so the next time goes on.
pub(super) const MOST_COMPARED: usize = 64;

/// Publishers of whom is known now that they have two histories, and the number of one that
/// contradicts.
pub(super) type Found = Vec<(Publisher, u64)>;

/// Takes the evidence that a peer has and this node does not, of publishers that matter here.
pub(super) async fn catch_up(
    ledger: &Ledger,
    requests: &Requests,
    peer: PeerId,
) -> Result<Found, FetchError> {
    let mut found = Found::new();
    let (mut after, mut pieces) = (None, 0);
    for _ in 0..MOST_ANSWERS {
        let (publishers, more) = forked(requests, peer, after).await?;
        for publisher in &publishers {
            if !is_missing(ledger, publisher).await? {
                continue;
            }
            pieces += 1;
            if pieces > MOST_PIECES {
                return Ok(found);
            }
            let seq = take(ledger, requests, peer, publisher).await?;
            found.extend(seq.map(|seq| (*publisher, seq)));
        }
        after = publishers.last().copied().filter(|_| more);
        if after.is_none() {
            break;
        }
    }
    Ok(found)
}

/// Takes the newest announcements of a peer that differ from those with the same numbers here, and
/// notes whose histories part.
pub(super) async fn compare(
    ledger: &Ledger,
    (requests, peer): (&Requests, PeerId),
    differing: Vec<(Publisher, u64)>,
    found: &mut Found,
) -> Result<(), FetchError> {
    for (publisher, seq) in differing {
        let request = Request::Since {
            publisher,
            from: seq,
            max_bytes: 1,
        };
        let answer = requests.send(peer, request.encode()?).await?;
        let Response::Since(since) = Response::decode(&answer)? else {
            return Err(FetchError::OtherAnswer);
        };
        let Some(bytes) = since.announcements.into_iter().next() else {
            continue; // dropped there
        };
        let verifying = {
            let ledger = ledger.clone();
            tokio::task::spawn_blocking(move || ledger.verify(&bytes))
        };
        let verified = verifying.await.map_err(|_| FetchError::Stopping)?;
        let newest = verified.map_err(FetchError::Bad)?;
        if newest.publisher() != publisher || newest.seq() != seq {
            return Err(FetchError::OutOfOrder);
        }
        let taken = ledger.take(vec![newest]).await?;
        match taken.outcomes.first() {
            Some(Outcome::Conflicting) => found.push((publisher, seq)),
            // It is the same one, whatever the peer called it: its word is not worth more requests.
            _ => break,
        }
    }
    Ok(())
}

async fn is_missing(ledger: &Ledger, publisher: &Publisher) -> Result<bool, LedgerError> {
    let catalog = ledger.catalog();
    let matters =
        catalog.feed(publisher).await?.is_some() && ledger.limits(publisher).await?.is_some();
    Ok(matters && !ledger.is_forked(publisher).await?)
}

async fn forked(
    requests: &Requests,
    peer: PeerId,
    after: Option<Publisher>,
) -> Result<(Vec<Publisher>, bool), FetchError> {
    let request = Request::Forked { after }.encode()?;
    let answer = requests.send(peer, request).await?;
    match Response::decode(&answer)? {
        Response::Forked { publishers, more } => Ok((publishers, more)),
        _ => Err(FetchError::OtherAnswer),
    }
}

/// The number of the second of two announcements that prove it; none: the peer has nothing.
async fn take(
    ledger: &Ledger,
    requests: &Requests,
    peer: PeerId,
    publisher: &Publisher,
) -> Result<Option<u64>, FetchError> {
    let request = Request::Evidence {
        publisher: *publisher,
    };
    let answer = requests.send(peer, request.encode()?).await?;
    let pair = match Response::decode(&answer)? {
        Response::Evidence(Some(pair)) => pair,
        Response::Evidence(None) => return Ok(None),
        _ => return Err(FetchError::OtherAnswer),
    };
    let verifying = {
        let ledger = ledger.clone();
        let verify = move || Ok((ledger.verify(&pair.0)?, ledger.verify(&pair.1)?));
        tokio::task::spawn_blocking(verify)
    };
    let verified = verifying.await.map_err(|_| FetchError::Stopping)?;
    let (first, second): (Announcement, Announcement) = verified.map_err(FetchError::Bad)?;
    if first.publisher() != *publisher || chain::second_history(&first, &second).is_none() {
        return Err(FetchError::OutOfOrder);
    }
    let is_first = ledger.keep_evidence(&first, &second).await;
    let is_first = is_first.map_err(LedgerError::from)?;
    Ok(is_first.then(|| second.seq()))
}
