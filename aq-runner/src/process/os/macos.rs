//! macOS: libproc, sysctl, kqueue. **Compiled for, but never run.**
//!
//! What is weaker than on Linux: there is no subreaper, so a process that loses its parent goes to
//! launchd and "no child left" proves nothing about it. Only [`sweep`](crate::process::sweep)
//! finds it, by its environment; a caller on macOS does that after each command.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use rustix::io::Errno;
use rustix::process::{self, Pid, Signal};

use super::ProcessStat;

/// `SZOMB` of sys/proc.h.
const ZOMBIE: u32 = 5;
/// Asks `proc_pidinfo` for zombies too.
const WITH_ZOMBIES: u64 = 1;

/// The text of this boot's id: a UUID.
pub(in crate::process) fn boot_id() -> io::Result<String> {
    let mut text = [0_u8; 64];
    let mut length = text.len();
    #[expect(unsafe_code, reason = "nix and rustix have no sysctl")]
    // SAFETY: the name is a C string, the buffer is ours and `length` is its size.
    let result = unsafe {
        libc::sysctlbyname(
            c"kern.bootsessionuuid".as_ptr(),
            text.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let text = CStr::from_bytes_until_nul(&text).map_err(io::Error::other)?;
    Ok(text.to_string_lossy().into_owned())
}

/// Reads the kernel's line about a process; `None` when there is none with this pid.
pub(in crate::process) fn stat(pid: i32) -> io::Result<Option<ProcessStat>> {
    #[expect(unsafe_code, reason = "nix and rustix have no libproc")]
    // SAFETY: the structure is plain numbers, for which zero is a value.
    let mut info: libc::proc_bsdinfo = unsafe { std::mem::zeroed() };
    let size = c_int::try_from(size_of_val(&info)).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "nix and rustix have no libproc")]
    // SAFETY: the buffer is a `proc_bsdinfo`, which this flavour fills, and `size` is its size.
    let written = unsafe {
        let buffer = (&raw mut info).cast::<c_void>();
        libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, WITH_ZOMBIES, buffer, size)
    };
    if written == size {
        let number = |n: u32| n.cast_signed();
        return Ok(Some(ProcessStat {
            parent: number(info.pbi_ppid),
            group: number(info.pbi_pgid),
            start: info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec,
            zombie: info.pbi_status == ZOMBIE,
        }));
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(None) } else { Err(error) }
}

/// The children of a process.
pub(in crate::process) fn children(parent: i32) -> Vec<i32> {
    let is_child = |&pid: &i32| matches!(stat(pid), Ok(Some(s)) if s.parent == parent);
    processes().unwrap_or_default().into_iter().filter(is_child).collect()
}

/// Every pid there is.
pub(in crate::process) fn processes() -> io::Result<Vec<i32>> {
    // Some more than fit now, for those that start between the two calls.
    let count = all_pids(&mut [])?;
    let mut pids = vec![0; count + 64];
    let count = all_pids(&mut pids)?;
    pids.truncate(count);
    Ok(pids)
}

/// Fills `pids` and returns how many there are.
fn all_pids(pids: &mut [i32]) -> io::Result<usize> {
    let size = c_int::try_from(size_of_val(pids)).map_err(io::Error::other)?;
    let buffer = if pids.is_empty() { std::ptr::null_mut() } else { pids.as_mut_ptr() };
    #[expect(unsafe_code, reason = "nix and rustix have no libproc")]
    // SAFETY: the buffer is null, with size 0, or ours and `size` bytes long.
    let count = unsafe { libc::proc_listallpids(buffer.cast::<c_void>(), size) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// The environment a process was started with, entries ended by NUL. `None` when it is not ours
/// to read, or the process is gone.
pub(in crate::process) fn environment(pid: i32) -> Option<Vec<u8>> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid];
    // ARG_MAX is 1 MiB, for arguments and environment together.
    let mut block = vec![0_u8; (1 << 20) + 4096];
    let mut length = block.len();
    #[expect(unsafe_code, reason = "nix and rustix have no sysctl")]
    // SAFETY: three numbers name it, the buffer is ours and `length` is its size.
    let result = unsafe {
        let buffer = block.as_mut_ptr().cast::<c_void>();
        libc::sysctl(name.as_mut_ptr(), 3, buffer, &raw mut length, std::ptr::null_mut(), 0)
    };
    block.truncate(length);
    if result == 0 { after_arguments(&block).map(<[u8]>::to_vec) } else { None }
}

/// The C library's list of the texts of this process's environment, ended by a null pointer.
pub(in crate::process) fn environment_list() -> *const *mut c_char {
    #[expect(unsafe_code, reason = "nix and rustix have no environ")]
    // SAFETY: it answers where the pointer is, which is there as long as the process.
    unsafe {
        (*libc::_NSGetEnviron()).cast_const()
    }
}

/// Tests for a process without a second thread. The caller is believed: nothing here asks the
/// system.
pub(in crate::process) fn is_single_threaded() -> bool {
    true
}

/// Tests for a process in the middle of `exec`. The system does not say.
pub(in crate::process) fn is_starting(_pid: i32) -> bool {
    false
}

/// The block is: the number of arguments, the program's path, padding, the arguments, the rest.
fn after_arguments(block: &[u8]) -> Option<&[u8]> {
    let (count, mut rest) = block.split_first_chunk::<4>()?;
    let past_nul = |text: &[u8]| text.iter().position(|&b| b == 0).map(|end| end + 1);
    rest = &rest[past_nul(rest)?..];
    rest = &rest[rest.iter().position(|&b| b != 0)?..];
    for _ in 0..i32::from_ne_bytes(*count) {
        rest = &rest[past_nul(rest)?..];
    }
    Some(rest)
}

/// There is no such thing here; see the head of this file.
#[expect(clippy::unnecessary_wraps, reason = "the Linux side can fail")]
pub(in crate::process) fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// A process whose end a kqueue reports. Signals go by pid: between the check of the start time
/// and the signal the pid could be reused.
#[derive(Debug)]
pub(in crate::process) struct ProcessHandle {
    pid: Pid,
    end: Kqueue,
}

impl ProcessHandle {
    /// Watches whatever process has this pid now; `None` when there is none.
    pub(in crate::process) fn open(pid: i32) -> io::Result<Option<ProcessHandle>> {
        let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 0) else { return Ok(None) };
        let end = Kqueue::new()?;
        let process = usize::try_from(pid.as_raw_nonzero().get()).map_err(io::Error::other)?;
        let flags = EvFlags::EV_ADD;
        let exit =
            KEvent::new(process, EventFilter::EVFILT_PROC, flags, FilterFlag::NOTE_EXIT, 0, 0);
        match end.kevent(&[exit], &mut [], None) {
            Ok(_) => Ok(Some(ProcessHandle { pid, end })),
            Err(nix::errno::Errno::ESRCH) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Sends a signal; `false` when the process has ended and was reaped.
    pub(in crate::process) fn signal(&self, signal: Signal) -> io::Result<bool> {
        match process::kill_process(self.pid, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// A descriptor that becomes readable when the process ends. A copy of it is of no use to a
    /// child process: kqueues are not inherited.
    pub(in crate::process) fn end(&self) -> Option<BorrowedFd<'_>> {
        Some(self.end.as_fd())
    }
}
