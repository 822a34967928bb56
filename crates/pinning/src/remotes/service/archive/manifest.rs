//! What says that a root is in object storage, and in which CARs (docs/pinning.md).

use cidcast_catalog::{RemoteAudience, RemotePin};
use cidcast_store::ExportedCar;
use cidcast_types::{Cid, Timestamp};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::CallError;

/// Its name in the folder of a root.
pub(super) const NAME: &str = "manifest.json";
/// What is written. A reader refuses other formats and ignores keys that it does not know.
const FORMAT: &str = "cidcast-archive/1";

/// A root in object storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) root: Cid,
    /// What the pin is called.
    pub(crate) name: String,
    pub(crate) audience: RemoteAudience,
    /// Peer id of the node that wrote it.
    pub(crate) node: String,
    pub(crate) created: Timestamp,
    /// In their order.
    pub(crate) cars: Vec<CarFile>,
}

/// A CAR of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) blocks: u64,
    /// In lower-case hex.
    pub(crate) sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: String,
    root: String,
    name: String,
    audience: String,
    node: String,
    /// Milliseconds since the Unix epoch.
    created: u64,
    cars: Vec<CarFile>,
}

impl CarFile {
    pub(super) fn new(number: u64, car: &ExportedCar) -> Self {
        Self {
            name: format!("{number:05}.car"),
            bytes: car.bytes.len() as u64,
            blocks: car.blocks,
            sha256: sha256(&car.bytes),
        }
    }

    /// Whether `bytes` are this file.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.sha256 == sha256(bytes)
    }
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

impl Manifest {
    pub(super) fn new(pin: &RemotePin, cars: Vec<CarFile>, node: &str, created: Timestamp) -> Self {
        Self {
            root: pin.cid,
            name: pin.name.clone(),
            audience: pin.audience,
            node: node.to_owned(),
            created,
            cars,
        }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&Written {
            format: FORMAT.to_owned(),
            root: self.root.to_string(),
            name: self.name.clone(),
            audience: self.audience.as_str().to_owned(),
            node: self.node.clone(),
            created: self.created.as_millis(),
            cars: self.cars.clone(),
        })
    }

    /// Reads the manifest of `root`.
    pub(super) fn read(json: &[u8], root: &Cid) -> Result<Self, CallError> {
        let unreadable = |why: String| CallError::Manifest { root: *root, why };
        let written: Written =
            serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))?;
        if written.format != FORMAT {
            return Err(unreadable(format!("its format is {}", written.format)));
        }
        if written.root != root.to_string() {
            return Err(unreadable(format!("it is that of {}", written.root)));
        }
        let audience = written.audience.parse();
        Ok(Self {
            root: *root,
            name: written.name,
            audience: audience.map_err(|_| unreadable("its audience is unknown".to_owned()))?,
            node: written.node,
            created: Timestamp::from_millis(written.created),
            cars: written.cars,
        })
    }
}
