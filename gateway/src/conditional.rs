//! Conditional requests: RFC 9110 §13.1.2.

use axum::http::{HeaderMap, header};

/// Whether `If-None-Match` names `etag` (a quoted strong validator), so that 304 is the answer.
/// The comparison is weak, as §13.1.2 demands; `*` matches anything that exists.
pub(crate) fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH);
    lists
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|list| {
            // CIDs and our own validators hold no comma, so a list splits at each of them.
            list.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == strong(etag))
        })
}

fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn weak_strong_lists_and_star_match() {
        let matches = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            not_modified(&headers, "\"abc\"")
        };
        assert!(matches("\"abc\""));
        assert!(matches("W/\"abc\""));
        assert!(matches("\"x\", W/\"abc\" ,\"y\""));
        assert!(matches("*"));
        assert!(!matches("\"ab\""));
        assert!(!matches("abc"));
        assert!(!not_modified(&HeaderMap::new(), "\"abc\""));
    }
}
