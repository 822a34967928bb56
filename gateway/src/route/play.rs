//! `/play/{asset or root CID}/…`: playback.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::request::Parts;
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
    gateway.play(&request, &caller, subject, &path).await
}
