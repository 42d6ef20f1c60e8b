//! Starting the main process of a command.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pipes::CommandPipes;
use super::task::{CommandInput, SupervisedCommand};

/// A command could not be started, or the system failed while it ran.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuperviseError {
    /// No directory of `PATH` has the program.
    #[error("`{}` is in no directory of PATH ({path}): install it, or give its full path",
        .program.display())]
    NotFound {
        /// The name that was looked for.
        program: PathBuf,
        /// The `PATH` that was searched.
        path: String,
    },
    /// The directory to run in is not there.
    #[error("cannot run in {}: expected a directory; create it, or change `cwd`", .0.display())]
    NoDirectory(PathBuf),
    /// The pipes could not be made.
    #[error("cannot make the pipes of a command: {0}; check the limit of open files")]
    Pipes(#[source] io::Error),
    /// The system refused to start the program.
    #[error("cannot start {}: {source}; check that it is an executable for this machine",
        .program.display())]
    Start {
        /// The program's path.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A system call failed while the command ran. Its processes were killed.
    #[error("lost control of the command and ended it: {0}")]
    Control(#[from] io::Error),
}

/// Where `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts the command in a process group of its own. Returns its pid and our ends of its pipes.
pub(super) fn start(task: &mut SupervisedCommand) -> Result<(i32, CommandPipes), SuperviseError> {
    let program = locate(task)?;
    let input = std::mem::replace(&mut task.stdin, CommandInput::Null);
    let (pipes, ends) = CommandPipes::open(input).map_err(SuperviseError::Pipes)?;
    // No `pre_exec`, `uid` or `PATH` look-up by `Command`: each of them makes it fork instead of
    // using posix_spawn. The pid is waited for by `reap`, so the `Child` is not kept.
    let spawned = Command::new(&program)
        .args(&task.args)
        .current_dir(&task.cwd)
        .env_clear()
        .envs(task.env.iter().map(|(key, value)| (key, value)))
        .process_group(0)
        .stdin(ends.stdin)
        .stdout(ends.stdout)
        .stderr(ends.stderr)
        .spawn();
    match spawned {
        Ok(child) => Ok((child.id().cast_signed(), pipes)),
        Err(_) if !task.cwd.is_dir() => Err(SuperviseError::NoDirectory(task.cwd.clone())),
        Err(source) => Err(SuperviseError::Start { program, source }),
    }
}

fn locate(task: &SupervisedCommand) -> Result<PathBuf, SuperviseError> {
    let program = Path::new(&task.program);
    if task.program.as_bytes().contains(&b'/') {
        return Ok(program.to_owned());
    }
    let path = task.env.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value);
    let path = path.map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    // A relative entry counts from where the command will run, as in a shell there.
    let candidates = std::env::split_paths(path).map(|dir| task.cwd.join(dir).join(program));
    candidates.into_iter().find(|file| is_executable(file)).ok_or_else(|| {
        SuperviseError::NotFound {
            program: program.to_owned(),
            path: path.to_string_lossy().into_owned(),
        }
    })
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}
