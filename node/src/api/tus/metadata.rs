//! `Upload-Metadata` (tus 1.0, "Creation"): `key base64,key base64,…`.

use base64::Engine as _;

use crate::api::problem::Problem;
use crate::api::receive::Said;

/// Keys that clients send by habit and that carry nothing we use.
const LONGEST: usize = 64 * 1024;

/// What the uploader says about the source. Unknown keys are kept by the client's own request
/// only: they are echoed, never interpreted.
pub(super) fn said(header: &str) -> Result<Said, Problem> {
    if header.len() > LONGEST {
        return Err(Problem::too_large("Upload-Metadata is too long"));
    }
    let mut said = Said::default();
    for pair in header
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
        let refused = |what: &str| {
            let key: String = key.chars().take(40).collect();
            Problem::bad_request(format!(
                "the value of `{key}` in Upload-Metadata is not {what}"
            ))
        };
        let engine = base64::engine::general_purpose::STANDARD;
        let value = engine
            .decode(encoded.trim())
            .map_err(|_| refused("base64"))?;
        let value = String::from_utf8(value).map_err(|_| refused("UTF-8"))?;
        let _ = said.set(key, value);
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_and_unknown_ones_ignored() {
        let said = said("filename Y2xpcC5tcDQ=, title SMO8,is_confidential,filetype dmlkZW8vbXA0")
            .unwrap();
        assert_eq!(said.filename.as_deref(), Some("clip.mp4"));
        assert_eq!(said.title.as_deref(), Some("Hü"));
        assert_eq!(said.tags, None);
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        assert!(said("title ***").is_err());
    }

    proptest! {
        #[test]
        fn no_header_makes_parsing_panic(text in ".{0,200}") {
            let _ = said(&text);
        }
    }
}
