//! Which paths a list of globs means: a pure function of both.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs over paths of a repository.
///
/// A path is relative to the repository's root, with `/` between its parts. `*` and `?` stand for
/// characters of one part, `**` for any number of parts, so `dir/**` is all that lies below `dir`;
/// `dir/` means the same. `[ab]` is one of these characters, `{a,b}` one of these texts, and `\`
/// takes the next character as it is. Upper and lower case differ.
///
/// ```
/// use aq_manifest::ScopeSet;
///
/// let scope = ScopeSet::new(&["src/**", "*.md"])?;
/// assert!(scope.allows("src/api/login.rs") && scope.allows("README.md"));
/// assert!(!scope.allows("docs/README.md"));
/// # Ok::<(), aq_manifest::GlobError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ScopeSet {
    globs: GlobSet,
}

/// Why a text is no glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the glob {glob:?} {problem}; {help}")]
pub struct GlobError {
    /// The glob as written.
    pub glob: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub help: &'static str,
}

impl ScopeSet {
    /// Compiles the globs.
    ///
    /// # Errors
    /// The first glob that is malformed, or that no path of a repository could match.
    pub fn new<S: AsRef<str>>(globs: &[S]) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(compile(glob.as_ref())?);
        }
        let globs = set.build().map_err(|error| {
            let glob = error.glob().unwrap_or_default().to_owned();
            GlobError { glob, problem: error.kind().to_string(), help: "write a simpler glob" }
        })?;
        Ok(Self { globs })
    }

    /// Whether a job may change the path: a glob matches it, or there is no glob at all.
    pub fn allows(&self, path: &str) -> bool {
        self.globs.is_empty() || self.matches(path)
    }

    /// Whether a glob matches the path.
    pub fn matches(&self, path: &str) -> bool {
        self.globs.is_match(path)
    }
}

fn compile(glob: &str) -> Result<globset::Glob, GlobError> {
    let fail = |problem: String, help| Err(GlobError { glob: glob.to_owned(), problem, help });
    let pattern = glob.strip_prefix("./").unwrap_or(glob);
    if pattern.is_empty() {
        return fail("matches no path".into(), "write `**` for everything");
    }
    if pattern.starts_with(['/', '~']) || pattern.split('/').any(|part| part == "..") {
        let problem = "leaves the repository".into();
        return fail(problem, "write a path relative to the repository's root");
    }
    if pattern.starts_with('!') {
        let problem = "starts with `!`, which excludes nothing here".into();
        return fail(problem, "list what is allowed; write `\\!` for a name that starts so");
    }
    let subtree = if pattern.ends_with('/') { "**" } else { "" };
    GlobBuilder::new(&format!("{pattern}{subtree}"))
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .or_else(|error| {
            let help = "close every `[` and `{`, and put `\\` before a character that is meant as \
                        it is";
            fail(format!("is no glob: {}", error.kind()), help)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_in_the_scope_or_not() {
        for (glob, inside, outside) in [
            ("src/**", vec!["src/a", "src/a/b/c.rs", "src/.x"], vec!["src", "srcs/a", "a/src/b"]),
            ("src/", vec!["src/a", "src/a/b"], vec!["src2/a"]),
            ("./src/*", vec!["src/a"], vec!["src/a/b"]),
            ("*.md", vec!["a.md", ".md"], vec!["docs/a.md", "a.mdx", "A.MD"]),
            ("**/*.md", vec!["a.md", "docs/x/a.md"], vec!["a.txt"]),
            ("a/**/b", vec!["a/b", "a/x/b", "a/x/y/b"], vec!["a/bb", "x/a/b"]),
            ("**", vec!["a", "a/b"], vec![]),
            ("*", vec!["a"], vec!["a/b"]),
            ("a?.rs", vec!["ab.rs"], vec!["a/.rs", "a.rs"]),
            ("{a,b}/[cd]", vec!["a/c", "b/d"], vec!["c/c", "a/e"]),
            ("a\\*", vec!["a*"], vec!["ab"]),
            ("dir", vec!["dir"], vec!["dir/a"]),
            ("\\!x", vec!["!x"], vec!["x"]),
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
            ("/etc/**", "leaves the repository"),
            ("~/x", "leaves the repository"),
            ("a/../b", "leaves the repository"),
            ("!a", "starts with `!`"),
            ("a[", "is no glob"),
            ("{a,b", "is no glob"),
        ] {
            let error = ScopeSet::new(&["ok", glob]).unwrap_err();
            assert_eq!(error.glob, glob);
            assert!(error.problem.contains(problem), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_glob_or_path_panics(glob in "[ab/*?\\[\\]{},!\\\\.]{0,12}", path in "\\PC{0,12}") {
            if let Ok(scope) = ScopeSet::new(&[glob]) {
                scope.allows(&path);
            }
        }

        #[test]
        fn a_subtree_is_all_below_it(dir in "[a-z]{1,4}", below in "[a-z.]{1,4}(/[a-z.]{1,4}){0,3}") {
            let scope = ScopeSet::new(&[format!("{dir}/**")]).unwrap();
            let path = format!("{dir}/{below}");
            let beside = format!("{dir}x/{below}");
            prop_assert!(scope.allows(&path));
            prop_assert!(!scope.allows(&beside));
        }
    }
}
