//! Content that needs no encoder: one block in a CAR file.

use std::path::Path;

use cid::Cid;
use iroh_car::{CarHeader, CarWriter};
use multihash_codetable::{Code, MultihashDigest as _};

/// The multicodec of raw bytes.
const RAW: u64 = 0x55;

/// Writes a CAR file (version 1) whose root is these bytes; the root's CID.
pub(crate) async fn of_one(bytes: &[u8], to: &Path) -> String {
    let root = Cid::new_v1(RAW, Code::Sha2_256.digest(bytes));
    let header = CarHeader::new_v1(vec![root]);
    let mut writer = CarWriter::new(header, Vec::new());
    writer.write(root, bytes).await.unwrap();
    let car = writer.finish().await.unwrap();
    std::fs::write(to, car).unwrap();
    root.to_string()
}
