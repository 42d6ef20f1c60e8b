//! Lines to the workers of the fleet's jobs. They have no token: the loop reports for them.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use aq_fleet::protocol::LeaseRef;
use aq_ledger::{RecordContent, RecordKey};

use super::FleetMember;
use crate::run::fleet::told_lease;
use crate::sync::fleet::{FleetHolder, serve_line};

/// The longest that a call for a worker may take, retries included.
pub(super) const CALL_FOR_WORKER: Duration = Duration::from_secs(5);

/// The loop's end of a line.
pub(in crate::run::run_loop) struct WorkerLine {
    stream: UnixStream,
    holder: FleetHolder,
    lease: LeaseRef,
}

impl WorkerLine {
    /// Answers the worker until its end is closed, at the latest with its process.
    pub(in crate::run::run_loop) fn serve(self) {
        serve_line(self.stream, &self.holder, self.lease);
    }
}

impl FleetMember {
    /// A line to the worker of a job that is about to start, and the worker's end. `None` for a job
    /// of this host's own, for one of which nothing is told any more, and where no line can be had:
    /// such a worker leaves its reports in the outbox.
    pub(in crate::run::run_loop) fn line_to_worker(
        &self,
        meta: &RecordContent,
    ) -> Option<(WorkerLine, UnixStream)> {
        let lease = told_lease(meta)?;
        let (stream, of_worker) = UnixStream::pair().ok()?;
        let holder = match meta.parsed(RecordKey::FleetFactory) {
            Some(factory) => self.for_workers.named(factory),
            None => self.for_workers.clone(),
        };
        Some((WorkerLine { stream, holder, lease }, of_worker))
    }
}
