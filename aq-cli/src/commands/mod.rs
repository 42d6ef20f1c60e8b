//! One file a verb. They ask the libraries and hand the answer to `output`.

mod add;
mod caps;
mod check;
mod clean;
mod completions;
mod coordinator;
#[cfg(feature = "dashboard")]
mod dashboard;
mod demo;
mod diff;
mod doctor;
mod engines;
mod files;
mod fleet_shadow_report;
mod fleet_status;
mod from_tracker;
mod here;
mod init;
mod insights;
mod job;
mod logs;
mod man;
mod profiles;
mod recover;
mod run;
mod schema;
mod service;
mod status;
mod stop;
mod submit;
mod to_tracker;
mod why;
pub(crate) mod worker;

use std::path::PathBuf;

use clap::Subcommand;

use crate::exit::Outcome;

use here::Here;

pub(crate) use completions::complete_if_asked;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Add(add::Args),
    Check(check::Args),
    Schema(schema::Args),
    Run(run::Args),
    Status(status::Args),
    Why(why::Args),
    Logs(logs::Args),
    Diff(diff::Args),
    Stop(stop::Args),
    Promote(job::Promote),
    Ship(job::Ship),
    Reject(job::Reject),
    Requeue(job::Requeue),
    Recover(recover::Args),
    Clean(clean::Args),
    Insights(insights::Args),
    #[cfg(feature = "dashboard")]
    Dashboard(dashboard::Args),
    FromTracker(from_tracker::Args),
    ToTracker(to_tracker::Args),
    Caps(caps::Args),
    Engines(engines::Args),
    Profiles(profiles::Args),
    Doctor(doctor::Args),
    Submit(submit::Args),
    FleetStatus(fleet_status::Args),
    FleetShadowReport(fleet_shadow_report::Args),
    Coordinator(coordinator::Args),
    Demo(demo::Args),
    Service(service::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs a verb on the queue that the user names, or else the one that is found. `arguments` describes
/// the whole command line, for those that write about it.
pub(crate) fn run(
    queue: Option<PathBuf>,
    command: Command,
    arguments: fn() -> clap::Command,
) -> Outcome {
    let here = Here::new(queue);
    match command {
        Command::Init(args) => init::run(&here, args),
        Command::Add(args) => add::run(&here, &args),
        Command::Check(args) => check::run(&here, &args),
        Command::Schema(_) => schema::run(),
        Command::Run(args) => run::run(&here, &args),
        Command::Status(args) => status::run(&here, &args),
        Command::Why(args) => why::run(&here, &args),
        Command::Logs(args) => logs::run(&here, &args),
        Command::Diff(args) => diff::run(&here, &args),
        Command::Stop(args) => stop::run(&here, &args),
        Command::Promote(args) => job::promote(&here, &args),
        Command::Ship(args) => job::ship(&here, &args),
        Command::Reject(args) => job::reject(&here, &args),
        Command::Requeue(args) => job::requeue(&here, &args),
        Command::Recover(_) => recover::run(&here),
        Command::Clean(args) => clean::run(&here, &args),
        Command::Insights(args) => insights::run(&here, &args),
        #[cfg(feature = "dashboard")]
        Command::Dashboard(args) => dashboard::run(&here, args),
        Command::FromTracker(args) => from_tracker::run(&here, &args),
        Command::ToTracker(args) => to_tracker::run(&here, &args),
        Command::Caps(args) => caps::run(&here, &args),
        Command::Engines(args) => engines::run(&here, &args),
        Command::Profiles(args) => profiles::run(&here, &args),
        Command::Doctor(_) => doctor::run(&here),
        Command::Submit(args) => submit::run(&here, &args),
        Command::FleetStatus(args) => fleet_status::run(&here, &args),
        Command::FleetShadowReport(args) => fleet_shadow_report::run(&here, &args),
        Command::Coordinator(args) => coordinator::run(&here, args),
        Command::Demo(args) => demo::run(&here, &args),
        Command::Service(args) => service::run(&here, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, arguments()),
    }
}
