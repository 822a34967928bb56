//! Whole sources in one request: `PUT /api/v1/uploads/{filename}` for `curl -T`, and
//! `POST /api/v1/assets` with a raw or a form body.

use std::pin::Pin;
use std::time::Duration;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cidcast_catalog::Asset;
use cidcast_ingest::About;
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;

use super::asset_view::AssetView;
use super::assets::parsed;
use super::extract::{Params, comma_separated, header_number};
use super::links::Links;
use super::problem::{Document, Problem};
use super::{Api, Shared};

/// The asset's id, on every answer to a finished upload.
pub(crate) const ASSET: HeaderName = HeaderName::from_static("cidcast-asset");

/// A text field of a form is at most this long.
const FIELD_BYTES: usize = 64 * 1024;

/// What the uploader says about a source.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Said {
    /// Name of the source.
    pub(crate) filename: Option<String>,
    /// The file's name without its ending unless given.
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// Separated by commas.
    pub(crate) tags: Option<String>,
    /// private (unless given), unlisted or public.
    pub(crate) visibility: Option<String>,
}

impl Said {
    /// Checks it all.
    pub(crate) fn about(&self) -> Result<About, Problem> {
        let visibility = parsed(self.visibility.as_deref())?.unwrap_or_default();
        Ok(About::new(
            self.filename.as_deref().unwrap_or_default(),
            self.title.as_deref(),
            self.description.as_deref().unwrap_or_default(),
            &comma_separated(self.tags.as_deref()),
            visibility,
        )?)
    }

    /// Sets one field by its name; says whether there is such a field.
    pub(crate) fn set(&mut self, name: &str, value: String) -> Known {
        let place = match name {
            "filename" | "name" => &mut self.filename,
            "title" => &mut self.title,
            "description" => &mut self.description,
            "tags" => &mut self.tags,
            "visibility" => &mut self.visibility,
            _ => return Known::No,
        };
        *place = Some(value);
        Known::Yes
    }
}

/// Whether a field has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
}

/// Takes a source as the body and puts it into the queue.
#[utoipa::path(put, path = "/api/v1/uploads/{upload}", tag = "uploads",
    operation_id = "put_source",
    params(("upload" = String, Path, description = "The file's name"), Said),
    request_body(content_type = "application/octet-stream", description = "The source"),
    responses((status = 201, body = AssetView), (status = 413, body = Document),
        (status = 507, body = Document)))]
pub(crate) async fn put(
    State(api): State<Shared>,
    links: Links,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    Params(mut said): Params<Said>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path(filename) = path?;
    said.filename.get_or_insert(filename);
    let declared = header_number(&headers, header::CONTENT_LENGTH.as_str())?;
    let asset = api
        .receive(&said, declared, body.into_data_stream())
        .await?;
    Ok(created(&asset, &links))
}

/// How much of a refused body is taken in.
const DRAIN_BYTES: usize = 16 << 20;
/// How long that may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Takes a source as the body, or as the file of a form, and puts it into the queue.
#[utoipa::path(post, path = "/api/v1/assets", tag = "uploads", operation_id = "post_source",
    params(Said),
    request_body(content_type = "application/octet-stream",
        description = "The source; or multipart/form-data with the fields of the query, then `file`"),
    responses((status = 201, body = AssetView), (status = 413, body = Document),
        (status = 507, body = Document)))]
pub(crate) async fn post(
    State(api): State<Shared>,
    links: Links,
    Params(said): Params<Said>,
    request: Request,
) -> Result<Response, Problem> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(is_form);
    let asset = if is_form {
        let form = Multipart::from_request(request, &api).await;
        let form = form.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        api.receive_form(said, form).await?
    } else {
        let declared = header_number(request.headers(), header::CONTENT_LENGTH.as_str())?;
        api.receive(&said, declared, request.into_body().into_data_stream())
            .await?
    };
    Ok(created(&asset, &links))
}

fn is_form(value: &HeaderValue) -> bool {
    value
        .to_str()
        .is_ok_and(|text| text.trim_start().starts_with("multipart/form-data"))
}

fn created(asset: &Asset, links: &Links) -> Response {
    let id = HeaderValue::from_str(&asset.id.to_string());
    let place = HeaderValue::from_str(&format!("/api/v1/assets/{}", asset.id));
    let mut response = (StatusCode::CREATED, Answer(AssetView::new(asset, links))).into_response();
    for (name, value) in [(ASSET, id), (header::LOCATION, place)] {
        if let Ok(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Takes in the rest of a refused body, if it is not much: a client that is still sending when the
/// connection closes sees a broken pipe instead of the reason.
async fn drain<E>(mut body: Pin<&mut impl Stream<Item = Result<Bytes, E>>>) {
    let mut taken = 0;
    while let Some(Ok(bytes)) = body.next().await {
        taken += bytes.len();
        if taken > DRAIN_BYTES {
            return;
        }
    }
}

impl Api {
    async fn receive<E>(
        &self,
        said: &Said,
        declared: Option<u64>,
        body: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<Asset, Problem> {
        let mut body = std::pin::pin!(body);
        let about = said.about()?;
        match self.ingest.receive(about, declared, body.as_mut()).await {
            Ok(asset) => Ok(asset),
            Err(error) => {
                let _ = tokio::time::timeout(DRAIN_DEADLINE, drain(body)).await;
                Err(error.into())
            }
        }
    }

    /// Text fields come first; the file ends the form.
    async fn receive_form(&self, mut said: Said, mut form: Multipart) -> Result<Asset, Problem> {
        let refused = |error: axum::extract::multipart::MultipartError| {
            Problem::bad_request(error.body_text())
        };
        while let Some(mut field) = form.next_field().await.map_err(refused)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" || field.file_name().is_some() {
                if let Some(filename) = field.file_name() {
                    said.filename.get_or_insert(filename.to_owned());
                }
                return self.receive(&said, None, field).await;
            }
            let mut value = Vec::new();
            while let Some(piece) = field.chunk().await.map_err(refused)? {
                value.extend_from_slice(&piece);
                if value.len() > FIELD_BYTES {
                    return Err(Problem::too_large(format!("the field {name} is too long")));
                }
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            if said.set(&name, value) == Known::No {
                return Err(Problem::bad_request(format!(
                    "the form field `{name}` is not known: use title, description, tags, \
                     visibility, and file last"
                )));
            }
        }
        Err(Problem::bad_request(
            "the form has no file: add it as the last field, named `file`",
        ))
    }
}
