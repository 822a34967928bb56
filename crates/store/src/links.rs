//! Which CIDs a block links to.

use bytes::Bytes;
use cid::Cid;
use ipld_core::codec::Links;
use ipld_dagpb::PbNode;
use serde_ipld_dagcbor::codec::DagCborCodec;

use crate::LinksError;
use crate::key::RAW;

/// The multicodec code of dag-pb.
const DAG_PB: u64 = 0x70;
/// The multicodec code of dag-cbor.
const DAG_CBOR: u64 = 0x71;

/// The links of the block `data` under `cid`, in the order in which they stand in it. The codecs
/// are raw, dag-pb and dag-cbor.
pub fn links(cid: &Cid, data: &Bytes) -> Result<Vec<Cid>, LinksError> {
    match cid.codec() {
        RAW => Ok(Vec::new()),
        DAG_PB => match PbNode::from_bytes(data.clone()) {
            Ok(node) => Ok(node.links.into_iter().map(|link| link.cid).collect()),
            Err(source) => Err(LinksError::DagPb {
                cid: Box::new(*cid),
                source,
            }),
        },
        DAG_CBOR => match DagCborCodec::links(data) {
            Ok(links) => Ok(links.collect()),
            Err(source) => Err(LinksError::DagCbor {
                cid: Box::new(*cid),
                source: Box::new(source),
            }),
        },
        codec => Err(LinksError::UnknownCodec {
            cid: Box::new(*cid),
            codec,
        }),
    }
}

/// Whether a block under this CID can have no links, so that walking need not read it.
pub(crate) fn is_leaf(cid: &Cid) -> bool {
    cid.codec() == RAW
}

#[cfg(test)]
mod tests {
    use ipld_core::ipld::Ipld;
    use multihash_codetable::{Code, MultihashDigest};
    use proptest::prelude::*;

    use super::*;

    fn cid(codec: u64, data: &[u8]) -> Cid {
        Cid::new_v1(codec, Code::Sha2_256.digest(data))
    }

    #[test]
    fn dag_pb_links_come_in_their_order_and_need_no_name() {
        let (a, b) = (cid(RAW, b"a"), cid(RAW, b"b"));
        let link = |cid| ipld_dagpb::PbLink {
            cid,
            name: None,
            size: None,
        };
        let node = PbNode {
            links: vec![link(b), link(a), link(b)],
            data: None,
        };
        let data = Bytes::from(node.into_bytes());
        assert_eq!(links(&cid(DAG_PB, &data), &data).unwrap(), [b, a, b]);
    }

    #[test]
    fn dag_cbor_links_are_found_at_any_depth() {
        let a = cid(RAW, b"a");
        let value = Ipld::List(vec![Ipld::List(vec![Ipld::Link(a)]), Ipld::Integer(7)]);
        let data = Bytes::from(serde_ipld_dagcbor::to_vec(&value).unwrap());
        assert_eq!(links(&cid(DAG_CBOR, &data), &data).unwrap(), [a]);
    }

    #[test]
    fn a_dag_cbor_depth_bomb_is_an_error_and_not_a_crash() {
        let data = Bytes::from(vec![0x81; 1 << 20]);
        assert!(matches!(
            links(&cid(DAG_CBOR, &data), &data),
            Err(LinksError::DagCbor { .. })
        ));
    }

    #[test]
    fn an_unknown_codec_is_named() {
        let cid = cid(0x0129, b"{}");
        assert!(matches!(
            links(&cid, &Bytes::from_static(b"{}")),
            Err(LinksError::UnknownCodec { codec: 0x0129, .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_link_extraction_panic(data: Vec<u8>) {
            let data = Bytes::from(data);
            for codec in [RAW, DAG_PB, DAG_CBOR] {
                let _ = links(&cid(codec, &data), &data);
            }
        }
    }
}
