//! Sending what waits for one job.

use std::fs;
use std::path::Path;

use super::error::{OutboxError, OutboxIo};
use super::file::{LockWait, LockedFile};
use super::line::OutboxContents;
use super::message::{DeliveryOutcome, OutboxMessage};
use crate::client::CallError;

/// A message that the coordinator refused, and that is no longer in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedMessage {
    /// The message.
    pub message: OutboxMessage,
    /// The reason.
    pub reason: CallError,
}

/// Result of sending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DrainReport {
    /// Number of messages that the coordinator took.
    pub sent: u64,
    /// Those that it refused, in order.
    pub refused: Vec<RefusedMessage>,
    /// The reason why it stopped before the end, when it did.
    pub later: Option<CallError>,
    /// Number of messages that still wait.
    pub waiting: usize,
    /// The places, from 1, of lines that are no messages; they are skipped.
    pub damaged: Vec<u64>,
    /// Bytes of a torn last line, which was never acknowledged.
    pub torn: usize,
}

impl DrainReport {
    /// Tests for an empty outbox of which nothing was refused or damaged.
    pub fn is_clean(&self) -> bool {
        self.waiting == 0 && self.refused.is_empty() && self.damaged.is_empty()
    }
}

/// Drains the file at `path`; the rest is in [`super::MessageOutbox::drain`].
pub(super) fn drain(
    path: &Path,
    mut send: impl FnMut(&OutboxMessage) -> DeliveryOutcome,
) -> Result<Option<DrainReport>, OutboxError> {
    if !path.try_exists().at("look at", path)? {
        return Ok(Some(DrainReport::default()));
    }
    let turn_path = path.with_extension("lock");
    let Some(turn) = LockedFile::open(&turn_path, true, LockWait::No)? else { return Ok(None) };
    let mut drained = DrainReport::default();
    // Messages may be added while others are sent: look again until there are none.
    while let Some(contents) = look(path, &mut drained)? {
        for (n, message) in contents.waiting {
            match send(&message) {
                DeliveryOutcome::Done => drained.sent += 1,
                DeliveryOutcome::Refused(reason) => {
                    drained.refused.push(RefusedMessage { message, reason });
                }
                DeliveryOutcome::Later(error) => {
                    drained.later = Some(error);
                    drop(turn);
                    return Ok(Some(drained));
                }
            }
            drained.waiting -= 1;
            done(path, n)?;
        }
    }
    // Under its own lock, so that nobody is about to wait for it.
    fs::remove_file(&turn_path).at("remove", &turn_path)?;
    drop(turn);
    Ok(Some(drained))
}

/// Reads the messages that are left to send. When there are none, the file goes, and there is
/// `None`.
fn look(path: &Path, drained: &mut DrainReport) -> Result<Option<OutboxContents>, OutboxError> {
    let Some(mut file) = LockedFile::open(path, false, LockWait::Yes)? else { return Ok(None) };
    let contents = file.read(path)?;
    drained.waiting = contents.waiting.len();
    drained.damaged.clone_from(&contents.damaged);
    drained.torn = drained.torn.max(contents.torn);
    if !contents.waiting.is_empty() {
        return Ok(Some(contents));
    }
    if contents.damaged.is_empty() {
        fs::remove_file(path).at("remove", path)?;
    } else {
        fs::rename(path, unused(path)).at("set aside", path)?;
    }
    Ok(None)
}

/// Notes that a message was dealt with. Not synced: after a power loss it is sent again.
fn done(path: &Path, n: u64) -> Result<(), OutboxError> {
    let Some(mut file) = LockedFile::open(path, false, LockWait::Yes)? else { return Ok(()) };
    file.add_done(path, n)
}

/// A name for a damaged file that nothing has.
fn unused(path: &Path) -> std::path::PathBuf {
    let numbered = |n: u32| match n {
        1 => path.with_extension("damaged"),
        n => path.with_extension(format!("damaged-{n}")),
    };
    let is_free = |path: &std::path::PathBuf| path.symlink_metadata().is_err();
    (1..1_000).map(numbered).find(is_free).unwrap_or_else(|| numbered(1_000))
}
