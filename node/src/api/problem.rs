//! Everything that the API refuses, and how it says so: RFC 9457 problem documents.
//!
//! The `type` of a document is `urn:cidcast:problem:<code>`; codes are stable API. This is the
//! only place where an error of the node becomes an HTTP status. A failure inside the node goes
//! to the log and is not told to the client.

use std::fmt::Display;

use axum::Extension;
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
    /// Boxed: a map is large, and most problems have none.
    headers: Box<HeaderMap>,
}

/// A problem document as it is sent and read (RFC 9457 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Document {
    /// `urn:cidcast:problem:<code>`; programs compare this.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What kind of problem, for people.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened here and what to do.
    pub(crate) detail: String,
}

impl Problem {
    /// A problem of one kind; `detail` says what happened and what to do.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Display,
    ) -> Self {
        let detail = detail.to_string();
        Self {
            status,
            code,
            title,
            detail,
            headers: Box::default(),
        }
    }

    /// Adds a header that belongs to the refusal itself.
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// A parameter, header or body that cannot be used.
    pub(crate) fn bad_request(detail: impl Display) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad-request",
            "Request not understood",
            detail,
        )
    }

    /// Values that are well-formed but out of bounds.
    pub(crate) fn invalid(detail: impl Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Value not accepted",
            detail,
        )
    }

    /// The thing asked for is not here.
    pub(crate) fn not_found(detail: impl Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The thing is in a state that does not allow this.
    pub(crate) fn conflict(code: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::CONFLICT, code, "Not possible now", detail)
    }

    /// No or no valid token.
    pub(crate) fn unauthorized(detail: impl Display) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Token needed",
            detail,
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"cidcast\""),
        )
    }

    /// A valid caller that may not do this.
    pub(crate) fn forbidden(code: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, "Not allowed", detail)
    }

    /// The node is at a limit; the same request works later.
    pub(crate) fn busy(detail: impl Display) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "The node is busy",
            detail,
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(1u64))
    }

    /// No room on the disk.
    pub(crate) fn no_space(detail: impl Display) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "no-space",
            "Not enough free space",
            detail,
        )
        .closing()
    }

    /// Too many bytes.
    pub(crate) fn too_large(detail: impl Display) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "Too large",
            detail,
        )
        .closing()
    }

    /// The rest of the body will not be read, so the connection is of no more use: a client that
    /// is not told would lose its next request on it (RFC 9110 §15.5.14).
    fn closing(self) -> Self {
        self.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// Something failed inside: logged here, and nowhere else.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            causes = format!("{causes}: {cause}");
            next = cause.source();
        }
        tracing::error!(error = causes, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "something failed inside the node: its log says what",
        )
    }
}

/// The full `type` of a code.
pub(crate) fn type_of(code: &str) -> String {
    format!("urn:cidcast:problem:{code}")
}

impl Problem {
    /// What is sent of it.
    pub(crate) fn document(&self) -> Document {
        Document {
            kind: type_of(self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document();
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut headers = *self.headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Beside the body, for whoever has to say it in another form.
        (self.status, headers, Extension(document), body).into_response()
    }
}
