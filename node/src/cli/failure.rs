//! How a command fails: what happened, why, what to do, and the exit code.

use std::fmt::Display;
use std::process::ExitCode;

use crate::api::{Document, type_of};
use crate::config::{ConfigError, DataDirError};

/// A command did not do what it was told.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// As printed with `--json`; `detail` is what people read.
    document: Document,
}

/// Exit codes; listed in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    NotFound = 4,
    Refused = 5,
}

impl Failure {
    pub(crate) fn new(kind: Kind, code: &str, title: &str, detail: impl Display) -> Self {
        let document = Document {
            kind: type_of(code),
            title: title.to_owned(),
            status: 0,
            detail: detail.to_string(),
        };
        Self { kind, document }
    }

    /// Something on this side failed.
    pub(crate) fn local(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut detail = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            // Many errors repeat their cause in their own text.
            if !detail.contains(&cause.to_string()) {
                detail = format!("{detail}: {cause}");
            }
            next = cause.source();
        }
        Self::new(Kind::Failed, "failed", "Failed", detail)
    }

    /// A file of the user.
    pub(crate) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let detail = format!("cannot {what} {}: {error}", path.display());
        Self::new(Kind::Failed, "file", "File problem", detail)
    }

    /// What was said on the command line cannot be done.
    pub(crate) fn usage(detail: impl Display) -> Self {
        Self::new(Kind::Usage, "usage", "Command not understood", detail)
    }

    /// No node answers.
    pub(crate) fn unreachable(detail: impl Display) -> Self {
        Self::new(Kind::Unreachable, "unreachable", "No node", detail)
    }

    /// What a node answered.
    pub(crate) fn from_node(document: Document) -> Self {
        let kind = match document.status {
            401 | 403 => Kind::Refused,
            404 => Kind::NotFound,
            _ => Kind::Failed,
        };
        Self { kind, document }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether no node answered.
    pub(crate) fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.kind == Kind::Unreachable
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    /// For people.
    pub(crate) fn detail(&self) -> &str {
        &self.document.detail
    }

    /// For programs. Without an HTTP answer there is no status.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(&self.document).unwrap_or_default();
        if let (0, Some(fields)) = (self.document.status, value.as_object_mut()) {
            fields.remove("status");
        }
        value
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(
            Kind::Usage,
            "configuration",
            "Configuration not usable",
            error,
        )
    }
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        Self::local(&error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::local(error.as_ref())
    }
}
