//! Golden files: what we write must not change unnoticed, because root CIDs depend on it.

use std::path::Path;

/// Compares `actual` with a file in `golden/`. Run with `UPDATE_GOLDEN=1` to write it anew.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/media/golden")
        .join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        actual, expected,
        "{name} changed; UPDATE_GOLDEN=1 accepts it"
    );
}
