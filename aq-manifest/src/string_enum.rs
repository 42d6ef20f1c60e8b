//! Closed lists of words: one enum each, with the text that files and the wire carry.

/// The text is no word of this list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a known {what}")]
pub struct UnknownWord {
    pub(crate) text: String,
    pub(crate) what: &'static str,
}

/// An enum whose values are written as words.
pub(crate) trait StringEnum: Copy + 'static {
    /// The name of such a value in messages.
    const WHAT: &'static str;

    fn all() -> &'static [Self];

    fn word(self) -> &'static str;
}

/// Defines an enum and its words, and the conversions in both directions.
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident ($what:literal) {
        $($(#[$vdoc:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$variant,)*];

            /// The word in files and over the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::string_enum::StringEnum for $name {
            const WHAT: &'static str = $what;

            fn all() -> &'static [Self] {
                &Self::ALL
            }

            fn word(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::string_enum::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|value| value.as_str() == word)
                    .ok_or_else(
                        || $crate::string_enum::UnknownWord { text: word.to_owned(), what: $what },
                    )
            }
        }
    };
}

pub(crate) use string_enum;
