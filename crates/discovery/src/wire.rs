//! Messages between nodes: from bytes to values and back, bounded.
//!
//! One request and one response, each a DAG-CBOR map with one key, the kind, over the protocol
//! `/cidcast/feed/1` (docs/feed-protocol.md). Signed things travel as the bytes that were signed:
//! nothing here says that they are true. Whoever reads them verifies them.
//!
//! Bounds: the protocol caps the bytes; lists are capped here, so that a small message with many
//! entries costs no more than a large one. Fields that a later version adds are ignored.

mod shape;

use bytes::Bytes;
use cidcast_announce::{NodeId, ParseKeyError, Publisher};
use cidcast_types::{AssetId, Cid};

use shape::{RequestShape, ResponseShape};

/// Most publishers in one answer about heads.
pub const MAX_HEADS: usize = 1000;
/// Most feeds in one request.
pub const MAX_FEEDS: usize = 32;
/// Most addresses in one answer about peers.
pub const MAX_PEERS: usize = 64;
/// Most notices in one request.
pub const MAX_NOTICES: usize = 256;
/// Most announcements in one answer.
pub const MAX_ANNOUNCEMENTS: usize = 1024;
/// Longest address.
pub const MAX_ADDRESS: usize = 512;
/// Longest mark of a list of heads.
pub const MAX_MARK: usize = 32;
/// Longest name of a program, and longest reason of a refusal.
pub const MAX_TEXT: usize = 128;

/// What one node asks of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Who are you?
    Hello,
    /// How much do you have of whom? By key, after this one.
    Heads {
        /// Where the last answer ended; none at first.
        after: Option<Publisher>,
        /// Only what has moved since an answer said this. Older nodes do not know it, and nodes
        /// that have forgotten answer as without it.
        since: Option<Mark>,
    },
    /// The announcements of one publisher from a number on.
    Since {
        /// Whose.
        publisher: Publisher,
        /// The first number.
        from: u64,
        /// How many bytes at most; the answer has at least one if there is any.
        max_bytes: u64,
    },
    /// The same of several publishers, each from a number on. Only of nodes that say so in their
    /// answer to [`Request::Heads`].
    Feeds {
        /// Whose, and the first number. At most [`MAX_FEEDS`].
        feeds: Vec<(Publisher, u64)>,
        /// How many bytes at most in all; the answer has at least one announcement if there is any.
        max_bytes: u64,
    },
    /// Whom do you know?
    Peers,
    /// Signed notices to be taken.
    Notices(Vec<Bytes>),
    /// The newest block list of a publisher.
    BlockList {
        /// Whose.
        publisher: Publisher,
    },
    /// Against whom do you have evidence of a fork? By key, after this one.
    Forked {
        /// Where the last answer ended; none at first.
        after: Option<Publisher>,
    },
    /// Evidence against a publisher.
    Evidence {
        /// Against whom.
        publisher: Publisher,
    },
    /// Who has copies of what a publisher announced? By asset and node, after this one.
    Copies {
        /// Whose.
        publisher: Publisher,
        /// Only of this asset.
        asset: Option<AssetId>,
        /// Where the last answer ended; none at first.
        after: Option<(AssetId, NodeId)>,
    },
}

/// What the other answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To [`Request::Hello`].
    Hello(Hello),
    /// To [`Request::Heads`].
    Heads(Heads),
    /// To [`Request::Since`].
    Since(Since),
    /// To [`Request::Feeds`]: one for each, in order, as far as there is room.
    Feeds(Vec<Since>),
    /// To [`Request::Peers`]: multiaddresses with `/p2p/…`. At most [`MAX_PEERS`].
    Peers(Vec<String>),
    /// To [`Request::Notices`]: one for each, in order.
    Notices(Vec<NoticeAnswer>),
    /// To [`Request::BlockList`]: as it was signed, if it is there.
    BlockList(Option<Bytes>),
    /// To [`Request::Forked`].
    Forked {
        /// By key. At most [`MAX_HEADS`].
        publishers: Vec<Publisher>,
        /// Whether there are others after them.
        more: bool,
    },
    /// To [`Request::Evidence`]: two announcements that cannot both be, if they are there.
    Evidence(Option<(Bytes, Bytes)>),
    /// To [`Request::Copies`].
    Copies(Copies),
}

/// What nodes said of their copies, as they signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copies {
    /// The newest notice of each node about each asset, by asset and node. At most
    /// [`MAX_NOTICES`].
    pub notices: Vec<Bytes>,
    /// Whether there are others after them.
    pub more: bool,
    /// Where some of these nodes can be reached: multiaddresses with `/p2p/…`, which nobody has
    /// signed. At most [`MAX_PEERS`].
    pub addresses: Vec<String>,
}

/// What a node says about itself. Nobody has signed it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// Program and version.
    pub agent: String,
    /// `off`, `follows` or `open`.
    pub mode: String,
    /// For whom it signs.
    pub publisher: Option<Publisher>,
}

/// How much a node has of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// By key, or those that have moved. At most [`MAX_HEADS`].
    pub heads: Vec<Head>,
    /// Whether there are others after them.
    pub more: bool,
    /// What to ask with next time, to be told only what has moved in between.
    pub mark: Option<Mark>,
    /// How many feeds it gives in one answer; older nodes do not say, and give one.
    pub together: u64,
}

/// How much a node has of one publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Of whom.
    pub publisher: Publisher,
    /// How many announcements, from number 0 on.
    pub count: u64,
    /// The last of them; older nodes do not say.
    pub newest: Option<Cid>,
}

/// Stands for what a node had at a moment. Only the node that gave it knows what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(pub(crate) Bytes);

/// A piece of a feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// Announcements that follow each other, in order. At most [`MAX_ANNOUNCEMENTS`].
    pub announcements: Vec<Bytes>,
    /// The newest announcement that is there, as proof that there are more.
    pub newest: Option<Bytes>,
    /// The announcement that names the newest snapshot, if that is after the number asked for.
    pub snapshot: Option<Bytes>,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeAnswer {
    /// It was taken, now or before.
    Accepted,
    /// It was not, and sending it again is of no use.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// Not now.
    Later,
}

/// A message that is not one of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not DAG-CBOR of the shape.
    #[error("the message cannot be read: {0}")]
    Malformed(#[from] serde_ipld_dagcbor::DecodeError<std::convert::Infallible>),
    /// A list or text is longer than the protocol allows.
    #[error("`{field}` has {length} entries, at most {most} are allowed")]
    TooLong {
        /// Its name.
        field: &'static str,
        /// What it has.
        length: usize,
        /// What is allowed.
        most: usize,
    },
    /// A publisher is no key.
    #[error(transparent)]
    Key(#[from] ParseKeyError),
    /// It cannot be written.
    #[error("the message cannot be written: {0}")]
    Encode(#[from] serde_ipld_dagcbor::EncodeError<std::collections::TryReserveError>),
}

impl Request {
    /// Reads a request from outside.
    ///
    /// # Errors
    ///
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        serde_ipld_dagcbor::from_slice::<RequestShape>(bytes)?.read()
    }

    /// As it travels.
    ///
    /// # Errors
    ///
    /// [`WireError::Encode`] if there is no memory.
    pub fn encode(self) -> Result<Bytes, WireError> {
        Ok(serde_ipld_dagcbor::to_vec(&RequestShape::of(self))?.into())
    }
}

impl Response {
    /// Reads an answer from outside.
    ///
    /// # Errors
    ///
    /// [`WireError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        serde_ipld_dagcbor::from_slice::<ResponseShape>(bytes)?.read()
    }

    /// As it travels.
    ///
    /// # Errors
    ///
    /// [`WireError::Encode`] if there is no memory.
    pub fn encode(self) -> Result<Bytes, WireError> {
        Ok(serde_ipld_dagcbor::to_vec(&ResponseShape::of(self))?.into())
    }
}

#[cfg(test)]
mod tests {
    use cidcast_announce::{NodeKey, SigningKey};
    use cidcast_types::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn publisher(n: u8) -> Publisher {
        SigningKey::from_seed([n; 32]).publisher()
    }

    fn head(n: u8, newest: Option<Cid>) -> Head {
        Head {
            publisher: publisher(n),
            count: 4,
            newest,
        }
    }

    /// Of an announcement.
    fn link() -> Cid {
        "bafyreigdmqpykrgxyaxtlafqpqhzrb7qy2rh75nldvfd4tucqmqqme5yje"
            .parse()
            .unwrap()
    }

    fn asset() -> AssetId {
        AssetId::from_parts(Timestamp::from_millis(6), 7)
    }

    #[test]
    fn requests_read_back_what_was_written() {
        let all = [
            Request::Hello,
            Request::Heads {
                after: None,
                since: Some(Mark(Bytes::from_static(b"then"))),
            },
            Request::Heads {
                after: Some(publisher(1)),
                since: None,
            },
            Request::Since {
                publisher: publisher(2),
                from: 7,
                max_bytes: 1 << 19,
            },
            Request::Feeds {
                feeds: vec![(publisher(2), 7), (publisher(3), 0)],
                max_bytes: 1 << 19,
            },
            Request::Peers,
            Request::Notices(vec![Bytes::from_static(b"x")]),
            Request::BlockList {
                publisher: publisher(3),
            },
            Request::Forked {
                after: Some(publisher(4)),
            },
            Request::Evidence {
                publisher: publisher(5),
            },
            Request::Copies {
                publisher: publisher(4),
                asset: None,
                after: None,
            },
            Request::Copies {
                publisher: publisher(4),
                asset: Some(asset()),
                after: Some((asset(), NodeKey::from_seed([5; 32]).node())),
            },
        ];
        for request in all {
            let bytes = request.clone().encode().unwrap();
            assert_eq!(Request::decode(&bytes).unwrap(), request);
        }
    }

    #[test]
    fn responses_read_back_what_was_written() {
        let all = [
            Response::Hello(Hello {
                agent: "cidcast/1".to_owned(),
                mode: "open".to_owned(),
                publisher: Some(publisher(1)),
            }),
            Response::Heads(Heads {
                heads: vec![head(1, None)],
                more: true,
                mark: Some(Mark(Bytes::from_static(b"now"))),
                together: 0,
            }),
            Response::Heads(Heads {
                heads: vec![head(1, Some(link())), head(2, Some(link()))],
                together: 32,
                ..Heads::default()
            }),
            Response::Since(Since {
                announcements: vec![Bytes::from_static(b"abc")],
                newest: Some(Bytes::new()),
                snapshot: None,
            }),
            Response::Feeds(vec![
                Since::default(),
                Since {
                    announcements: vec![Bytes::from_static(b"abc")],
                    newest: None,
                    snapshot: Some(Bytes::from_static(b"def")),
                },
            ]),
            Response::Peers(vec!["/ip4/192.0.2.1/tcp/1/p2p/x".to_owned()]),
            Response::Notices(vec![
                NoticeAnswer::Accepted,
                NoticeAnswer::Later,
                NoticeAnswer::Refused {
                    reason: "no".to_owned(),
                },
            ]),
            Response::BlockList(None),
            Response::BlockList(Some(Bytes::from_static(b"list"))),
            Response::Forked {
                publishers: vec![publisher(1), publisher(2)],
                more: true,
            },
            Response::Evidence(None),
            Response::Evidence(Some((
                Bytes::from_static(b"one"),
                Bytes::from_static(b"other"),
            ))),
            Response::Copies(Copies {
                notices: vec![Bytes::from_static(b"notice")],
                more: true,
                addresses: vec!["/ip4/192.0.2.1/tcp/1/p2p/x".to_owned()],
            }),
        ];
        for response in all {
            let bytes = response.clone().encode().unwrap();
            assert_eq!(Response::decode(&bytes).unwrap(), response);
        }
    }

    #[test]
    fn long_lists_are_refused() {
        let heads = vec![head(1, None); MAX_HEADS + 1];
        let long = Response::Heads(Heads {
            heads,
            ..Heads::default()
        });
        let refused = Response::decode(&long.encode().unwrap());
        assert!(matches!(
            refused,
            Err(WireError::TooLong { field: "heads", .. })
        ));
        let long = Response::Heads(Heads {
            mark: Some(Mark(vec![0; MAX_MARK + 1].into())),
            ..Heads::default()
        });
        assert!(Response::decode(&long.encode().unwrap()).is_err());
        let long = Response::Peers(vec!["x".repeat(MAX_ADDRESS + 1)]);
        assert!(Response::decode(&long.encode().unwrap()).is_err());
        let long = Response::Copies(Copies {
            notices: vec![Bytes::new(); MAX_NOTICES + 1],
            ..Copies::default()
        });
        assert!(Response::decode(&long.encode().unwrap()).is_err());
        let long = Request::Feeds {
            feeds: vec![(publisher(1), 0); MAX_FEEDS + 1],
            max_bytes: 1,
        };
        assert!(Request::decode(&long.encode().unwrap()).is_err());
        let many = Since {
            announcements: vec![Bytes::new(); MAX_ANNOUNCEMENTS],
            ..Since::default()
        };
        let long = Response::Feeds(vec![many, Since::default()]);
        assert!(Response::decode(&long.clone().encode().unwrap()).is_ok());
        let Response::Feeds(mut more) = long else {
            panic!("feeds");
        };
        more[1].announcements.push(Bytes::new());
        assert!(Response::decode(&Response::Feeds(more).encode().unwrap()).is_err());
        let long = Request::Notices(vec![Bytes::new(); MAX_NOTICES + 1]);
        assert!(Request::decode(&long.encode().unwrap()).is_err());
    }

    /// As the first version wrote and read it.
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum First {
        Heads {
            after: Option<()>,
            more: Option<bool>,
        },
    }

    #[test]
    fn a_node_that_knows_no_marks_is_understood_and_understands() {
        let asked = First::Heads {
            after: None,
            more: None,
        };
        let bytes = serde_ipld_dagcbor::to_vec(&asked).unwrap();
        let read = Request::decode(&bytes).unwrap();
        let (after, since) = (None, None);
        assert_eq!(read, Request::Heads { after, since });

        let since = Some(Mark(Bytes::from_static(b"then")));
        let bytes = Request::Heads { after: None, since }.encode().unwrap();
        assert_eq!(
            serde_ipld_dagcbor::from_slice::<First>(&bytes).unwrap(),
            asked
        );
        let answer = Response::decode(b"\xa1\x65heads\xa2\x65heads\x80\x64more\xf4").unwrap();
        assert_eq!(answer, Response::Heads(Heads::default()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let _ = Request::decode(&bytes);
            let _ = Response::decode(&bytes);
        }

        #[test]
        fn a_damaged_message_is_read_or_refused(at in 0usize..60, flip: u8) {
            let request = Request::Since { publisher: publisher(1), from: 1, max_bytes: 2 };
            let mut bytes = request.encode().unwrap().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            let _ = Request::decode(&bytes);
        }
    }
}
