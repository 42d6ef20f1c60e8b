//! The tokens of a host, and the check of a job's requirements against them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::key::TokenKey;
use crate::requirement::{HostRequirement, RequirementTerm, TokenTest, VersionComparison};
use crate::token::CapabilityToken;
use crate::version::ToolVersion;

/// Up to so many heads are read in a row; among more, a search finds the first.
const FEW: usize = 64;

/// Everything that a host advertises: a set of tokens, in the order of their text.
///
/// A key can be there several times. What a match needs is worked out when the set is made. A clone
/// copies two pointers.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    tokens: Arc<[CapabilityToken]>,
    /// The head of each token's key, in the same order: a lookup reads a few cache lines of this
    /// and then only tokens that it wants.
    heads: Arc<[u64]>,
}

impl Capabilities {
    /// Tests the host's tokens against one requirement.
    pub fn satisfies(&self, requirement: &HostRequirement) -> bool {
        requirement.alternatives.iter().any(|term| self.holds(term))
    }

    /// Tests the host's tokens against all of `requirements`.
    pub fn satisfies_all(&self, requirements: &[HostRequirement]) -> bool {
        requirements.iter().all(|requirement| self.satisfies(requirement))
    }

    /// Those of `requirements` that this host does not satisfy, in their order. Empty when it can
    /// take the job.
    pub fn missing<'a>(&self, requirements: &'a [HostRequirement]) -> Vec<&'a HostRequirement> {
        requirements.iter().filter(|requirement| !self.satisfies(requirement)).collect()
    }

    /// The tokens, sorted by key and then by value.
    pub fn iter(&self) -> std::slice::Iter<'_, CapabilityToken> {
        self.tokens.iter()
    }

    /// Number of different tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Tests for a host that advertises nothing.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn holds(&self, term: &RequirementTerm) -> bool {
        let mut tokens = self.with_key(&term.key);
        let found = match &term.test {
            TokenTest::Present | TokenTest::Any => tokens.next().is_some(),
            TokenTest::Value(text, version) => tokens.any(|token| {
                token.value() == Some(text)
                    || matches!((token.version(), version), (Some(v), Some(bound))
                        if compare(v, VersionComparison::Equal, bound))
            }),
            TokenTest::Compare(VersionComparison::NotEqual, bound) => {
                let mut versions = tokens.filter_map(CapabilityToken::version).peekable();
                versions.peek().is_some()
                    && versions.all(|v| compare(v, VersionComparison::NotEqual, bound))
            }
            TokenTest::Compare(op, bound) => {
                tokens.filter_map(CapabilityToken::version).any(|v| compare(v, *op, bound))
            }
        };
        found != term.negated
    }

    /// The tokens with this key, which are side by side.
    fn with_key<'a>(&'a self, key: &'a TokenKey) -> impl Iterator<Item = &'a CapabilityToken> {
        let head = key.head();
        // A few cache lines are had at once when read in a row, and one after the other in a
        // search.
        let start = if self.heads.len() <= FEW {
            self.heads.iter().take_while(|&&other| other < head).count()
        } else {
            self.heads.partition_point(|&other| other < head)
        };
        let same_head = self.heads[start..].iter().take_while(move |&&other| other == head);
        let tokens = same_head.zip(&self.tokens[start..]).map(|(_, token)| token);
        tokens.filter(|token| token.indexed_key().same_tail(key))
    }
}

/// Compares the host's `version` with a bound.
fn compare(version: &ToolVersion, op: VersionComparison, bound: &ToolVersion) -> bool {
    let order = version.cmp_within(bound);
    match op {
        VersionComparison::Equal => order == Ordering::Equal,
        VersionComparison::NotEqual => order != Ordering::Equal,
        VersionComparison::Greater => order == Ordering::Greater,
        VersionComparison::GreaterEqual => order != Ordering::Less,
        VersionComparison::Less => order == Ordering::Less,
        VersionComparison::LessEqual => order != Ordering::Greater,
        VersionComparison::Caret => {
            order != Ordering::Less && same_leading(version, bound, first_nonzero(bound))
        }
        VersionComparison::Tilde => order != Ordering::Less && same_leading(version, bound, 2),
    }
}

/// The number of leading numbers of `bound` up to the first that is not zero: what `^` keeps.
fn first_nonzero(bound: &ToolVersion) -> u8 {
    let bound = bound.to_semver();
    match (bound.major, bound.minor) {
        (0, 0) => 3,
        (0, _) => 2,
        _ => 1,
    }
}

/// Compares the first `count` numbers, as far as `bound` writes them.
fn same_leading(version: &ToolVersion, bound: &ToolVersion, count: u8) -> bool {
    let (a, b) = (version.to_semver(), bound.to_semver());
    let count = count.min(bound.written());
    a.major == b.major && (count < 2 || a.minor == b.minor) && (count < 3 || a.patch == b.patch)
}

impl FromIterator<CapabilityToken> for Capabilities {
    fn from_iter<I: IntoIterator<Item = CapabilityToken>>(tokens: I) -> Self {
        let mut tokens: Vec<CapabilityToken> = tokens.into_iter().collect();
        tokens.sort_unstable();
        tokens.dedup();
        let heads = tokens.iter().map(|token| token.indexed_key().head()).collect();
        Self { tokens: tokens.into(), heads }
    }
}

impl<'a> IntoIterator for &'a Capabilities {
    type Item = &'a CapabilityToken;
    type IntoIter = std::slice::Iter<'a, CapabilityToken>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(tokens: &str) -> Capabilities {
        tokens
            .split(' ')
            .filter(|t| !t.is_empty())
            .map(|t| t.parse::<CapabilityToken>().unwrap())
            .collect()
    }

    fn holds(tokens: &str, requirement: &str) -> bool {
        host(tokens).satisfies(&requirement.parse().unwrap())
    }

    #[test]
    fn short_versions_compare_the_numbers_they_write() {
        let table = [
            // version, then: =20 !=20 >20 >=20 <20 <=20 ^20 ~20.11
            ("19.9.9", [0, 1, 0, 0, 1, 1, 0, 0]),
            ("20.0.0-rc.1", [1, 0, 0, 1, 0, 1, 1, 0]),
            ("20.0.0", [1, 0, 0, 1, 0, 1, 1, 0]),
            ("20.11.1", [1, 0, 0, 1, 0, 1, 1, 1]),
            ("20.12.0", [1, 0, 0, 1, 0, 1, 1, 0]),
            ("21.0.0-rc.1", [0, 1, 1, 1, 0, 0, 0, 0]),
            ("21", [0, 1, 1, 1, 0, 0, 0, 0]),
        ];
        let asked = ["=20", "!=20", ">20", ">=20", "<20", "<=20", "^20", "~20.11"];
        for (version, expected) in table {
            for (text, expected) in asked.iter().zip(expected) {
                let token = format!("node:{version}");
                assert_eq!(holds(&token, &format!("node{text}")), expected == 1, "{token} {text}");
            }
        }
    }

    #[test]
    fn keys_values_and_versions_match() {
        for (tokens, requirement, expected) in [
            ("gpu", "gpu", true),
            ("gpu", "gpu:any", true),
            ("os:linux", "os", true),
            ("os:linux", "os:any", true),
            ("os:linux", "os:linux", true),
            ("os:linux", "os:lin", false),
            ("os:linux", "OS:linux", false),
            ("", "os:any", false),
            ("os:linux", "osx", false),
            // A value that is a version compares as with `=`.
            ("node:20.11.1", "node:20", true),
            ("node:20.11.1", "node:v20.11", true),
            ("node:20.11.1", "node:2", false),
            ("node:20", "node:20.11.1", false),
            ("ubuntu:24.04", "ubuntu:24.04", true),
            // The numbers that a short version of a host lacks are zeros.
            ("node:20", "node>=20", true),
            ("node:20", "node>=20.1", false),
            ("cpus:16", "cpus>=8", true),
            ("cpus:16", "cpus>16", false),
            ("node:v20.1.0", "node>=v20", true),
            // `^` keeps the first number that is not zero, and those before it.
            ("tool:1.9.0", "tool^1.2", true),
            ("tool:2.0.0", "tool^1.2", false),
            ("tool:0.2.5", "tool^0.2.3", true),
            ("tool:0.3.0", "tool^0.2.3", false),
            ("tool:0.0.3", "tool^0.0.3", true),
            ("tool:0.0.4", "tool^0.0.3", false),
            ("tool:0.0.9", "tool^0.0", true),
            ("tool:0.1.0", "tool^0.0", false),
            ("tool:0.9.1", "tool^0", true),
            ("tool:1.0.0", "tool^0", false),
            // One token that fits is enough.
            ("node:18 node:20", "node=18", true),
            ("node:18 node:20", "node>19", true),
            ("node:18 node:20", "node=19", false),
            // Build parts do not count.
            ("rust:1.95.0+a", "rust=1.95.0+b", true),
            ("rust:1.97.0-nightly", "rust>=1.85", true),
            ("rust:1.97.0-nightly", "rust>=1.97.0", false),
            ("rust:1.97.0-nightly", "rust>=1.97.0-beta", true),
            ("a", "b | a", true),
            ("c", "b | a", false),
            ("c", "!a | b", true),
            ("a b", "!a | b", true),
            ("a", "!a | b", false),
        ] {
            assert_eq!(holds(tokens, requirement), expected, "{tokens:?} {requirement}");
        }
    }

    #[test]
    fn a_comparison_needs_a_version() {
        for (tokens, equal, not_equal) in [
            ("", false, false),
            ("node", false, false),
            ("node:lts", false, false),
            ("node:18", false, true),
            ("node:20", true, false),
            ("node:18 node:20", true, false),
            ("node:18 node:lts", false, true),
        ] {
            assert_eq!(holds(tokens, "node=20"), equal, "{tokens:?}");
            assert_eq!(holds(tokens, "node!=20"), not_equal, "{tokens:?}");
            assert_eq!(holds(tokens, "!node=20"), !equal, "{tokens:?}");
            assert_eq!(holds(tokens, "!node!=20"), !not_equal, "{tokens:?}");
        }
    }

    #[test]
    fn missing_keeps_order_of_list() {
        let wanted = ["rust", "os:linux", "go>1", "node"].map(|text| text.parse().unwrap());
        let host = host("os:linux node:20");
        let missing: Vec<_> = host.missing(&wanted).iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["rust", "go>1"]);
        assert!(!host.satisfies_all(&wanted));
        assert!(host.satisfies_all(&wanted[1..2]));
        assert!(host.satisfies_all(&[]));
    }

    #[test]
    fn capabilities_are_a_sorted_set() {
        let host = host("b a:2 a a:10 b");
        let tokens: Vec<_> = host.iter().map(ToString::to_string).collect();
        assert_eq!(tokens, ["a", "a:10", "a:2", "b"]);
        assert_eq!(format!("{host:?}"), "{a, a:10, a:2, b}");
        assert_eq!(host.len(), 4);
        assert!(!host.is_empty() && Capabilities::default().is_empty());
        assert_eq!(host, self::host("a b a:10 a:2"));
    }

    #[test]
    fn keys_that_start_alike_are_told_apart() {
        let tokens = "toolbox:1 toolbox1:2 toolbox12:3 toolbox123:4 toolbox13:5 toolboy:6";
        for (key, version) in [
            ("toolbox", Some(1)),
            ("toolbox1", Some(2)),
            ("toolbox12", Some(3)),
            ("toolbox123", Some(4)),
            ("toolbox13", Some(5)),
            ("toolboy", Some(6)),
            ("toolbo", None),
            ("toolbox2", None),
            ("toolbox124", None),
        ] {
            assert_eq!(holds(tokens, key), version.is_some(), "{key}");
            for n in 1..=6 {
                assert_eq!(holds(tokens, &format!("{key}={n}")), version == Some(n), "{key} {n}");
            }
        }
    }

    #[test]
    fn among_many_tokens_each_is_found() {
        for count in [FEW - 1, FEW, FEW + 1, 4 * FEW] {
            let tokens: Vec<String> = (0..count).map(|n| format!("tool-{n}:{n}")).collect();
            let host = host(&tokens.join(" "));
            let holds = |text: String| host.satisfies(&text.parse().unwrap());
            assert!((0..count).all(|n| holds(format!("tool-{n}={n}"))), "{count}");
            assert!(!holds(format!("tool-{count}")) && !holds("a".into()) && !holds("z".into()));
        }
    }

    fn any_requirement() -> impl Strategy<Value = String> {
        "(a|b)(:any|:x|:[0-2]|(=|!=|>|>=|<|<=|\\^|~)[0-2](\\.[0-2]){0,2})?"
    }

    proptest! {
        #[test]
        fn of_a_requirement_and_its_negation_one_holds(
            tokens in "((a|b)(:x|:[0-2](\\.[0-2]){0,2})? ){0,4}",
            text in any_requirement(),
        ) {
            prop_assert_ne!(holds(&tokens, &text), holds(&tokens, &format!("!{text}")));
        }

        #[test]
        fn equal_and_not_equal_never_both_hold(
            tokens in "(a(:x|:[0-2](\\.[0-2]){0,2})? ){0,4}",
            version in "[0-2](\\.[0-2]){0,2}",
        ) {
            let equal = holds(&tokens, &format!("a={version}"));
            let not_equal = holds(&tokens, &format!("a!={version}"));
            prop_assert!(!(equal && not_equal));
        }

        #[test]
        fn less_equal_and_greater_part_the_versions(
            token in "[0-2]\\.[0-2]\\.[0-2](-[ab])?",
            version in "[0-2](\\.[0-2]){0,2}|[0-2]\\.[0-2]\\.[0-2]-[ab]",
        ) {
            let token = format!("a:{token}");
            let held = ["<", "=", ">"].map(|op| holds(&token, &format!("a{op}{version}")));
            prop_assert_eq!(held.iter().filter(|&&held| held).count(), 1, "{:?}", held);
        }

        #[test]
        fn released_versions_compare_as_in_semver(
            version in "[0-3]\\.[0-3]\\.[0-3]",
            op in "=|>|>=|<|<=|\\^|~",
            bound in "[0-3](\\.[0-3]){0,2}|[0-3]\\.[0-3]\\.[0-3]-[ab]",
        ) {
            let theirs = semver::VersionReq::parse(&format!("{op}{bound}")).unwrap();
            let theirs = theirs.matches(&version.parse().unwrap());
            prop_assert_eq!(holds(&format!("a:{version}"), &format!("a{op}{bound}")), theirs);
        }

        #[test]
        fn pre_releases_that_semver_takes_are_taken(
            version in "[0-3]\\.[0-3]\\.[0-3]-[ab]",
            op in "=|>|>=|<|<=|\\^|~",
            bound in "[0-3](\\.[0-3]){0,2}|[0-3]\\.[0-3]\\.[0-3]-[ab]",
        ) {
            let theirs = semver::VersionReq::parse(&format!("{op}{bound}")).unwrap();
            let ours = holds(&format!("a:{version}"), &format!("a{op}{bound}"));
            prop_assert!(ours || !theirs.matches(&version.parse().unwrap()));
        }
    }
}
