//! Everything that the API refuses, and how it says so: RFC 9457 problem documents.
//!
//! The `type` of a document is `urn:cidcast:problem:<code>`; codes are stable API. This is the
//! only place where an error of the node becomes an HTTP status. A failure inside the node goes
//! to the log and is not told to the client.

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The media type of problem documents.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was refused.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    headers: HeaderMap,
}

/// A problem document as it is sent and read (RFC 9457 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Document {
    /// `urn:cidcast:problem:<code>`; programs compare this.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What kind of problem, for people.
    pub(crate) title: String,
}

/// The full `type` of a code.
pub(crate) fn type_of(code: &str) -> String {
    format!("urn:cidcast:problem:{code}")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            kind: type_of(self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut headers = self.headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        (self.status, headers, body).into_response()
    }
}
