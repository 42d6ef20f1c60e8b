//! Reads a requirement: one pass, no recursion.

use std::str::FromStr;

use crate::boundary::boundary_before;
use crate::key::{TokenKey, is_value_char};
use crate::requirement::{
    HostRequirement, MAX_ALTERNATIVES, MAX_LEN, RequirementError, RequirementProblem as Problem,
    RequirementTerm, TokenTest, VersionComparison,
};
use crate::version::ToolVersion;

impl FromStr for HostRequirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut reader = TokenReader { text, at: 0 };
        if text.len() > MAX_LEN {
            reader.at = boundary_before(text, MAX_LEN);
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
                None => break,
                Some('|') => reader.at += 1,
                Some(c) => return Err(reader.error(Problem::Unexpected(c))),
            }
        }
        let requirement = Self { alternatives: alternatives.into() };
        // It prints with a space on each side of `|`, and what is printed is read again.
        let most = text.len() + 2 * requirement.alternatives.len();
        if most > MAX_LEN && requirement.to_string().len() > MAX_LEN {
            return Err(reader.error(Problem::TooLong));
        }
        Ok(requirement)
    }
}

/// The text and how far it is read; `at` is always on a character's boundary.
struct TokenReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> TokenReader<'a> {
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

    fn term(&mut self) -> Result<RequirementTerm, RequirementError> {
        let negated = self.peek() == Some('!');
        if negated {
            self.at += 1;
            self.skip_space();
            if self.peek() == Some('!') {
                return Err(self.error(Problem::DoubleNegation));
            }
        }
        let Some((key, len)) = TokenKey::at_start(self.rest()) else {
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
                _ => TokenTest::Present,
            }
        };
        Ok(RequirementTerm { negated, key, test })
    }

    fn value(&mut self) -> Result<TokenTest, RequirementError> {
        match self.take(is_value_char) {
            "" => Err(self.error(Problem::ValueExpected)),
            "any" => Ok(TokenTest::Any),
            value => Ok(TokenTest::Value(value.into(), value.parse().ok())),
        }
    }

    fn comparison(&mut self) -> Result<TokenTest, RequirementError> {
        let start = self.at;
        let op = match self.take(|c| matches!(c, '=' | '!' | '<' | '>' | '^' | '~')) {
            "==" => VersionComparison::Equal,
            written => *VersionComparison::ALL
                .iter()
                .find(|op| op.as_str() == written)
                .ok_or_else(|| RequirementError {
                    at: start,
                    problem: Problem::UnknownOperator(written.into()),
                })?,
        };
        self.skip_space();
        let unread = self.rest().strip_prefix(['v', 'V']).unwrap_or(self.rest());
        if !unread.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error(Problem::VersionExpected(op.as_str())));
        }
        let start = self.at;
        let version = self.take(|c| c != '|' && !c.is_whitespace());
        version.parse::<ToolVersion>().map(|version| TokenTest::Compare(op, version)).map_err(
            |error| RequirementError {
                at: start + error.at,
                problem: Problem::BadVersion(error.problem),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::VersionProblem;
    use proptest::prelude::*;

    #[test]
    fn requirements_print_in_shortest_form() {
        for (text, printed) in [
            ("gpu", "gpu"),
            ("os:any", "os:any"),
            ("os:linux", "os:linux"),
            ("node:v20", "node:v20"),
            ("node==20", "node=20"),
            ("  node  >=  v20.11 ", "node>=20.11"),
            ("node != 20", "node!=20"),
            ("rust ^1.80", "rust^1.80"),
            ("rust~1.80.1", "rust~1.80.1"),
            ("g++>12", "g++>12"),
            ("! docker", "!docker"),
            ("!node!=20", "!node!=20"),
            ("!a|b", "!a | b"),
            ("node<18|node>=20|!has:node", "node<18 | node>=20 | !has:node"),
            ("rust>=1.97.0-nightly+x", "rust>=1.97.0-nightly+x"),
        ] {
            let requirement: HostRequirement = text.parse().unwrap();
            assert_eq!(requirement.to_string(), printed, "{text}");
            assert_eq!(format!("{requirement:?}"), printed, "{text}");
        }
    }

    #[test]
    fn bad_requirements_say_where() {
        use Problem as P;
        let op = |text: &str| P::UnknownOperator(text.to_owned());
        for (text, at, problem) in [
            ("", 0, P::KeyExpected),
            ("   ", 3, P::KeyExpected),
            ("|", 0, P::KeyExpected),
            ("a |", 3, P::KeyExpected),
            ("a || b", 3, P::KeyExpected),
            ("a | >= 2", 4, P::KeyExpected),
            ("!", 1, P::KeyExpected),
            (">=20", 0, P::KeyExpected),
            ("(a | b)", 0, P::KeyExpected),
            ("é", 0, P::KeyExpected),
            ("! !a", 2, P::DoubleNegation),
            ("os:", 3, P::ValueExpected),
            ("os: linux", 3, P::ValueExpected),
            ("node:>=20", 5, P::ValueExpected),
            ("os :linux", 3, P::Unexpected(':')),
            ("os:linux!", 8, P::Unexpected('!')),
            ("os:liné", 6, P::Unexpected('é')),
            ("a b", 2, P::Unexpected('b')),
            ("a, b", 1, P::Unexpected(',')),
            ("a & b", 2, P::Unexpected('&')),
            ("a)", 1, P::Unexpected(')')),
            ("node=>20", 4, op("=>")),
            ("node === 20", 5, op("===")),
            ("node<>20", 4, op("<>")),
            ("node ! 20", 5, op("!")),
            ("node>=!20", 4, op(">=!")),
            ("node>=", 6, P::VersionExpected(">=")),
            ("node == | b", 8, P::VersionExpected("=")),
            ("os=linux", 3, P::VersionExpected("=")),
            ("os = vax", 5, P::VersionExpected("=")),
            ("node>=20.x", 9, P::BadVersion(VersionProblem::NumberExpected)),
            ("node>=20,<22", 8, P::BadVersion(VersionProblem::BadCharacter(','))),
            ("a | b>1.2.3.4", 12, P::BadVersion(VersionProblem::TooManyNumbers)),
        ] {
            assert_eq!(
                text.parse::<HostRequirement>(),
                Err(RequirementError { at, problem }),
                "{text}"
            );
        }
    }

    #[test]
    fn an_error_names_the_mend() {
        let message = |text: &str| text.parse::<HostRequirement>().unwrap_err().to_string();
        assert_eq!(
            message("node=>20"),
            "`=>` is not an operator; write one of `= != > >= < <= ^ ~`"
        );
        assert!(message("os=linux").contains("`key:value`"));
        assert!(message("node>=20,<22").contains("two items in the list"));
        assert!(message("!(a | b)").contains("write a key"));
        assert!(message("a)").contains("without parentheses"));
    }

    #[test]
    fn size_is_bounded() {
        let long = "a".repeat(512);
        assert!(long.parse::<HostRequirement>().is_ok());
        let error = (long + "é").parse::<HostRequirement>().unwrap_err();
        assert_eq!(error, RequirementError { at: 512, problem: Problem::TooLong });
        let many = ["a"; 16].join("|");
        assert!(many.parse::<HostRequirement>().is_ok());
        let error = (many + "|b").parse::<HostRequirement>().unwrap_err();
        assert_eq!(error, RequirementError { at: 32, problem: Problem::TooManyAlternatives });
    }

    #[test]
    fn what_would_print_too_long_is_refused() {
        let alternatives = ["a".repeat(127), "b".repeat(127), "c".repeat(127)].join("|");
        let fits = format!("{alternatives}|{}", "d".repeat(122));
        assert_eq!(fits.parse::<HostRequirement>().unwrap().to_string().len(), 512);
        let error = format!("{fits}d").parse::<HostRequirement>().unwrap_err();
        assert_eq!(error, RequirementError { at: 507, problem: Problem::TooLong });
    }

    proptest! {
        #[test]
        fn printed_requirements_parse_back(
            text in "(!? ?[a-z0-9][a-z.+_-]{0,3}(:any|:[a-z0-9./:@+_-]{1,6}| ?(=|==|!=|>|>=|<|<=|\
                \\^|~) ?v?[0-9]{1,3}(\\.[0-9]{1,3}){0,2})?( ?\\| ?[a-z]{1,3}){0,3})",
        ) {
            let requirement: HostRequirement = text.parse().unwrap();
            prop_assert_eq!(requirement.to_string().parse::<HostRequirement>(), Ok(requirement));
        }

        #[test]
        fn no_text_panics_and_errors_lie_in_it(text in "[a1:|!<>=~^., é(]{0,12}|\\PC{0,10}") {
            match text.parse::<HostRequirement>() {
                Ok(requirement) => {
                    prop_assert_eq!(requirement.to_string().parse(), Ok(requirement));
                }
                Err(error) => {
                    prop_assert!(text.is_char_boundary(error.at), "{} in {:?}", error.at, text);
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
