//! Tokens of aq's own: out of this process's environment, or out of a file that a variable names.

use std::ffi::OsString;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::environment::ProcessEnvironment;
use super::hidden_env::is_secret;
use crate::process::take_secrets;

/// The variable of the token that a coordinator knows its hosts by.
pub const FLEET_TOKEN: &str = "AQ_FLEET_TOKEN";

/// The variables of trackers' tokens.
pub const TRACKER_TOKENS: [&str; 2] = ["AQ_TRACKER_TOKEN", "AQ_GITHUB_TOKEN"];

/// All variables that a `_FILE` can replace.
pub const TOKEN_VARIABLES: [&str; 3] = [FLEET_TOKEN, TRACKER_TOKENS[0], TRACKER_TOKENS[1]];

/// The longest first line of a token file, in bytes.
const MAX_TOKEN: u64 = 4096;

/// Permission bits of the group and of all others.
const OTHERS_WRITE: u32 = 0o022;
const OTHERS_READ: u32 = 0o044;

/// A token as the user gave it.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenToken {
    /// The text.
    pub text: String,
    /// Why others may know it, when they may.
    pub warning: Option<String>,
}

impl std::fmt::Debug for GivenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GivenToken").field("warning", &self.warning).finish_non_exhaustive()
    }
}

/// The file that a variable names holds no token that can be used. No message repeats its content.
#[derive(Debug, thiserror::Error)]
#[error("{variable}={}: {problem}", path.display())]
pub struct TokenFileError {
    /// The variable, `AQ_*_TOKEN_FILE`.
    pub variable: String,
    /// The file that it names.
    pub path: PathBuf,
    /// What is wrong with it, and the mend.
    pub problem: TokenFileProblem,
}

/// What is wrong with a token file.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileProblem {
    /// The system refuses to open or read it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A directory, a pipe, a device.
    #[error("expected a regular file whose first line is the token")]
    NotRegular,
    /// Its owner is neither this user nor root.
    #[error("it belongs to another user, who could put another token into it")]
    OfAnother,
    /// Its mode lets others write.
    #[error("others can write it, and so put another token into it; `chmod 600` mends that")]
    WritableByOthers,
    /// Nothing but white space, or too much, or no text.
    #[error("expected its first line to be the token, at most {MAX_TOKEN} bytes of text")]
    NoToken,
}

impl ProcessEnvironment {
    /// The environment of this process. Secrets are taken out of the process itself: its children
    /// inherit none, and others do not see them.
    ///
    /// To be called first thing in `main`, and once: a second call finds no secrets.
    ///
    /// # Panics
    /// When there is a secret to take and other threads run already.
    pub fn take() -> Self {
        let secrets = take_secrets(is_secret);
        Self::new(std::env::vars_os().chain(secrets))
    }

    /// A token of aq's own, by its variable. The file that `VARIABLE_FILE` names wins. `None` when
    /// neither is set to anything.
    ///
    /// # Errors
    /// When a file is named that holds no usable token.
    pub fn token(&self, variable: &str) -> Result<Option<GivenToken>, TokenFileError> {
        if let Some(file) = self.token_file(variable) {
            return file.read().map(Some);
        }
        let text = self.get(variable).map(|value| value.to_string_lossy().into_owned());
        let text = text.filter(|text| !text.is_empty());
        Ok(text.map(|text| GivenToken { text, warning: None }))
    }

    /// A copy that has the tokens of files as the variables that these replace, and why others
    /// may know some of them.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn with_tokens(&self, variables: &[&str]) -> Result<(Self, Vec<String>), TokenFileError> {
        let (mut read, mut warnings) = (Vec::new(), Vec::new());
        for variable in variables {
            if let Some(file) = self.token_file(variable) {
                let token = file.read()?;
                read.push(((*variable).into(), token.text.into()));
                warnings.extend(token.warning);
            }
        }
        let own = self.iter().map(|(name, value)| (name.clone(), value.clone()));
        Ok((Self::new(own.chain(read)), warnings))
    }

    /// The variables for a worker: all but those that only this process may know.
    pub(super) fn without_secrets(&self) -> Vec<(OsString, OsString)> {
        let open = self.iter().filter(|(name, _)| !is_secret(name.as_bytes()));
        open.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The file that replaces a variable.
    pub(super) fn token_file(&self, variable: &str) -> Option<TokenFile> {
        let variable = format!("{variable}_FILE");
        let path = self.path(&variable)?;
        Some(TokenFile { variable, path })
    }
}

/// A file that a variable names.
#[derive(Clone, Debug)]
pub(super) struct TokenFile {
    variable: String,
    path: PathBuf,
}

impl TokenFile {
    /// Reads the token that is in it now.
    pub(super) fn read(&self) -> Result<GivenToken, TokenFileError> {
        let (text, metadata) = read_first_line(&self.path).map_err(|problem| TokenFileError {
            variable: self.variable.clone(),
            path: self.path.clone(),
            problem,
        })?;
        let warning = (metadata.mode() & OTHERS_READ != 0).then(|| {
            let Self { variable, path } = self;
            format!("{variable}={}: others can read it; `chmod 600` mends that", path.display())
        });
        Ok(GivenToken { text, warning })
    }
}

/// Reads the token, and what the system says of the file that it was read from.
fn read_first_line(path: &Path) -> Result<(String, Metadata), TokenFileProblem> {
    // A link is followed, as secrets of containers are links; a pipe is not waited for.
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(TokenFileProblem::NotRegular);
    }
    let own = nix::unistd::geteuid().as_raw();
    if ![own, 0].contains(&metadata.uid()) {
        return Err(TokenFileProblem::OfAnother);
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        return Err(TokenFileProblem::WritableByOthers);
    }
    let mut bytes = Vec::new();
    file.take(MAX_TOKEN + 2).read_to_end(&mut bytes)?;
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let text = str::from_utf8(line).ok().map(str::trim);
    match text.filter(|text| !text.is_empty() && text.len() as u64 <= MAX_TOKEN) {
        Some(text) => Ok((text.to_owned(), metadata)),
        None => Err(TokenFileProblem::NoToken),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// The token of a file with this content and mode.
    fn read(content: &[u8], mode: u32) -> Result<GivenToken, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        named(&path)
    }

    fn named(path: &Path) -> Result<GivenToken, String> {
        let variables = [("AQ_FLEET_TOKEN_FILE".into(), path.into())];
        let other = [("AQ_FLEET_TOKEN".into(), "of-the-variable".into())];
        let environment = ProcessEnvironment::new(variables.into_iter().chain(other));
        let token = environment.token("AQ_FLEET_TOKEN");
        token.map(Option::unwrap).map_err(|e| e.to_string())
    }

    #[test]
    fn first_line_of_file_wins() {
        let token = read(b"  s3cret \nmore\n", 0o600).unwrap();
        assert_eq!((token.text.as_str(), token.warning), ("s3cret", None));
        assert!(!format!("{:?}", read(b"s3cret", 0o600)).contains("s3cret"));
        let longest = "x".repeat(4096);
        assert_eq!(read(longest.as_bytes(), 0o600).unwrap().text, longest);
    }

    #[test]
    fn a_file_that_others_read_is_warned_about() {
        for mode in [0o640, 0o604] {
            let token = read(b"s3cret", mode).unwrap();
            assert_eq!(token.text, "s3cret");
            let warning = token.warning.unwrap();
            assert!(warning.starts_with("AQ_FLEET_TOKEN_FILE=/"), "{warning}");
            assert!(warning.contains("others can read it; `chmod 600`"), "{warning}");
        }
    }

    #[test]
    fn what_holds_no_safe_token_is_refused() {
        let too_long = "x".repeat(4097);
        for (content, mode, want) in [
            (&b"s3cret"[..], 0o620, "others can write it"),
            (b"s3cret", 0o602, "others can write it"),
            (b"", 0o600, "expected its first line to be the token"),
            (b"\ns3cret", 0o600, "expected its first line to be the token"),
            (b"s3cret\xff", 0o600, "at most 4096 bytes of text"),
            (too_long.as_bytes(), 0o600, "at most 4096 bytes of text"),
        ] {
            let error = read(content, mode).unwrap_err();
            assert!(error.starts_with("AQ_FLEET_TOKEN_FILE=/"), "{error}");
            assert!(error.contains(want) && !error.contains("s3cret"), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        assert!(named(dir.path()).unwrap_err().contains("expected a regular file"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(named(&pipe).unwrap_err().contains("expected a regular file"));
        assert!(named(&dir.path().join("none")).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn without_file_the_variable_counts() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|&(name, value)| (name.into(), value.into()));
            let token = ProcessEnvironment::new(pairs).token("AQ_GITHUB_TOKEN").unwrap();
            token.map(|token| token.text)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("AQ_GITHUB_TOKEN", "")]), None);
        let both = [("AQ_GITHUB_TOKEN", "t"), ("AQ_GITHUB_TOKEN_FILE", "")];
        assert_eq!(of(&both), Some("t".to_owned()));
    }
}
