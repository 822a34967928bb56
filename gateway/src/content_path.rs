//! The content path of a request target: a subject (CID or asset id) and names below it.
//!
//! Names are decoded one by one, after the target was split, so an encoded slash can never make
//! two names out of one. Nothing here touches a file system: `..` is only a name that no
//! directory has.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::problem::Problem;

/// What has to be encoded in one name of a URL path.
const NAME: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Whether the request target ends in a slash: the form of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `/ipfs/{cid}/name`
    Name,
    /// `/ipfs/{cid}/name/`
    Slash,
}

/// A parsed content path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentPath {
    /// The first segment: a CID or an asset id, not yet parsed.
    pub(crate) subject: String,
    /// Decoded names below it.
    pub(crate) names: Vec<String>,
    /// How the target ends.
    pub(crate) ending: Ending,
}

impl ContentPath {
    /// Parses the part of `path` behind `prefix` (`/ipfs/`).
    pub(crate) fn parse(path: &str, prefix: &str, max_depth: usize) -> Result<Self, Problem> {
        let rest = path.strip_prefix(prefix).unwrap_or_default();
        let ending = if rest.ends_with('/') {
            Ending::Slash
        } else {
            Ending::Name
        };
        let mut segments = rest.split('/').filter(|segment| !segment.is_empty());
        let subject = segments.next().ok_or(Problem::BadPath {
            reason: "a CID or asset id must follow the first slash",
        })?;
        let names: Vec<String> = segments
            .take(max_depth.saturating_add(1))
            .map(decode)
            .collect::<Result<_, _>>()?;
        if names.len() > max_depth {
            return Err(Problem::BadPath {
                reason: "it has too many names",
            });
        }
        Ok(Self {
            subject: decode(subject)?,
            names,
            ending,
        })
    }

    /// The names as one path, decoded: `video/720p/00000.m4s`.
    pub(crate) fn joined(&self) -> String {
        self.names.join("/")
    }

    /// The last name, if there is one.
    pub(crate) fn file_name(&self) -> Option<&str> {
        self.names.last().map(String::as_str)
    }
}

/// One segment of a URL path, decoded.
pub(crate) fn decode(segment: &str) -> Result<String, Problem> {
    let bytes = segment.as_bytes();
    let sound = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
    if !sound {
        return Err(Problem::BadPath {
            reason: "a % must be followed by two hexadecimal digits",
        });
    }
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Problem::BadPath {
            reason: "a name is not UTF-8",
        })?;
    if text.contains(['/', '\0']) {
        return Err(Problem::BadPath {
            reason: "a name holds a slash or a NUL",
        });
    }
    Ok(text.into_owned())
}

/// One name as it stands in a URL path.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, NAME).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(path: &str) -> Result<ContentPath, Problem> {
        ContentPath::parse(path, "/ipfs/", 4)
    }

    #[test]
    fn a_path_splits_into_subject_and_decoded_names() {
        let path = parse("/ipfs/bafy/a%20b/%C3%BC.txt").unwrap();
        assert_eq!(path.subject, "bafy");
        assert_eq!(path.names, ["a b", "ü.txt"]);
        assert_eq!(path.ending, Ending::Name);
        assert_eq!(parse("/ipfs/bafy/").unwrap().ending, Ending::Slash);
        assert_eq!(parse("/ipfs/bafy//x///y").unwrap().joined(), "x/y");
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for bad in [
            "/ipfs/",
            "/ipfs//",
            "/ipfs/bafy/%",
            "/ipfs/bafy/%2",
            "/ipfs/bafy/%zz",
            "/ipfs/bafy/%ff",
            "/ipfs/bafy/a%2Fb",
            "/ipfs/bafy/a%00",
            "/ipfs/bafy/1/2/3/4/5",
        ] {
            assert!(matches!(parse(bad), Err(Problem::BadPath { .. })), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_name_survives_encoding(name in "[^/\u{0}]{1,24}") {
            let path = parse(&format!("/ipfs/bafy/{}", encode(&name))).unwrap();
            prop_assert_eq!(path.names, vec![name]);
        }

        #[test]
        fn no_path_makes_parsing_panic(rest in ".{0,64}") {
            let _ = parse(&format!("/ipfs/{rest}"));
        }
    }
}
