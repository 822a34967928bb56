//! Query parameters of a request target.

use axum::http::Uri;
use percent_encoding::percent_decode_str;

/// The first value of the parameter `name`, decoded. A parameter without `=` has an empty value.
pub(crate) fn value(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| {
            percent_decode_str(&value.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_and_decoded() {
        let uri: Uri = "/x?a=1&filename=my%20film+1.mp4&download".parse().unwrap();
        assert_eq!(value(&uri, "filename").as_deref(), Some("my film 1.mp4"));
        assert_eq!(value(&uri, "download").as_deref(), Some(""));
        assert_eq!(value(&uri, "b"), None);
        assert_eq!(value(&"/x".parse().unwrap(), "a"), None);
    }
}
