//! `/openapi.json`: generated from the handlers.

use std::sync::Arc;

use axum::{Extension, Json as Answer};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

/// What every operation has in common.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "cidcast", description = "A media host in one binary: the API of one node."),
    modifiers(&Bearer),
    security((), ("bearer" = []))
)]
pub(super) struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, api: &mut OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components
            .get_or_insert_default()
            .add_security_scheme("bearer", scheme);
    }
}

/// The finished description, shared by all requests.
#[derive(Clone)]
pub(super) struct Finished(pub(super) Arc<OpenApi>);

/// Describes this API.
#[utoipa::path(get, path = "/openapi.json", tag = "node", operation_id = "openapi",
    responses((status = 200, content_type = "application/json")))]
pub(crate) async fn show(Extension(Finished(api)): Extension<Finished>) -> Answer<OpenApi> {
    Answer(OpenApi::clone(&api))
}
