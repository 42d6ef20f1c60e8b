//! Room that a queue wants to have free before anything starts.

use std::path::PathBuf;

use aq_scheduler::HostLack;

use crate::disk::free_bytes;
use crate::store::QueueDir;

use super::settings::{BESIDE, QueueSettings};

/// The lack of room, when a file system on which jobs write has less free than the queue's mark.
pub(crate) fn room_lack(queue: &QueueDir, settings: &QueueSettings) -> Option<HostLack> {
    let mark = settings.room_mark?;
    let free = places(queue, settings).iter().filter_map(|path| free_bytes(path)).min()?;
    (free < mark).then_some(HostLack::Room { free, mark })
}

/// The queue, and where checkouts and TMPDIRs of jobs are made.
fn places(queue: &QueueDir, settings: &QueueSettings) -> Vec<PathBuf> {
    let worktrees = settings.config.worktrees.as_deref().filter(|dir| *dir != BESIDE);
    let worktrees =
        worktrees.map(|dir| match (dir.strip_prefix("~/"), settings.environment.path("HOME")) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(dir),
        });
    let own = [queue.root().to_owned()];
    own.into_iter().chain(settings.environment.aq_home()).chain(worktrees).collect()
}
