//! The installation of a seccomp filter that passes calls to a listener.

#![expect(unsafe_code, reason = "seccompiler installs no filter with a listener")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{c_long, sock_filter, sock_fprog};

/// One instruction of a filter.
pub(crate) type FilterRule = sock_filter;

/// Puts this process, and all that come of it, under a filter. With `listens`, returns what takes
/// the calls that the filter passes on.
pub(crate) fn install_filter(rules: &[FilterRule], listens: bool) -> io::Result<Option<OwnedFd>> {
    let length = u16::try_from(rules.len()).map_err(|_| io::Error::other("a filter too long"))?;
    let program = sock_fprog { len: length, filter: rules.as_ptr().cast_mut() };
    let install = |flags: libc::c_ulong| -> c_long {
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        // SAFETY: the kernel copies `len` instructions from `filter`, which is the slice.
        unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) }
    };
    let installed = match listens {
        false => install(0),
        true => {
            // A signal must not start a call anew for which the answer is on its way; Linux has
            // that since 5.19.
            let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
            match install(listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
                -1 => install(listener),
                fd => fd,
            }
        }
    };
    match i32::try_from(installed) {
        Ok(-1) | Err(_) => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has opened this descriptor for the caller.
        Ok(fd) if listens => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Ok(_) => Ok(None),
    }
}
