//! This host's part in a fleet, as far as it touches the queue: which grant a job is here under,
//! the files of jobs that were claimed, the question before a ship, and work that goes to another
//! host.

mod claim;
mod deps;
mod gate;
mod handover;
mod hold;
mod operator;
mod overview;
mod push_target;
mod settings;
mod steps;
mod submit;

pub(crate) use claim::{GrantOutcome, take};
pub(crate) use deps::{DepWork, FleetDep, fleet_deps};
pub(crate) use gate::{ShipAnswer, ask_to_ship, asker};
pub(crate) use handover::{push, push_snapshots, take_up};
pub(crate) use hold::{LeaseNote, lease, metrics, pushed, pushed_note, told_lease};
pub use operator::{
    FleetEvents, FleetJobFilter, FleetJobs, cancel_fleet_job, drain_host, find_fleet_job,
    fleet_jobs, log_host, requeue_fleet_job,
};
pub use overview::{FleetError, FleetOverview, FleetPart, fleet_job, fleet_overview, fleet_part};
pub(crate) use push_target::NO_PUSH_TARGET;
pub use push_target::{SubmitRefusal, submittable};
pub use settings::{FleetProblem, FleetSettings, FleetSettingsError};
pub(crate) use settings::{fleet_dir, host_name, worker_name};
pub(crate) use steps::ReportedSteps;
pub use submit::{FleetSubmission, submit};
