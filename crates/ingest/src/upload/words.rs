//! What a client said about an upload, kept in the upload's row until it becomes an asset.

use std::collections::BTreeMap;

use cidcast_catalog::Upload;
use cidcast_types::Visibility;

use crate::about::{About, AboutError};

const AS_SENT: &str = "as-sent";
const TITLE: &str = "title";
const DESCRIPTION: &str = "description";
const TAGS: &str = "tags";
const VISIBILITY: &str = "visibility";

/// The row's metadata: what was checked, and the client's own words beside it.
pub(super) fn write(about: &About, as_sent: String) -> BTreeMap<String, String> {
    [
        (AS_SENT, as_sent),
        (TITLE, about.title().to_owned()),
        (DESCRIPTION, about.description().to_owned()),
        // A tag never holds a line feed: it would have been a control character in one line.
        (TAGS, about.tags().join("\n")),
        (VISIBILITY, about.visibility().to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// Reads back what [`write()`] kept.
pub(super) fn read(upload: &Upload) -> Result<About, AboutError> {
    let word = |key: &str| {
        upload
            .metadata
            .get(key)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let tags: Vec<String> = word(TAGS).lines().map(str::to_owned).collect();
    // A visibility that does not read back errs towards private.
    let visibility = word(VISIBILITY).parse().unwrap_or(Visibility::Private);
    About::new(
        &upload.filename,
        Some(word(TITLE)),
        word(DESCRIPTION),
        &tags,
        visibility,
    )
}

/// The client's own words.
pub(super) fn as_sent(upload: &Upload) -> String {
    upload.metadata.get(AS_SENT).cloned().unwrap_or_default()
}
