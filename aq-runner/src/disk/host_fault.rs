//! Errors of system calls, and of git, that are faults of the host: no job is to pay for them.

use std::io;
use std::path::Path;

use nix::libc;
use rustix::fs::statvfs;

/// A fault of the host, by the resource that is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// No blocks, inodes or quota.
    NoRoom,
    /// The file system cannot be written.
    ReadOnly,
    /// The disk has errors.
    DiskError,
    /// No descriptor is left, in the process or on the host.
    OpenFiles,
    /// No memory is left.
    NoMemory,
    /// No process or thread can be made.
    Processes,
    /// A file may not grow further.
    FileSize,
}

const ERRORS: [(i32, HostFault); 9] = [
    (libc::ENOSPC, HostFault::NoRoom),
    (libc::EDQUOT, HostFault::NoRoom),
    (libc::EROFS, HostFault::ReadOnly),
    (libc::EIO, HostFault::DiskError),
    (libc::EMFILE, HostFault::OpenFiles),
    (libc::ENFILE, HostFault::OpenFiles),
    (libc::ENOMEM, HostFault::NoMemory),
    (libc::EAGAIN, HostFault::Processes),
    (libc::EFBIG, HostFault::FileSize),
];

/// The ends of git's lines that name one, lower case: it runs with messages in English.
const WORDS: [(&str, HostFault); 13] = [
    ("no space left on device", HostFault::NoRoom),
    ("disk quota exceeded", HostFault::NoRoom),
    ("out of diskspace", HostFault::NoRoom),
    ("read-only file system", HostFault::ReadOnly),
    ("input/output error", HostFault::DiskError),
    ("too many open files", HostFault::OpenFiles),
    ("too many open files in system", HostFault::OpenFiles),
    ("cannot allocate memory", HostFault::NoMemory),
    ("out of memory", HostFault::NoMemory),
    ("out of memory, malloc failed", HostFault::NoMemory),
    ("resource temporarily unavailable", HostFault::Processes),
    ("file too large", HostFault::FileSize),
    // SIGXFSZ, as `checkpoint` names the end of a git.
    ("it was killed by signal 25", HostFault::FileSize),
];

/// Fewer free bytes than this are none: git needs some for any file.
const NEXT_TO_NOTHING: u64 = 64 << 10;

impl HostFault {
    /// The fault that an error names.
    pub(crate) fn of_error(error: &io::Error) -> Option<Self> {
        let number = error.raw_os_error().or_else(|| wrapped_number(error))?;
        ERRORS.iter().find(|(known, _)| *known == number).map(|(_, fault)| *fault)
    }

    /// The fault that git names, with its line. Names of files are in the middle of such lines, so
    /// only their ends count.
    pub(crate) fn of_git(said: &str) -> Option<(Self, &str)> {
        let fault = |line: &&str| {
            let line = line.trim_end().trim_end_matches(['.', ')']).to_lowercase();
            WORDS.iter().find(|(end, _)| line.ends_with(end)).map(|(_, fault)| *fault)
        };
        said.lines().find_map(|line| Some((fault(&line)?, line.trim())))
    }

    /// Tests for a full file system behind a path; git does not always say so.
    pub(crate) fn is_full(path: &Path) -> bool {
        let there = path.ancestors().find_map(|path| statvfs(path).ok());
        there.is_some_and(|disk| {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            free < NEXT_TO_NOTHING || (disk.f_files > 0 && disk.f_favail == 0)
        })
    }
}

/// The number of an error that somebody has wrapped, as `tempfile` does to add a path.
fn wrapped_number(error: &io::Error) -> Option<i32> {
    error.get_ref()?;
    let text = error.to_string();
    let (_, rest) = text.split_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

/// Bytes that this user can still write on the file system of a path.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let disk = path.ancestors().find_map(|path| statvfs(path).ok())?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_host_are_told_from_others() {
        for (number, fault) in ERRORS {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(HostFault::of_error(&error), Some(fault), "{error}");
            // Git prints the same words.
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap();
            let said = format!("error: unable to create temporary file: {words}\nfatal: x");
            assert_eq!(HostFault::of_git(&said).map(|(fault, _)| fault), Some(fault), "{said}");
        }
        for number in [libc::ENOENT, libc::EACCES, libc::ENOTDIR, libc::ELOOP] {
            assert_eq!(HostFault::of_error(&io::Error::from_raw_os_error(number)), None);
        }
        let full = io::Error::from_raw_os_error(libc::EMFILE);
        let wrapped = io::Error::new(full.kind(), format!("{full} at path \"x\""));
        assert_eq!(HostFault::of_error(&wrapped), Some(HostFault::OpenFiles));
        assert_eq!(HostFault::of_error(&io::Error::other("No space left on device")), None);
    }

    #[test]
    fn only_the_ends_of_lines_of_git_count() {
        let said = "hint: x\nfatal: write error: No space left on device\n";
        let line = "fatal: write error: No space left on device";
        assert_eq!(HostFault::of_git(said), Some((HostFault::NoRoom, line)));
        for other in [
            "fatal: invalid reference: No space left on device/x",
            "error: pathspec 'read-only file system' did not match any file(s)",
            "it was killed by signal 9",
            "",
        ] {
            assert_eq!(HostFault::of_git(other), None, "{other}");
        }
        let killed = HostFault::of_git("it was killed by signal 25");
        assert_eq!(killed.map(|(fault, _)| fault), Some(HostFault::FileSize));
    }

    #[test]
    fn room_is_asked_of_the_nearest_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!HostFault::is_full(&dir.path().join("not/there")));
        assert!(free_bytes(&dir.path().join("not/there")).unwrap() > 0);
    }
}
