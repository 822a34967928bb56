//! Words that a person typed, as an FTS5 query that is always valid.

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
