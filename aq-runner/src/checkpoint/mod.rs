//! Work in progress: what an agent changes in a git repository is kept on the job's own branch,
//! `aq/wip/<job>`, whatever way the job ends.
//!
//! This module knows nothing of queues, processes or engines: paths and texts go in. It writes no
//! branch but the job's own, except [`JobBranch::merge`], which is asked to. While it is at work,
//! nothing of the job's agent may be running.
//!
//! The git program does the work, in the order files, objects, branch, index. A kill between any
//! two leaves work that the next [`JobBranch::start`] or [`JobBranch::checkpoint`] finds and saves.
//! See `docs/work-in-progress.md`.
//!
//! ```no_run
//! use aq_runner::checkpoint::{
//!     CheckpointJob, GitWatch, JobBranch, MergeTarget, OwnPlace, StartPoint, WorkIsolation,
//! };
//!
//! let job = CheckpointJob {
//!     name: "fix-login".into(),
//!     cwd: "/home/me/project".into(),
//!     isolation: WorkIsolation::Own(OwnPlace {
//!         dir: "/home/me/aq-work/project-1f2e/work/fix-login".into(),
//!         control: "/home/me/aq-work/project-1f2e/.state/checkouts/fix-login".into(),
//!         linked: "/home/me/aq-work/project-1f2e/.state/worktrees/fix-login".into(),
//!     }),
//!     target: MergeTarget::Head,
//!     target_at: None,
//!     start: StartPoint::default(),
//!     fetched: Vec::new(),
//!     base_file: "/home/me/aq-work/project-1f2e/.state/wip/fix-login.base".into(),
//!     queue: "/home/me/aq-work/project-1f2e".into(),
//!     marks: vec![("AQ_JOB_ID".into(), "fix-login".into())],
//!     watch: GitWatch::default(),
//! };
//! if let Some(started) = JobBranch::start(&job)? {
//!     println!("the agent works in {}", started.dir.display());
//!     started.wip.finish("fix-login: attempt 1, success")?;
//!     let changes = started.wip.changes()?;
//!     println!("{} files", changes.files_changed);
//! }
//! # Ok::<(), aq_runner::checkpoint::CheckpointError>(())
//! ```

mod add;
mod artifacts;
mod base;
mod changes;
mod checkout;
mod deps;
mod distant_deps;
mod error;
mod files;
mod follow;
mod git;
mod git_files;
mod git_settings;
mod gitlinks;
mod handover;
mod in_place;
mod index_lock;
mod left;
mod lfs;
mod linked;
mod merge;
mod merge_lock;
mod merge_trees;
mod merged_commit;
mod nested;
mod notes;
mod own;
mod passed_over;
mod publish;
mod raw_changes;
mod rebase;
mod rebase_note;
mod remote_target;
mod removal;
mod replay;
mod repository;
mod save;
mod save_on_branch;
mod setup;
mod state;
mod turn;
mod watch;
mod wip;
mod worktrees;

pub use artifacts::{CollectedFiles, collect};
pub use base::{DepTip, StartPoint, WorkBase};
pub use changes::{BranchChanges, DiffBounds};
pub use deps::work_at;
pub use distant_deps::{DistantDep, DistantWork, fetch_deps};
pub use error::CheckpointError;
pub(crate) use git_settings::REPOSITORY_VARIABLES;
pub use handover::{ForeignWork, PushOutcome, set_aside, take_up};
pub use left::{LeftOut, left_out_words};
pub use merge::{LandingPlan, MergeResult, PreparedMerge};
pub use notes::WorkOrigin;
pub use own::{OwnPlace, remove_trains};
pub use publish::PublishOutcome;
pub use rebase::RebaseResult;
pub use remote_target::shown_remote;
pub use removal::RemovalOutcome;
pub use repository::{CheckoutHead, CommitId, GitRepository, branch_at, repository_at};
pub use watch::{GitWatch, StepNotice, StopCheck};
pub use wip::{
    CheckpointJob, CheckpointResult, JobBranch, MergeTarget, StartedWork, WorkIsolation,
};
