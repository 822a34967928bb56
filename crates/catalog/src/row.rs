//! Rows of `assets` and the values that they hold.

use std::str::FromStr;

use cidcast_media::plan::Plan;
use cidcast_types::{AssetState, Timestamp};
use serde_json::Value;
use tracing::warn;

use crate::CatalogError;
use crate::asset::{Asset, Failure, Permanence, Source};

/// One row of `assets`, column by column.
#[derive(Debug)]
pub(crate) struct AssetRow {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: String,
    pub(crate) visibility: String,
    pub(crate) state: String,
    pub(crate) progress: f64,
    pub(crate) speed: Option<f64>,
    pub(crate) failure_code: Option<String>,
    pub(crate) failure_title: Option<String>,
    pub(crate) failure_detail: Option<String>,
    pub(crate) failure_permanent: Option<i64>,
    pub(crate) attempt: i64,
    pub(crate) next_attempt_at: Option<i64>,
    pub(crate) source_name: String,
    pub(crate) source_bytes: i64,
    pub(crate) source_cid: String,
    pub(crate) media: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) plan_key: Option<String>,
    pub(crate) root: Option<String>,
    pub(crate) package_bytes: Option<i64>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

impl AssetRow {
    pub(crate) fn into_asset(self) -> Result<Asset, CatalogError> {
        let state: AssetState = parse("assets.state", &self.state)?;
        Ok(Asset {
            state,
            id: parse("assets.id", &self.id)?,
            tags: tags_from_json(&self.tags)?,
            visibility: parse("assets.visibility", &self.visibility)?,
            progress: narrow(self.progress),
            speed: self.speed.map(narrow),
            failure: failure(
                self.failure_code,
                self.failure_title,
                self.failure_detail,
                self.failure_permanent,
            ),
            attempt: count("assets.attempt", self.attempt)?,
            next_attempt_at: self
                .next_attempt_at
                .map(|at| time("assets.next_attempt_at", at))
                .transpose()?,
            source: Source {
                name: self.source_name,
                bytes: size("assets.source_bytes", self.source_bytes)?,
                cid: parse("assets.source_cid", &self.source_cid)?,
            },
            media: self
                .media
                .and_then(|json| derived("media", serde_json::from_str(&json))),
            plan: self.plan.and_then(|json| plan(state, &json)),
            plan_key: self
                .plan_key
                .map(|key| parse("assets.plan_key", &key))
                .transpose()?,
            root: self
                .root
                .map(|root| parse("assets.root", &root))
                .transpose()?,
            package_bytes: self
                .package_bytes
                .map(|bytes| size("assets.package_bytes", bytes))
                .transpose()?,
            created_at: time("assets.created_at", self.created_at)?,
            updated_at: time("assets.updated_at", self.updated_at)?,
            title: self.title,
            description: self.description,
        })
    }
}

fn failure(
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    permanent: Option<i64>,
) -> Option<Failure> {
    let permanence = if permanent? == 0 {
        Permanence::Retryable
    } else {
        Permanence::Permanent
    };
    Some(Failure {
        code: code?,
        title: title?,
        detail: detail?,
        permanence,
    })
}

/// The plan, if it can still be followed (or, of a settled job, shown).
fn plan(state: AssetState, json: &str) -> Option<Plan> {
    if state.is_settled() {
        return derived("plan", serde_json::from_str(json));
    }
    derived("plan", Plan::from_json(json))
}

/// A document that can be made again from the source: an unreadable one is as good as none.
fn derived<T, E: std::error::Error>(what: &str, read: Result<T, E>) -> Option<T> {
    read.inspect_err(|error| warn!(what, %error, "saved document of another version ignored"))
        .ok()
}

/// Parses a column of text.
pub(crate) fn parse<T>(column: &'static str, text: &str) -> Result<T, CatalogError>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|error| unreadable(column, error))
}

/// Parses a column of JSON.
pub(crate) fn document<T: serde::de::DeserializeOwned>(
    column: &'static str,
    json: &str,
) -> Result<T, CatalogError> {
    serde_json::from_str(json).map_err(|error| unreadable(column, error))
}

/// The JSON that [`document`] reads.
pub(crate) fn to_document<T: serde::Serialize>(
    column: &'static str,
    value: &T,
) -> Result<String, CatalogError> {
    serde_json::to_string(value).map_err(|error| unreadable(column, error))
}

/// A column of bytes or ticks.
pub(crate) fn size(column: &'static str, value: i64) -> Result<u64, CatalogError> {
    u64::try_from(value).map_err(|error| unreadable(column, error))
}

/// A column that counts something.
pub(crate) fn count(column: &'static str, value: i64) -> Result<u32, CatalogError> {
    u32::try_from(value).map_err(|error| unreadable(column, error))
}

/// A column of milliseconds since the epoch.
pub(crate) fn time(column: &'static str, value: i64) -> Result<Timestamp, CatalogError> {
    size(column, value).map(Timestamp::from_millis)
}

/// How SQLite keeps an unsigned number: up to 2^63 - 1, which no size or time of ours reaches.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How SQLite keeps a time.
pub(crate) fn millis(at: Timestamp) -> i64 {
    integer(at.as_millis())
}

/// How tags are kept: a JSON array of strings.
pub(crate) fn tags_to_json(tags: &[String]) -> String {
    Value::from(tags).to_string()
}

fn tags_from_json(json: &str) -> Result<Vec<String>, CatalogError> {
    document("assets.tags", json)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a percentage needs no more than 24 bits"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// A column holds something else than it should.
pub(crate) fn unreadable<E>(column: &'static str, error: E) -> CatalogError
where
    E: std::error::Error + Send + Sync + 'static,
{
    CatalogError::UnreadableRow {
        column,
        source: Box::new(error),
    }
}
