//! Errors of the crates below as problems.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use cidcast_catalog::{BlockedError, CatalogError, ChangeError, FollowError};
use cidcast_discovery::feeds::OwnError;
use cidcast_discovery::trust::{BlockError, ListError};
use cidcast_ingest::{AboutError, EditError, RemoveError, RetryError, UploadError};
use cidcast_ipfs::swarm::{ConnectError, DisconnectError, PingError};

use super::peers::{unanswered, unreachable};
use super::problem::Problem;

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match &error {
            CatalogError::DiskFull(_) => Self::no_space(&error),
            CatalogError::Busy(_) | CatalogError::Closed => Self::busy(&error),
            _ => Self::internal(&error),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NoSuchAsset(_) => Self::not_found(error),
            ChangeError::WrongState { .. } => Self::conflict("wrong-state", error),
            ChangeError::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<cidcast_catalog::UploadError> for Problem {
    fn from(error: cidcast_catalog::UploadError) -> Self {
        use cidcast_catalog::UploadError as Refused;
        match error {
            Refused::NoSuchUpload(_) => Self::not_found(error),
            Refused::OffsetOutOfRange { .. } => Self::conflict("offset-conflict", error),
            Refused::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<AboutError> for Problem {
    fn from(error: AboutError) -> Self {
        Self::invalid(error)
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound(_) => Self::not_found(error),
            EditError::About(about) => about.into(),
            EditError::Catalog(catalog) => catalog.into(),
            EditError::Change(change) => change.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<RetryError> for Problem {
    fn from(error: RetryError) -> Self {
        match error {
            RetryError::NotFound(_) => Self::not_found(error),
            RetryError::NotFailed(_) => Self::conflict("not-failed", error),
            RetryError::Catalog(catalog) => catalog.into(),
            RetryError::Change(change) => change.into(),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::NotFound(_) => Self::not_found(error),
            RemoveError::StillRunning(_) => Self::busy(error),
            RemoveError::Catalog(catalog) => catalog.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        use StatusCode as S;
        match error {
            UploadError::NotFound(_) => Self::not_found(error),
            UploadError::Busy(_) => Self::new(S::LOCKED, "upload-busy", "Upload in use", error),
            UploadError::OffsetConflict { .. } => Self::conflict("offset-conflict", error),
            UploadError::Empty => Self::invalid(error),
            UploadError::TooLarge { .. } | UploadError::OverLength { .. } => Self::too_large(error),
            UploadError::NoSpace { .. } => Self::no_space(error),
            UploadError::WrongChecksum => checksum_mismatch(&error),
            UploadError::BrokenOff => Self::bad_request(error),
            UploadError::About(about) => about.into(),
            UploadError::Catalog(catalog) => catalog.into(),
            UploadError::Record(record) => record.into(),
            UploadError::Stopping => Self::busy(error),
            UploadError::Disk(_) => Self::internal(&error),
        }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Address(address) => Self::bad_request(address),
            // What the transport says is about the other side, and helps.
            ConnectError::Dial { ref source, .. } => unreachable(format!("{error} ({source})")),
            ConnectError::Slow { .. } => unanswered(error.to_string()),
        }
    }
}

impl From<DisconnectError> for Problem {
    fn from(error: DisconnectError) -> Self {
        match error {
            DisconnectError::NotConnected { .. } => Self::not_found(error),
            DisconnectError::Swarm { .. } => Self::internal(&error),
        }
    }
}

impl From<PingError> for Problem {
    fn from(error: PingError) -> Self {
        match error {
            PingError::NotConnected { .. } => Self::not_found(error),
            PingError::NoStream { .. } | PingError::Broken { .. } => unreachable(error.to_string()),
            PingError::Slow { .. } => unanswered(error.to_string()),
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::NoSuchFollow(_) => Self::not_found(error),
            FollowError::Already { .. } => Self::conflict("already-followed", error),
            FollowError::NothingOffered(_) => Self::conflict("nothing-offered", error),
            FollowError::Full => Self::conflict("full", error),
            FollowError::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<BlockedError> for Problem {
    fn from(error: BlockedError) -> Self {
        match error {
            BlockedError::NoSuchList(_) => Self::not_found(error),
            BlockedError::Older { .. } => Self::conflict("older", error),
            BlockedError::Full | BlockedError::TooManyLists => Self::conflict("full", error),
            BlockedError::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<BlockError> for Problem {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Oneself(_) | BlockError::OwnPublisher(_) => {
                Self::conflict("oneself", error)
            }
            BlockError::Rows(rows) => rows.into(),
            BlockError::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Sign(_) | ListError::Verify(_) | ListError::OtherAuthor { .. } => {
                Self::invalid(error)
            }
            ListError::Nobody { .. } => Self::not_found(error),
            ListError::Rows(rows) => rows.into(),
            ListError::Catalog(catalog) => catalog.into(),
        }
    }
}

impl From<OwnError> for Problem {
    fn from(error: OwnError) -> Self {
        match error {
            OwnError::NotReady(_) => Self::conflict("not-ready", error),
            OwnError::Off => Self::conflict("off", error),
            OwnError::Sign(_) => Self::invalid(error),
            OwnError::Catalog(catalog) => catalog.into(),
            other => Self::internal(&other),
        }
    }
}

/// tus 1.0, "Checksum": status 460.
fn checksum_mismatch(error: &UploadError) -> Problem {
    let status = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
    Problem::new(status, "checksum-mismatch", "Checksum differs", error)
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(rejection.body_text()),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Media type not accepted",
                "send JSON with content-type: application/json",
            ),
            _ => Self::bad_request(rejection.body_text()),
        }
    }
}
