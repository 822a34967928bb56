//! The protocol names, and what follows from the one that was agreed on.

use std::array;
use std::convert::Infallible;
use std::future::{Ready, ready};

use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade};
use libp2p::swarm::{Stream, StreamProtocol};

use crate::message::Dialect;

const CURRENT: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
const WITHOUT_PRESENCES: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.1.0");

/// Agrees on a version of Bitswap, the newer one first.
#[derive(Debug, Clone, Copy)]
pub struct Bitswap;

impl Bitswap {
    /// Whether a protocol that a peer names is one of ours.
    pub(super) fn is_spoken(protocol: &StreamProtocol) -> bool {
        *protocol == CURRENT || *protocol == WITHOUT_PRESENCES
    }
}

impl UpgradeInfo for Bitswap {
    type Info = StreamProtocol;
    type InfoIter = array::IntoIter<StreamProtocol, 2>;

    fn protocol_info(&self) -> Self::InfoIter {
        [CURRENT, WITHOUT_PRESENCES].into_iter()
    }
}

impl InboundUpgrade<Stream> for Bitswap {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for Bitswap {
    type Output = (Stream, Dialect);
    type Error = Infallible;
    type Future = Ready<Result<(Stream, Dialect), Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        let dialect = if protocol == CURRENT {
            Dialect::Current
        } else {
            Dialect::WithoutPresences
        };
        ready(Ok((stream, dialect)))
    }
}
