//! Messages to the coordinator that wait on disk while it is away (docs/fleet.md), in order.
//!
//! A directory with one append-only file a job, `<fleet job id>.jsonl`. Each line is one message
//! with its number, or says that one was dealt with:
//!
//! ```text
//! {"n":1,"message":{"kind":"report","body":{...}}}
//! {"n":2,"message":{"kind":"release","body":{...}}}
//! {"done":1}
//! ```
//!
//! - [`MessageOutbox::append`] answers when the line is on disk. A kill or power loss in the middle
//!   leaves a torn last line, which was never acknowledged: readers ignore and report it, and the
//!   next append cuts it off.
//! - [`MessageOutbox::drain`] sends the messages of one job, each after the one before it was dealt
//!   with. A kill between the sending and its `done` line sends the message again: every call of
//!   the protocol that goes through here may be repeated. When nothing is left, the file is
//!   removed.
//! - The worker and the loop do both at once. A short lock on the file itself guards each write, so
//!   nobody waits for the network; a long one on `<fleet job id>.lock` makes one process at a time
//!   the one that sends. Both end with their holder.
//! - A whole line that is no message (a damaged disk, a person) is skipped and reported, and the
//!   file is kept as `<fleet job id>.damaged` when the rest of it has been sent.

mod drain;
mod error;
mod file;
mod line;
mod message;
#[cfg(test)]
mod tests;

pub use drain::{DrainReport, RefusedMessage};
pub use error::OutboxError;
pub use message::{DeliveryOutcome, OutboxMessage};

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::protocol::FleetJobId;
use error::OutboxIo;

/// The largest message, in bytes as JSON.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// The most that may wait for one job, in bytes.
pub const MAX_JOB_BYTES: u64 = 16 << 20;

/// The ending of the names of message files.
const SUFFIX: &str = "jsonl";

/// An outbox in a directory of its own.
#[derive(Clone, Debug)]
pub struct MessageOutbox {
    dir: PathBuf,
}

impl MessageOutbox {
    /// The outbox in `dir`, which is made, private to the user, when it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn open(dir: &Path) -> Result<Self, OutboxError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).at("make", dir)?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Adds a message after all that wait for its job, and gives its number. It is on disk when
    /// this returns.
    ///
    /// # Errors
    /// When the message or all that wait for the job would be too large, or the disk refuses.
    pub fn append(&self, job: FleetJobId, message: &OutboxMessage) -> Result<u64, OutboxError> {
        file::append(&self.messages(job), message)
    }

    /// The jobs that have messages waiting, in the order of their ids.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn pending(&self) -> Result<Vec<FleetJobId>, OutboxError> {
        let mut jobs = Vec::new();
        for entry in self.dir.read_dir().at("read", &self.dir)? {
            let path = entry.at("read", &self.dir)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|end| end == SUFFIX) {
                jobs.extend(stem.and_then(|stem| stem.parse::<FleetJobId>().ok()));
            }
        }
        jobs.sort_unstable();
        Ok(jobs)
    }

    /// Sends what waits for a job, in order, until nothing is left or `send` says
    /// [`DeliveryOutcome::Later`]. `None` when another process is sending for this job now.
    ///
    /// # Errors
    /// When the disk refuses. What was sent by then may be sent again.
    pub fn drain(
        &self,
        job: FleetJobId,
        send: impl FnMut(&OutboxMessage) -> DeliveryOutcome,
    ) -> Result<Option<DrainReport>, OutboxError> {
        drain::drain(&self.messages(job), send)
    }

    fn messages(&self, job: FleetJobId) -> PathBuf {
        self.dir.join(format!("{job}.{SUFFIX}"))
    }
}
