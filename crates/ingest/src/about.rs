//! What a person says about an asset: checked once, here.

use cidcast_types::Visibility;

/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Longest description, in characters.
const MAX_DESCRIPTION: usize = 10_000;
/// Most tags on one asset.
const MAX_TAGS: usize = 20;
/// Longest tag, in characters.
const MAX_TAG: usize = 50;

/// Title, description, tags and visibility of an asset, trimmed and within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    filename: String,
    title: String,
    description: String,
    tags: Vec<String>,
    visibility: Visibility,
}

/// What was said about an asset cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AboutError {
    /// The title is too long.
    #[error("the title has {0} characters: shorten it to {MAX_TITLE}")]
    TitleTooLong(usize),
    /// The title is empty.
    #[error("the title is empty: give the asset a name")]
    TitleEmpty,
    /// The description is too long.
    #[error("the description has {0} characters: shorten it to {MAX_DESCRIPTION}")]
    DescriptionTooLong(usize),
    /// Too many tags.
    #[error("there are {0} tags: keep at most {MAX_TAGS}")]
    TooManyTags(usize),
    /// One tag is too long.
    #[error("the tag `{0}` is too long: use at most {MAX_TAG} characters")]
    TagTooLong(String),
}

impl About {
    /// Describes a source. Without a title, the file's name without its ending serves as one.
    ///
    /// # Errors
    ///
    /// [`AboutError`] names the part that is out of bounds.
    pub fn new(
        filename: &str,
        title: Option<&str>,
        description: &str,
        tags: &[String],
        visibility: Visibility,
    ) -> Result<Self, AboutError> {
        let filename = plain_name(filename);
        let title = match title.map(str::trim) {
            Some(given) if !given.is_empty() => check_title(given)?,
            _ => title_from(&filename),
        };
        Ok(Self {
            filename,
            title,
            description: check_description(description)?,
            tags: check_tags(tags)?,
            visibility,
        })
    }

    /// The source's file name, without folders.
    pub fn filename(&self) -> &str {
        &self.filename
    }
    /// The title, never empty.
    pub fn title(&self) -> &str {
        &self.title
    }
    /// The description, possibly empty.
    pub fn description(&self) -> &str {
        &self.description
    }
    /// The tags, without repetition, in the order given.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }
    /// Who may see the asset.
    pub fn visibility(&self) -> Visibility {
        self.visibility
    }
}

/// A title within bounds.
///
/// # Errors
///
/// [`AboutError`] if it is empty or too long.
pub(crate) fn check_title(title: &str) -> Result<String, AboutError> {
    let title = title.trim();
    match title.chars().count() {
        0 => Err(AboutError::TitleEmpty),
        n if n > MAX_TITLE => Err(AboutError::TitleTooLong(n)),
        _ => Ok(title.to_owned()),
    }
}

/// A description within bounds.
///
/// # Errors
///
/// [`AboutError::DescriptionTooLong`].
pub(crate) fn check_description(text: &str) -> Result<String, AboutError> {
    let text = text.trim();
    match text.chars().count() {
        n if n > MAX_DESCRIPTION => Err(AboutError::DescriptionTooLong(n)),
        _ => Ok(text.to_owned()),
    }
}

/// Tags within bounds: white space made single spaces, empty ones and repetitions dropped.
///
/// # Errors
///
/// [`AboutError`] if one is too long or there are too many.
pub(crate) fn check_tags(tags: &[String]) -> Result<Vec<String>, AboutError> {
    let mut kept: Vec<String> = Vec::new();
    let plain = tags
        .iter()
        .map(|tag| tag.split_whitespace().collect::<Vec<_>>().join(" "));
    for tag in plain.filter(|tag| !tag.is_empty()) {
        if tag.chars().count() > MAX_TAG {
            return Err(AboutError::TagTooLong(tag.chars().take(MAX_TAG).collect()));
        }
        if !kept.contains(&tag) {
            kept.push(tag);
        }
    }
    if kept.len() > MAX_TAGS {
        Err(AboutError::TooManyTags(kept.len()))
    } else {
        Ok(kept)
    }
}

fn plain_name(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(255).collect();
    match name.trim() {
        "" | "." | ".." => "upload".to_owned(),
        name => name.to_owned(),
    }
}

fn title_from(filename: &str) -> String {
    let stem = match filename.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => filename,
    };
    stem.chars().take(MAX_TITLE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_name_becomes_the_title() {
        let about = About::new("C:\\clips\\My Trip.mp4", None, "", &[], Visibility::Private);
        let about = about.unwrap();
        assert_eq!(
            (about.title(), about.filename()),
            ("My Trip", "My Trip.mp4")
        );
    }

    #[test]
    fn tags_are_kept_once() {
        let tags: Vec<String> = ["a", " a ", "", "b"].map(String::from).to_vec();
        assert_eq!(check_tags(&tags).unwrap(), ["a", "b"]);
    }

    #[test]
    fn what_is_too_long_is_named() {
        let long = "x".repeat(201);
        assert_eq!(check_title(&long), Err(AboutError::TitleTooLong(201)));
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        assert_eq!(check_tags(&many), Err(AboutError::TooManyTags(21)));
    }

    proptest! {
        #[test]
        fn any_file_name_gives_a_title_and_no_path(name in ".{0,300}") {
            let about = About::new(&name, None, "", &[], Visibility::Private).unwrap();
            prop_assert!(!about.title().is_empty());
            prop_assert!(!about.filename().contains('/') && about.filename() != "..");
        }
    }
}
