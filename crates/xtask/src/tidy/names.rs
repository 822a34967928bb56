//! No drawers: a file is named after an idea.

use std::path::Path;

const DRAWERS: [&str; 11] = [
    "util",
    "utils",
    "common",
    "helper",
    "helpers",
    "misc",
    "manager",
    "managers",
    "lib_utils",
    "stuff",
    "shared",
];

/// A complaint about the name of a source file, or of a folder on the way to it.
pub(crate) fn check(file: &Path) -> Option<String> {
    let extension = file.extension()?.to_str()?;
    if !["rs", "ts", "js", "mjs", "svelte"].contains(&extension) {
        return None;
    }
    let shown = file.display();
    if file.file_name()? == "mod.rs" {
        return Some(format!(
            "{shown}: no mod.rs: name the file after the module, beside its folder"
        ));
    }
    let stem = file.file_stem()?.to_str()?.to_owned();
    let folders = file
        .parent()?
        .components()
        .filter_map(|part| part.as_os_str().to_str());
    let drawer = folders
        .map(str::to_owned)
        .chain([stem])
        .find(|part| DRAWERS.contains(&part.to_lowercase().as_str()))?;
    Some(format!(
        "{shown}: `{drawer}` says nothing: name the idea that is in it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawers_are_refused_wherever_they_are() {
        for path in [
            "a/src/utils.rs",
            "a/src/common/x.rs",
            "web/src/Helpers.ts",
            "a/src/b/mod.rs",
        ] {
            assert!(check(Path::new(path)).is_some(), "{path}");
        }
    }

    #[test]
    fn ideas_are_fine_and_so_is_what_is_no_source() {
        for path in [
            "a/src/backoff.rs",
            "a/src/commonality.rs",
            "docs/common.md",
            "a/src/lib.rs",
        ] {
            assert_eq!(check(Path::new(path)), None, "{path}");
        }
    }
}
