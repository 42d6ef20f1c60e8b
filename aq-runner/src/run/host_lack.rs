//! Faults of the host on the way to a job's start, or in its own supervisor: the job goes back
//! uncounted, says what it lacks, and is tried again after a pause that grows.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aq_ledger::steps::PutBack;
pub(crate) use aq_ledger::steps::{ENGINE_LACK as ENGINE, is_worth_a_wait, recorded_lack};
use aq_scheduler::{HostLack, HostResource};
use jiff::Timestamp;

use crate::checkpoint::CheckpointError;
use crate::disk::HostFault;
use crate::process::SuperviseError;
use crate::store::{HeldJob, InvalidJobFile, NoPlace, StoreError, UnreadableJob};

/// An error that may be a fault of the host.
pub(crate) trait HostError {
    /// The lack that it names, when it is one.
    fn lack(&self) -> Option<HostLack>;
}

fn of_fault(fault: HostFault, refusal: String) -> HostLack {
    let resource = match fault {
        HostFault::NoRoom => HostResource::Room,
        HostFault::ReadOnly => HostResource::WritableDisk,
        HostFault::DiskError => HostResource::SoundDisk,
        HostFault::OpenFiles => HostResource::OpenFiles,
        HostFault::NoMemory => HostResource::Memory,
        HostFault::Processes => HostResource::Processes,
        HostFault::FileSize => HostResource::FileSize,
    };
    HostLack::Resource { resource, refusal }
}

/// As [`HostError::lack`], of an error in these words.
pub(crate) fn lack_of_io(source: &io::Error, words: &str) -> Option<HostLack> {
    of_io(source, &words)
}

fn of_io(source: &io::Error, whole: &impl ToString) -> Option<HostLack> {
    HostFault::of_error(source).map(|fault| of_fault(fault, whole.to_string()))
}

impl HostError for StoreError {
    fn lack(&self) -> Option<HostLack> {
        match self {
            Self::Io { source, .. } => of_io(source, self),
            _ => None,
        }
    }
}

impl HostError for UnreadableJob {
    fn lack(&self) -> Option<HostLack> {
        match self {
            Self::Io(source) => of_io(source, self),
            _ => None,
        }
    }
}

impl HostError for InvalidJobFile {
    fn lack(&self) -> Option<HostLack> {
        of_io(&io::Error::from_raw_os_error(self.host_error?), &self.summary)
    }
}

impl HostError for NoPlace {
    fn lack(&self) -> Option<HostLack> {
        self.host_fault().map(|fault| of_fault(fault, self.to_string()))
    }
}

impl HostError for CheckpointError {
    fn lack(&self) -> Option<HostLack> {
        match self {
            // A directory that cannot be entered gives the same errors.
            Self::NoGit(source) if is_no_program(source) => {
                lack_of_git(std::env::var_os("PATH").as_deref())
            }
            Self::NoGit(source) | Self::Io { source, .. } => of_io(source, self),
            Self::Git { command, message } => {
                let (fault, line) = HostFault::of_git(message)?;
                Some(of_fault(fault, format!("`git {command}`: {line}")))
            }
            Self::TargetRemote { .. } => Some(no_answer(self.to_string())),
            _ => None,
        }
    }
}

impl HostError for SuperviseError {
    fn lack(&self) -> Option<HostLack> {
        match self {
            Self::Start { program, source } if is_no_program(source) && program.is_absolute() => {
                // With it, what is missing is something that it names itself.
                let shown = program.display().to_string();
                (!is_executable(program)).then_some(HostLack::Program { program: shown })
            }
            Self::Start { source, .. } | Self::Pipes(source) | Self::Control(source) => {
                of_io(source, self)
            }
            _ => None,
        }
    }
}

/// The lack of an answer of another machine.
pub(crate) fn no_answer(refusal: String) -> HostLack {
    HostLack::Resource { resource: HostResource::Answer, refusal }
}

/// The lack of git, when no directory of a PATH has it.
fn lack_of_git(path: Option<&OsStr>) -> Option<HostLack> {
    let mut found = path.map(std::env::split_paths).into_iter().flatten();
    let is_there = found.any(|dir| is_executable(&dir.join("git")));
    (!is_there).then(|| HostLack::Program { program: "git".to_owned() })
}

fn is_executable(program: &Path) -> bool {
    program.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

fn is_no_program(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// The lack of room that git met and did not name.
pub(crate) fn no_room(refusal: &impl ToString) -> HostLack {
    of_fault(HostFault::NoRoom, refusal.to_string())
}

/// The lack that a limit on the size of files is.
pub(crate) fn limited_files(refusal: &str) -> HostLack {
    of_fault(HostFault::FileSize, refusal.to_owned())
}

/// Puts a job back that its host could not run. The attempt does not count.
pub(crate) fn put_back(job: &mut HeldJob, lack: &HostLack) -> Result<(), StoreError> {
    job.step(&PutBack { lack }, Timestamp::now())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn errors_name_what_is_lacking() {
        let full = || io::Error::from_raw_os_error(nix::libc::ENOSPC);
        let missing = || io::Error::from_raw_os_error(nix::libc::ENOENT);
        let path = PathBuf::from("/q/x");
        let store = |source| StoreError::Io { action: "write", path: path.clone(), source };
        let resource = |lack: Option<HostLack>| match lack {
            Some(HostLack::Resource { resource, .. }) => Some(resource),
            _ => None,
        };
        assert_eq!(resource(store(full()).lack()), Some(HostResource::Room));
        assert_eq!(store(missing()).lack(), None);
        let git = Some(HostLack::Program { program: "git".to_owned() });
        assert_eq!(lack_of_git(Some(OsStr::new("/no/such:/usr/no"))), git);
        assert_eq!(lack_of_git(None), git);
        // It is there, so the directory is what is missing.
        assert_eq!(CheckpointError::NoGit(missing()).lack(), None);
        let busy = io::Error::from_raw_os_error(nix::libc::EAGAIN);
        assert_eq!(resource(CheckpointError::NoGit(busy).lack()), Some(HostResource::Processes));
        let said = "error: x\nfatal: write error: No space left on device";
        let refused =
            CheckpointError::Git { command: "read-tree".to_owned(), message: said.to_owned() };
        let lack = refused.lack().unwrap();
        let words = "no room: `git read-tree`: fatal: write error: No space left on device";
        assert_eq!(lack.to_string(), words);
        let shell =
            |program: &str| SuperviseError::Start { program: program.into(), source: missing() };
        let no_shell = Some(HostLack::Program { program: "/no/sh".to_owned() });
        assert_eq!(shell("/no/sh").lack(), no_shell);
        let own = std::env::current_exe().unwrap();
        assert_eq!(shell(own.to_str().unwrap()).lack(), None, "its interpreter is not there");
        assert_eq!(resource(SuperviseError::Pipes(full()).lack()), Some(HostResource::Room));
    }
}
