//! Nothing that is committed knows the machine it was written on.

use std::path::Path;

/// Folders that exist on somebody's machine only.
const MACHINE: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
];

/// A complaint for each line that names such a folder.
pub(crate) fn check(file: &Path, text: &str) -> Vec<String> {
    let found = text.lines().enumerate().filter(|(_, line)| {
        MACHINE.iter().any(|folder| {
            // A URL's path may begin like that, and so may the end of a relative one.
            line.match_indices(folder).any(|(at, _)| {
                let before = line.get(..at).and_then(|head| head.chars().next_back());
                before.is_none_or(|c| {
                    !c.is_alphanumeric() && !matches!(c, '/' | '.' | '}' | '>' | '_' | '-')
                })
            })
        })
    });
    found
        .map(|(at, _)| {
            format!(
                "{}:{}: names a folder of one machine",
                file.display(),
                at + 1
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_folders_of_people_are_found() {
        for folder in MACHINE {
            let text = format!("fine\nlet path = \"{folder}x\";\n");
            let complaints = check(Path::new("a.rs"), &text);
            assert_eq!(complaints.len(), 1, "{folder}");
            assert!(complaints[0].starts_with("a.rs:2:"));
        }
    }

    #[test]
    fn relative_folders_and_urls_are_fine() {
        let text = format!(
            "https://example.org{0}x ../shared{0} ${{dir}}{0} <dir>{0}",
            concat!("/", "work/")
        );
        assert_eq!(check(Path::new("a.md"), &text), Vec::<String>::new());
    }
}
