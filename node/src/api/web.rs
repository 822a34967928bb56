//! The web app: embedded files, the page for every address of the app, and its security headers.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use cidcast_types::AssetId;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::links::Links;
use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/web"]
struct Files;

/// The page that starts the app.
const PAGE: &str = "index.html";

/// Vite puts a hash of the content into every name in this folder.
const HASHED: &str = "assets/";

/// The bytes and media type of a file of the web app, by its path in the build.
pub(crate) fn file(path: &str) -> Option<(Cow<'static, [u8]>, &'static str)> {
    let file = Files::get(path)?;
    Some((file.data, media_type(path)))
}

/// The kinds of file that a build has.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// A file of the app; its page for every other address, so that its own router decides.
pub(crate) async fn get(links: Links, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    let belongs_to_api = matches!(first, "api" | "psa");
    if belongs_to_api || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::not_found("nothing is served here: see /openapi.json").into_response();
    }
    if let Some(found) = Files::get(path).filter(|_| path != PAGE) {
        return respond(path, found, &request, &links);
    }
    // A file that is not there (an old name after an update) must not become a page.
    let looks_like_file = path.starts_with(HASHED)
        || path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains('.'));
    match Files::get(PAGE) {
        Some(page) if !looks_like_file || path == PAGE => {
            let page = rust_embed::EmbeddedFile {
                data: with_discovery(page.data, path, &request, &links),
                ..page
            };
            respond(PAGE, page, &request, &links)
        }
        _ => Problem::not_found(format!("the web app has no file /{path}: reload the page"))
            .into_response(),
    }
}

/// The page with links to the oEmbed document of the video that its address shows, for programs
/// that do not run scripts. They are the same for everyone, whether there is such a video or not.
fn with_discovery(
    page: Cow<'static, [u8]>,
    path: &str,
    request: &Request,
    links: &Links,
) -> Cow<'static, [u8]> {
    let mut names = path.split('/');
    let asset = match (names.next(), names.next_back()) {
        (Some("watch" | "discover"), Some(name)) => name.parse::<AssetId>().ok(),
        _ => None,
    };
    let (Some(_), Some(host)) = (asset, request.headers().get(header::HOST)) else {
        return page;
    };
    let Ok(host) = host.to_str() else { return page };
    let url = format!("http://{host}/{path}");
    let tags = links.oembed_tags(&url);
    let text = String::from_utf8_lossy(&page);
    Cow::Owned(
        text.replacen("</head>", &format!("{tags}</head>"), 1)
            .into_bytes(),
    )
}

fn respond(
    path: &str,
    file: rust_embed::EmbeddedFile,
    request: &Request,
    links: &Links,
) -> Response {
    let hash = Sha256::digest(&file.data);
    let hash = data_encoding::HEXLOWER.encode(hash.get(..16).unwrap_or_default());
    let etag = format!("\"{hash}\"");
    let unchanged = request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.to_str().is_ok_and(|known| known.contains(&etag)));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Body::from(file.data.into_owned()).into_response()
    };
    let caching = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(path)),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Ok(policy) = HeaderValue::from_str(&policy(links.base())) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Nothing from other hosts but the gateway: playlists and segments (`connect-src`, and
/// `media-src` where the browser plays HLS itself), posters, and the embedded player.
/// Player elements style themselves inline; hls.js plays from `blob:` and decodes in a worker.
fn policy(gateway: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data: blob: {gateway}; font-src 'self'; \
         connect-src 'self' {gateway}; media-src 'self' blob: {gateway}; worker-src 'self' blob:; \
         frame-src {gateway}; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Headers on every answer of this listener: no sniffing, no framing, no referrer.
pub(crate) async fn guard_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    // What the API says is true now only.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
