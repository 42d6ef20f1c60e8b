//! The places of queues: which one is meant, where it is made, and whether it is trusted.
//!
//! A queue is found by [`find_queue`] and made by [`make_queue`] and [`make_repository_queue`].
//! What a queue names is run only when [`require_trust`] says so. [`follow_relocation`] keeps it
//! together with a project that was moved. `docs/places.md` has the rules for users.

mod checkouts;
mod elsewhere;
mod error;
mod exposure;
mod git_config;
mod making;
mod mapping;
mod path_list;
mod relocation;
mod repository_place;
mod repository_queue;
mod search;
mod trust;
mod user_dirs;
mod work_trees;

pub use elsewhere::{WaitingElsewhere, waiting_elsewhere};
pub use error::PlaceError;
pub use exposure::{ExposedPlace, PlaceWriters, exposed_place};
pub use making::{MadeQueue, make_missing_queue, make_queue, make_repository_queue};
pub use path_list::PathList;
pub use relocation::{MoveReport, ProjectMove, follow_relocation, pending_relocation};
pub use repository_place::RepositoryPlace;
pub use search::{
    PROJECT_QUEUE, QueueOrigin, QueuePlace, QueueSearch, RepositoryStanding, find_queue,
    is_first_pass,
};
pub use trust::{
    TrustError, TrustProblem, UntrustedQueue, require_trust, shell_word, trust_list, trust_queue,
    trusted_queues, wait_for_trust,
};
pub use user_dirs::UserDirs;
