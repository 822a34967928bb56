//! Directories: `index.html` if there is one, else a small listing.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cidcast_ipfs::unixfs::read::{self, DirEntry};

use super::{Content, Freshness, Representation};
use crate::Gateway;
use crate::content_path::encode;
use crate::problem::Problem;
use crate::resolve::{Resolved, list_problem};

/// Raised when the page looks different, so that caches notice.
const LISTING_VERSION: u32 = 1;

/// The listing runs nothing and loads nothing.
const LISTING_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'");

impl Gateway {
    /// Answers with a listing of the directory at `content_path` (`/ipfs/{cid}/…`, as sent).
    pub(crate) async fn listing(
        &self,
        request: &Parts,
        resolved: &Resolved,
        content_path: &str,
        mut headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let cid = resolved.node.cid;
        let entries = self.in_time(read::list(&resolved.blocks, &cid)).await?;
        let entries = entries.map_err(|error| list_problem(&cid, &error))?;
        let page = page(content_path, &entries, self.settings.limits.listing_entries);
        headers.insert(header::CONTENT_SECURITY_POLICY, LISTING_POLICY);
        let representation = Representation {
            etag: format!("\"DirIndex-{LISTING_VERSION}_CID-{cid}\""),
            content_type: HeaderValue::from_static("text/html; charset=utf-8"),
            freshness: Freshness::Listing,
            openness: resolved.openness,
            content: Content::Bytes(Bytes::from(page)),
            headers,
        };
        Ok(self.answer(request, representation))
    }
}

/// Sends the client to the same place with a slash at the end, so that relative links work.
pub(crate) fn redirect_to_slash(request: &Parts, headers: HeaderMap) -> Response {
    let query = request
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    redirect(&format!("{}/{query}", request.uri.path()), headers)
}

/// A permanent redirect to a place on this gateway.
pub(crate) fn redirect(target: &str, mut headers: HeaderMap) -> Response {
    match HeaderValue::from_str(target) {
        Ok(target) => {
            headers.insert(header::LOCATION, target);
            (StatusCode::MOVED_PERMANENTLY, headers).into_response()
        }
        Err(_) => Problem::BadPath {
            reason: "it cannot stand in a header",
        }
        .into_response(),
    }
}

fn page(content_path: &str, entries: &[DirEntry], limit: usize) -> String {
    let title = escape(content_path);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<table>\n"
    );
    for entry in entries.iter().take(limit) {
        let (link, name) = (escape(&encode(&entry.name)), escape(&entry.name));
        let size = readable_size(entry.dag_bytes);
        page.push_str(&format!(
            "<tr><td><a href=\"./{link}\">{name}</a></td><td>{size}</td>\
             <td><a class=\"cid\" href=\"/ipfs/{cid}\">{cid}</a></td></tr>\n",
            cid = entry.cid,
        ));
    }
    page.push_str("</table>\n");
    if entries.len() > limit {
        page.push_str(&format!("<p>{} more entries</p>\n", entries.len() - limit));
    }
    page.push_str("</body>\n</html>\n");
    page
}

const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}\
    h1{font-size:1rem;font-weight:600;overflow-wrap:anywhere}\
    table{border-collapse:collapse;width:100%}\
    td{border-top:1px solid #8884;padding:.4rem .6rem .4rem 0;overflow-wrap:anywhere}\
    td:nth-child(2){text-align:right;white-space:nowrap}\
    .cid{font:12px ui-monospace,monospace;opacity:.7}";

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn readable_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = "KiB";
    for next in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(readable_size(1023), "1023 B");
        assert_eq!(readable_size(1536), "1.5 KiB");
        assert_eq!(readable_size(5 * 1024 * 1024), "5.0 MiB");
        assert_eq!(readable_size(u64::MAX), "16777215.9 TiB");
    }
}
