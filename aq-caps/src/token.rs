//! A token that a host advertises: `key` or `key:value`.

use std::fmt;
use std::str::FromStr;

use crate::boundary::boundary_before;
use crate::key::{TokenKey, is_value_char};
use crate::version::ToolVersion;

/// The longest token, in bytes.
const MAX_LEN: usize = 256;

/// One thing that a host has: `os:linux`, `node:20.11.1`, `has:docker`, `gpu`.
///
/// A key starts with a letter or digit and goes on with those and `. _ + -`; a value has these and
/// `/ : @`. Upper and lower case differ. At most 256 bytes in all. No token holds a space or a
/// comma, so a list of them can be separated by either.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityToken {
    key: TokenKey,
    value: Option<Box<str>>,
    /// The value read once, when it is a version.
    version: Option<ToolVersion>,
}

/// Reason why a text is no token, with the byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; write a capability as `key` or `key:value`, such as `gpu` or `node:20.11.1`")]
pub struct CapabilityTokenError {
    /// Byte offset in the text, at most its length.
    pub at: usize,
    /// The problem there.
    pub problem: TokenProblem,
}

/// Problem of a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenProblem {
    /// The text does not start with a letter or digit.
    #[error("a key is expected here, which starts with a letter or a digit")]
    KeyExpected,
    /// Nothing follows the `:`.
    #[error("a value is expected after `:`")]
    ValueExpected,
    /// A character that the key or value cannot hold.
    #[error("{0:?} cannot be in a capability")]
    BadCharacter(char),
    /// More than 256 bytes.
    #[error("a capability has at most {MAX_LEN} bytes")]
    TooLong,
}

impl CapabilityToken {
    /// The text before the first `:`.
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The text after the first `:`.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The value as a version, when it is one.
    pub fn version(&self) -> Option<&ToolVersion> {
        self.version.as_ref()
    }

    pub(crate) fn indexed_key(&self) -> &TokenKey {
        &self.key
    }
}

impl FromStr for CapabilityToken {
    type Err = CapabilityTokenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use TokenProblem as P;
        let fail = |at, problem| Err(CapabilityTokenError { at, problem });
        if text.len() > MAX_LEN {
            return fail(boundary_before(text, MAX_LEN), P::TooLong);
        }
        let Some((key, end)) = TokenKey::at_start(text) else {
            return fail(0, P::KeyExpected);
        };
        let rest = &text[end..];
        let Some(value) = rest.strip_prefix(':') else {
            return match rest.chars().next() {
                Some(c) => fail(end, P::BadCharacter(c)),
                None => Ok(Self { key, value: None, version: None }),
            };
        };
        if let Some((at, c)) = value.char_indices().find(|&(_, c)| !is_value_char(c)) {
            return fail(end + 1 + at, P::BadCharacter(c));
        }
        if value.is_empty() {
            return fail(text.len(), P::ValueExpected);
        }
        Ok(Self { key, value: Some(value.into()), version: value.parse().ok() })
    }
}

impl fmt::Display for CapabilityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())?;
        self.value().map_or(Ok(()), |value| write!(f, ":{value}"))
    }
}

impl fmt::Debug for CapabilityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_has_key_value_and_version() {
        let parts = |text: &str| {
            let token: CapabilityToken = text.parse().unwrap();
            let version = token.version().map(ToString::to_string);
            (token.key().to_owned(), token.value().map(str::to_owned), version)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("gpu"), ("gpu".into(), None, None));
        assert_eq!(parts("os:linux"), ("os".into(), some("linux"), None));
        assert_eq!(parts("node:v20.1"), ("node".into(), some("v20.1"), some("20.1")));
        assert_eq!(parts("g++:12"), ("g++".into(), some("12"), some("12")));
        assert_eq!(parts("image:ghcr.io/a/b:1@x"), ("image".into(), some("ghcr.io/a/b:1@x"), None));
    }

    #[test]
    fn bad_tokens_say_where() {
        use TokenProblem as P;
        for (text, at, problem) in [
            ("", 0, P::KeyExpected),
            (":x", 0, P::KeyExpected),
            ("-x", 0, P::KeyExpected),
            ("é", 0, P::KeyExpected),
            ("a:", 2, P::ValueExpected),
            ("a b", 1, P::BadCharacter(' ')),
            ("node>=20", 4, P::BadCharacter('>')),
            ("a:b,c", 3, P::BadCharacter(',')),
            ("a:b\n", 3, P::BadCharacter('\n')),
            ("a:é", 2, P::BadCharacter('é')),
        ] {
            assert_eq!(
                text.parse::<CapabilityToken>(),
                Err(CapabilityTokenError { at, problem }),
                "{text:?}"
            );
        }
        assert!("a".repeat(256).parse::<CapabilityToken>().is_ok());
        let long = "a".repeat(255) + "é";
        assert_eq!(
            long.parse::<CapabilityToken>(),
            Err(CapabilityTokenError { at: 255, problem: P::TooLong })
        );
    }

    proptest! {
        #[test]
        fn a_token_prints_as_it_was_written(
            text in "[a-z0-9][a-z.+_-]{0,4}(:[a-z0-9./:@+_-]{1,8})?",
        ) {
            let token: CapabilityToken = text.parse().unwrap();
            prop_assert_eq!(&format!("{token:?}"), &text);
            prop_assert_eq!(token.to_string(), text);
        }

        #[test]
        fn no_text_panics_and_errors_lie_in_it(text in "[a:é ]{0,6}|\\PC{0,8}") {
            if let Err(error) = text.parse::<CapabilityToken>() {
                prop_assert!(text.is_char_boundary(error.at), "{} in {:?}", error.at, text);
            }
        }
    }
}
