//! What an operator gives to say whom to follow.

use std::fmt;
use std::str::FromStr;

use cidcast_announce::{NodeId, ParseKeyError, Publisher};
use cidcast_ipfs::check_service;
use cidcast_ipfs::swarm::check_bootstrap;

/// Longest text: a URL that a person could paste.
const MAX_TEXT: usize = 2048;

/// Whom to follow, in one of the ways in which it can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The publisher's key itself: `k51…`, also as `/ipns/k51…`.
    Key(Publisher),
    /// The publisher of a node, by one of its addresses: `/ip4/…/p2p/12D3Koo…`.
    Node {
        /// The multiaddress.
        address: String,
        /// The node that it names.
        node: NodeId,
    },
    /// The publisher that a name leads to, by DNSLink or IPNS: `example.org`, `/ipns/…`.
    Name(String),
    /// The publisher of the cidcast whose web app is there: `https://media.example.org`.
    Url(String),
}

/// Nobody can be followed by this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTargetError {
    /// None of the forms.
    #[error(
        "`{0}` says nobody to follow: give a publisher key (k51…), an address of a node \
         (/ip4/…/p2p/…), a name (example.org or /ipns/…) or the URL of a cidcast (https://…)"
    )]
    Unknown(String),
    /// A multiaddress without a node that can have a publisher.
    #[error("`{address}` does not end in /p2p/ and the id of a node (12D3Koo…)")]
    Address {
        /// What was given, shortened.
        address: String,
    },
    /// A URL that cannot be asked.
    #[error("`{url}` is not the URL of a web app: write it like https://media.example.org")]
    Url {
        /// What was given, shortened.
        url: String,
    },
    /// A key of a kind that signs no announcements.
    #[error(transparent)]
    Key(ParseKeyError),
}

impl Target {
    /// The publisher, if the text says it by itself.
    pub fn publisher(&self) -> Option<Publisher> {
        match self {
            Self::Key(publisher) => Some(*publisher),
            _ => None,
        }
    }

    fn address(text: &str) -> Result<Self, ParseTargetError> {
        let refused = || ParseTargetError::Address {
            address: shown(text),
        };
        check_bootstrap(text).map_err(|_| refused())?;
        let (_, node) = text.rsplit_once("/p2p/").ok_or_else(refused)?;
        Ok(Self::Node {
            address: text.to_owned(),
            node: node.parse().map_err(|_| refused())?,
        })
    }

    fn url(text: &str) -> Result<Self, ParseTargetError> {
        // A page about a publisher, on whatever app, is about that one.
        let mut names = text.split('/').skip(3);
        if let Some(publisher) = names.find_map(|name| name.parse::<Publisher>().ok()) {
            return Ok(Self::Key(publisher));
        }
        let base = text.trim_end_matches('/');
        match check_service(base) {
            Ok(()) => Ok(Self::Url(base.to_owned())),
            Err(_) => Err(ParseTargetError::Url { url: shown(text) }),
        }
    }

    fn name(text: &str) -> Result<Self, ParseTargetError> {
        let name = text.strip_prefix("/ipns/").unwrap_or(text);
        let name = name.trim_end_matches('/');
        match name.parse::<Publisher>() {
            Ok(publisher) => Ok(Self::Key(publisher)),
            // Another kind of key has an IPNS record all the same, which may lead to a feed.
            Err(ParseKeyError::NotEd25519(_)) => Ok(Self::Name(name.to_owned())),
            Err(ParseKeyError::NotAKey(_)) if is_dns_name(name) => Ok(Self::Name(name.to_owned())),
            Err(ParseKeyError::NotAKey(_)) => Err(ParseTargetError::Unknown(shown(text))),
            Err(error) => Err(ParseTargetError::Key(error)),
        }
    }
}

/// Two labels or more, of what host names are made of.
fn is_dns_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(is_label)
}

fn shown(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(128).collect()
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() > MAX_TEXT || text.is_empty() {
            return Err(ParseTargetError::Unknown(shown(text)));
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            Self::url(text)
        } else if text.starts_with('/') && !text.starts_with("/ipns/") {
            Self::address(text)
        } else {
            Self::name(text)
        }
    }
}

impl fmt::Display for Target {
    /// One spelling for each: the same target is followed once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(publisher) => publisher.fmt(f),
            Self::Node { address, .. } => f.write_str(address),
            Self::Name(text) | Self::Url(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use cidcast_announce::NodeKey;
    use proptest::prelude::*;

    use super::*;

    const PEER: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn each_form_is_told_from_the_others() {
        let key: Publisher = PEER.parse().unwrap();
        for text in [
            PEER.to_owned(),
            key.to_string(),
            format!(" /ipns/{key}/ "),
            format!("/ipns/{PEER}"),
        ] {
            assert_eq!(target(&text), Target::Key(key), "{text}");
        }
        let address = format!("/dns4/a.example/tcp/1/p2p/{PEER}");
        let node = PEER.parse().unwrap();
        assert_eq!(
            target(&address),
            Target::Node {
                address: address.clone(),
                node
            }
        );
        for name in ["example.org", "/ipns/example.org"] {
            assert_eq!(target(name), Target::Name("example.org".to_owned()));
        }
        let rsa = "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ";
        assert_eq!(target(rsa), Target::Name(rsa.to_owned()));
        for url in ["https://media.example.org/", "https://media.example.org"] {
            let base = "https://media.example.org".to_owned();
            assert_eq!(target(url), Target::Url(base));
        }
    }

    #[test]
    fn the_page_of_a_publisher_means_that_publisher() {
        let key: Publisher = PEER.parse().unwrap();
        let page = format!("https://media.example.org/publisher/{key}");
        assert_eq!(target(&page), Target::Key(key));
    }

    #[test]
    fn what_says_nobody_says_what_would() {
        for bad in ["", "hello", "ftp://a.b", "a b.c", "k51", "ipfs"] {
            let error = bad.parse::<Target>().unwrap_err();
            assert!(
                matches!(error, ParseTargetError::Unknown(_)),
                "{bad}: {error}"
            );
        }
        for bad in ["/ip4/1.2.3.4/tcp/1", "/p2p", "/ipfs/bafkqaaa"] {
            let error = bad.parse::<Target>().unwrap_err();
            assert!(
                matches!(error, ParseTargetError::Address { .. }),
                "{bad}: {error}"
            );
        }
        for bad in ["https://", "http://a?b=c"] {
            let error = bad.parse::<Target>().unwrap_err();
            assert!(
                matches!(error, ParseTargetError::Url { .. }),
                "{bad}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(seed: [u8; 32], label in "[a-z]{1,8}", port: u16) {
            let node = NodeKey::from_seed(seed).node();
            for text in [
                node.to_string(),
                format!("{label}.example"),
                format!("https://{label}.example:{port}/base"),
                format!("/ip4/192.0.2.1/tcp/{port}/p2p/{node}"),
            ] {
                let target = target(&text);
                prop_assert_eq!(target.to_string().parse(), Ok(target));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = text.parse::<Target>();
        }
    }
}
