//! Telling an engine from another program of its name, by what it says of its version.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::reason::short;

/// The most that is kept of an answer, in bytes.
const ANSWER_MAX: usize = 2000;
/// The most answers that are kept, the newest last.
const ANSWERS_MAX: usize = 200;

/// The question by which a program on PATH shows that it is the engine of its name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct VersionCheck {
    /// Its arguments. Default `--version`.
    pub args: Vec<String>,
    /// Text that the answer holds, in letters of any case; `''` takes every program. Without it the
    /// answer holds the name of the engine or its program. A version number alone names no other
    /// program, and will do for every engine.
    pub says: Option<String>,
}

impl Default for VersionCheck {
    fn default() -> Self {
        Self { args: vec!["--version".to_owned()], says: None }
    }
}

impl VersionCheck {
    /// Tests an answer. One without any text proves nothing, and is taken.
    pub(super) fn accepts(&self, names: &[&str], answer: &str) -> bool {
        let answer = answer.trim().to_lowercase();
        if answer.is_empty() || is_version(&answer) {
            return true;
        }
        match &self.says {
            Some(says) => answer.contains(&says.to_lowercase()),
            None => names.iter().any(|name| holds_word(&answer, name)),
        }
    }
}

fn is_version(answer: &str) -> bool {
    let number = answer.strip_prefix('v').unwrap_or(answer);
    let can_be = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(can_be)
}

/// `pi` is in many words.
fn holds_word(text: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_letter) && !text[at + word.len()..].starts_with(is_letter)
    })
}

/// The state of a file that changes with its content. Symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStamp {
    mtime: i64,
    mtime_nsec: i64,
    size: u64,
    inode: u64,
}

impl ProgramStamp {
    /// That of the file at a path; `None` when there is none.
    pub fn of(path: &Path) -> Option<Self> {
        path.metadata().ok().map(|about| Self::from(&about))
    }
}

impl From<&Metadata> for ProgramStamp {
    fn from(about: &Metadata) -> Self {
        Self {
            mtime: about.mtime(),
            mtime_nsec: about.mtime_nsec(),
            size: about.size(),
            inode: about.ino(),
        }
    }
}

/// A program that can be asked for its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionQuestion {
    /// Absolute.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The answer of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionAnswer {
    /// Absolute.
    pub program: PathBuf,
    /// The arguments with which it was asked.
    pub args: Vec<String>,
    /// The program that answered: another file has not.
    pub stamp: ProgramStamp,
    /// Its output; nothing when it failed.
    pub output: String,
}

impl VersionAnswer {
    /// Tests whether it is the answer to a question. Does not look at the file.
    pub fn is_to(&self, question: &VersionQuestion) -> bool {
        self.program == question.program && self.args == question.args
    }
}

/// The answers that are known.
#[derive(Debug, Default)]
pub(super) struct VersionAnswers(RwLock<Vec<VersionAnswer>>);

impl VersionAnswers {
    pub(super) fn note(&self, mut answer: VersionAnswer) {
        answer.output.truncate(answer.output.floor_char_boundary(ANSWER_MAX));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|old| old.program != answer.program || old.args != answer.args);
        if known.len() >= ANSWERS_MAX {
            known.remove(0);
        }
        known.push(answer);
    }

    /// The answer of the program as it is now.
    pub(super) fn of(&self, question: &VersionQuestion) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let answer = known.iter().find(|answer| answer.is_to(question))?;
        (ProgramStamp::of(&question.program)? == answer.stamp).then(|| answer.output.clone())
    }
}

/// The first line of an answer that is not blank, for people.
pub(super) fn first_line(answer: &str) -> String {
    short(answer.lines().find(|line| !line.trim().is_empty()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_engines_are_accepted() {
        let says = |says: Option<&str>| VersionCheck {
            says: says.map(str::to_owned),
            ..VersionCheck::default()
        };
        for (engine, words, answer, is_it) in [
            ("claude", Some("Claude Code"), "2.1.332 (Claude Code)\n", true),
            ("claude", Some("Claude Code"), "claude 0.3 by somebody", false),
            ("claude", Some("Claude Code"), "2.2.0", true),
            ("copilot", Some("GitHub Copilot CLI"), "GitHub Copilot CLI 1.0.102.\nRun ...", true),
            ("copilot", Some("GitHub Copilot CLI"), "copilot version: v1.34.1", false),
            ("gemini", None, "0.61.0\n", true),
            ("gemini", None, "v0.62.0-nightly.20261130+abc", true),
            ("gemini", None, "goose version v3", false),
            ("gemini", None, "Gemini CLI 1", true),
            ("pi", None, "pip 24.0 from /usr/lib", false),
            ("pi", None, "pi 1.6.0", true),
            ("opencode", None, "", true),
            ("opencode", None, "usage: open FILE", false),
            ("anything", Some(""), "hello there", true),
        ] {
            assert_eq!(says(words).accepts(&[engine], answer), is_it, "{engine}: {answer}");
        }
    }

    #[test]
    fn answers_hold_for_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tool");
        std::fs::write(&program, "one").unwrap();
        let question = VersionQuestion { program: program.clone(), args: vec!["-V".to_owned()] };
        let answers = VersionAnswers::default();
        assert_eq!(answers.of(&question), None);
        let stamp = ProgramStamp::of(&program).unwrap();
        let args = question.args.clone();
        let output = "é".repeat(ANSWER_MAX);
        answers.note(VersionAnswer { program: program.clone(), args, stamp, output });
        assert_eq!(answers.of(&question).unwrap().len(), ANSWER_MAX);
        let other = VersionQuestion { args: Vec::new(), ..question.clone() };
        assert_eq!(answers.of(&other), None);
        std::fs::write(&program, "another").unwrap();
        assert_eq!(answers.of(&question), None);
    }
}
