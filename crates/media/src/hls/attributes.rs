//! Attribute lists of tags (RFC 8216bis §4.2).

/// One `NAME=value` or `NAME="value"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// Without quotes.
    pub(super) value: &'a str,
    /// Where the value begins in the list, after the quote if there is one.
    pub(super) offset: usize,
    pub(super) quoting: Quoting,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    Quoted,
    Bare,
}

/// Splits a list. `None` as an item says that the list is malformed from there on.
pub(super) fn attributes(list: &str) -> Attributes<'_> {
    Attributes { list, at: 0 }
}

pub(super) struct Attributes<'a> {
    list: &'a str,
    at: usize,
}

impl<'a> Attributes<'a> {
    fn read(&mut self) -> Option<Attribute<'a>> {
        let rest = self.list.get(self.at..)?;
        // The specification allows no space after a comma; other packagers write one.
        self.at += rest.len() - rest.trim_start_matches(' ').len();
        let rest = rest.trim_start_matches(' ');
        let (name, after) = rest.split_once('=')?;
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-');
        if !is_name {
            return None;
        }
        let value_at = self.at + name.len() + 1;
        let (value, offset, quoting, end) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, _) = quoted.split_once('"')?;
                (
                    value,
                    value_at + 1,
                    Quoting::Quoted,
                    value_at + value.len() + 2,
                )
            }
            None => {
                let value = after.split(',').next().unwrap_or_default();
                (value, value_at, Quoting::Bare, value_at + value.len())
            }
        };
        self.at = match self.list.get(end..)?.chars().next() {
            None => self.list.len(),
            // A comma at the very end promises an attribute that never comes.
            Some(',') if end + 1 < self.list.len() => end + 1,
            Some(_) => return None,
        };
        Some(Attribute {
            name,
            value,
            offset,
            quoting,
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<Attribute<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.list.len() {
            return None;
        }
        let attribute = self.read();
        if attribute.is_none() {
            self.at = self.list.len();
        }
        Some(attribute)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_comma_inside_quotes_does_not_split() {
        let read: Vec<_> = attributes("CODECS=\"avc1,mp4a\",BANDWIDTH=12,URI=\"\"")
            .map(|a| a.map(|a| (a.name, a.value, a.offset)))
            .collect();
        assert_eq!(
            read,
            [
                Some(("CODECS", "avc1,mp4a", 8)),
                Some(("BANDWIDTH", "12", 29)),
                Some(("URI", "", 37))
            ]
        );
    }

    #[test]
    fn a_space_after_a_comma_is_forgiven() {
        let read: Vec<_> = attributes("A=1, URI=\"x\"").flatten().collect();
        assert_eq!(
            (read[1].name, read[1].value, read[1].offset),
            ("URI", "x", 10)
        );
    }

    #[test]
    fn a_malformed_list_says_so_once() {
        for list in ["A", "=1", "a=1", "A=\"x", "A=\"x\"y", "A=1,"] {
            assert_eq!(
                attributes(list).filter(Option::is_none).count(),
                1,
                "{list}"
            );
        }
    }

    proptest! {
        #[test]
        fn every_value_lies_where_it_says(list in "[A-C=\",a-cü-]{0,40}") {
            for attribute in attributes(&list).flatten() {
                let end = attribute.offset + attribute.value.len();
                prop_assert_eq!(&list[attribute.offset..end], attribute.value);
            }
        }
    }
}
