//! The messages as DAG-CBOR has them.

use bytes::Bytes;
use cidcast_announce::{NodeId, Publisher};
use cidcast_types::{AssetId, Cid};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::{
    Copies, Head, Heads, Hello, MAX_ADDRESS, MAX_ANNOUNCEMENTS, MAX_FEEDS, MAX_HEADS, MAX_MARK,
    MAX_NOTICES, MAX_PEERS, MAX_TEXT, Mark, NoticeAnswer, Request, Response, Since, WireError,
};

type Key = ByteArray<32>;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RequestShape {
    Hello(Nothing),
    Heads {
        after: Option<Key>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Bytes>,
    },
    Since {
        publisher: Key,
        from: u64,
        max_bytes: u64,
    },
    Feeds {
        feeds: Vec<(Key, u64)>,
        max_bytes: u64,
    },
    Peers(Nothing),
    Notices {
        notices: Vec<Bytes>,
    },
    BlockList {
        publisher: Key,
    },
    Forked {
        after: Option<Key>,
    },
    Evidence {
        publisher: Key,
    },
    Copies {
        publisher: Key,
        asset: Option<AssetId>,
        after: Option<(AssetId, Key)>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResponseShape {
    Hello {
        agent: String,
        mode: String,
        publisher: Option<Key>,
    },
    Heads {
        heads: Vec<(Key, u64)>,
        /// The last announcement of each, in the same order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        newest: Vec<Cid>,
        more: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mark: Option<Bytes>,
        #[serde(default)]
        together: u64,
    },
    Since(SinceShape),
    Feeds {
        feeds: Vec<SinceShape>,
    },
    Peers {
        addresses: Vec<String>,
    },
    Notices {
        answers: Vec<AnswerShape>,
    },
    BlockList {
        list: Option<Bytes>,
    },
    Forked {
        publishers: Vec<Key>,
        more: bool,
    },
    Evidence {
        pair: Option<(Bytes, Bytes)>,
    },
    Copies {
        notices: Vec<Bytes>,
        more: bool,
        addresses: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
pub(super) struct SinceShape {
    announcements: Vec<Bytes>,
    newest: Option<Bytes>,
    snapshot: Option<Bytes>,
}

/// A map without content.
#[derive(Serialize, Deserialize)]
pub(super) struct Nothing {}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AnswerShape {
    Accepted(Nothing),
    Refused { reason: String },
    Later(Nothing),
}

impl RequestShape {
    pub(super) fn of(request: Request) -> Self {
        match request {
            Request::Hello => Self::Hello(Nothing {}),
            Request::Heads { after, since } => Self::Heads {
                after: after.as_ref().map(key),
                since: since.map(|mark| mark.0),
            },
            Request::Since {
                publisher,
                from,
                max_bytes,
            } => Self::Since {
                publisher: key(&publisher),
                from,
                max_bytes,
            },
            Request::Feeds { feeds, max_bytes } => Self::Feeds {
                feeds: feeds
                    .iter()
                    .map(|(publisher, from)| (key(publisher), *from))
                    .collect(),
                max_bytes,
            },
            Request::Peers => Self::Peers(Nothing {}),
            Request::Notices(notices) => Self::Notices { notices },
            Request::BlockList { publisher } => Self::BlockList {
                publisher: key(&publisher),
            },
            Request::Forked { after } => Self::Forked {
                after: after.as_ref().map(key),
            },
            Request::Evidence { publisher } => Self::Evidence {
                publisher: key(&publisher),
            },
            Request::Copies {
                publisher,
                asset,
                after,
            } => Self::Copies {
                publisher: key(&publisher),
                asset,
                after: after.map(|(asset, node)| (asset, ByteArray::new(*node.as_bytes()))),
            },
        }
    }

    pub(super) fn read(self) -> Result<Request, WireError> {
        Ok(match self {
            Self::Hello(_) => Request::Hello,
            Self::Heads { after, since } => Request::Heads {
                after: after.map(publisher).transpose()?,
                since: since.map(mark).transpose()?,
            },
            Self::Since {
                publisher: key,
                from,
                max_bytes,
            } => Request::Since {
                publisher: publisher(key)?,
                from,
                max_bytes,
            },
            Self::Feeds { feeds, max_bytes } => {
                at_most("feeds", feeds.len(), MAX_FEEDS)?;
                let feeds = feeds.into_iter();
                let feeds = feeds.map(|(key, from)| Ok::<_, WireError>((publisher(key)?, from)));
                Request::Feeds {
                    feeds: feeds.collect::<Result<_, _>>()?,
                    max_bytes,
                }
            }
            Self::Peers(_) => Request::Peers,
            Self::Notices { notices } => {
                at_most("notices", notices.len(), MAX_NOTICES)?;
                Request::Notices(notices)
            }
            Self::BlockList { publisher: key } => Request::BlockList {
                publisher: publisher(key)?,
            },
            Self::Forked { after } => Request::Forked {
                after: after.map(publisher).transpose()?,
            },
            Self::Evidence { publisher: key } => Request::Evidence {
                publisher: publisher(key)?,
            },
            Self::Copies {
                publisher: key,
                asset,
                after,
            } => Request::Copies {
                publisher: publisher(key)?,
                asset,
                after: after
                    .map(|(asset, node)| {
                        let node = NodeId::from_bytes(node.as_slice())?;
                        Ok::<_, WireError>((asset, node))
                    })
                    .transpose()?,
            },
        })
    }
}

impl ResponseShape {
    pub(super) fn of(response: Response) -> Self {
        match response {
            Response::Hello(hello) => Self::Hello {
                agent: hello.agent,
                mode: hello.mode,
                publisher: hello.publisher.as_ref().map(key),
            },
            Response::Heads(Heads {
                heads,
                more,
                mark,
                together,
            }) => Self::Heads {
                heads: heads
                    .iter()
                    .map(|head| (key(&head.publisher), head.count))
                    .collect(),
                newest: heads.iter().map_while(|head| head.newest).collect(),
                more,
                mark: mark.map(|mark| mark.0),
                together,
            },
            Response::Since(since) => Self::Since(SinceShape::of(since)),
            Response::Feeds(feeds) => Self::Feeds {
                feeds: feeds.into_iter().map(SinceShape::of).collect(),
            },
            Response::Peers(addresses) => Self::Peers { addresses },
            Response::Notices(answers) => Self::Notices {
                answers: answers.into_iter().map(AnswerShape::of).collect(),
            },
            Response::BlockList(list) => Self::BlockList { list },
            Response::Forked { publishers, more } => Self::Forked {
                publishers: publishers.iter().map(key).collect(),
                more,
            },
            Response::Evidence(pair) => Self::Evidence { pair },
            Response::Copies(copies) => Self::Copies {
                notices: copies.notices,
                more: copies.more,
                addresses: copies.addresses,
            },
        }
    }

    pub(super) fn read(self) -> Result<Response, WireError> {
        Ok(match self {
            Self::Hello {
                agent,
                mode,
                publisher: key,
            } => {
                at_most("agent", agent.len(), MAX_TEXT)?;
                at_most("mode", mode.len(), MAX_TEXT)?;
                let publisher = key.map(publisher).transpose()?;
                Response::Hello(Hello {
                    agent,
                    mode,
                    publisher,
                })
            }
            Self::Heads {
                heads: counts,
                newest,
                more,
                mark: told,
                together,
            } => Response::Heads(Heads {
                heads: heads(counts, newest)?,
                more,
                mark: told.map(mark).transpose()?,
                together,
            }),
            Self::Since(since) => {
                at_most(
                    "announcements",
                    since.announcements.len(),
                    MAX_ANNOUNCEMENTS,
                )?;
                Response::Since(since.read())
            }
            Self::Feeds { feeds } => {
                at_most("feeds", feeds.len(), MAX_FEEDS)?;
                let count = feeds.iter().map(|feed| feed.announcements.len()).sum();
                at_most("announcements", count, MAX_ANNOUNCEMENTS)?;
                Response::Feeds(feeds.into_iter().map(SinceShape::read).collect())
            }
            Self::Peers { addresses } => {
                check_addresses(&addresses)?;
                Response::Peers(addresses)
            }
            Self::Notices { answers } => {
                at_most("answers", answers.len(), MAX_NOTICES)?;
                let answers = answers.into_iter().map(AnswerShape::read);
                Response::Notices(answers.collect::<Result<_, _>>()?)
            }
            Self::BlockList { list } => Response::BlockList(list),
            Self::Forked { publishers, more } => {
                at_most("publishers", publishers.len(), MAX_HEADS)?;
                let publishers = publishers.into_iter().map(publisher);
                let publishers = publishers.collect::<Result<_, _>>()?;
                Response::Forked { publishers, more }
            }
            Self::Evidence { pair } => Response::Evidence(pair),
            Self::Copies {
                notices,
                more,
                addresses,
            } => copies(notices, more, addresses)?,
        })
    }
}

impl SinceShape {
    fn of(since: Since) -> Self {
        let Since {
            announcements,
            newest,
            snapshot,
        } = since;
        Self {
            announcements,
            newest,
            snapshot,
        }
    }

    fn read(self) -> Since {
        let Self {
            announcements,
            newest,
            snapshot,
        } = self;
        Since {
            announcements,
            newest,
            snapshot,
        }
    }
}

impl AnswerShape {
    fn of(answer: NoticeAnswer) -> Self {
        match answer {
            NoticeAnswer::Accepted => Self::Accepted(Nothing {}),
            NoticeAnswer::Refused { reason } => Self::Refused { reason },
            NoticeAnswer::Later => Self::Later(Nothing {}),
        }
    }

    fn read(self) -> Result<NoticeAnswer, WireError> {
        Ok(match self {
            Self::Accepted(_) => NoticeAnswer::Accepted,
            Self::Refused { reason } => {
                at_most("reason", reason.len(), MAX_TEXT)?;
                NoticeAnswer::Refused { reason }
            }
            Self::Later(_) => NoticeAnswer::Later,
        })
    }
}

impl From<Hello> for Response {
    fn from(hello: Hello) -> Self {
        Self::Hello(hello)
    }
}

impl From<Since> for Response {
    fn from(since: Since) -> Self {
        Self::Since(since)
    }
}

fn key(publisher: &Publisher) -> Key {
    ByteArray::new(*publisher.as_bytes())
}

fn publisher(key: Key) -> Result<Publisher, WireError> {
    Ok(Publisher::from_bytes(key.as_slice())?)
}

fn mark(bytes: Bytes) -> Result<Mark, WireError> {
    at_most("mark", bytes.len(), MAX_MARK)?;
    Ok(Mark(bytes))
}

fn heads(counts: Vec<(Key, u64)>, newest: Vec<Cid>) -> Result<Vec<Head>, WireError> {
    at_most("heads", counts.len(), MAX_HEADS)?;
    at_most("newest", newest.len(), counts.len())?;
    let newest = newest.into_iter().map(Some).chain(std::iter::repeat(None));
    let heads = counts.into_iter().zip(newest);
    let read = |((key, count), newest)| {
        Ok(Head {
            publisher: publisher(key)?,
            count,
            newest,
        })
    };
    heads.map(read).collect()
}

fn copies(notices: Vec<Bytes>, more: bool, addresses: Vec<String>) -> Result<Response, WireError> {
    at_most("notices", notices.len(), MAX_NOTICES)?;
    check_addresses(&addresses)?;
    Ok(Response::Copies(Copies {
        notices,
        more,
        addresses,
    }))
}

fn check_addresses(addresses: &[String]) -> Result<(), WireError> {
    at_most("addresses", addresses.len(), MAX_PEERS)?;
    let mut all = addresses.iter();
    all.try_for_each(|address| at_most("addresses", address.len(), MAX_ADDRESS))
}

fn at_most(field: &'static str, length: usize, most: usize) -> Result<(), WireError> {
    if length <= most {
        return Ok(());
    }
    Err(WireError::TooLong {
        field,
        length,
        most,
    })
}
