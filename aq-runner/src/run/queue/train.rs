//! The place of a job in the merge train of its target.

use std::cmp::Reverse;

use aq_ledger::steps::{is_worth_a_wait, recorded_lack};
use aq_ledger::{FullBranch, JobRow};
use aq_manifest::{JobId, Priority, ShipMode};
use jiff::Timestamp;

use crate::checkpoint::{repository_at, shown_remote};
use crate::run::settings::QueueSettings;
use crate::run::workplace::present_cwd;
use crate::store::QueueDir;

/// The place of a finished job in the train of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrainSeat {
    /// The target, with its repository: jobs of one line go one after the other.
    pub(crate) line: String,
    /// Its priority.
    pub(crate) priority: Priority,
    /// The time at which it was finished.
    pub(crate) since: Timestamp,
    /// The time before which its merge is not tried again.
    pub(crate) not_before: Option<Timestamp>,
    /// The reason why its merge needs a person, or something that its host lacks.
    pub(crate) refusal: Option<String>,
    /// The job without whose work its own does not go, and that is not shipped.
    pub(crate) awaited: Option<JobId>,
}

/// The order of jobs in a train: the most urgent first, then the one that was finished first.
pub(crate) type TrainTurn<'a> = (Reverse<Priority>, Timestamp, &'a JobId);

/// The way in which a job is shipped: its own, else the config's. A job of the fleet is accepted
/// where it is not to be merged, or where only the config says so and names no remote for that.
pub(crate) fn ship_mode(row: JobRow<'_>, settings: &QueueSettings) -> ShipMode {
    let mode = row.ship().unwrap_or(settings.shipping.mode);
    let has_remote = settings.config.fleet.push_target.is_some();
    match mode {
        ShipMode::Merge if row.ship().is_some() || has_remote || !row.has_lease() => mode,
        ShipMode::Merge | ShipMode::Pr if row.has_lease() => ShipMode::Accept,
        mode => mode,
    }
}

/// The remote at which a job's target is; `None` where it is a branch of the job's repository.
pub(crate) fn target_remote(row: JobRow<'_>, settings: &QueueSettings) -> Option<String> {
    settings.config.fleet.push_target.clone().filter(|_| row.has_lease())
}

/// The target of a job, as people name it; empty where it is not on record.
pub(crate) fn target_of(row: JobRow<'_>) -> &str {
    let target = row.target().or(row.added_on()).map(FullBranch::as_str).unwrap_or_default();
    target.strip_prefix("refs/heads/").unwrap_or(target)
}

/// The target of a job, with the remote at which it is.
pub(crate) fn shown_target(row: JobRow<'_>, settings: &QueueSettings) -> String {
    match target_remote(row, settings) {
        Some(remote) => format!("{} of {}", target_of(row), shown_remote(&remote)),
        None => target_of(row).to_owned(),
    }
}

/// The lack of the host that is not over in a moment.
fn long_lack(row: JobRow<'_>) -> Option<String> {
    let lack = recorded_lack(row.content()).filter(|_| !is_worth_a_wait(row.content()));
    lack.map(|lack| lack.to_string())
}

impl TrainSeat {
    /// The seat of a job in `testing/`.
    pub(crate) fn of(queue: &QueueDir, row: JobRow<'_>, now: Timestamp) -> Self {
        let cwd = present_cwd(queue, row.content());
        let repository = repository_at(&cwd).unwrap_or(cwd);
        let repository = repository.canonicalize().unwrap_or(repository);
        // A pause that began in the future was written by a clock that has been set back since.
        let clock_was_wrong = row.ended_at().is_some_and(|at| at > now);
        let since = row.verified_at().or(row.ended_at()).or(row.added_at());
        Self {
            line: format!("{} {}", target_of(row), repository.display()),
            priority: row.priority().unwrap_or_default(),
            since: since.unwrap_or(Timestamp::UNIX_EPOCH),
            not_before: row.next_eligible().filter(|_| !clock_was_wrong),
            refusal: row.train_waits().map(str::to_owned).or_else(|| long_lack(row)),
            awaited: row.train_waits_dep().and_then(|dep| dep.parse().ok()),
        }
    }

    /// Its turn among those of its line.
    pub(crate) fn turn<'a>(&self, id: &'a JobId) -> TrainTurn<'a> {
        (Reverse(self.priority), self.since, id)
    }
}
