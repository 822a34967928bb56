//! Words that a person typed, as an FTS5 query that is always valid.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// More words narrow a search no further, and FTS5 bounds the depth of an expression.
const MAX_WORDS: usize = 16;
/// Longer than any word worth finding.
const MAX_WORD: usize = 64;

/// An FTS5 expression that finds rows with all the words in `text`, the last one as a prefix
/// because it may be still being typed. `None` if there is no word in it.
///
/// Everything but letters and digits separates words, so no operator, quote or column filter of
/// FTS5 (<https://sqlite.org/fts5.html#full_text_query_syntax>) can be written by a user.
pub(crate) fn expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(|word| format!("\"{}\"", word.chars().take(MAX_WORD).collect::<String>()))
        .collect();
    if words.is_empty() {
        None
    } else {
        Some(words.join(" ") + "*")
    }
}

/// Shorter beginnings of words find too much to be of use, and their index would be too large.
const SHORTEST_BEGINNING: usize = 3;

/// The words in `text` as the index of announced assets has them: letters, digits and marks.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !is_of_word(c))
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS)
        .map(|word| word.chars().take(MAX_WORD).collect())
        .collect()
}

/// What the tokenizer of `announced_fts` takes for a part of a word. It must be the same: an index
/// without places of words cannot look for two words side by side, which is what a word would be
/// that the tokenizer splits.
fn is_of_word(c: char) -> bool {
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Mark | GeneralCategoryGroup::Number
    )
}

/// An expression that finds rows with all these words.
pub(crate) fn whole(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" ")
}

/// The same with the last word only begun; `None` if it is too short for that.
pub(crate) fn begun(words: &[String]) -> Option<String> {
    let last = words.last()?;
    (last.chars().count() >= SHORTEST_BEGINNING).then(|| whole(words) + "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_are_wanted_and_the_last_may_be_unfinished() {
        assert_eq!(expression("big bu").as_deref(), Some("\"big\" \"bu\"*"));
    }

    #[test]
    fn operators_are_only_words() {
        assert_eq!(
            expression("title:a\" OR NEAR(b)*").as_deref(),
            Some("\"title\" \"a\" \"OR\" \"NEAR\" \"b\"*")
        );
    }

    #[test]
    fn without_a_word_there_is_nothing_to_search_for() {
        assert_eq!(expression(" \"-*\0 "), None);
    }
}
