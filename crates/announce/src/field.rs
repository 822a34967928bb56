//! Bounds of fields: the same when signing and when verifying.

use std::fmt;

use cid::Cid;

use crate::envelope::DAG_CBOR;

/// Integers stay exact in every language's numbers, JSON's among them.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Longest path, URL or address, in bytes.
pub(crate) const MAX_PATH: usize = 512;

const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// A field is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct FieldError {
    /// Its name in the format.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Must have content.
    Empty,
    /// Longer than this many characters, bytes or entries.
    TooLong(usize),
    /// Larger than this.
    TooLarge(u64),
    /// Must be this.
    Expected(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong(limit) => write!(f, "is longer than {limit}"),
            Self::TooLarge(limit) => write!(f, "is larger than {limit}"),
            Self::Expected(what) => write!(f, "is not {what}"),
        }
    }
}

pub(crate) type Checked<T = ()> = Result<T, FieldError>;

pub(crate) fn refuse<T>(field: &'static str, problem: Problem) -> Checked<T> {
    Err(FieldError { field, problem })
}

pub(crate) fn expect(field: &'static str, what: &'static str, holds: bool) -> Checked {
    if holds {
        return Ok(());
    }
    refuse(field, Problem::Expected(what))
}

/// At most `limit` characters (Unicode scalar values).
pub(crate) fn text(field: &'static str, value: &str, limit: usize) -> Checked {
    // A character has at least one byte: most texts need no counting.
    if value.len() > limit && value.chars().count() > limit {
        return refuse(field, Problem::TooLong(limit));
    }
    Ok(())
}

pub(crate) fn not_empty(field: &'static str, value: &str) -> Checked {
    if value.is_empty() {
        return refuse(field, Problem::Empty);
    }
    Ok(())
}

pub(crate) fn at_most<T>(field: &'static str, list: &[T], limit: usize) -> Checked {
    if list.len() > limit {
        return refuse(field, Problem::TooLong(limit));
    }
    Ok(())
}

pub(crate) fn integer(field: &'static str, value: u64) -> Checked {
    if value > MAX_INTEGER {
        return refuse(field, Problem::TooLarge(MAX_INTEGER));
    }
    Ok(())
}

/// A file or folder inside a package: relative, `/` between parts, never leaving the package.
pub(crate) fn path(field: &'static str, value: &str) -> Checked {
    bounded_bytes(field, value)?;
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || c == '\\')
    };
    expect(
        field,
        "a relative path inside the package",
        value.split('/').all(plain),
    )
}

/// An absolute `http` or `https` address without spaces.
pub(crate) fn url(field: &'static str, value: &str) -> Checked {
    bounded_bytes(field, value)?;
    let rest = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"));
    let holds = rest.is_some_and(|rest| !rest.is_empty() && visible_ascii(rest));
    expect(field, "an http or https URL in visible ASCII", holds)
}

/// A multiaddress as text. Only its outline is checked: who dials it parses it.
pub(crate) fn node_address(field: &'static str, value: &str) -> Checked {
    bounded_bytes(field, value)?;
    let holds = value.starts_with('/') && value.contains("/p2p/") && visible_ascii(value);
    expect(field, "a multiaddress with /p2p/", holds)
}

/// 2 to 35 characters of `a-z`, `A-Z`, `0-9` and `-`, as language tags (BCP 47) have.
pub(crate) fn language(field: &'static str, value: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let holds = (2..=35).contains(&value.len()) && value.chars().all(allowed);
    expect(field, "a language tag", holds)
}

/// The name of an operation's kind: 1 to 32 characters of `a-z` and `-`.
pub(crate) fn kind_name(kind: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_lowercase() || c == '-';
    let holds = (1..=32).contains(&kind.len()) && kind.chars().all(allowed);
    expect("op", "a kind of 1 to 32 characters of a-z and -", holds)
}

/// The CID of a root, and nothing behind it.
pub(crate) fn root_bytes(bytes: &[u8]) -> Checked<Cid> {
    match Cid::try_from(bytes) {
        Ok(cid) if cid.to_bytes() == bytes => Ok(cid),
        _ => refuse("root", Problem::Expected("the bytes of a CID")),
    }
}

/// CIDv1, dag-pb, SHA2-256: a UnixFS directory.
pub(crate) fn root(field: &'static str, cid: &Cid) -> Checked {
    expect(field, "a CIDv1 of dag-pb and SHA2-256", is_v1(cid, DAG_PB))
}

/// CIDv1, dag-cbor, SHA2-256: an announcement or a snapshot segment.
pub(crate) fn link(field: &'static str, cid: &Cid) -> Checked {
    expect(
        field,
        "a CIDv1 of dag-cbor and SHA2-256",
        is_v1(cid, DAG_CBOR),
    )
}

fn is_v1(cid: &Cid, codec: u64) -> bool {
    let hash = cid.hash();
    cid.version() == cid::Version::V1
        && cid.codec() == codec
        && hash.code() == SHA2_256
        && hash.size() == 32
}

fn bounded_bytes(field: &'static str, value: &str) -> Checked {
    not_empty(field, value)?;
    if value.len() > MAX_PATH {
        return refuse(field, Problem::TooLong(MAX_PATH));
    }
    Ok(())
}

fn visible_ascii(value: &str) -> bool {
    value.chars().all(|c| c.is_ascii_graphic())
}
