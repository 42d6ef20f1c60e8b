//! Faults of the host on the way to a job's start, or in its own supervisor: the job goes back
//! uncounted, says what it lacks, and is tried again after a pause that grows.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aq_ledger::steps::Durability;
use aq_ledger::{RecordContent, RecordKey, RecordUpdate, WORKER_KEYS};
use aq_manifest::Stage;
use aq_scheduler::{HostLack, HostResource};
use jiff::{SignedDuration, Timestamp};

use crate::checkpoint::CheckpointError;
use crate::disk::HostFault;
use crate::process::SuperviseError;
use crate::store::{HeldJob, Invalid, NoPlace, StoreError, UnreadableJob};

/// The word for an engine that went away between the plan and the start.
pub(crate) const ENGINE: &str = "engine";

/// The first pause, in seconds; each further one is twice as long.
const FIRST_PAUSE: i64 = 2;

/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 60;

/// The pause after a limit of the loop's own, which lasts as long as the loop, in seconds.
const LIMIT_PAUSE: i64 = 600;

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

impl HostError for Invalid {
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

/// The lack that a job waits for, by its record.
pub(crate) fn recorded_lack(meta: &RecordContent) -> Option<HostLack> {
    let detail = meta.get(RecordKey::HostLacksDetail).unwrap_or_default().to_owned();
    match meta.get(RecordKey::HostLacks)? {
        "program" => Some(HostLack::Program { program: detail }),
        code => {
            let resource = HostResource::of_code(code)?;
            Some(HostLack::Resource { resource, refusal: detail })
        }
    }
}

/// Answers whether a loop that drains the queue waits for the next try.
pub(crate) fn is_worth_a_wait(meta: &RecordContent) -> bool {
    pause(
        meta.count(RecordKey::HostTries),
        meta.get(RecordKey::HostLacks) == Some(HostResource::FileSize.as_str()),
    ) <= SignedDuration::from_secs(8)
}

fn pause(tries: u32, is_limit: bool) -> SignedDuration {
    if is_limit {
        return SignedDuration::from_secs(LIMIT_PAUSE);
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10));
    SignedDuration::from_secs(doubled.min(LONGEST_PAUSE))
}

/// Puts a job back that its host could not run. The attempt does not count. One that lies in review/
/// stays there: only its `verify` could not start.
pub(crate) fn put_back(job: &mut HeldJob, lack: &HostLack) -> Result<(), StoreError> {
    let (code, detail) = match lack {
        HostLack::Program { program } => ("program", program.clone()),
        HostLack::Resource { resource, refusal } => (resource.as_str(), refusal.clone()),
        // Of the others the loop knows by itself.
        other => (ENGINE, other.to_string()),
    };
    let is_limit = code == HostResource::FileSize.as_str();
    let tries = job.meta().count(RecordKey::HostTries).saturating_add(1);
    let now = Timestamp::now();
    let next = now.saturating_add(pause(tries, is_limit)).unwrap_or(Timestamp::MAX);
    let record = RecordUpdate::new()
        .set(RecordKey::EndedAt, now)
        .set(RecordKey::NextEligible, next)
        .set(RecordKey::Message, lack)
        .set(RecordKey::HostLacks, code)
        .set(RecordKey::HostLacksDetail, detail)
        .set(RecordKey::HostTries, tries)
        .clear(WORKER_KEYS);
    match job.stage() {
        Stage::Review | Stage::Inbox => job.append(&record),
        _ => job.move_to(Stage::Inbox, record, Durability::Deferred),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn pauses_grow_to_a_minute() {
        let pauses: Vec<i64> = (1..8).map(|tries| pause(tries, false).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(1, true).as_secs(), LIMIT_PAUSE);
        assert_eq!(pause(u32::MAX, false).as_secs(), LONGEST_PAUSE);
    }

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

    #[test]
    fn what_is_lacking_is_read_back() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Building, "x");
        for lack in [
            HostLack::Program { program: "git".to_owned() },
            HostLack::Resource { resource: HostResource::OpenFiles, refusal: "a\nb".to_owned() },
        ] {
            let mut job = HeldJob::take(&queue, &id("a")).unwrap();
            put_back(&mut job, &lack).unwrap();
            drop(job);
            assert!(queue.has(Stage::Inbox, &id("a")));
            assert_eq!(recorded_lack(&queue.record("a")), Some(lack));
        }
        assert_eq!(queue.record("a").count(RecordKey::HostTries), 2);
        assert!(is_worth_a_wait(&queue.record("a")));
        assert_eq!(recorded_lack(&RecordContent::default()), None);
    }
}
