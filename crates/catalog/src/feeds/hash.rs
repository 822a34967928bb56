//! CIDs whose version, codec and hash function are always the same, kept as 32 bytes.

use cidcast_types::{Cid, RootCid};

use crate::CatalogError;
use crate::row::unreadable;

const DAG_PB: u8 = 0x70;
const DAG_CBOR: u8 = 0x71;
/// CIDv1, codec, SHA2-256, 32 bytes.
const HEAD: usize = 4;

/// The digest of a CID.
pub(crate) fn digest(cid: &Cid) -> Vec<u8> {
    cid.hash().digest().to_vec()
}

/// The CID of a package.
pub(crate) fn root_cid(column: &'static str, digest: &[u8]) -> Result<RootCid, CatalogError> {
    cid(column, DAG_PB, digest).map(RootCid::new)
}

/// The CID of an announcement or a snapshot segment.
pub(crate) fn announcement_cid(column: &'static str, digest: &[u8]) -> Result<Cid, CatalogError> {
    cid(column, DAG_CBOR, digest)
}

/// Several of them, one after another.
pub(crate) fn split_announcements(
    column: &'static str,
    digests: &[u8],
) -> Result<Vec<Cid>, CatalogError> {
    digests
        .chunks(32)
        .map(|digest| announcement_cid(column, digest))
        .collect()
}

/// What [`split_announcements`] reads.
pub(crate) fn join_announcements(cids: &[Cid]) -> Vec<u8> {
    cids.iter().flat_map(digest).collect()
}

fn cid(column: &'static str, codec: u8, digest: &[u8]) -> Result<Cid, CatalogError> {
    let mut bytes = Vec::with_capacity(HEAD + digest.len());
    bytes.extend([0x01, codec, 0x12, 0x20]);
    bytes.extend(digest);
    Cid::try_from(bytes).map_err(|error| unreadable(column, error))
}
