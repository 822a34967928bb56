//! `/play/{asset or root CID}/…`: playback.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use cidcast_media::layout;

use crate::Gateway;
use crate::content_path::ContentPath;
use crate::play::Subject;
use crate::problem::Problem;
use crate::respond::directory::redirect;

/// Answers with a playlist or another file of the package.
pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let depth = gateway.settings.limits.path_depth;
    let path = ContentPath::parse(request.uri.path(), "/play/", depth)?;
    let subject: Subject = path.subject.parse()?;
    if path.names.is_empty() {
        let query = request
            .uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        let master = format!("/play/{}/{}{query}", path.subject, layout::MASTER);
        return Ok(redirect(&master, HeaderMap::new()));
    }
    let caller = gateway.access.caller(&request)?;
    let response = gateway.play(&request, &caller, subject, &path).await?;
    // Players ask for it once, when they begin. A cached copy that is still good is a view too.
    let is_master = matches!(path.names.as_slice(), [name] if name == layout::MASTER);
    if is_master && request.method == Method::GET && !response.status().is_client_error() {
        gateway.views.count(subject);
    }
    Ok(response)
}
