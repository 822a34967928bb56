//! The pure crates have no clock, disk, network, process or async.

use super::source::Source;

const PURE: [&str; 3] = ["crates/types/", "crates/media/", "crates/announce/"];

const IMPURE: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env::",
    "SystemTime",
    "Instant::now",
    "async ",
    "tokio",
];

/// A complaint for each line of a pure crate's production code that reaches outside.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let path = source.path.display().to_string();
    if !PURE.iter().any(|folder| path.starts_with(folder)) || !source.is_production() {
        return Vec::new();
    }
    let lines = source.code.iter().filter_map(|(number, line)| {
        let word = IMPURE.iter().find(|word| line.contains(*word))?;
        Some(format!(
            "{path}:{number}: `{}` in a pure crate: take it as an argument",
            word.trim()
        ))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&Source::parse(Path::new(path), text).unwrap()).len()
    }

    #[test]
    fn a_pure_crate_reads_no_file_and_no_clock() {
        let text = "fn f() { std::fs::read(\"x\"); }\nfn now() { std::time::SystemTime::now(); }";
        assert_eq!(complaints("crates/media/src/a.rs", text), 2);
        assert_eq!(complaints("crates/store/src/a.rs", text), 0);
    }

    #[test]
    fn its_tests_and_comments_may() {
        let text = "// tokio would be wrong here\n#[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(complaints("crates/types/src/a.rs", text), 0);
    }
}
