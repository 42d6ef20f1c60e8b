//! Finds an engine's program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// Reason why an engine's program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingBinary {
    /// A path was given, but it is nothing to run.
    #[error(
        "{named_by} names {}, which is not an executable file; mend the path or the file",
        path.display()
    )]
    NotExecutable {
        /// `CLAUDE_BIN`-like variable, or `bin` in config.
        named_by: String,
        /// The path, absolute.
        path: PathBuf,
    },
    /// A name was given, and PATH does not have it.
    #[error("no {program} in any directory of PATH; install it, or name its file in {variable}")]
    NotOnPath {
        /// The name.
        program: String,
        /// The variable that can name the file.
        variable: String,
    },
    /// PATH has a program of the engine's name that is another one.
    #[error(
        "{} is not the engine {engine}: asked for its version, it says {answer:?}; put the right \
         program first on PATH, or name its file in {variable}",
        path.display()
    )]
    OtherProgram {
        /// The engine that it is not.
        engine: String,
        /// The program, absolute.
        path: PathBuf,
        /// The first line of its answer.
        answer: String,
        /// The variable that can name the file.
        variable: String,
    },
}

impl MissingBinary {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotExecutable { .. } => "not_executable",
            Self::NotOnPath { .. } => "not_on_path",
            Self::OtherProgram { .. } => "other_program",
        }
    }
}

/// The variables that decide where programs are, taken from the environment once.
#[derive(Clone, Debug)]
pub(super) struct SearchPlaces {
    pub(super) path: Option<OsString>,
    pub(super) home: Option<OsString>,
}

impl SearchPlaces {
    /// The absolute path of `program`: looked up in PATH when it is a bare name. `named_by` says in
    /// an error who gave the path; `variable` is what could name another.
    pub(super) fn find(
        &self,
        program: &OsStr,
        named_by: &str,
        variable: &str,
    ) -> Result<PathBuf, MissingBinary> {
        let path = Path::new(program);
        if path.components().count() == 1 && !path.is_absolute() {
            return self.find_on_path(path).ok_or_else(|| MissingBinary::NotOnPath {
                program: path.display().to_string(),
                variable: variable.to_owned(),
            });
        }
        let path = match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => Path::new(home).join(rest),
            _ => path.to_owned(),
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        if is_executable(&path) {
            return Ok(path);
        }
        Err(MissingBinary::NotExecutable { named_by: named_by.to_owned(), path })
    }

    /// Relative directories in PATH are passed over: what they hold depends on the job's directory,
    /// and an agent can write there.
    fn find_on_path(&self, name: &Path) -> Option<PathBuf> {
        std::env::split_paths(self.path.as_ref()?)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join(name))
            .find(|path| is_executable(path))
    }
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}
