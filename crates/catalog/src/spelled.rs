//! Enums that are written as one word, in rows and to people.

/// Not one of the words that were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not known here: use {expected}")]
pub struct ParseSpellingError {
    pub(crate) found: String,
    pub(crate) expected: &'static str,
}

/// Makes an enum with a stable spelling for each variant. `$expected` names all of them.
macro_rules! spelled {
    (
        $(#[$doc:meta])*
        pub enum $name:ident as $expected:literal {
            $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::spelled::ParseSpellingError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut all = Self::ALL.iter().copied();
                all.find(|one| one.as_str() == text)
                    .ok_or_else(|| $crate::spelled::ParseSpellingError {
                        found: text.chars().take(64).collect(),
                        expected: $expected,
                    })
            }
        }
    };
}

pub(crate) use spelled;
