//! Collecting ended children: ours and the orphans that became ours.

use std::io;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};

use super::task::ExitReport;

/// Knows which child is the main one, how it ended, and whether any child is left.
#[derive(Debug)]
pub(super) struct ChildReaper {
    main: i32,
    started: Instant,
    ended: Option<(ExitReport, Duration)>,
    none_left: bool,
}

impl ChildReaper {
    pub(super) fn new(main: i32, started: Instant) -> ChildReaper {
        ChildReaper { main, started, ended: None, none_left: false }
    }

    /// Reaps every child that has ended, without blocking.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid.as_raw_nonzero().get() == self.main => {
                    let exited = status.exit_status().map(ExitReport::Exited);
                    let status = exited.or(status.terminating_signal().map(ExitReport::Signaled));
                    self.ended = status.map(|status| (status, self.started.elapsed()));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(()),
                // The proof: no child is left, and no descendant can be without being below one.
                Err(Errno::CHILD) => {
                    self.none_left = true;
                    return Ok(());
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The main process while it is not reaped: so long its pid, and its process group's, can mean
    /// nothing else.
    pub(super) fn running(&self) -> Option<i32> {
        self.ended.is_none().then_some(self.main)
    }

    /// The main process's pid, for comparing only.
    pub(super) fn main(&self) -> i32 {
        self.main
    }

    /// Returns the end of the main process, and its duration.
    pub(super) fn ended(&self) -> Option<(ExitReport, Duration)> {
        self.ended
    }

    /// Nothing that the command started is there any more.
    pub(super) fn none_left(&self) -> bool {
        self.none_left
    }
}
