//! The documents of the Pinning Service API, as they are sent and read.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use cidcast_catalog::{PinRequest, RequestState};
use cidcast_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name of a pin, in characters.
pub const MAX_NAME: usize = 255;
/// Most origins of one pin.
pub const MAX_ORIGINS: usize = 20;
/// Most pins in one answer.
pub const MAX_PAGE: u32 = 1000;
/// Pins in one answer, if nobody says how many.
pub const PAGE: u32 = 10;
/// Most CIDs that one list may ask for.
pub const MAX_CIDS: usize = 10;

/// What is to be pinned (`Pin`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PsaPin)]
pub struct PinObject {
    /// The root's CID.
    pub cid: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Multiaddresses of peers that have it.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub origins: Vec<String>,
    /// Whatever the client wants to remember.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub meta: BTreeMap<String, String>,
}

/// How a request stands (`PinStatus`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PsaPinStatus)]
pub struct PinStatus {
    /// Names the request.
    pub requestid: String,
    /// queued, pinning, pinned or failed.
    pub status: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// What was asked for.
    pub pin: PinObject,
    /// Multiaddresses that the client may connect to, so that the service finds the blocks.
    pub delegates: Vec<String>,
    /// What else the service says; `status_details` is for people.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub info: BTreeMap<String, serde_json::Value>,
}

/// A page of requests (`PinResults`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PsaPinResults)]
pub struct PinResults {
    /// How many there are, listed or not.
    pub count: u64,
    /// The newest first.
    pub results: Vec<PinStatus>,
}

/// Why a request was refused (`Failure`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PsaFailure)]
pub struct Failure {
    /// What went wrong.
    pub error: Reason,
}

/// What of it is for programs, and what for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PsaReason)]
pub struct Reason {
    /// In capitals, for programs.
    pub reason: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

impl PinStatus {
    /// A request as it is shown.
    pub fn of(request: PinRequest, delegates: Vec<String>) -> Self {
        let PinRequest {
            id,
            wanted,
            created,
            state,
            error,
        } = request;
        let details = error.map(|error| ("status_details".to_owned(), error.into()));
        Self {
            requestid: id.to_string(),
            status: state.as_str().to_owned(),
            created: to_rfc3339(created),
            pin: PinObject {
                cid: wanted.cid.to_string(),
                name: wanted.name,
                origins: wanted.origins,
                meta: wanted.meta,
            },
            delegates,
            info: details.into_iter().collect(),
        }
    }

    /// Where it stands, if that is one of the four.
    pub fn state(&self) -> Option<RequestState> {
        self.status.parse().ok()
    }
}

/// A time as RFC 3339 with milliseconds, which is how exactly it is kept.
pub fn to_rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let at = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC);
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads RFC 3339; parts of a millisecond are cut off.
///
/// # Errors
/// What is wrong with the text.
pub fn from_rfc3339(text: &str) -> Result<Timestamp, chrono::ParseError> {
    let at = DateTime::parse_from_rfc3339(text)?;
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    Ok(Timestamp::from_millis(millis))
}

/// Clients send `null` for what they leave out.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_reads_with_what_is_left_out_left_out_or_null() {
        for json in [
            r#"{"cid":"bafy"}"#,
            r#"{"cid":"bafy","name":null,"origins":null,"meta":null}"#,
        ] {
            let pin: PinObject = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&pin).unwrap(), r#"{"cid":"bafy"}"#);
        }
    }

    #[test]
    fn times_are_written_to_the_millisecond_and_read_from_any_zone() {
        let at = Timestamp::from_millis(1_595_849_373_001);
        assert_eq!(to_rfc3339(at), "2020-07-27T11:29:33.001Z");
        for text in ["2020-07-27T11:29:33.001Z", "2020-07-27T13:29:33.0019+02:00"] {
            assert_eq!(from_rfc3339(text), Ok(at));
        }
        assert!(from_rfc3339("yesterday").is_err());
        let _ = to_rfc3339(Timestamp::from_millis(u64::MAX));
    }
}
