//! Which paths a list of globs means: a pure function of both.

mod parse;
mod pattern;

use pattern::GlobPattern;

/// Globs over paths of a repository.
///
/// A path is relative to the repository's root, with `/` between its parts. `*` and `?` mean
/// characters of one part, also for a dot at its start; `**` for any number of parts, so `dir/**`
/// is all that is below `dir`, and `dir/` means the same. A glob that ends in a plain name matches
/// that and what is below it. `[ab]` is one of these characters and `[!ab]` is none of them,
/// `{a,b}` is one of these texts, and `\` takes the next character as it is. Upper and lower case
/// differ. Nothing but `**` matches a `/`.
///
/// ```
/// use aq_manifest::ScopeSet;
///
/// let scope = ScopeSet::new(&["src", "*.md"])?;
/// assert!(scope.allows("src/api/login.rs") && scope.allows("README.md"));
/// assert!(!scope.allows("docs/README.md"));
/// # Ok::<(), aq_manifest::GlobError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScopeSet {
    patterns: Vec<GlobPattern>,
}

/// Reason why a text is no glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the glob {glob:?} {problem}; {help}")]
pub struct GlobError {
    /// The glob as written.
    pub glob: String,
    /// The problem.
    pub problem: String,
    /// Advice for people: the text to write instead.
    pub help: &'static str,
}

impl ScopeSet {
    /// Compiles the globs.
    ///
    /// # Errors
    /// The first glob that is malformed, or that no path of a repository could match.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, GlobError> {
        let mut patterns = Vec::new();
        for glob in globs {
            patterns.extend(compile(glob.as_ref())?);
        }
        Ok(Self { patterns })
    }

    /// Tests for a path that the job may change: a glob matches it, or there is no glob at all.
    pub fn allows(&self, path: &str) -> bool {
        self.patterns.is_empty() || self.matches(path)
    }

    /// Tests for a path that a glob matches.
    pub fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        !path.is_empty() && self.patterns.iter().any(|pattern| pattern.matches(&parts))
    }
}

/// Says what is wrong with a glob, if anything is.
pub(crate) fn check(glob: &str) -> Result<(), GlobError> {
    compile(glob).map(drop)
}

/// Reads one glob, and writes its braces out.
fn compile(glob: &str) -> Result<Vec<GlobPattern>, GlobError> {
    let fail = |(problem, help)| GlobError { glob: glob.to_owned(), problem, help };
    parse::patterns(glob).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_in_the_scope_or_not() {
        for (glob, inside, outside) in [
            ("src/**", vec!["src/a", "src/a/b/c.rs", "src/.x"], vec!["src", "srcs/a", "a/src/b"]),
            ("src/", vec!["src/a", "src/a/b"], vec!["src", "src2/a"]),
            ("src", vec!["src", "src/a", "src/a/b"], vec!["src2", "a/src"]),
            ("./src/*", vec!["src/a"], vec!["src/a/b"]),
            ("src/./a//b", vec!["src/a/b", "src/a/b/c"], vec!["src/a"]),
            (".", vec!["a", "a/b"], vec![]),
            ("./", vec!["a", "a/b"], vec![]),
            ("*.md", vec!["a.md", ".md"], vec!["docs/a.md", "a.mdx", "A.MD", "a.md/b"]),
            ("**/*.md", vec!["a.md", "docs/x/a.md"], vec!["a.txt"]),
            ("a/**/b", vec!["a/b", "a/x/b", "a/x/y/b", "a/b/c"], vec!["a/bb", "x/a/b"]),
            ("a/**/*b", vec!["a/b", "a/x/yb"], vec!["a/b/c", "ab"]),
            ("**/a/**/b.*", vec!["a/b.c", "x/a/y/a/z/b.c"], vec!["b.c", "a/b/c"]),
            ("**/target", vec!["target", "a/target/b/c"], vec!["a/targets"]),
            ("packages/*/src", vec!["packages/a/src/b/c"], vec!["packages/a/b/src"]),
            ("**", vec!["a", "a/b"], vec![]),
            ("**/**", vec!["a", "a/b"], vec![]),
            ("a/**/**", vec!["a/b"], vec!["a"]),
            ("*/", vec!["a/b", "a/b/c"], vec!["a"]),
            ("*", vec!["a", ".a", "a\nb", "\u{fffd}"], vec!["a/b"]),
            ("*a*b*", vec!["ab", "xaybz", "aab"], vec!["ba", "a/b"]),
            ("a?.rs", vec!["ab.rs", "aé.rs"], vec!["a/.rs", "a.rs", "aéé.rs"]),
            ("{a,b}/[cd]", vec!["a/c", "b/d"], vec!["c/c", "a/e"]),
            ("a[!x]b", vec!["ayb", "aéb"], vec!["axb", "a/b", "ab"]),
            ("a[^x]b", vec!["ayb"], vec!["axb", "a/b"]),
            ("a[+-9]b", vec!["a.b", "a5b"], vec!["a/b"]),
            ("[]a-]", vec!["]", "a", "-"], vec!["b"]),
            ("[\\]x]", vec!["]", "x"], vec!["\\"]),
            ("[é-ü{,]", vec!["ö", "{", ","], vec!["e", "\u{c3}"]),
            ("{,x}a", vec!["a", "xa", "a/b"], vec!["x"]),
            ("{,x}", vec!["x"], vec!["a"]),
            ("{src/,}a.rs", vec!["src/a.rs", "a.rs"], vec!["b/a.rs"]),
            ("a{/x,{b,c/**}}", vec!["a/x", "ab", "ac/d"], vec!["ax", "a", "ac"]),
            ("src/{**/x,y}", vec!["src/x", "src/a/x", "src/y"], vec!["srcx"]),
            ("a\\*", vec!["a*"], vec!["ab"]),
            ("a\\{b,c\\}", vec!["a{b,c}"], vec!["ab"]),
            ("a,b]", vec!["a,b]"], vec!["a"]),
            ("dir", vec!["dir", "dir/a"], vec!["a/dir"]),
            ("\\!x", vec!["!x"], vec!["x"]),
            ("\\~x", vec!["~x"], vec!["x"]),
            ("...", vec!["..."], vec!["a", ".."]),
        ] {
            let scope = ScopeSet::new(&[glob]).unwrap();
            for path in inside {
                assert!(scope.allows(path), "{glob} allows {path}");
            }
            for path in outside {
                assert!(!scope.allows(path), "{glob} refuses {path}");
            }
        }
    }

    #[test]
    fn no_glob_allows_everything_and_matches_nothing() {
        let none = ScopeSet::new::<&str>(&[]).unwrap();
        assert!(none.allows("a/b"));
        assert!(!none.matches("a/b"));
    }

    #[test]
    fn bad_globs_say_what_is_wrong() {
        for (glob, problem) in [
            ("", "matches no path"),
            ("{,}", "matches no path"),
            ("/etc/**", "leaves the repository"),
            ("{/etc,a}", "leaves the repository"),
            ("{,a}/b", "leaves the repository"),
            ("~/x", "leaves the repository"),
            ("a/../b", "leaves the repository"),
            ("a/{..,b}", "leaves the repository"),
            ("a/\\..", "leaves the repository"),
            ("!a", "starts with `!`"),
            ("a[", "a `[` is not closed"),
            ("[]", "a `[` is not closed"),
            ("[a/b]", "a `/` is between `[` and `]`"),
            ("[z-a]", "the range z-a is empty"),
            ("[[:alpha:]]", "a class by name"),
            ("{a,b", "a `{` is not closed"),
            ("{a,[}]", "a `{` is not closed"),
            ("a}", "a `}` closes nothing"),
            ("a{}", "there is nothing in `{}`"),
            ("a\\", "it ends in `\\`"),
            ("a**b", "has a `**` beside other characters"),
            ("**.rs", "has a `**` beside other characters"),
            ("src/**x", "has a `**` beside other characters"),
            ("a{**/x,b}", "has a `**` beside other characters"),
            ("***", "has a `**` beside other characters"),
            ("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}{q}", "more than 16 `{`"),
            ("{1,2,3,4}{1,2,3,4}{1,2,3,4}{1,2,3,4}{1,2}", "more than 256 globs"),
        ] {
            let error = ScopeSet::new(&["ok", glob]).unwrap_err();
            assert_eq!(error.glob, glob);
            assert!(error.problem.contains(problem), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_glob_that_compiles_is_matched(
            globs in prop::collection::vec("[ab/*?\\[\\]{},!^\\-\\\\.é]{0,40}", 1..4),
            path in "\\PC{0,12}",
        ) {
            let is_good = |glob: &String| compile(glob).is_ok();
            let good: Vec<String> = globs.into_iter().filter(is_good).collect();
            let scope = ScopeSet::new(&good);
            prop_assert!(scope.is_ok(), "{:?}", scope);
            scope.unwrap().allows(&path);
        }

        #[test]
        fn subtree_is_all_below_it(dir in "[a-z]{1,4}", below in "[a-z.]{1,4}(/[a-z.]{1,4}){0,3}") {
            let scope = ScopeSet::new(&[format!("{dir}/**")]).unwrap();
            let path = format!("{dir}/{below}");
            let beside = format!("{dir}x/{below}");
            prop_assert!(scope.allows(&path));
            prop_assert!(!scope.allows(&beside));
        }

        #[test]
        fn plain_globs_match_themselves_and_below(
            glob in "[ab]{1,2}(/[ab]{1,2}){0,2}",
            path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        ) {
            let is_it = path == glob || path.starts_with(&format!("{glob}/"));
            prop_assert_eq!(ScopeSet::new(&[&glob]).unwrap().matches(&path), is_it);
        }

        #[test]
        fn only_trees_match_separators(
            glob in "([ab*?{},!^\\-é]|\\[[!^]?[ab+\\-9]{1,3}\\]){1,8}[*?]",
            path in "[abé.]{0,3}/[abé.]{0,3}",
        ) {
            if let Ok(scope) = ScopeSet::new(&[&glob])
                && compile(&glob).unwrap().iter().all(|one| !one.has_tree())
            {
                prop_assert!(!scope.matches(&path), "{} {}", glob, path);
            }
        }

        #[test]
        fn matching_agrees_with_plain_walk(
            glob in "(\\*\\*|[ab*?]{1,3})(/(\\*\\*|[ab*?]{1,3})){0,4}",
            path in "[ab]{1,3}(/[ab]{1,3}){0,4}",
        ) {
            if let Ok(scope) = ScopeSet::new(&[&glob]) {
                let parts: Vec<&str> = glob.split('/').collect();
                let below = !parts.last().unwrap().contains(['*', '?']);
                let names: Vec<&str> = path.split('/').collect();
                let is_match = walk(&parts, &names, below);
                prop_assert_eq!(scope.matches(&path), is_match, "{} {}", glob, path);
            }
        }
    }

    /// The meaning of a glob by its definition, in exponential time.
    fn walk(glob: &[&str], path: &[&str], below: bool) -> bool {
        match (glob, path) {
            ([], rest) => rest.is_empty() || below,
            (["**"], rest) => !rest.is_empty(),
            (["**", after @ ..], rest) => {
                walk(after, rest, below) || (!rest.is_empty() && walk(glob, &rest[1..], below))
            }
            (_, []) => false,
            ([one, after @ ..], [name, rest @ ..]) => {
                letters(one.as_bytes(), name.as_bytes()) && walk(after, rest, below)
            }
        }
    }

    fn letters(glob: &[u8], name: &[u8]) -> bool {
        match (glob, name) {
            ([], rest) => rest.is_empty(),
            ([b'*', after @ ..], rest) => {
                letters(after, rest) || (!rest.is_empty() && letters(glob, &rest[1..]))
            }
            ([b'?', after @ ..], [_, rest @ ..]) => letters(after, rest),
            ([one, after @ ..], [c, rest @ ..]) => one == c && letters(after, rest),
            (_, []) => false,
        }
    }
}
