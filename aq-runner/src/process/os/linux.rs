//! Linux: `/proc`, pidfds, the subreaper.

use std::ffi::c_char;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{self, Pid, PidfdFlags, Signal};

use super::ProcessStat;

/// The text of this boot's id: a UUID.
pub(in crate::process) fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

/// Reads the kernel's line about a process; `None` when there is none with this pid.
pub(in crate::process) fn stat(pid: i32) -> io::Result<Option<ProcessStat>> {
    // One read is enough and gives one consistent line: the kernel fills it under its own lock.
    let mut line = [0; 1024];
    let read = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read(&mut line));
    let length = match read {
        Ok(n) => n,
        Err(e) if is_gone(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    parse_stat(&line[..length]).map(Some).ok_or_else(|| {
        io::Error::new(ErrorKind::InvalidData, format!("/proc/{pid}/stat has an unknown form"))
    })
}

/// The name in the second field is free text, with spaces and parentheses: count from its end.
fn parse_stat(line: &[u8]) -> Option<ProcessStat> {
    let name_end = line.iter().rposition(|&b| b == b')')?;
    let rest = std::str::from_utf8(&line[name_end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?; // field 3 of proc(5)
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let start = fields.nth(16)?.parse().ok()?; // field 22
    Some(ProcessStat { parent, group, start, zombie: matches!(state, "Z" | "X" | "x") })
}

/// The children of a process, over all its threads. Complete only for a process that cannot fork
/// at this moment (stopped, or the caller itself).
pub(in crate::process) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => found.extend(list.split_ascii_whitespace().flat_map(str::parse::<i32>)),
            // A kernel built without CONFIG_PROC_CHILDREN, or a thread that ended meanwhile.
            Err(_) if thread.path().exists() => return children_by_scan(pid),
            Err(_) => {}
        }
    }
    found
}

fn children_by_scan(parent: i32) -> Vec<i32> {
    let is_child = |&pid: &i32| matches!(stat(pid), Ok(Some(s)) if s.parent == parent);
    processes().unwrap_or_default().into_iter().filter(is_child).collect()
}

/// Every pid there is.
pub(in crate::process) fn processes() -> io::Result<Vec<i32>> {
    let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()).collect())
}

/// The environment a process was started with, entries ended by NUL. `None` when it is not ours
/// to read, or the process is gone.
pub(in crate::process) fn environment(pid: i32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

/// Tests for a process in the middle of `exec`: it has no environment yet, which differs from an
/// empty one.
pub(in crate::process) fn is_starting(pid: i32) -> bool {
    fs::read(format!("/proc/{pid}/stat")).is_ok_and(|line| starts(&line))
}

/// Tests for a line of `stat` of a process of a program whose environment has no end yet. Threads
/// of the kernel never have one.
fn starts(line: &[u8]) -> bool {
    const KERNEL_THREAD: u32 = 0x0020_0000;
    let rest = line.rsplit(|&b| b == b')').next().and_then(|rest| str::from_utf8(rest).ok());
    let fields: Vec<&str> = rest.unwrap_or_default().split_ascii_whitespace().collect();
    // Fields 3, 9 and 51 of proc(5).
    let [state, flags, env_end] = [0, 6, 48].map(|at| fields.get(at).copied().unwrap_or_default());
    let of_kernel = flags.parse::<u32>().is_ok_and(|flags| flags & KERNEL_THREAD != 0);
    env_end == "0" && !of_kernel && !matches!(state, "Z" | "X" | "x")
}

/// The C library's list of the texts of this process's environment, ended by a null pointer.
pub(in crate::process) fn environment_list() -> *const *mut c_char {
    #[expect(unsafe_code, reason = "nix and rustix have no environ")]
    // SAFETY: glibc and musl both have a variable of this name and type.
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    #[expect(unsafe_code, reason = "nix and rustix have no environ")]
    // SAFETY: only the pointer is read; whoever follows it sees to the rest.
    unsafe {
        environ
    }
}

/// Tests for a process without a second thread. Where `/proc` does not say, the caller is
/// believed.
pub(in crate::process) fn is_single_threaded() -> bool {
    fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1)
}

/// Makes this process the parent of every orphan below it.
pub(in crate::process) fn adopt_orphans() -> io::Result<()> {
    process::set_child_subreaper(Some(process::getpid())).map_err(io::Error::from)
}

/// A process held by a pidfd, so that its pid cannot come to mean another one.
#[derive(Debug)]
pub(in crate::process) struct ProcessHandle {
    pid: Pid,
    fd: Option<OwnedFd>,
}

impl ProcessHandle {
    /// Takes hold of whatever process has this pid now; `None` when there is none.
    pub(in crate::process) fn open(pid: i32) -> io::Result<Option<ProcessHandle>> {
        let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 0) else { return Ok(None) };
        match process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => Ok(Some(ProcessHandle { pid, fd: Some(fd) })),
            Err(Errno::SRCH | Errno::INVAL) => Ok(None),
            // Linux before 5.3, or a sandbox that does not know the call: the pid alone has to do.
            // Between the check of the start time and the signal the pid could then be reused.
            Err(Errno::NOSYS | Errno::PERM) => Ok(Some(ProcessHandle { pid, fd: None })),
            Err(e) => Err(e.into()),
        }
    }

    /// Sends a signal; `false` when the process has ended and was reaped.
    pub(in crate::process) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let sent = match &self.fd {
            Some(fd) => process::pidfd_send_signal(fd, signal),
            None => process::kill_process(self.pid, signal),
        };
        match sent {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// A descriptor that becomes readable when the process ends, where the system has one.
    pub(in crate::process) fn end(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_counts_from_the_end_of_the_name() {
        let line = b"42 (a) b (c d) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n";
        let expected = ProcessStat { parent: 7, group: 8, start: 987_654, zombie: false };
        assert_eq!(parse_stat(line), Some(expected));
    }

    #[test]
    fn exec_differs_from_empty_environment() {
        let line = |state: &str, flags: u32, env_end: u64| {
            let zeros = |n: usize| "0 ".repeat(n);
            format!("42 (a) b) {state} {}{flags} {}{env_end} 0\n", zeros(5), zeros(41))
        };
        assert!(starts(line("R", 0x40_0000, 0).as_bytes()));
        assert!(!starts(line("S", 0x40_0000, 140_737_488_347_112).as_bytes()));
        assert!(!starts(line("Z", 0x40_0000, 0).as_bytes()), "it has ended");
        assert!(!starts(line("I", 0x20_8040, 0).as_bytes()), "it is of the kernel");
        assert!(!starts(b"42 (sh) S 1 2 3"));
        let mut bare = std::process::Command::new("sleep").arg("60").env_clear().spawn().unwrap();
        let pid = bare.id().cast_signed();
        let give_up = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while is_starting(pid) {
            assert!(std::time::Instant::now() < give_up);
        }
        assert_eq!(environment(pid), Some(Vec::new()));
        assert!(!is_starting(std::process::id().cast_signed()));
        bare.kill().unwrap();
        bare.wait().unwrap();
    }

    #[test]
    fn short_stat_line_is_refused() {
        assert_eq!(parse_stat(b"42 (sh) S 1 2 3"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn own_stat_is_readable() {
        let own = stat(std::process::id().cast_signed()).unwrap().unwrap();
        assert_eq!(own.parent, std::os::unix::process::parent_id().cast_signed());
        assert!(!own.zombie);
    }
}
