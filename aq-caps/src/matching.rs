//! What a host has, and whether it is what a job asks for.

use std::cmp::Ordering;
use std::fmt;

use crate::key::Key;
use crate::requirement::{Op, Requirement, Term, Test};
use crate::token::Token;
use crate::version::Version;

/// Everything that a host advertises: a set of tokens, in the order of their text.
///
/// A key can be there several times. What a match needs is worked out when the set is made.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    tokens: Box<[Token]>,
    /// Hash of a token's key and the token's place, sorted: a lookup reads a few cache lines of
    /// this and then only tokens of the key.
    index: Box<[(u32, u32)]>,
}

impl Capabilities {
    /// Whether this host has what `requirement` asks for.
    pub fn satisfies(&self, requirement: &Requirement) -> bool {
        requirement.alternatives.iter().any(|term| self.holds(term))
    }

    /// Whether this host has all of `requirements`.
    pub fn satisfies_all(&self, requirements: &[Requirement]) -> bool {
        requirements.iter().all(|requirement| self.satisfies(requirement))
    }

    /// Those of `requirements` that this host does not satisfy, in their order. Empty when it can
    /// take the job.
    pub fn missing<'a>(&self, requirements: &'a [Requirement]) -> Vec<&'a Requirement> {
        requirements.iter().filter(|requirement| !self.satisfies(requirement)).collect()
    }

    /// The tokens, sorted by key and then by value.
    pub fn iter(&self) -> std::slice::Iter<'_, Token> {
        self.tokens.iter()
    }

    /// How many different tokens there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the host advertises nothing.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn holds(&self, term: &Term) -> bool {
        let mut tokens = self.with_key(&term.key);
        let found = match &term.test {
            Test::Present | Test::Any => tokens.next().is_some(),
            Test::Value(text, version) => tokens.any(|token| {
                token.value() == Some(text)
                    || matches!((token.version(), version), (Some(v), Some(bound))
                        if compare(v, Op::Equal, bound))
            }),
            Test::Compare(Op::NotEqual, bound) => {
                let mut versions = tokens.filter_map(Token::version).peekable();
                versions.peek().is_some() && versions.all(|v| compare(v, Op::NotEqual, bound))
            }
            Test::Compare(op, bound) => {
                tokens.filter_map(Token::version).any(|v| compare(v, *op, bound))
            }
        };
        found != term.negated
    }

    fn with_key<'a>(&'a self, key: &'a Key) -> impl Iterator<Item = &'a Token> {
        let hash = key.hash();
        let start = self.index.partition_point(|&(other, _)| other < hash);
        self.index[start..]
            .iter()
            .take_while(move |&&(other, _)| other == hash)
            .filter_map(|&(_, place)| self.tokens.get(place as usize))
            .filter(move |token| token.indexed_key() == key)
    }
}

/// Whether the host's `version` fits.
fn compare(version: &Version, op: Op, bound: &Version) -> bool {
    let order = version.cmp_within(bound);
    match op {
        Op::Equal => order == Ordering::Equal,
        Op::NotEqual => order != Ordering::Equal,
        Op::Greater => order == Ordering::Greater,
        Op::GreaterEqual => order != Ordering::Less,
        Op::Less => order == Ordering::Less,
        Op::LessEqual => order != Ordering::Greater,
        Op::Caret => order != Ordering::Less && same_leading(version, bound, first_nonzero(bound)),
        Op::Tilde => order != Ordering::Less && same_leading(version, bound, 2),
    }
}

/// The number of leading numbers of `bound` up to the first that is not zero: what `^` keeps.
fn first_nonzero(bound: &Version) -> u8 {
    let bound = bound.to_semver();
    match (bound.major, bound.minor) {
        (0, 0) => 3,
        (0, _) => 2,
        _ => 1,
    }
}

/// Whether the first `count` numbers are the same, as far as `bound` writes them.
fn same_leading(version: &Version, bound: &Version, count: u8) -> bool {
    let (a, b) = (version.to_semver(), bound.to_semver());
    let count = count.min(bound.written());
    a.major == b.major && (count < 2 || a.minor == b.minor) && (count < 3 || a.patch == b.patch)
}

impl FromIterator<Token> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Token>>(tokens: I) -> Self {
        let mut tokens: Vec<Token> = tokens.into_iter().collect();
        tokens.sort_unstable();
        tokens.dedup();
        let places = tokens.iter().zip(0..);
        let mut index: Vec<_> = places.map(|(t, place)| (t.indexed_key().hash(), place)).collect();
        index.sort_unstable();
        Self { tokens: tokens.into(), index: index.into() }
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = &'a Token;
    type IntoIter = std::slice::Iter<'a, Token>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
