//! `/psa`: the IPFS Pinning Service API 1.0, for Kubo, other nodes and whoever else speaks it.
//!
//! What is refused is said in the form of that specification instead of a problem document:
//! [`speak`] translates, whoever refused.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use cidcast_catalog::{NameMatch, RequestError, RequestQuery, Requested};
use cidcast_ipfs::swarm::check_peer;
use cidcast_pinning::service::{AUDIENCE, ServiceError, audience};
use cidcast_pinning::wire::{
    Failure, MAX_CIDS, MAX_NAME, MAX_ORIGINS, MAX_PAGE, PAGE, PinObject, PinResults, PinStatus,
    Reason, from_rfc3339,
};
use cidcast_types::{Cid, PinRequestId, Timestamp};
use utoipa::IntoParams;

use super::extract::{Id, Json, Params, comma_separated};
use super::problem::{Document, Problem};
use super::{Api, Shared};

/// Where the service is served.
pub(super) const BASE: &str = "/psa";

/// Which pins to list. What is not known is not looked at, as other services do.
#[derive(Debug, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Up to 10 CIDs, separated by commas or in parameters of their own.
    cid: Option<String>,
    /// A name.
    name: Option<String>,
    /// How the name is compared: exact, iexact, partial or ipartial.
    #[param(rename = "match")]
    matching: Option<String>,
    /// States, as CIDs are given; without them `pinned`, or all if `cid` or `name` is given.
    status: Option<String>,
    /// Only pins made before this time (RFC 3339).
    before: Option<String>,
    /// Only pins made after this time (RFC 3339).
    after: Option<String>,
    /// 1 to 1000; 10 unless given.
    limit: Option<String>,
    /// A JSON object of strings: only pins that have all of them in `meta`.
    meta: Option<String>,
}

/// A query string, in order: lists come as `a,b` or as a parameter for each, by the version of the
/// specification that a client was made from.
type Pairs = Vec<(String, String)>;

impl From<Pairs> for ListParams {
    fn from(pairs: Pairs) -> Self {
        let mut params = Self::default();
        for (name, value) in pairs {
            let list = |list: Option<String>| match list {
                Some(list) => Some(format!("{list},{value}")),
                None => Some(value.clone()),
            };
            match name.as_str() {
                "cid" => params.cid = list(params.cid.take()),
                "status" => params.status = list(params.status.take()),
                "name" => params.name = Some(value),
                "match" => params.matching = Some(value),
                "before" => params.before = Some(value),
                "after" => params.after = Some(value),
                "limit" => params.limit = Some(value),
                "meta" => params.meta = Some(value),
                _ => {}
            }
        }
        params
    }
}

/// Lists pins, the newest first.
#[utoipa::path(get, path = "/psa/pins", tag = "pinning service", operation_id = "psa_list",
    params(ListParams),
    responses((status = 200, body = PinResults), (status = 400, body = Failure)))]
pub(crate) async fn list(
    State(api): State<Shared>,
    Params(pairs): Params<Pairs>,
) -> Result<Answer<PinResults>, Problem> {
    let query = ListParams::from(pairs).query()?;
    let page = api.service.list(&query).await.map_err(refused)?;
    let delegates = api.service.delegates().await;
    let results = page.items.into_iter();
    Ok(Answer(PinResults {
        count: page.total,
        results: results
            .map(|request| PinStatus::of(request, delegates.clone()))
            .collect(),
    }))
}

/// Pins something.
#[utoipa::path(post, path = "/psa/pins", tag = "pinning service", operation_id = "psa_add",
    request_body = PinObject,
    responses((status = 202, body = PinStatus), (status = 400, body = Failure)))]
pub(crate) async fn add(
    State(api): State<Shared>,
    Json(pin): Json<PinObject>,
) -> Result<(StatusCode, Answer<PinStatus>), Problem> {
    api.take(pin, None).await
}

/// Shows one pin.
#[utoipa::path(get, path = "/psa/pins/{requestid}", tag = "pinning service",
    operation_id = "psa_show", params(("requestid" = String, Path)),
    responses((status = 200, body = PinStatus), (status = 404, body = Failure)))]
pub(crate) async fn show(
    State(api): State<Shared>,
    Id(RequestId(id)): Id<RequestId>,
) -> Result<Answer<PinStatus>, Problem> {
    let request = api.service.get(known(id)?).await.map_err(refused)?;
    Ok(Answer(PinStatus::of(
        request,
        api.service.delegates().await,
    )))
}

/// Pins something in place of something else, which goes when the new pin is complete.
#[utoipa::path(post, path = "/psa/pins/{requestid}", tag = "pinning service",
    operation_id = "psa_replace", params(("requestid" = String, Path)), request_body = PinObject,
    responses((status = 202, body = PinStatus), (status = 404, body = Failure)))]
pub(crate) async fn replace(
    State(api): State<Shared>,
    Id(RequestId(id)): Id<RequestId>,
    Json(pin): Json<PinObject>,
) -> Result<(StatusCode, Answer<PinStatus>), Problem> {
    api.take(pin, Some(known(id)?)).await
}

/// Gives up a pin.
#[utoipa::path(delete, path = "/psa/pins/{requestid}", tag = "pinning service",
    operation_id = "psa_remove", params(("requestid" = String, Path)),
    responses((status = 202), (status = 404, body = Failure)))]
pub(crate) async fn remove(
    State(api): State<Shared>,
    Id(RequestId(id)): Id<RequestId>,
) -> Result<StatusCode, Problem> {
    api.service.remove(known(id)?).await.map_err(refused)?;
    Ok(StatusCode::ACCEPTED)
}

/// A request's id in a path: what none of ours looks like is not found, as any other.
pub(crate) struct RequestId(Option<PinRequestId>);

impl std::str::FromStr for RequestId {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.parse().ok()))
    }
}

fn known(id: Option<PinRequestId>) -> Result<PinRequestId, Problem> {
    id.ok_or_else(|| Problem::not_found("there is no such pin request: list them to see"))
}

impl Api {
    async fn take(
        &self,
        pin: PinObject,
        replaced: Option<PinRequestId>,
    ) -> Result<(StatusCode, Answer<PinStatus>), Problem> {
        let wanted = checked(pin)?;
        let request = self.service.add(&wanted, replaced).await.map_err(refused)?;
        let status = PinStatus::of(request, self.service.delegates().await);
        Ok((StatusCode::ACCEPTED, Answer(status)))
    }
}

/// What is asked for, if it can be.
fn checked(pin: PinObject) -> Result<Requested, Problem> {
    let cid: Cid = pin.cid.parse().map_err(|error| {
        Problem::bad_request(format!("`{}` is not a CID: {error}", shortened(&pin.cid)))
    })?;
    let name = pin.name.as_deref().unwrap_or_default();
    if name.chars().count() > MAX_NAME {
        let detail = format!("a name has at most {MAX_NAME} characters");
        return Err(Problem::bad_request(detail));
    }
    if pin.origins.len() > MAX_ORIGINS {
        let detail = format!("a pin has at most {MAX_ORIGINS} origins");
        return Err(Problem::bad_request(detail));
    }
    for origin in &pin.origins {
        check_peer(origin).map_err(Problem::bad_request)?;
    }
    let wanted = Requested {
        cid,
        name: pin.name,
        origins: pin.origins,
        meta: pin.meta,
    };
    match audience(&wanted) {
        Some(_) => Ok(wanted),
        None => Err(Problem::bad_request(format!(
            "`{AUDIENCE}` in meta is anyone, members or writers"
        ))),
    }
}

impl ListParams {
    fn query(&self) -> Result<RequestQuery, Problem> {
        let cids = comma_separated(self.cid.as_deref());
        if cids.len() > MAX_CIDS {
            let detail = format!("at most {MAX_CIDS} CIDs can be asked for at once");
            return Err(Problem::bad_request(detail));
        }
        let cids = cids.iter().map(|cid| cid.parse());
        let cids = cids.collect::<Result<_, _>>();
        // The specification has `pinned`; its public suite looks for a new pin by its name alone.
        let is_named = self.cid.is_some() || self.name.is_some();
        let default = if is_named { "" } else { "pinned" };
        let states = comma_separated(self.status.as_deref().or(Some(default))).into_iter();
        let states = states.map(|state| state.parse());
        let states = states.collect::<Result<_, _>>();
        Ok(RequestQuery {
            cids: cids.map_err(|error| Problem::bad_request(format!("cid: {error}")))?,
            name: self.name()?,
            states: states.map_err(Problem::bad_request)?,
            before: time("before", self.before.as_deref())?,
            after: time("after", self.after.as_deref())?,
            meta: self.meta()?,
            limit: self.limit()?,
        })
    }

    fn name(&self) -> Result<Option<(String, NameMatch)>, Problem> {
        let matching = match self.matching.as_deref() {
            None | Some("exact") => NameMatch::Exact,
            Some("iexact") => NameMatch::ExactInAnyCase,
            Some("partial") => NameMatch::Part,
            Some("ipartial") => NameMatch::PartInAnyCase,
            Some(_) => {
                let detail = "match is exact, iexact, partial or ipartial";
                return Err(Problem::bad_request(detail));
            }
        };
        match &self.name {
            Some(name) if name.chars().count() > MAX_NAME => {
                let detail = format!("a name has at most {MAX_NAME} characters");
                Err(Problem::bad_request(detail))
            }
            name => Ok(name.clone().map(|name| (name, matching))),
        }
    }

    fn limit(&self) -> Result<u32, Problem> {
        let Some(text) = &self.limit else {
            return Ok(PAGE);
        };
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_PAGE).contains(limit));
        limit.ok_or_else(|| Problem::bad_request(format!("limit is a number from 1 to {MAX_PAGE}")))
    }

    fn meta(&self) -> Result<BTreeMap<String, String>, Problem> {
        let Some(text) = &self.meta else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_str(text).map_err(|error| {
            Problem::bad_request(format!("meta is a JSON object of strings: {error}"))
        })
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let refused = |error| Problem::bad_request(format!("{name} is a time as in RFC 3339: {error}"));
    text.map(from_rfc3339).transpose().map_err(refused)
}

fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}

fn refused(error: ServiceError) -> Problem {
    match error {
        ServiceError::Request(RequestError::NoSuchRequest(_)) => Problem::not_found(error),
        ServiceError::Request(RequestError::Full) => Problem::no_space(error),
        ServiceError::Request(RequestError::Catalog(catalog)) => catalog.into(),
        ServiceError::Stopping => Problem::busy(error),
        other => Problem::internal(&other),
    }
}

/// Says what was refused below [`BASE`] as the specification has it.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let is_ours = request.uri().path().strip_prefix(BASE);
    let is_ours = is_ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let response = next.run(request).await;
    let document = response.extensions().get::<Document>().cloned();
    let Some(document) = document.filter(|_| is_ours) else {
        return response;
    };
    let failure = Failure {
        error: Reason {
            reason: reason(&document),
            details: Some(document.detail),
        },
    };
    let body = serde_json::to_vec(&failure).unwrap_or_default();
    let (mut parts, _) = response.into_parts();
    let json = HeaderValue::from_static("application/json");
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// The code of a problem in the specification's spelling: `NOT_FOUND`.
fn reason(document: &Document) -> String {
    let code = document.kind.rsplit(':').next().unwrap_or_default();
    code.replace('-', "_").to_uppercase()
}
