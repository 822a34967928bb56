//! IPNS records: signing, finding and checking them.

use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use rust_ipfs::Keypair;
use rust_ipns::Record;
use tokio::time::{Instant, timeout_at};

use super::{Inner, IpnsName, Saved};
use crate::http::Question;

/// How long resolvers may keep a record before they ask again.
const TTL: Duration = Duration::from_secs(300);
/// The largest record (IPNS specification, "Record Size Limit").
const MAX_RECORD: usize = 10 << 10;
/// What routers answer with.
const MEDIA_TYPE: &str = "application/vnd.ipfs.ipns-record";

/// A record could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Signing failed.
    #[error("the record cannot be signed; check the key")]
    Sign(#[source] Box<rust_ipns::Error>),
    /// The time until which it would be valid cannot be written.
    #[error("the record's lifetime is too long; set a shorter one")]
    Lifetime,
}

/// A record that can be sent.
pub(super) struct Signed {
    pub(super) name: IpnsName,
    pub(super) bytes: Vec<u8>,
}

/// A record that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) value: String,
    pub(super) sequence: u64,
}

impl Signed {
    pub(super) fn new(
        keypair: &Keypair,
        saved: &Saved,
        lifetime: Duration,
    ) -> Result<Self, RecordError> {
        let lifetime = chrono::Duration::from_std(lifetime).map_err(|_| RecordError::Lifetime)?;
        let end = Utc::now().checked_add_signed(lifetime);
        let end = end.ok_or(RecordError::Lifetime)?;
        let sign = |error| RecordError::Sign(Box::new(error));
        let record = Record::new(keypair, &saved.value, end, saved.sequence, TTL).map_err(sign)?;
        Ok(Self {
            name: IpnsName::of(keypair.public().to_peer_id()),
            bytes: record.encode().map_err(sign)?,
        })
    }
}

/// The newest of the records that count for `name`: signed by its key, and not expired.
#[derive(Default)]
struct Newest(Option<Record>);

impl Newest {
    fn offer(&mut self, name: &IpnsName, bytes: &[u8]) {
        let record = Record::decode(bytes).ok();
        let valid = record.filter(|record| record.verify(name.peer()).is_ok());
        let Some(record) = valid else {
            tracing::debug!(%name, "a record that is not valid was left out");
            return;
        };
        let is_newer = match &self.0 {
            None => true,
            Some(best) => record.compare(best).is_ok_and(std::cmp::Ordering::is_gt),
        };
        if is_newer {
            self.0 = Some(record);
        }
    }

    fn checked(&self) -> Option<Checked> {
        let record = self.0.as_ref()?;
        let value = record.data().ok()?.value;
        Some(Checked {
            value: String::from_utf8(value.to_vec()).ok()?,
            sequence: record.sequence(),
        })
    }
}

impl Inner {
    /// The newest valid record of `name` that the DHT and the routers have.
    pub(super) async fn newest(&self, name: &IpnsName, patience: Duration) -> Option<Checked> {
        let deadline = Instant::now() + patience;
        let (from_dht, from_routers) =
            tokio::join!(self.in_dht(name, deadline), self.at_routers(name, patience));
        let mut newest = Newest::default();
        for bytes in from_dht.iter().chain(&from_routers) {
            newest.offer(name, bytes);
        }
        newest.checked()
    }

    /// What the DHT has until `deadline`.
    async fn in_dht(&self, name: &IpnsName, deadline: Instant) -> Vec<Vec<u8>> {
        /// Copies of a record; a hostile peer's cannot push out more than the rest.
        const COPIES: usize = 32;
        let mut found = Vec::new();
        let Ok(records) = self.network.ipfs().dht_get(name.dht_key()).await else {
            return found;
        };
        let mut records = records.take(COPIES);
        while let Ok(Some(record)) = timeout_at(deadline, records.next()).await {
            if !found.contains(&record.value) {
                found.push(record.value);
            }
        }
        found
    }

    /// What the routers have (Delegated Routing V1 HTTP API, `/routing/v1/ipns`).
    async fn at_routers(&self, name: &IpnsName, deadline: Duration) -> Vec<Vec<u8>> {
        let questions = self.network.routers().iter().map(async |router| {
            let url = format!("{}/routing/v1/ipns/{name}", router.trim_end_matches('/'));
            let question = Question {
                url: &url,
                accept: MEDIA_TYPE,
                limit: MAX_RECORD,
                deadline,
            };
            match self.network.http().get(question).await {
                Ok(answer) if answer.status.is_success() => Some(answer.body.to_vec()),
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(router, %error, "a router failed");
                    None
                }
            }
        });
        let answers = futures::future::join_all(questions).await;
        answers.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(keypair: &Keypair, value: &str, sequence: u64, lifetime: u64) -> Vec<u8> {
        let saved = Saved {
            key: None,
            lent: None,
            value: value.into(),
            sequence,
        };
        let lifetime = Duration::from_secs(lifetime);
        Signed::new(keypair, &saved, lifetime).unwrap().bytes
    }

    #[test]
    fn the_highest_sequence_that_is_really_signed_counts() {
        let (key, other) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let name = IpnsName::of(key.public().to_peer_id());
        let mut newest = Newest::default();
        assert_eq!(newest.checked(), None);
        newest.offer(&name, &signed(&key, "/ipfs/new", 8, 60));
        newest.offer(&name, &signed(&key, "/ipfs/old", 7, 600));
        newest.offer(&name, &signed(&other, "/ipfs/forged", 99, 60));
        newest.offer(&name, b"nonsense");
        let mut damaged = signed(&key, "/ipfs/damaged", 100, 60);
        *damaged.last_mut().unwrap() ^= 1;
        newest.offer(&name, &damaged);
        let checked = newest.checked().unwrap();
        assert_eq!((checked.value.as_str(), checked.sequence), ("/ipfs/new", 8));
    }

    #[test]
    fn an_expired_record_does_not_count() {
        let key = Keypair::generate_ed25519();
        let name = IpnsName::of(key.public().to_peer_id());
        let mut newest = Newest::default();
        newest.offer(&name, &signed(&key, "/ipfs/x", 1, 0));
        assert_eq!(newest.checked(), None);
    }
}
