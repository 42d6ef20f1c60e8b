//! Reads a requirement: one pass, no recursion.

use std::str::FromStr;

use crate::key::{Key, is_value_char};
use crate::requirement::{
    MAX_ALTERNATIVES, MAX_LEN, Op, Requirement, RequirementError, RequirementProblem as Problem,
    Term, Test,
};
use crate::version::Version;

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = Reader { text, at: 0 };
        if text.len() > MAX_LEN {
            reader.at = text.floor_char_boundary(MAX_LEN);
            return Err(reader.error(Problem::TooLong));
        }
        let mut alternatives = Vec::with_capacity(1);
        loop {
            reader.skip_space();
            if alternatives.len() == MAX_ALTERNATIVES {
                return Err(reader.error(Problem::TooManyAlternatives));
            }
            alternatives.push(reader.term()?);
            reader.skip_space();
            match reader.peek() {
                None => return Ok(Self { alternatives: alternatives.into() }),
                Some('|') => reader.at += 1,
                Some(c) => return Err(reader.error(Problem::Unexpected(c))),
            }
        }
    }
}

/// The text and how far it is read; `at` is always on a character's boundary.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, problem: Problem) -> RequirementError {
        RequirementError { at: self.at, problem }
    }

    fn skip_space(&mut self) {
        self.take(char::is_whitespace);
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn term(&mut self) -> Result<Term, RequirementError> {
        let negated = self.peek() == Some('!');
        if negated {
            self.at += 1;
            self.skip_space();
            if self.peek() == Some('!') {
                return Err(self.error(Problem::DoubleNegation));
            }
        }
        let Some((key, len)) = Key::at_start(self.rest()) else {
            return Err(self.error(Problem::KeyExpected));
        };
        self.at += len;
        let test = if self.peek() == Some(':') {
            self.at += 1;
            self.value()?
        } else {
            self.skip_space();
            match self.peek() {
                Some('=' | '!' | '<' | '>' | '^' | '~') => self.comparison()?,
                _ => Test::Present,
            }
        };
        Ok(Term { negated, key, test })
    }

    fn value(&mut self) -> Result<Test, RequirementError> {
        match self.take(is_value_char) {
            "" => Err(self.error(Problem::ValueExpected)),
            "any" => Ok(Test::Any),
            value => Ok(Test::Value(value.into(), value.parse().ok())),
        }
    }

    fn comparison(&mut self) -> Result<Test, RequirementError> {
        let start = self.at;
        let op = match self.take(|c| matches!(c, '=' | '!' | '<' | '>' | '^' | '~')) {
            "==" => Op::Equal,
            written => *Op::ALL.iter().find(|op| op.as_str() == written).ok_or_else(|| {
                RequirementError { at: start, problem: Problem::UnknownOperator(written.into()) }
            })?,
        };
        self.skip_space();
        let unread = self.rest().strip_prefix(['v', 'V']).unwrap_or(self.rest());
        if !unread.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error(Problem::VersionExpected(op.as_str())));
        }
        let start = self.at;
        let version = self.take(|c| c != '|' && !c.is_whitespace());
        version.parse::<Version>().map(|version| Test::Compare(op, version)).map_err(|error| {
            RequirementError { at: start + error.at, problem: Problem::BadVersion(error.problem) }
        })
    }
}
