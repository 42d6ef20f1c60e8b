//! Versions as people and tools write them, on top of `semver`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease};

/// A version of one to three numbers: `20`, `v20.11`, `1.95.0-nightly+abc`.
///
/// What a number that is not there means depends on the side. Of a host, `20` is `20.0.0`: nothing
/// more is known. In a requirement, `20` is all of `20.x.y` (see [`Requirement`]).
///
/// A leading `v` is dropped and so are leading zeros of a number (`24.04` is `24.4`), which
/// `semver` alone would refuse. A pre-release or build part needs all three numbers.
///
/// The order is that of `semver`, build part included; of two that differ only in how many numbers
/// were written, the shorter one is less.
///
/// [`Requirement`]: crate::HostRequirement
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolVersion {
    /// With zeros for what was not written.
    full: semver::Version,
    /// Count of numbers that were written, 1 to 3.
    written: u8,
}

/// Reason why a text is no version, with the byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; write a version such as `20`, `20.11` or `20.11.1-rc.1`")]
pub struct VersionError {
    /// Byte offset in the text, at most its length.
    pub at: usize,
    /// The problem there.
    pub problem: VersionProblem,
}

/// Problem of a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionProblem {
    /// Something else is where a number must be.
    #[error("a number is expected here")]
    NumberExpected,
    /// A number does not fit in 64 bits.
    #[error("the number is too large")]
    NumberTooLarge,
    /// A fourth number.
    #[error("a version has at most three numbers")]
    TooManyNumbers,
    /// `20-rc.1`: it cannot be said of which `20.x.y` this is the pre-release.
    #[error("a pre-release or build part needs all three numbers before it")]
    ShortWithSuffix,
    /// The part after `-` is not dotted identifiers of letters, digits and `-`.
    #[error("the pre-release part is not made of letters, digits, `-` and single dots")]
    BadPrerelease,
    /// The part after `+` is not dotted identifiers of letters, digits and `-`.
    #[error("the build part is not made of letters, digits, `-` and single dots")]
    BadBuild,
    /// A character that no version has.
    #[error("{0:?} cannot be in a version")]
    BadCharacter(char),
}

impl ToolVersion {
    /// The version with zeros for the numbers that were not written.
    pub fn to_semver(&self) -> &semver::Version {
        &self.full
    }

    /// Count of numbers that were written, 1 to 3.
    pub(crate) fn written(&self) -> u8 {
        self.written
    }

    /// The order of `self` relative to what `bound` covers: only the numbers that `bound` has
    /// written count, and the pre-release only when it has all three. Build parts never count.
    pub(crate) fn cmp_within(&self, bound: &Self) -> Ordering {
        let (a, b) = (&self.full, &bound.full);
        let mut order = a.major.cmp(&b.major);
        if bound.written > 1 {
            order = order.then_with(|| a.minor.cmp(&b.minor));
        }
        if bound.written > 2 {
            order = order.then_with(|| a.patch.cmp(&b.patch)).then_with(|| a.pre.cmp(&b.pre));
        }
        order
    }
}

impl FromStr for ToolVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use VersionProblem as P;
        let fail = |at, problem| Err(VersionError { at, problem });
        let mut at = usize::from(text.starts_with(['v', 'V']));
        let mut numbers = [0u64; 3];
        let mut written = 0u8;
        loop {
            let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return fail(at, P::NumberExpected);
            }
            let Some(slot) = numbers.get_mut(usize::from(written)) else {
                return fail(at, P::TooManyNumbers);
            };
            let Ok(number) = text[at..at + digits].parse() else {
                return fail(at, P::NumberTooLarge);
            };
            *slot = number;
            written += 1;
            at += digits;
            if !text[at..].starts_with('.') {
                break;
            }
            at += 1;
        }
        let suffix_at = at;
        let (mut pre, mut build) = (Prerelease::EMPTY, BuildMetadata::EMPTY);
        if let Some(rest) = text[at..].strip_prefix('-') {
            let end = rest.find('+').unwrap_or(rest.len());
            pre = match Prerelease::new(&rest[..end]) {
                Ok(pre) if !pre.is_empty() => pre,
                _ => return fail(at + 1, P::BadPrerelease),
            };
            at += 1 + end;
        }
        if let Some(rest) = text[at..].strip_prefix('+') {
            build = match BuildMetadata::new(rest) {
                Ok(build) if !build.is_empty() => build,
                _ => return fail(at + 1, P::BadBuild),
            };
            at = text.len();
        }
        if let Some(c) = text[at..].chars().next() {
            return fail(at, P::BadCharacter(c));
        }
        if written < 3 && at > suffix_at {
            return fail(suffix_at, P::ShortWithSuffix);
        }
        let [major, minor, patch] = numbers;
        Ok(Self { full: semver::Version { major, minor, patch, pre, build }, written })
    }
}

impl fmt::Display for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = &self.full;
        match self.written {
            1 => write!(f, "{}", full.major),
            2 => write!(f, "{}.{}", full.major, full.minor),
            _ => write!(f, "{full}"),
        }
    }
}

impl fmt::Debug for ToolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_print_nearly_as_written() {
        for (text, printed) in [
            ("20", "20"),
            ("20.11", "20.11"),
            ("v20.11.1", "20.11.1"),
            ("V1", "1"),
            ("24.04", "24.4"),
            ("1.97.0-nightly", "1.97.0-nightly"),
            ("1.2.3-rc.1+5.sha", "1.2.3-rc.1+5.sha"),
            ("1.2.3+b-1", "1.2.3+b-1"),
            ("18446744073709551615", "18446744073709551615"),
        ] {
            let version: ToolVersion = text.parse().unwrap();
            assert_eq!(version.to_string(), printed, "{text}");
            assert_eq!(format!("{version:?}"), printed, "{text}");
        }
    }

    #[test]
    fn bad_versions_say_where() {
        use VersionProblem as P;
        for (text, at, problem) in [
            ("", 0, P::NumberExpected),
            ("v", 1, P::NumberExpected),
            ("vv1", 1, P::NumberExpected),
            ("latest", 0, P::NumberExpected),
            ("-1", 0, P::NumberExpected),
            ("20.", 3, P::NumberExpected),
            ("20.x", 3, P::NumberExpected),
            ("1..2", 2, P::NumberExpected),
            ("1.2.3.4", 6, P::TooManyNumbers),
            ("18446744073709551616", 0, P::NumberTooLarge),
            ("1.99999999999999999999", 2, P::NumberTooLarge),
            ("20-rc.1", 2, P::ShortWithSuffix),
            ("20.11+b", 5, P::ShortWithSuffix),
            ("1.2.3-", 6, P::BadPrerelease),
            ("1.2.3-a..b", 6, P::BadPrerelease),
            ("1.2.3-é", 6, P::BadPrerelease),
            ("1.2.3+", 6, P::BadBuild),
            ("1.2.3-rc+", 9, P::BadBuild),
            ("1.2.3 ", 5, P::BadCharacter(' ')),
            ("20é", 2, P::BadCharacter('é')),
        ] {
            assert_eq!(text.parse::<ToolVersion>(), Err(VersionError { at, problem }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_semver_takes_is_taken_unchanged(
            text in concat!(
                r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){2}(-[a-z]{1,5}(\.[1-9])?)?(\+[a-z0-9]",
                r"{1,4})?",
            ),
        ) {
            let ours: ToolVersion = text.parse().unwrap();
            let theirs: semver::Version = text.parse().unwrap();
            prop_assert_eq!(ours.to_semver(), &theirs);
            prop_assert_eq!(ours.to_string(), text);
        }

        #[test]
        fn no_text_panics_and_errors_lie_in_it(text in "[v0-9.+é-]{0,12}|\\PC{0,8}") {
            if let Err(error) = text.parse::<ToolVersion>() {
                prop_assert!(text.is_char_boundary(error.at), "{} in {:?}", error.at, text);
            }
        }
    }
}
