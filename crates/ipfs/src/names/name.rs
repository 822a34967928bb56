//! What an IPNS name looks like (IPNS specification, "IPNS Names").

use std::fmt;
use std::str::FromStr;

use cid::Cid;
use cid::multibase::Base;
use cidcast_exchange::PeerId;

/// Multicodec of a libp2p public key.
const LIBP2P_KEY: u64 = 0x72;
/// Before the binary name in a DHT key.
const DHT_PREFIX: &[u8] = b"/ipns/";

/// The name that a key makes: the hash of its public half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpnsName(PeerId);

/// Not an IPNS name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an IPNS name; it looks like k51… or 12D3KooW…")]
pub struct ParseNameError(String);

impl IpnsName {
    pub(super) fn of(peer: PeerId) -> Self {
        Self(peer)
    }

    pub(super) fn peer(&self) -> PeerId {
        self.0
    }

    /// Under which the DHT has its record.
    pub(super) fn dht_key(&self) -> Vec<u8> {
        [DHT_PREFIX, &self.0.to_bytes()].concat()
    }
}

impl FromStr for IpnsName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        if let Ok(peer) = text.parse() {
            return Ok(Self(peer));
        }
        let cid = Cid::try_from(text).ok();
        let key = cid.filter(|cid| cid.codec() == LIBP2P_KEY);
        key.and_then(|cid| PeerId::from_bytes(&cid.hash().to_bytes()).ok())
            .map(Self)
            .ok_or_else(|| ParseNameError(text.chars().take(100).collect()))
    }
}

impl fmt::Display for IpnsName {
    /// The form that fits a host name: CIDv1 in base 36.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = cid::multihash::Multihash::from_bytes(&self.0.to_bytes())
            .ok()
            .and_then(|hash| {
                Cid::new_v1(LIBP2P_KEY, hash)
                    .to_string_of_base(Base::Base36Lower)
                    .ok()
            });
        match text {
            Some(text) => f.write_str(&text),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_name() {
        // The example of the IPNS specification.
        let base36 = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8";
        let name: IpnsName = base36.parse().unwrap();
        assert_eq!(name.to_string(), base36);
        let peer = name.peer().to_string();
        assert!(peer.starts_with("12D3KooW"), "{peer}");
        assert_eq!(peer.parse(), Ok(name));
    }

    #[test]
    fn other_cids_are_not_names() {
        for bad in ["", "example.org", "bafkqaaa", "k51"] {
            assert!(bad.parse::<IpnsName>().is_err(), "{bad}");
        }
    }
}
