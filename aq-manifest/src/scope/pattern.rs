//! A glob without braces, and the paths that it matches.

use std::str::Chars;

/// A glob whose braces are written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GlobPattern {
    parts: Vec<PatternPart>,
    /// Says that it also matches what is below the path that it names.
    takes_below: bool,
}

/// The text between two `/` of a glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternPart {
    /// `**`: any number of parts of a path; at the end of a glob at least one.
    Tree,
    /// One part of a path.
    Name(Vec<PatternSymbol>),
}

/// A piece of the text of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternSymbol {
    /// This character.
    Literal(char),
    /// Any one character.
    Any,
    /// Any number of any characters.
    Star,
    /// One character of these ranges, or of none of them.
    Class {
        /// Says that it is one of none of them.
        negated: bool,
        /// First and last character of each.
        ranges: Vec<(char, char)>,
    },
}

impl GlobPattern {
    /// A glob of these parts. One that ends in a plain name means a directory of that name, too.
    pub(super) fn new(mut parts: Vec<PatternPart>) -> Self {
        parts.dedup_by(|part, before| *part == PatternPart::Tree && *before == PatternPart::Tree);
        let is_plain = |symbol: &PatternSymbol| matches!(symbol, PatternSymbol::Literal(_));
        let takes_below =
            matches!(parts.last(), Some(PatternPart::Name(name)) if name.iter().all(is_plain));
        Self { parts, takes_below }
    }

    #[cfg(test)]
    pub(super) fn has_tree(&self) -> bool {
        self.parts.contains(&PatternPart::Tree)
    }

    /// Matches a path, which is given by its parts.
    pub(super) fn matches(&self, path: &[&str]) -> bool {
        let (mut part, mut at) = (0, 0);
        // What comes after the last `**`, and how far that reaches so far.
        let mut tree: Option<(usize, usize)> = None;
        loop {
            match self.parts.get(part) {
                None if at == path.len() || self.takes_below => return true,
                Some(PatternPart::Tree) if part + 1 < self.parts.len() => {
                    part += 1;
                    tree = Some((part, at));
                    continue;
                }
                Some(PatternPart::Tree) if at < path.len() => return true,
                Some(PatternPart::Name(name))
                    if path.get(at).is_some_and(|text| fits(name, text)) =>
                {
                    part += 1;
                    at += 1;
                    continue;
                }
                None | Some(_) => {}
            }
            match tree {
                Some((after, reached)) if reached < path.len() => {
                    (part, at) = (after, reached + 1);
                    tree = Some((after, at));
                }
                _ => return false,
            }
        }
    }
}

impl PatternSymbol {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::Any | Self::Star => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// Matches a text without a `/` in it.
fn fits(name: &[PatternSymbol], text: &str) -> bool {
    let (mut symbol, mut rest) = (0, text.chars());
    // What comes after the last `*`, and the text that this does not take so far.
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        let mut ahead = rest.clone();
        match (name.get(symbol), ahead.next()) {
            (None, None) => return true,
            (Some(PatternSymbol::Star), _) => {
                symbol += 1;
                star = Some((symbol, rest.clone()));
                continue;
            }
            (Some(one), Some(c)) if one.takes(c) => {
                symbol += 1;
                rest = ahead;
                continue;
            }
            _ => {}
        }
        let Some((after, not_taken)) = &mut star else { return false };
        if not_taken.next().is_none() {
            return false;
        }
        symbol = *after;
        rest = not_taken.clone();
    }
}
