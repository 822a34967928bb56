//! Everything that the gateway refuses, and how it says so: RFC 9457 problem documents.
//!
//! The `type` of a document is `urn:cidcast:problem:<code>`; codes are stable API. Details name
//! what the client asked for, never what is inside the node: internals go to the log.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cidcast_types::Cid;
use serde::Serialize;

/// The media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which a player should ask again for a playlist that is not there yet.
const NOT_YET_RETRY: u64 = 2;

/// Seconds after which a client should come back to a node that is at its limit.
const BUSY_RETRY: u64 = 1;

/// Why a request was not answered with content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The first path segment is not a CID.
    #[error("`{text}` is not a CID ({reason}): a CID looks like bafybei… or Qm…")]
    BadCid {
        /// What was given, shortened.
        text: String,
        /// What the parser said.
        reason: String,
    },
    /// Not an asset id and not a CID.
    #[error("`{text}` is neither an asset id (26 characters) nor a CID")]
    BadSubject {
        /// What was given, shortened.
        text: String,
    },
    /// Not the key of a publisher.
    #[error("`{text}` is not a publisher's key: it looks like k51…")]
    BadPublisher {
        /// What was given, shortened.
        text: String,
    },
    /// Nothing of this publisher is known.
    #[error("nothing of {publisher} is known on this node")]
    UnknownPublisher {
        /// Its key.
        publisher: String,
    },
    /// Not a URL for which there is a player.
    #[error("`{text}` is not the URL of a player or watch page of this node")]
    BadUrl {
        /// What was given, shortened.
        text: String,
    },
    /// A form of answer that oEmbed has a status of its own for.
    #[error("the format `{format}` is not offered: use json or xml")]
    NotImplemented {
        /// What was asked for, shortened.
        format: String,
    },
    /// The path cannot be read.
    #[error("the path cannot be read: {reason}")]
    BadPath {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A query parameter or `Accept` header asks for something this gateway does not produce.
    #[error("the format `{format}` is not offered: leave it out, or ask for format=raw")]
    UnsupportedFormat {
        /// What was asked for, shortened.
        format: String,
    },
    /// The content is not here, or not for this caller: both read the same on purpose.
    #[error(
        "{cid} is not available here. If it is private, send a token: `Authorization: Bearer …` \
         or `?token=…`"
    )]
    NotHere {
        /// The root that was asked for.
        cid: Cid,
    },
    /// No such asset, or not for this caller: both read the same on purpose.
    #[error(
        "there is no asset {id} here. If it is private, send a token: `Authorization: Bearer …` \
         or `?token=…`"
    )]
    UnknownAsset {
        /// The id that was asked for.
        id: String,
    },
    /// A block below an available root is missing.
    #[error("a part of this content is not on this node: {cid}")]
    Incomplete {
        /// The missing block.
        cid: Cid,
    },
    /// Nobody gave a block in time.
    #[error(
        "{cid} is not on this node and no peer gave it in time: try again, or connect the node to a \
         peer that has it"
    )]
    Unreachable {
        /// The missing block.
        cid: Cid,
    },
    /// Content that arrives cannot be kept for the time of its reading.
    #[error("the node's disk is full, so that it cannot fetch this content: try again later")]
    NoSpace,
    /// A directory has no such entry.
    #[error("no link named `{segment}` under {parent}")]
    NoSuchName {
        /// The missing name, shortened.
        segment: String,
        /// The directory that was searched.
        parent: Cid,
    },
    /// The node's codec cannot be shown as a file or directory.
    #[error("{cid} is not a UnixFS file or directory: ask for its block with format=raw")]
    NotUnixfs {
        /// What was asked for.
        cid: Cid,
    },
    /// The bytes of a block are not what their codec promises, or exceed a limit.
    #[error("{cid} cannot be read as UnixFS: its data is malformed or too large")]
    Malformed {
        /// The content.
        cid: Cid,
    },
    /// Playback was asked for before the first segment of each rendition exists.
    #[error("this asset is still being prepared: try again in {NOT_YET_RETRY} seconds")]
    NotYet,
    /// The asset's job has failed: nothing further will appear.
    #[error("this asset could not be prepared for playback: its owner can see why and retry")]
    AssetFailed,
    /// A token was sent and it is not valid.
    #[error("the token is not valid or has expired: ask for a new one")]
    BadToken,
    /// The `Host` header is not one this gateway answers to.
    #[error("this host name is not served here: use localhost, or configure it as a public host")]
    ForeignHost,
    /// The request target is longer than the limit.
    #[error("the request target is too long: at most {limit} bytes")]
    UriTooLong {
        /// In bytes.
        limit: usize,
    },
    /// The requested bytes lie outside the content.
    #[error("the range lies outside of the content: it has {bytes} bytes")]
    RangeNotSatisfiable {
        /// Size of the content.
        bytes: u64,
    },
    /// Too many requests are being answered.
    #[error("the node is busy: try again in {BUSY_RETRY} second")]
    Busy,
    /// A block did not arrive in time.
    #[error("the content did not arrive in time: try again")]
    TooSlow,
    /// Nothing is served at this path.
    #[error("nothing is served here: content is under /ipfs/{{cid}}, playback under /play/{{id}}")]
    NoRoute,
    /// Only reading is possible.
    #[error("the gateway only reads: use GET, HEAD or OPTIONS")]
    MethodNotAllowed,
    /// Something failed inside; the log says what.
    #[error("something failed inside the node: its log says what")]
    Internal,
}

/// The document as it is sent.
#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
}

impl Problem {
    /// Status, stable code and title, side by side.
    fn parts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadCid { .. } => (S::BAD_REQUEST, "bad-cid", "Not a CID"),
            Self::BadSubject { .. } => (S::BAD_REQUEST, "bad-subject", "Not an asset id or CID"),
            Self::BadPublisher { .. } => (S::BAD_REQUEST, "bad-publisher", "Not a publisher"),
            Self::UnknownPublisher { .. } => {
                (S::NOT_FOUND, "unknown-publisher", "Unknown publisher")
            }
            Self::BadUrl { .. } => (S::NOT_FOUND, "bad-url", "No player for this URL"),
            Self::NotImplemented { .. } => (
                S::NOT_IMPLEMENTED,
                "not-implemented",
                "Format not implemented",
            ),
            Self::BadPath { .. } => (S::BAD_REQUEST, "bad-path", "Unreadable path"),
            Self::UnsupportedFormat { .. } => (
                S::NOT_ACCEPTABLE,
                "unsupported-format",
                "Format not offered",
            ),
            Self::NotHere { .. } => (S::NOT_FOUND, "not-here", "Not available here"),
            Self::UnknownAsset { .. } => (S::NOT_FOUND, "unknown-asset", "No such asset"),
            Self::Unreachable { .. } => (S::GATEWAY_TIMEOUT, "unreachable", "Nobody has it"),
            Self::NoSpace => (S::INSUFFICIENT_STORAGE, "no-space", "Disk full"),
            Self::Incomplete { .. } => (S::NOT_FOUND, "incomplete", "Content is incomplete"),
            Self::NoSuchName { .. } => (S::NOT_FOUND, "no-such-name", "No such entry"),
            Self::NotUnixfs { .. } => (S::NOT_ACCEPTABLE, "not-unixfs", "Not a file or directory"),
            Self::Malformed { .. } => (S::BAD_GATEWAY, "malformed", "Malformed content"),
            Self::NotYet => (S::SERVICE_UNAVAILABLE, "not-yet", "Not playable yet"),
            Self::AssetFailed => (S::NOT_FOUND, "asset-failed", "Asset failed"),
            Self::BadToken => (S::UNAUTHORIZED, "bad-token", "Token refused"),
            Self::ForeignHost => (S::MISDIRECTED_REQUEST, "foreign-host", "Host not served"),
            Self::UriTooLong { .. } => (S::URI_TOO_LONG, "uri-too-long", "Request too long"),
            Self::RangeNotSatisfiable { .. } => (
                S::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "Range outside of content",
            ),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy"),
            Self::TooSlow => (S::GATEWAY_TIMEOUT, "too-slow", "Content too slow"),
            Self::NoRoute => (S::NOT_FOUND, "no-route", "Nothing here"),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.parts().0
    }

    /// The stable last part of `type`.
    pub fn code(&self) -> &'static str {
        self.parts().1
    }

    /// Headers that belong to the refusal itself.
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::NotYet => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(NOT_YET_RETRY));
            }
            Self::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(BUSY_RETRY));
            }
            Self::BadToken => {
                let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Self::MethodNotAllowed => {
                headers.insert(
                    header::ALLOW,
                    HeaderValue::from_static("GET, HEAD, OPTIONS"),
                );
            }
            Self::RangeNotSatisfiable { bytes } => {
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{bytes}")) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
            }
            _ => {}
        }
        headers
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.parts();
        let document = Document {
            r#type: format!("urn:cidcast:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
        };
        // Plain strings and a number: this cannot fail, and an empty body is still an answer.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut headers = self.headers();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        // A refusal may be over in a moment (a pin arrives, an asset becomes public).
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (status, headers, body).into_response()
    }
}

/// The first characters of what a client sent, for repeating in a detail.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_is_a_document_with_a_stable_type() {
        let response = Problem::NotYet.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
        assert_eq!(response.headers()["retry-after"], "2");
        let body = axum::body::to_bytes(response.into_body(), 4096)
            .await
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "urn:cidcast:problem:not-yet");
        assert_eq!(json["status"], 503);
        assert!(json["detail"].as_str().unwrap().contains("try again"));
    }
}
