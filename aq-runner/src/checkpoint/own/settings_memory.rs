//! The last words of git on a repository's settings, for as long as the files that have them are
//! the same. What is secret in them is not remembered.
//!
//! Only where nothing is included from elsewhere: then a job needs of the user's own files nothing
//! but that they include nothing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::super::files;
use super::super::git::GitProgram;
use super::super::git_files::is_plain_config;
use super::super::repository::GitRepository;
use super::settings::{GitSetting, has_includes, parse, text_to_remember};

/// No job id starts with a dot.
const FILE: &str = ".settings";
/// The most that is read of a file with settings, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The places of the system's file, unless a variable says another.
const OF_SYSTEM: [&str; 3] =
    ["/etc/gitconfig", "/usr/local/etc/gitconfig", "/opt/homebrew/etc/gitconfig"];
/// The number of bytes before the settings: those of a digest.
const STAMP: usize = 32;

/// The memory of the repository that a queue last worked in.
#[derive(Debug)]
pub(super) struct SettingsMemory {
    file: PathBuf,
    /// The state of the files that have settings, as a digest.
    state: [u8; STAMP],
}

impl SettingsMemory {
    /// `None` where files do not tell.
    pub(super) fn of(repo: &GitRepository, notes: &Path) -> Option<Self> {
        if repo.git_dir() != repo.common_dir() || !is_plain_config(repo.common_dir())? {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(concat!(env!("CARGO_PKG_VERSION"), "\n"));
        for file in std::iter::once(repo.common_dir().join("config")).chain(of_user(repo.git())) {
            let bytes = files::read_up_to(&file, MAX_FILE).ok()?;
            if bytes.as_ref().is_some_and(|bytes| bytes.len() as u64 >= MAX_FILE) {
                return None;
            }
            for part in [Some(file.as_os_str().as_bytes()), bytes.as_deref()] {
                // With their length, so that none can pass for two.
                hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
                hash.update(part.unwrap_or_default());
            }
        }
        Some(Self { file: notes.join(FILE), state: hash.finalize().into() })
    }

    /// The settings of the repository in this state.
    pub(super) fn recall(&self) -> Option<Vec<GitSetting>> {
        let bytes = std::fs::read(&self.file).ok()?;
        let (state, text) = bytes.split_at_checked(STAMP)?;
        (state == self.state).then(|| parse(text))
    }

    /// Remembers what git said when the files were so.
    pub(super) fn remember(&self, settings: &[GitSetting]) {
        if !has_includes(settings) {
            let text = text_to_remember(settings);
            // What is not remembered is asked again.
            let _ = files::put(&self.file, &[&self.state[..], &text].concat());
        }
    }
}

/// The files of the user's and of the system that git reads.
fn of_user(git: &GitProgram) -> Vec<PathBuf> {
    let variable = |name: &str| git.variable(name).filter(|value: &OsString| !value.is_empty());
    let home = variable("HOME").map(PathBuf::from);
    let mut paths = match variable("GIT_CONFIG_SYSTEM") {
        Some(path) => vec![PathBuf::from(path)],
        None => OF_SYSTEM.map(PathBuf::from).to_vec(),
    };
    match variable("GIT_CONFIG_GLOBAL") {
        Some(path) => paths.push(path.into()),
        None => {
            let elsewhere = variable("XDG_CONFIG_HOME").map(PathBuf::from);
            let below_home = || home.as_ref().map(|home| home.join(".config"));
            paths.extend(elsewhere.or_else(below_home).map(|dir| dir.join("git/config")));
            paths.extend(home.map(|home| home.join(".gitconfig")));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn settings_are_asked_again_when_a_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let git = |args: &[&str]| {
            let status = Command::new("git").args(args).current_dir(&root).status().unwrap();
            assert!(status.success());
        };
        git(&["init", "-q"]);
        git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m1"]);
        let global = root.join("gitconfig");
        let marks = vec![("GIT_CONFIG_GLOBAL".into(), global.clone().into())];
        let repo = GitRepository::discover(&root, &marks).unwrap().unwrap();
        let memory = || SettingsMemory::of(&repo, &root);
        let first = memory().unwrap();
        assert!(first.recall().is_none());
        first.remember(&parse(b"local\0\0core.x\n1\0global\0\0user.name\nAda\0"));
        assert_eq!(memory().unwrap().recall(), Some(parse(b"local\0\0core.x\n1\0")));
        std::fs::write(&global, "[user]\nname = Ada\n").unwrap();
        assert!(memory().unwrap().recall().is_none(), "a file of the user's");
        memory().unwrap().remember(&parse(b"local\0\0core.x\n2\0"));
        git(&["config", "core.y", "1"]);
        assert!(memory().unwrap().recall().is_none(), "the repository's own");
        memory().unwrap().remember(&parse(b"global\0\0include.path\nx\0"));
        assert!(memory().unwrap().recall().is_none(), "with an include");
        git(&["config", "extensions.worktreeConfig", "true"]);
        assert!(memory().is_none());
    }
}
