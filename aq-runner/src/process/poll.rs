//! One blocking wait, with a deadline on the monotonic clock.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Waits until a descriptor is ready or the time is there. A signal ends the wait too, so the
/// caller looks at its state again in any case.
pub(super) fn poll(fds: &mut [PollFd<'_>], until: Option<Instant>) -> io::Result<()> {
    let timeout = until.map(|at| {
        let left = at.saturating_duration_since(Instant::now());
        // A wait longer than the type can hold is a wait for ever in all but name.
        Timespec::try_from(left).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
    });
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Waits until one descriptor is readable or the time is there.
pub(super) fn poll_readable(fd: BorrowedFd<'_>, until: Option<Instant>) -> io::Result<()> {
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], until)
}
