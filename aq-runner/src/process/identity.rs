//! Which process: a pid alone is reused, a pid with its start time and boot is not.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::os::{self, ProcessHandle, ProcessStat};
use super::poll::poll_readable;

/// Pause between two looks at a process on a kernel that cannot report its end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One run of the machine, from boot to shutdown: a UUID given by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(u128);

impl BootId {
    /// The present boot.
    ///
    /// # Errors
    /// When the system does not say (no `/proc`).
    pub fn current() -> io::Result<BootId> {
        static BOOT: OnceLock<BootId> = OnceLock::new();
        if let Some(boot) = BOOT.get() {
            return Ok(*boot);
        }
        let text = os::boot_id()?;
        let boot = text.trim().parse().map_err(io::Error::other)?;
        Ok(*BOOT.get_or_init(|| boot))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BootId {
    type Err = ProcessIdError;

    fn from_str(text: &str) -> Result<BootId, ProcessIdError> {
        let hex = text.replace('-', "");
        let well_formed = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(&hex, 16).ok().filter(|_| well_formed);
        number.map(BootId).ok_or_else(|| ProcessIdError::new("boot", text, "a UUID"))
    }
}

/// A part of a process's identity that was written down cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} `{text}` names no process: expected {expected}")]
pub struct ProcessIdError {
    part: &'static str,
    text: String,
    expected: &'static str,
}

impl ProcessIdError {
    fn new(part: &'static str, text: &str, expected: &'static str) -> ProcessIdError {
        ProcessIdError { part, text: text.to_owned(), expected }
    }
}

/// One process, for ever: its pid, when it started, and in which boot.
///
/// It says nothing about a process on another host: there the boot differs, and the process counts
/// as not alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    pid: i32,
    start: u64,
    boot: BootId,
}

impl ProcessId {
    /// The process that has this pid now; `None` when there is none or it is a zombie.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of(pid: u32) -> io::Result<Option<ProcessId>> {
        let Ok(pid) = i32::try_from(pid) else { return Ok(None) };
        let alive = os::stat(pid)?.filter(|stat| !stat.zombie);
        alive.map(|stat| ProcessId::seen(pid, &stat)).transpose()
    }

    /// The process that was seen under this pid.
    pub(super) fn seen(pid: i32, stat: &ProcessStat) -> io::Result<ProcessId> {
        Ok(ProcessId { pid, start: stat.start, boot: BootId::current()? })
    }

    /// The calling process.
    ///
    /// # Errors
    /// When the system refuses (no `/proc`).
    pub fn current() -> io::Result<ProcessId> {
        let own = ProcessId::of(std::process::id())?;
        own.ok_or_else(|| io::Error::other("this process is not listed: is /proc mounted?"))
    }

    /// Reads back the three parts as they were written by [`pid`](Self::pid),
    /// [`start`](Self::start) and [`boot`](Self::boot).
    ///
    /// # Errors
    /// Names the part that does not read.
    pub fn parse(pid: &str, start: &str, boot: &str) -> Result<ProcessId, ProcessIdError> {
        let expected = "a number above 0";
        let number = pid.parse().ok().filter(|&n: &i32| n > 0);
        Ok(ProcessId {
            pid: number.ok_or_else(|| ProcessIdError::new("pid", pid, expected))?,
            start: start.parse().map_err(|_| ProcessIdError::new("pidstart", start, "a number"))?,
            boot: boot.parse()?,
        })
    }

    /// The pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// When it started, in the system's own unit (Linux: clock ticks since boot). Only good for
    /// comparing.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The boot in which it started.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// Is this very process running? A zombie is not, nor is another one that got its pid.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.still_runs().unwrap_or(false)
    }

    /// Sends a signal to this process and to no other, even when its pid was reused meanwhile.
    /// `false` when it has ended. (Linux before 5.3 leaves a gap of some microseconds.)
    ///
    /// # Errors
    /// When it may not be signalled, because it runs as another user.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        match self.hold()? {
            Some(handle) => handle.signal(signal),
            None => Ok(false),
        }
    }

    /// Blocks until the process has ended, or `limit` is over. `true` when it has ended. It need
    /// not be a child of the caller.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn wait_gone(&self, limit: Option<Duration>) -> io::Result<bool> {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let Some(handle) = self.hold()? else { return Ok(true) };
        loop {
            match handle.end() {
                Some(end) => poll_readable(end, until)?,
                None => std::thread::sleep(until.map_or(LOOK_AGAIN, |at| {
                    at.saturating_duration_since(Instant::now()).min(LOOK_AGAIN)
                })),
            }
            if !self.still_runs()? {
                return Ok(true);
            }
            if until.is_some_and(|at| Instant::now() >= at) {
                return Ok(false);
            }
        }
    }

    /// A descriptor that becomes readable when the process ends, to wait for many at once.
    /// `None` when it has ended already.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] on Linux before 5.3, where [`wait_gone`](Self::wait_gone)
    /// still works.
    pub fn end_descriptor(&self) -> io::Result<Option<OwnedFd>> {
        let Some(handle) = self.hold()? else { return Ok(None) };
        let end = handle.end().ok_or(io::ErrorKind::Unsupported)?;
        end.try_clone_to_owned().map(Some)
    }

    fn still_runs(&self) -> io::Result<bool> {
        if self.boot != BootId::current()? {
            return Ok(false);
        }
        let stat = os::stat(self.pid)?;
        Ok(stat.is_some_and(|stat| !stat.zombie && stat.start == self.start))
    }

    /// Takes hold first and checks then: what is held cannot change any more.
    fn hold(&self) -> io::Result<Option<ProcessHandle>> {
        let Some(handle) = ProcessHandle::open(self.pid)? else { return Ok(None) };
        Ok(self.still_runs()?.then_some(handle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn the_three_parts_read_back() {
        let own = ProcessId::current().unwrap();
        let (pid, start, boot) =
            (own.pid().to_string(), own.start().to_string(), own.boot().to_string());
        assert_eq!(ProcessId::parse(&pid, &start, &boot), Ok(own));
        assert!(own.is_alive());
    }

    #[test]
    fn boot_id_keeps_leading_zeros() {
        let text = "00000000-0000-4000-8000-00000000000a";
        assert_eq!(text.parse::<BootId>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_not_a_process_is_named() {
        let boot = "00000000-0000-4000-8000-00000000000a";
        let fails = |pid, start, boot| ProcessId::parse(pid, start, boot).unwrap_err().to_string();
        assert_eq!(fails("0", "1", boot), "pid `0` names no process: expected a number above 0");
        assert_eq!(fails("-4", "1", boot), "pid `-4` names no process: expected a number above 0");
        assert_eq!(fails("1", "x", boot), "pidstart `x` names no process: expected a number");
        assert_eq!(fails("1", "1", "12"), "boot `12` names no process: expected a UUID");
        let signed = "+0000000-0000-4000-8000-00000000000a";
        assert!(ProcessId::parse("1", "1", signed).is_err());
    }

    #[test]
    fn reused_pid_is_another_process() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).unwrap().unwrap();
        let earlier = ProcessId { start: id.start - 1, ..id };
        let last_boot = ProcessId { boot: BootId(id.boot.0 ^ 1), ..id };
        for stranger in [earlier, last_boot] {
            assert!(!stranger.is_alive());
            assert!(!stranger.signal(Signal::KILL).unwrap());
            assert!(stranger.wait_gone(None).unwrap());
        }
        assert!(id.is_alive());
        assert!(id.signal(Signal::KILL).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).unwrap().unwrap();
        assert!(!id.wait_gone(Some(Duration::ZERO)).unwrap());
        assert!(id.signal(Signal::KILL).unwrap());
        assert!(id.wait_gone(Some(Duration::from_secs(10))).unwrap());
        // It ended and nobody has reaped it yet: the very state that is called a zombie.
        assert!(os::stat(id.pid).unwrap().unwrap().zombie);
        assert!(!id.is_alive());
        assert_eq!(ProcessId::of(child.id()).unwrap(), None);
        child.wait().unwrap();
        assert!(!id.signal(Signal::TERM).unwrap());
    }

    #[test]
    fn the_end_of_a_process_can_be_polled() {
        let mut child = sleeper();
        let id = ProcessId::of(child.id()).unwrap().unwrap();
        let end = id.end_descriptor().unwrap().unwrap();
        child.kill().unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        poll_readable(std::os::fd::AsFd::as_fd(&end), Some(limit)).unwrap();
        assert!(Instant::now() < limit);
        child.wait().unwrap();
        assert!(id.end_descriptor().unwrap().is_none());
    }
}
