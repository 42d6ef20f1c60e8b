//! The loop, the workers it starts, and what people do to jobs. The one module that knows the
//! others: store, processes and engines meet here.

mod agent_command;
mod agent_env;
mod at_work;
mod attempt;
mod attempt_line;
mod checkouts;
mod dependency_jobs;
mod engines;
mod environment;
mod feedback;
mod fleet;
mod hidden_env;
pub mod host;
mod host_lack;
mod job_log;
mod launch;
mod left_out;
mod operator;
pub mod place;
mod queue;
mod recovery;
mod room;
mod room_config;
mod run_loop;
mod sandbox;
mod sandbox_config;
mod settings;
mod ship_config;
mod start_point;
mod stop;
mod this_host;
mod tokens;
mod tracking;
mod version_answers;
mod view;
mod worker;
mod worker_program;
mod workplace;

pub use crate::feedback::WordsProblem;
pub use at_work::is_at_work;
pub use engines::availability::{engine_windows, resting_engines, retry_engine};
pub use engines::check::{EngineCheck, EngineCheckError, check_engine};
pub use engines::pitfalls::engine_pitfalls;
pub use engines::preflight::{NoEngine, added_records, without_engine};
pub use engines::versions::{
    AskedPrograms, UntriedVersion, ask_engine_versions, engine_version, untried_version,
};
pub use environment::ProcessEnvironment;
pub use feedback::{NextPrompt, PromptError, next_prompt};
pub use fleet::{
    FleetError, FleetEvents, FleetJobFilter, FleetJobs, FleetOverview, FleetPart, FleetProblem,
    FleetSettings, FleetSettingsError, FleetSubmission, SubmitRefusal, cancel_fleet_job,
    drain_host, find_fleet_job, fleet_job, fleet_jobs, fleet_overview, fleet_part, log_host,
    requeue_fleet_job, submit, submittable,
};
pub use left_out::recorded_left_out;
pub use operator::actions::{StopOutcome, reject, requeue, stop, stop_all, stop_loop};
pub use operator::adding::add_context;
pub use operator::changing::{hold, release, replace_text, set_value};
pub use operator::pull::{PullProgress, ship_by_pull};
pub use operator::pull_error::PullError;
pub use operator::reply::{ReplyError, ReplyOutcome, reject_and_requeue, reply, resume};
pub use operator::ship::{
    ShipError, TrainEnd, promote, ship, ship_by_train, ship_merged, way_to_ship,
};
pub use operator::tracker::{
    ItemQuery, PulledItem, TrackError, UpdateOutcome, pull, put_in, to_tracker,
};
pub use recovery::{RecoveryResult, recover};
pub use run_loop::folder_watch::QueueWatch;
pub use run_loop::handle::{RunHandle, start};
pub use run_loop::options::RunOptions;
pub use run_loop::{LoopProgress, LoopSummary, LostPart, RunError, run};
pub use sandbox::{
    SandboxError, SandboxWishes, TrialBox, cached_sandbox, sandbox_features, trial_box,
};
pub use sandbox_config::SandboxConfig;
pub use settings::{QueueConfig, QueueSettings, SettingsError};
pub use ship_config::{MergeConfig, PrConfig, ShipSettings};
pub use this_host::host_capabilities;
pub use tokens::{
    FLEET_TOKEN, GivenToken, TOKEN_VARIABLES, TRACKER_TOKENS, TokenFileError, TokenFileProblem,
};
pub use view::attempts::{AttemptView, attempts};
pub use view::builds_on::{BuildsOn, BuiltDep, DepChange, builds_on};
pub use view::dependencies::{DependencyEdge, DependencyNode, DependencyView, dependencies};
pub use view::history::{history, job_numbers, recent_numbers};
pub use view::job_view::{JobActivity, JobView, WorkProblem};
pub use view::overview::{QueueOverview, RunLoop, brief_overview, look_up, overview, run_loop};
pub use view::shadow_report::{
    AgreementBar, AgreementReport, BarError, ReadinessGap, ShadowDivergence, ShadowVerdict,
    shadow_report,
};
pub use view::steps::{StepFeed, StepNews, is_note, last_check, read_steps};
pub use view::taken_at_word::{TakenAtWord, taken_at_word};
pub use view::tracker_view::TrackerView;
pub use worker::{WorkerError, work};
pub use worker_program::work_if_asked;
pub use workplace::{WorkplaceError, bounded_diff, clean, diff};
