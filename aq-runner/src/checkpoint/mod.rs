//! Work in progress: what an agent changes in a git repository is kept on the job's own branch,
//! `aq/wip/<job>`, whatever way the job ends.
//!
//! This module knows nothing of queues, processes or engines: paths and texts go in. It writes no
//! branch but the job's own, except [`Wip::merge`], which is asked to. While it is at work, nothing
//! of the job's agent may be running.
//!
//! The git program does the work, in the order files, objects, branch, index. A kill between any
//! two leaves work that the next [`Wip::start`] or [`Wip::checkpoint`] finds and saves. See
//! `docs/work-in-progress.md`.
//!
//! ```no_run
//! use aq_runner::checkpoint::{Isolation, Job, Wip};
//!
//! let job = Job {
//!     name: "fix-login".into(),
//!     cwd: "/home/me/project".into(),
//!     isolation: Isolation::Worktree("/home/me/.aq/.state/worktrees/fix-login".into()),
//!     base_file: "/home/me/.aq/.state/wip/fix-login.base".into(),
//!     queue: "/home/me/.aq".into(),
//!     marks: vec![("AQ_JOB_ID".into(), "fix-login".into())],
//! };
//! if let Some(started) = Wip::start(&job)? {
//!     println!("the agent works in {}", started.dir.display());
//!     started.wip.finish("fix-login: attempt 1, success")?;
//!     let changes = started.wip.changes()?;
//!     println!("{} files", changes.files_changed);
//! }
//! # Ok::<(), aq_runner::checkpoint::CheckpointError>(())
//! ```

mod artifacts;
mod changes;
mod checkout;
mod error;
mod files;
mod git;
mod handover;
mod in_place;
mod inner;
mod merge;
mod notes;
mod repository;
mod save;
mod wip;
mod worktree;

pub use artifacts::{Collected, collect};
pub use changes::Changes;
pub use error::CheckpointError;
pub use handover::{Handover, Pushed, take_up};
pub use merge::Merged;
pub use notes::Origin;
pub use repository::{CommitId, Head, Repository};
pub use wip::{Isolation, Job, Saved, Started, Wip};
pub use worktree::Removed;
