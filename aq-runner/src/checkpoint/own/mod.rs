//! The job's own repository: it has a branch, an index and a configuration of its own, and
//! borrows the objects of the user's. Nothing that an agent does with git reaches the user's
//! repository.
//!
//! Two directories belong to it. The *checkout* is what the agent works in, with a `.git` that it
//! may change as it likes. The *control directory* is aq's: a git directory for the same files
//! that has the user's repository as its common directory, as a linked worktree has, but is
//! registered nowhere. Checkpoints run git there, so they read no configuration, index, ref or
//! hook of the agent's; of the agent's `.git` they read `HEAD`, refs and objects, as files.

mod bring;
mod held;
mod hidden;
mod joined;
mod keep;
mod left;
mod place;
mod refs;
mod replaced;
mod repository;
mod settings;
mod settings_memory;
mod start;
mod tips;
mod tips_memory;
mod train;

pub(super) use bring::borrowed_from;
pub(super) use held::HELD;
pub use place::OwnPlace;
pub(super) use refs::{OwnHead, OwnRepository};
pub(super) use tips::digest;
pub use train::remove_trains;
