//! The calls that a filter passes to its listener.

#![expect(unsafe_code, reason = "no crate here has the requests of a seccomp listener")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemCall {
    id: u64,
    /// The process, by the id that it has for the caller.
    pub(crate) pid: u32,
    /// The call's number.
    pub(crate) number: i64,
    /// Its arguments.
    pub(crate) arguments: [u64; 6],
}

/// Has a call wake its listener on the processor that the call leaves, so that it waits as short as
/// can be. Linux has that since 6.6.
pub(crate) fn hasten(listener: BorrowedFd<'_>) {
    /// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
    const SYNC_WAKE_UP: libc::c_ulong = 1;
    let request = libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS;
    // SAFETY: the descriptor is open, and the request takes a number.
    unsafe { libc::ioctl(listener.as_raw_fd(), request, SYNC_WAKE_UP) };
}

/// Takes the next call. `None` when its process has gone meanwhile.
pub(crate) fn next_call(listener: BorrowedFd<'_>) -> io::Result<Option<SystemCall>> {
    // SAFETY: zeros are a value of this structure of numbers; the kernel asks for them.
    let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the descriptor is open, and the structure is the one that this request fills.
    if unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut notice) } < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOENT | libc::EINTR) => Ok(None),
            _ => Err(error),
        };
    }
    Ok(Some(SystemCall {
        id: notice.id,
        pid: notice.pid,
        number: notice.data.nr.into(),
        arguments: notice.data.args,
    }))
}

/// Copies memory of a process. Returns what could be read of it.
pub(crate) fn read_memory(pid: u32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; length];
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: length };
    let Ok(start) = usize::try_from(address) else { return Vec::new() };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(start), iov_len: length };
    let pid = pid.cast_signed();
    // SAFETY: the kernel writes at most `length` bytes into `bytes`, which has as many, and never
    // to the other process.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    bytes
}

/// Lets a call go on as if there was no filter, or refuses it with an error number. One whose
/// process has gone needs no answer.
pub(crate) fn answer(listener: BorrowedFd<'_>, call: &SystemCall, refusal: Option<i32>) {
    let goes_on = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut response = libc::seccomp_notif_resp {
        id: call.id,
        val: 0,
        error: refusal.map_or(0, |number| -number),
        flags: if refusal.is_none() { goes_on } else { 0 },
    };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: the descriptor is open, and the structure is the one that this request reads.
    unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut response) };
}
