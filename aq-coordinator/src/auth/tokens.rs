//! Bearer tokens, compared in constant time.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::file;
use super::scope::TokenScope;

/// The shortest token that is taken, in bytes. Shorter ones can be guessed.
const MIN_TOKEN: usize = 16;

/// The longest token that is taken, in bytes: what a header line carries without trouble.
const MAX_TOKEN: usize = 512;

/// The longest label, in bytes. Labels are in logs and metrics.
const MAX_LABEL: usize = 64;

/// The most tokens in a file: each request is compared with all of them.
const MAX_TOKENS: usize = 1000;

/// Reason why there are no tokens to check callers with. No message repeats a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenListError {
    /// The file cannot be read.
    #[error("cannot read the token file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Not a file to trust.
    #[error("cannot use the token file {path}: {problem}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The cause, and the mend.
        problem: &'static str,
    },
    /// No line holds a token.
    #[error("{origin} holds no token: write one a line, such as `laptop submit SECRET`")]
    Empty {
        /// The file or variable.
        origin: String,
    },
    /// A line is no token.
    #[error("{origin}, line {line}: {problem}")]
    Line {
        /// The file or variable.
        origin: String,
        /// From 1.
        line: usize,
        /// The problem, and the expected form.
        problem: &'static str,
    },
}

/// The tokens that a coordinator accepts. Only their digests are kept. Clones share them: what one
/// reads again, all have.
#[derive(Clone)]
pub struct ApiTokens {
    /// Where they can be read again.
    file: Option<PathBuf>,
    now: Arc<RwLock<TokenList>>,
}

/// The tokens of one reading.
#[derive(Clone)]
struct TokenList {
    entries: Arc<[TokenEntry]>,
    warnings: Vec<String>,
}

struct TokenEntry {
    label: Arc<str>,
    /// `None` for a line that names none.
    scope: Option<TokenScope>,
    digest: [u8; 32],
}

/// A caller that showed a valid token: its place in the list, its label and scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiCaller {
    pub(crate) token: u64,
    pub(crate) label: Arc<str>,
    pub(crate) scope: TokenScope,
}

impl ApiTokens {
    /// Reads a token file: lines of a label, a scope (`submit`, `host:ID`, `read` or `admin`) and a
    /// token; `#` starts a comment line. A label and a token, or a token alone, may do everything.
    /// A token has 16 to 512 visible ASCII characters. Several tokens let one be replaced while the
    /// other still works; labels say in the log whose call it was.
    ///
    /// # Errors
    /// Names the file and the line, never the token. A file that others can write is refused.
    pub fn read(path: &Path) -> Result<Self, TokenListError> {
        let list = TokenList::read(path)?;
        Ok(Self { file: Some(path.to_owned()), now: Arc::new(RwLock::new(list)) })
    }

    /// Reads the text of a token file; `origin` is what errors call it.
    ///
    /// # Errors
    /// As [`ApiTokens::read`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, TokenListError> {
        let list = TokenList { entries: parse(origin, text)?, warnings: Vec::new() };
        Ok(Self { file: None, now: Arc::new(RwLock::new(list)) })
    }

    /// Reads the file again, if they are from one; else nothing changes.
    ///
    /// # Errors
    /// As [`ApiTokens::read`]; then the tokens that were known stay.
    pub fn read_again(&self) -> Result<(), TokenListError> {
        if let Some(file) = &self.file {
            let list = TokenList::read(file)?;
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = list;
        }
        Ok(())
    }

    /// The file that they are from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Warnings about the file: who else can read it, and which lines name no scope.
    pub fn warnings(&self) -> Vec<String> {
        self.list().warnings
    }

    /// Tests for a token that may do everything. Takes the same time for each wrong one.
    pub fn accept(&self, token: &str) -> bool {
        self.check(token).is_some_and(|caller| caller.scope == TokenScope::Admin)
    }

    /// Whose token it is. Takes the same time for each wrong token, however much of it is right.
    pub(crate) fn check(&self, token: &str) -> Option<ApiCaller> {
        let digest = digest(token);
        let entries = self.list().entries;
        let mut found = u64::MAX;
        for (n, entry) in (0..).zip(entries.iter()) {
            found.conditional_assign(&n, entry.digest.ct_eq(&digest));
        }
        let entry = entries.get(usize::try_from(found).ok()?)?;
        let (start, _) = digest.split_first_chunk()?;
        Some(ApiCaller {
            token: u64::from_le_bytes(*start),
            label: Arc::clone(&entry.label),
            scope: entry.scope.clone().unwrap_or(TokenScope::Admin),
        })
    }

    fn list(&self) -> TokenList {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TokenList {
    fn read(path: &Path) -> Result<Self, TokenListError> {
        let shown = path.display().to_string();
        let (text, others_read) = file::read(path)?;
        let entries = parse(&shown, &text)?;
        let mut warnings = Vec::new();
        if others_read {
            warnings.push(format!("{shown}: others can read it; `chmod 600` mends that"));
        }
        let bare = entries.iter().filter(|entry| entry.scope.is_none());
        let bare: Vec<&str> = bare.map(|entry| &*entry.label).collect();
        if !bare.is_empty() {
            warnings.push(format!(
                "{shown}: these tokens may do everything, as their lines name no scope: {}; write \
                 `LABEL SCOPE TOKEN`, with `submit`, `host:ID`, `read` or `admin`",
                bare.join(", ")
            ));
        }
        Ok(Self { entries, warnings })
    }
}

fn parse(origin: &str, text: &str) -> Result<Arc<[TokenEntry]>, TokenListError> {
    let mut entries = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse =
            |problem| TokenListError::Line { origin: origin.to_owned(), line: n + 1, problem };
        if entries.len() == MAX_TOKENS {
            return Err(refuse("more than 1000 tokens; take out those that nobody uses"));
        }
        entries.push(entry(line, n + 1).map_err(refuse)?);
    }
    if entries.is_empty() {
        return Err(TokenListError::Empty { origin: origin.to_owned() });
    }
    Ok(entries.into())
}

impl fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list().entries.iter().map(|entry| &entry.label)).finish()
    }
}

fn entry(line: &str, number: usize) -> Result<TokenEntry, &'static str> {
    let mut words = line.split_whitespace();
    let words = [words.next(), words.next(), words.next(), words.next()];
    let (label, scope, token) = match words {
        [Some(token), None, ..] => (format!("token-{number}"), None, token),
        [Some(label), Some(token), None, _] => (label.to_owned(), None, token),
        [Some(label), Some(scope), Some(token), None] => {
            (label.to_owned(), Some(scope.parse()?), token)
        }
        _ => return Err("expected a label, a scope and a token"),
    };
    if label.len() > MAX_LABEL || !label.chars().all(is_label) {
        return Err("a label has at most 64 letters, digits, `.`, `_` and `-`");
    }
    if token.len() < MIN_TOKEN {
        return Err("a token has at least 16 characters; make one with `openssl rand -hex 32`");
    }
    if token.len() > MAX_TOKEN {
        return Err("a token has at most 512 characters");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token has visible ASCII characters only");
    }
    Ok(TokenEntry { label: label.into(), scope, digest: digest(token) })
}

fn is_label(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Digests have one length, so the comparison says nothing of the token's.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FIRST: &str = "0123456789abcdef";
    const SECOND: &str = "fedcba9876543210";

    #[test]
    fn each_token_is_known_by_its_label() {
        let text = format!("# who\n\nlaptop\t{FIRST}\r\n{SECOND}\n");
        let tokens = ApiTokens::parse("t", &text).unwrap();
        assert_eq!(&*tokens.check(FIRST).unwrap().label, "laptop");
        assert_eq!(&*tokens.check(SECOND).unwrap().label, "token-4");
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert_eq!(tokens.check(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_line_without_a_scope_may_do_everything() {
        let text = format!("a {FIRST}\nb read {SECOND}\n");
        let tokens = ApiTokens::parse("t", &text).unwrap();
        let scope = |token| tokens.check(token).unwrap().scope;
        assert_eq!((scope(FIRST), scope(SECOND)), (TokenScope::Admin, TokenScope::Read));
        assert!(tokens.accept(FIRST) && !tokens.accept(SECOND), "one that only reads");
    }

    #[test]
    fn a_file_is_read_again_or_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, format!("a {FIRST}\n{FIRST}x\nb submit {FIRST}y")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let tokens = ApiTokens::read(&path).unwrap();
        let warnings = tokens.warnings();
        assert!(warnings[0].contains("others can read it"), "{warnings:?}");
        assert!(warnings[1].contains("no scope: a, token-2;"), "{warnings:?}");
        let other = tokens.clone();
        std::fs::write(&path, format!("b read {SECOND}")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        tokens.read_again().unwrap();
        assert_eq!((other.check(FIRST), other.warnings()), (None, vec![]));
        for bad in ["", "b write 0123456789abcdef"] {
            std::fs::write(&path, bad).unwrap();
            assert!(tokens.read_again().is_err());
            assert!(other.check(SECOND).is_some(), "the old one stays");
        }
    }

    #[test]
    fn bad_lines_are_named_and_not_repeated() {
        let long = "x".repeat(513);
        for (text, line, says) in [
            ("short-secret", 1, "at least 16"),
            (&long, 1, "at most 512"),
            ("\na b cccccccccccccccccccc", 2, "a scope is"),
            ("a host:b-shadow cccccccccccccccccccc", 1, "without `-shadow`"),
            ("a read b cccccccccccccccccccc", 1, "a label, a scope and a token"),
            ("la/bel 0123456789abcdef", 1, "a label has"),
            ("0123456789abcdef\u{e9}", 1, "visible ASCII"),
        ] {
            let error = ApiTokens::parse("file", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("file, line {line}: ")), "{error}");
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("secret") && !error.contains("ccc"), "{error}");
        }
        assert!(matches!(ApiTokens::parse("file", "# none\n"), Err(TokenListError::Empty { .. })));
    }

    #[test]
    fn tokens_do_not_show_in_debug_output() {
        let tokens = ApiTokens::parse("t", &format!("laptop {FIRST}")).unwrap();
        assert_eq!(format!("{tokens:?}"), "[\"laptop\"]");
    }
}
