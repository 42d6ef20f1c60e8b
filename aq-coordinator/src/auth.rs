//! Who may call: bearer tokens, compared in constant time (docs/fleet.md).

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// The shortest token that is taken, in bytes. Shorter ones can be guessed.
const MIN_TOKEN: usize = 16;

/// The longest token that is taken, in bytes: what a header line carries without trouble.
const MAX_TOKEN: usize = 512;

/// The longest label, in bytes. Labels stand in logs and metrics.
const MAX_LABEL: usize = 64;

/// The most tokens in a file: each request is compared with all of them.
const MAX_TOKENS: usize = 1000;

/// Why there are no tokens to check callers with. No message repeats a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No line holds a token.
    #[error("{origin} holds no token: write one a line, such as `laptop SECRET`")]
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
        /// What is wrong, and what is expected.
        problem: &'static str,
    },
}

/// The tokens that a coordinator accepts. Only their digests are kept.
#[derive(Clone)]
pub struct Tokens(Arc<[Entry]>);

struct Entry {
    label: Arc<str>,
    digest: [u8; 32],
}

/// A caller that showed a valid token: the token's place in the list and its label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) token: usize,
    pub(crate) label: Arc<str>,
}

impl Tokens {
    /// Reads a token file: one token a line, or a label, spaces and a token; `#` starts a comment
    /// line. A token has 16 to 512 visible ASCII characters. Several tokens let one be replaced
    /// while the other still works; labels say in the log whose call it was.
    ///
    /// # Errors
    /// Names the file and the line, never the token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of a token file; `origin` is what errors call it.
    ///
    /// # Errors
    /// As [`Tokens::read`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, TokenError> {
        let mut entries = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let refuse =
                |problem| TokenError::Line { origin: origin.to_owned(), line: n + 1, problem };
            if entries.len() == MAX_TOKENS {
                return Err(refuse("more than 1000 tokens; take out those that nobody uses"));
            }
            entries.push(entry(line, n + 1).map_err(refuse)?);
        }
        if entries.is_empty() {
            return Err(TokenError::Empty { origin: origin.to_owned() });
        }
        Ok(Self(entries.into()))
    }

    /// Whether it is one of them. Takes the same time for each wrong token.
    pub fn accept(&self, token: &str) -> bool {
        self.check(token).is_some()
    }

    /// Whose token it is. Takes the same time for each wrong token, however much of it is right.
    pub(crate) fn check(&self, token: &str) -> Option<Caller> {
        let digest = digest(token);
        let mut found = u64::MAX;
        for (n, entry) in (0..).zip(self.0.iter()) {
            found.conditional_assign(&n, entry.digest.ct_eq(&digest));
        }
        let n = usize::try_from(found).ok()?;
        self.0.get(n).map(|entry| Caller { token: n, label: Arc::clone(&entry.label) })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|entry| &entry.label)).finish()
    }
}

fn entry(line: &str, number: usize) -> Result<Entry, &'static str> {
    let mut words = line.split_whitespace();
    let (label, token) = match (words.next(), words.next(), words.next()) {
        (Some(token), None, _) => (format!("token-{number}"), token),
        (Some(label), Some(token), None) => (label.to_owned(), token),
        _ => return Err("expected a token, or a label and a token"),
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
    Ok(Entry { label: label.into(), digest: digest(token) })
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
    use super::*;

    const FIRST: &str = "0123456789abcdef";
    const SECOND: &str = "fedcba9876543210";

    #[test]
    fn each_token_is_known_by_its_label() {
        let text = format!("# who\n\nlaptop\t{FIRST}\r\n{SECOND}\n");
        let tokens = Tokens::parse("t", &text).unwrap();
        assert_eq!(&*tokens.check(FIRST).unwrap().label, "laptop");
        assert_eq!(&*tokens.check(SECOND).unwrap().label, "token-4");
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert_eq!(tokens.check(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn bad_lines_are_named_and_not_repeated() {
        let long = "x".repeat(513);
        for (text, line, says) in [
            ("short-secret", 1, "at least 16"),
            (&long, 1, "at most 512"),
            ("\na b cccccccccccccccccccc", 2, "a label and a token"),
            ("la/bel 0123456789abcdef", 1, "a label has"),
            ("0123456789abcdef\u{e9}", 1, "visible ASCII"),
        ] {
            let error = Tokens::parse("file", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("file, line {line}: ")), "{error}");
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("secret") && !error.contains("ccc"), "{error}");
        }
        assert!(matches!(Tokens::parse("file", "# none\n"), Err(TokenError::Empty { .. })));
    }

    #[test]
    fn tokens_do_not_show_in_debug_output() {
        let tokens = Tokens::parse("t", &format!("laptop {FIRST}")).unwrap();
        assert_eq!(format!("{tokens:?}"), "[\"laptop\"]");
    }
}
