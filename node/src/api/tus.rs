//! Resumable uploads by the tus protocol 1.0.0 (<https://tus.io/protocols/resumable-upload>):
//! core, creation, creation-with-upload, checksum, expiration, termination.
//!
//! After the last byte every answer carries `Cidcast-Asset: <asset id>`.

mod metadata;

use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use cidcast_ingest::{Algorithm, Checksum, NewUpload, UploadStatus};
use cidcast_types::{Timestamp, UploadId};

use super::Shared;
use super::extract::{Id, header_number, header_text};
use super::problem::{Document, Problem};
use super::receive::ASSET;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
const PATCH_TYPE: &str = "application/offset+octet-stream";

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");

/// A request that speaks tus 1.0.0. Without `Tus-Resumable: 1.0.0` it is refused with 412.
pub(crate) struct Speaks;

impl<S: Send + Sync> FromRequestParts<S> for Speaks {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        if parts
            .headers
            .get(TUS_RESUMABLE)
            .is_some_and(|version| version == VERSION)
        {
            return Ok(Self);
        }
        let problem = Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "tus-version",
            "Protocol version needed",
            format!("send `Tus-Resumable: {VERSION}`"),
        );
        let name = HeaderName::from_static("tus-version");
        Err(tus(
            problem.with_header(name, HeaderValue::from_static(VERSION))
        ))
    }
}

/// Marks an answer as tus; every answer but that to `OPTIONS` names the version.
fn tus(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    response
        .headers_mut()
        .insert(TUS_RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// Says what this server can.
#[utoipa::path(options, path = "/api/v1/uploads", tag = "uploads", operation_id = "tus_options",
    responses((status = 204, description = "Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm")))]
pub(crate) async fn options(State(api): State<Shared>) -> Response {
    abilities(api.facts.max_upload_bytes)
}

/// Says what this server can.
#[utoipa::path(options, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "tus_options_of_one", params(("upload" = String, Path)),
    responses((status = 204, description = "As for the collection")))]
pub(crate) async fn options_of_one(State(api): State<Shared>) -> Response {
    abilities(api.facts.max_upload_bytes)
}

fn abilities(max_size: u64) -> Response {
    let fixed = |text| HeaderValue::from_static(text);
    let headers = [
        (HeaderName::from_static("tus-version"), fixed(VERSION)),
        (HeaderName::from_static("tus-extension"), fixed(EXTENSIONS)),
        (
            HeaderName::from_static("tus-checksum-algorithm"),
            fixed(Algorithm::NAMES),
        ),
        (
            HeaderName::from_static("tus-max-size"),
            HeaderValue::from(max_size),
        ),
    ];
    tus((
        StatusCode::NO_CONTENT,
        axum::response::AppendHeaders(headers),
    ))
}

/// Begins an upload, with its first bytes if there is a body.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads", operation_id = "tus_create",
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = u64, Header),
        ("Upload-Metadata" = Option<String>, Header,
            description = "filename, title, description, tags, visibility")),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 201, description = "Location names the upload"),
        (status = 412, body = Document), (status = 413, body = Document)))]
pub(crate) async fn create(State(api): State<Shared>, _: Speaks, request: Request) -> Response {
    tus(begin(&api, request).await)
}

async fn begin(api: &Shared, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let length = header_number(headers, "upload-length")?.ok_or_else(|| {
        Problem::bad_request("send Upload-Length: uploads of unknown length go to PUT")
    })?;
    let metadata = header_text(headers, "upload-metadata")?.unwrap_or_default();
    let about = metadata::said(metadata)?.about()?;
    let checksum = checksum(headers)?;
    let with_body = match headers.get(header::CONTENT_TYPE) {
        Some(_) if is_patch(headers) => true,
        _ if body_is_empty(headers) => false,
        _ => return Err(wrong_type()),
    };
    let uploads = api.ingest.uploads();
    let new = NewUpload {
        about,
        length,
        metadata: metadata.to_owned(),
    };
    let mut status = uploads.create(new).await?;
    if with_body && !body_is_empty(headers) {
        let id = status.id;
        status = uploads
            .append(&id, 0, body.into_data_stream(), checksum)
            .await?;
    }
    let place = HeaderValue::from_str(&format!("/api/v1/uploads/{}", status.id));
    let place = place.map_err(|error| Problem::internal(&error))?;
    let mut headers = progress(&status);
    headers.insert(header::LOCATION, place);
    Ok((StatusCode::CREATED, headers).into_response())
}

/// Adds bytes at the offset where the upload stands.
#[utoipa::path(patch, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "tus_append",
    params(("upload" = String, Path), ("Tus-Resumable" = String, Header),
        ("Upload-Offset" = u64, Header), ("Upload-Checksum" = Option<String>, Header)),
    request_body(content_type = "application/offset+octet-stream"),
    responses((status = 204, description = "Upload-Offset; Cidcast-Asset after the last byte"),
        (status = 404, body = Document), (status = 409, body = Document),
        (status = 415, body = Document), (status = 423, body = Document)))]
pub(crate) async fn append(
    State(api): State<Shared>,
    _: Speaks,
    id: Result<Id<UploadId>, Problem>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    tus(extend(&api, id, &headers, body).await)
}

async fn extend(
    api: &Shared,
    id: Result<Id<UploadId>, Problem>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id = known(id)?;
    if !is_patch(headers) {
        return Err(wrong_type());
    }
    let offset = header_number(headers, "upload-offset")?
        .ok_or_else(|| Problem::bad_request("send Upload-Offset: ask for it with HEAD"))?;
    let checksum = checksum(headers)?;
    let uploads = api.ingest.uploads();
    let status = uploads
        .append(&id, offset, body.into_data_stream(), checksum)
        .await?;
    Ok((StatusCode::NO_CONTENT, progress(&status)).into_response())
}

/// Says where an upload stands.
#[utoipa::path(head, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "tus_status",
    params(("upload" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 200, description = "Upload-Offset, Upload-Length, Upload-Metadata"),
        (status = 404)))]
pub(crate) async fn status(
    State(api): State<Shared>,
    _: Speaks,
    id: Result<Id<UploadId>, Problem>,
) -> Response {
    tus(stand(&api, id).await)
}

async fn stand(api: &Shared, id: Result<Id<UploadId>, Problem>) -> Result<Response, Problem> {
    let status = api.ingest.uploads().status(&known(id)?).await?;
    let mut headers = progress(&status);
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(status.length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(metadata) = HeaderValue::from_str(&status.metadata)
        && !metadata.is_empty()
    {
        headers.insert(UPLOAD_METADATA, metadata);
    }
    Ok((StatusCode::OK, headers).into_response())
}

/// Drops an unfinished upload.
#[utoipa::path(delete, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "tus_terminate",
    params(("upload" = String, Path), ("Tus-Resumable" = String, Header)),
    responses((status = 204), (status = 404, body = Document)))]
pub(crate) async fn terminate(
    State(api): State<Shared>,
    _: Speaks,
    id: Result<Id<UploadId>, Problem>,
) -> Response {
    tus(end(&api, id).await)
}

async fn end(api: &Shared, id: Result<Id<UploadId>, Problem>) -> Result<StatusCode, Problem> {
    api.ingest.uploads().terminate(&known(id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH`, `DELETE` and `HEAD` for clients that can only `POST` (`X-HTTP-Method-Override`).
#[utoipa::path(post, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "tus_override",
    params(("upload" = String, Path), ("X-HTTP-Method-Override" = String, Header)),
    responses((status = 204, description = "As the method that is named"),
        (status = 405, body = Document)))]
pub(crate) async fn overridden(State(api): State<Shared>, _: Speaks, request: Request) -> Response {
    let named = request.headers().get("x-http-method-override");
    let method = named.and_then(|value| Method::from_bytes(value.as_bytes()).ok());
    let (mut parts, body) = request.into_parts();
    let id = Id::<UploadId>::from_request_parts(&mut parts, &api).await;
    match method {
        Some(Method::PATCH) => tus(extend(&api, id, &parts.headers, body).await),
        Some(Method::DELETE) => tus(end(&api, id).await),
        Some(Method::HEAD) => tus(stand(&api, id).await),
        _ => tus(Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            "name PATCH, DELETE or HEAD in X-HTTP-Method-Override",
        )),
    }
}

/// Text that is no id names no upload.
fn known(id: Result<Id<UploadId>, Problem>) -> Result<UploadId, Problem> {
    let Id(id) = id.map_err(|_| Problem::not_found("there is no such upload: start a new one"))?;
    Ok(id)
}

fn progress(status: &UploadStatus) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(status.offset));
    match status.asset {
        Some(asset) => {
            if let Ok(id) = HeaderValue::from_str(&asset.to_string()) {
                headers.insert(ASSET, id);
            }
        }
        None => {
            if let Ok(date) = HeaderValue::from_str(&http_date(status.expires_at)) {
                headers.insert(UPLOAD_EXPIRES, date);
            }
        }
    }
    headers
}

/// `Upload-Expires` is an HTTP date (RFC 9110 §5.6.7).
fn http_date(time: Timestamp) -> String {
    let since = Duration::from_millis(time.as_millis());
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

fn is_patch(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == PATCH_TYPE)
}

fn body_is_empty(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    !chunked && length.is_none_or(|length| length == "0")
}

fn wrong_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media-type",
        "Media type not accepted",
        format!("send the bytes with Content-Type: {PATCH_TYPE}"),
    )
}

/// `Upload-Checksum: <algorithm> <base64>`.
fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(text) = header_text(headers, "upload-checksum")? else {
        return Ok(None);
    };
    let malformed =
        || Problem::bad_request("Upload-Checksum must be `sha1 <base64>` or `sha256 <base64>`");
    let (name, digest) = text.trim().split_once(' ').ok_or_else(malformed)?;
    let algorithm: Algorithm = name.parse().map_err(Problem::bad_request)?;
    let engine = base64::engine::general_purpose::STANDARD;
    let digest = engine.decode(digest.trim()).map_err(|_| malformed())?;
    Ok(Some(Checksum { algorithm, digest }))
}
