//! The loop, the workers it starts, and what people do to jobs. The one module that knows the
//! others: store, processes and engines meet here.

mod actions;
mod adding;
mod agent_env;
mod attempt;
mod attempt_line;
mod attempts;
mod changing;
mod checkouts;
mod dependencies;
mod echo;
mod engine_check;
mod engine_phase;
mod engine_pitfalls;
mod engine_sightings;
mod engine_use;
mod engine_versions;
mod environment;
mod feedback;
mod fleet;
mod folder_watch;
mod foresight;
mod handle;
mod hidden_env;
mod history;
pub mod host;
mod host_lack;
mod job_log;
mod job_view;
mod launch;
mod left_out;
mod model;
mod options;
pub mod place;
mod queue_change;
mod queue_reading;
mod recovery;
mod replica;
mod reply;
mod room;
mod run_loop;
mod settings;
mod shadow_report;
mod ship;
mod steps;
mod stop;
mod taken_at_word;
mod this_host;
mod tokens;
mod tracker;
mod view;
mod worker;
mod worker_program;
mod workplace;

pub use crate::feedback::WordsProblem;
pub use actions::{Stopped, reject, requeue, stop, stop_all, stop_loop};
pub use adding::add_context;
pub use attempts::{Attempt, attempts};
pub use changing::{hold, release, replace_text, set_value};
pub use dependencies::{Dependencies, Edge, Node, dependencies};
pub use engine_check::{EngineCheck, EngineCheckError, check_engine};
pub use engine_pitfalls::engine_pitfalls;
pub use engine_use::{engine_windows, resting_engines, retry_engine};
pub use engine_versions::{
    AskedPrograms, UntriedVersion, ask_engine_versions, engine_version, untried_version,
};
pub use environment::Environment;
pub use feedback::{NextPrompt, PromptError, next_prompt};
pub use fleet::{
    FleetError, FleetOverview, FleetPart, FleetProblem, FleetSettings, FleetSettingsError,
    Submitted, fleet_job, fleet_overview, fleet_part, submit,
};
pub use folder_watch::QueueWatch;
pub use foresight::{NoEngine, without_engine};
pub use handle::{RunHandle, start};
pub use history::{history, job_numbers, recent_numbers};
pub use job_view::{Activity, JobView, WorkProblem};
pub use left_out::recorded_left_out;
pub use options::RunOptions;
pub use recovery::{Recovered, recover};
pub use reply::{Replied, ReplyError, reject_and_requeue, reply, resume};
pub use run_loop::{LostPart, Progress, RunError, Summary, run};
pub use settings::{Config, Settings, SettingsError};
pub use shadow_report::{
    AgreementReport, Bar, BarError, Divergence, ReadinessGap, Verdict, shadow_report,
};
pub use ship::{ShipError, promote, ship, ship_merged};
pub use steps::{StepFeed, StepNews, is_note, last_check, read_steps};
pub use taken_at_word::{TakenAtWord, taken_at_word};
pub use this_host::host_capabilities;
pub use tokens::{
    FLEET_TOKEN, GivenToken, TOKEN_VARIABLES, TRACKER_TOKENS, TokenFileError, TokenFileProblem,
};
pub use tracker::{Echoed, Pulled, TrackError, TrackerView, Wanted, pull, put_in, to_tracker};
pub use view::{Overview, RunLoop, is_at_work, look_up, overview, run_loop};
pub use worker::{WorkerError, work};
pub use worker_program::work_if_asked;
pub use workplace::{WorkplaceError, bounded_diff, clean, diff};
