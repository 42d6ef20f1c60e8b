//! A requirement of a job: the value, its text, and its errors.

use std::fmt;
use std::sync::Arc;

use crate::key::TokenKey;
use crate::version::{ToolVersion, VersionProblem};

/// The longest requirement, in bytes.
pub(crate) const MAX_LEN: usize = 512;
/// The most alternatives that `|` can join.
pub(crate) const MAX_ALTERNATIVES: usize = 16;

/// One thing that a host must have, or one of several.
///
/// | written | holds when the host has |
/// | --- | --- |
/// | `key`, `key:any` | any token with this key |
/// | `key:value` | the token with this value; a value that is a version compares as with `=` |
/// | `key=version`, `==` | a version within this one |
/// | `key!=version` | a version, and none within this one |
/// | `key>version`, `>=`, `<`, `<=` | a version on that side |
/// | `key^version`, `key~version` | a compatible version, as in Cargo |
/// | `!req` | not what `req` says |
/// | `a \| b` | either; `!` binds tighter |
///
/// A host can have a key several times (`node:18`, `node:20`); one that fits is enough.
///
/// **Short versions.** Only the numbers that a requirement writes are compared: `node=20` holds for
/// 20.11.1, `node>20` from 21 on, `node<=20` up to the last 20.x. So of `<`, `=` and `>` with the
/// same version exactly one holds for any one token. For released versions all this is what
/// `semver::VersionReq` says.
///
/// **Pre-releases** are ordinary versions here, in the order of semver: `rust>=1.85` holds for
/// 1.97.0-nightly, where `VersionReq` would say no. That rule keeps a resolver from picking an
/// unstable release; a host does not choose, it has what it has.
///
/// **Absent keys.** A comparison, `!=` too, holds only where the key has a version: `node!=20` says
/// "a node, but not 20", and neither `node=20` nor `node!=20` holds where there is no node or its
/// value is no version. `!` is plain negation: `!node=20` holds there, and so does `!node!=20`.
/// Of `req` and `!req` exactly one holds, always.
///
/// Parsed with [`FromStr`](std::str::FromStr): spaces are free around operators, `!` and `|` but
/// not around `:`; at most 16 alternatives, and 512 bytes, as it is written and as it prints. It
/// prints in the shortest form, with ` | ` between alternatives, which parses back to the same
/// value. A clone copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostRequirement {
    pub(crate) alternatives: Arc<[RequirementTerm]>,
}

/// One alternative.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequirementTerm {
    pub(crate) negated: bool,
    pub(crate) key: TokenKey,
    pub(crate) test: TokenTest,
}

/// The condition on the tokens with the key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TokenTest {
    /// `key`.
    Present,
    /// `key:any`. The same test, kept apart so that it prints as written.
    Any,
    /// `key:value`, with the version that the value may be.
    Value(Box<str>, Option<ToolVersion>),
    /// `key<op>version`.
    Compare(VersionComparison, ToolVersion),
}

/// Comparison of a version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum VersionComparison {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Caret,
    Tilde,
}

impl VersionComparison {
    pub(crate) const ALL: [Self; 8] = [
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::GreaterEqual,
        Self::Less,
        Self::LessEqual,
        Self::Caret,
        Self::Tilde,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Caret => "^",
            Self::Tilde => "~",
        }
    }
}

/// Reason why a text is no requirement, with the byte.
///
/// Its text is the problem and the mend in one line; a report that shows the place takes
/// [`problem`](Self::problem) and [`mend`](RequirementProblem::mend) apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {}", problem.mend())]
pub struct RequirementError {
    /// Byte offset in the text, on a character's boundary, at most the text's length.
    pub at: usize,
    /// The problem there.
    pub problem: RequirementProblem,
}

/// Problem of a requirement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementProblem {
    /// More than 512 bytes.
    #[error("a requirement has at most {MAX_LEN} bytes")]
    TooLong,
    /// More than 16 alternatives.
    #[error("a requirement has at most {MAX_ALTERNATIVES} alternatives")]
    TooManyAlternatives,
    /// No key where one must be: at the start, after `!` or after `|`.
    #[error("a key is expected here, which starts with a letter or a digit")]
    KeyExpected,
    /// `!!key`.
    #[error("a requirement is negated once at most")]
    DoubleNegation,
    /// Nothing that could be a value follows the `:`.
    #[error("a value is expected after `:`")]
    ValueExpected,
    /// `=>`, `<>`, `!` and the like after a key.
    #[error("`{0}` is not an operator")]
    UnknownOperator(String),
    /// The text after the operator does not start like a version.
    #[error("a version is expected after `{0}`")]
    VersionExpected(&'static str),
    /// The version is malformed.
    #[error("{0}")]
    BadVersion(VersionProblem),
    /// Something that cannot follow what was read.
    #[error("{0:?} is not expected here")]
    Unexpected(char),
}

impl RequirementProblem {
    /// Advice for people: the form that is expected.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::TooLong | Self::TooManyAlternatives => {
                "split it, or let hosts advertise one capability that stands for all"
            }
            Self::KeyExpected => {
                "write a key such as `node`, and `|` only between two requirements"
            }
            Self::DoubleNegation => "leave out both `!`",
            Self::ValueExpected => {
                "write `key:value` without spaces, `key:any`, or a comparison such as `node>=20`"
            }
            Self::UnknownOperator(_) => "write one of `= != > >= < <= ^ ~`",
            Self::VersionExpected(_) => {
                "write a version such as `20` or `20.11.1`; other values are asked for with \
                 `key:value` or `!key:value`"
            }
            Self::BadVersion(VersionProblem::BadCharacter(',')) | Self::Unexpected(',') => {
                "write two items in the list, which must all hold"
            }
            Self::BadVersion(_) => "write a version such as `20`, `20.11` or `20.11.1-rc.1`",
            Self::Unexpected(':') => "write `key:value` without spaces",
            Self::Unexpected('(' | ')') => {
                "write `a | b` without parentheses: items of the list must all hold, and `!` \
                 negates one alternative"
            }
            Self::Unexpected(_) => {
                "write `key`, `key:value` or `key>=version`, with ` | ` between alternatives"
            }
        }
    }
}

impl HostRequirement {
    /// True when the answer of this tool decides: it asks for `tool` in any form, or for
    /// `has:tool`.
    pub fn depends_on(&self, tool: &str) -> bool {
        self.alternatives.iter().any(|term| {
            let is_has = |text: &str| term.key.as_str() == "has" && text == tool;
            term.key.as_str() == tool
                || matches!(&term.test, TokenTest::Value(text, _) if is_has(text))
        })
    }
}

impl fmt::Display for HostRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, term) in self.alternatives.iter().enumerate() {
            let bar = if n == 0 { "" } else { " | " };
            let not = if term.negated { "!" } else { "" };
            write!(f, "{bar}{not}{}", term.key.as_str())?;
            match &term.test {
                TokenTest::Present => {}
                TokenTest::Any => f.write_str(":any")?,
                TokenTest::Value(text, _) => write!(f, ":{text}")?,
                TokenTest::Compare(op, version) => write!(f, "{}{version}", op.as_str())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for HostRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_that_decide_are_known() {
        for (text, depends) in [
            ("node", true),
            ("node>=20", true),
            ("!node:any", true),
            ("gpu | node:20", true),
            ("has:node", true),
            ("has:nodejs", false),
            ("nodejs", false),
            ("os:node", false),
        ] {
            let requirement: HostRequirement = text.parse().unwrap();
            assert_eq!(requirement.depends_on("node"), depends, "{text}");
        }
    }
}
