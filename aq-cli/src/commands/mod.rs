//! One file a verb. They ask the libraries and hand the answer to `output`.

mod add;
mod caps;
mod check;
mod clean;
mod cli_context;
mod completions;
#[cfg(feature = "coordinator")]
mod coordinator;
#[cfg(feature = "dashboard")]
mod dashboard;
mod demo;
mod diff;
mod doctor;
mod edit;
mod engines;
mod files;
mod fleet;
mod fleet_shadow_report;
mod fleet_status;
mod from_tracker;
pub(crate) mod hints;
mod hold;
mod init;
mod insights;
mod job;
mod lazy_args;
#[cfg(not(all(feature = "coordinator", feature = "dashboard")))]
mod left_out;
mod logs;
mod man;
mod path;
mod profiles;
mod prompt;
mod recover;
mod reply;
mod run;
mod sandbox;
mod schema;
mod service;
mod set;
mod status;
mod stop;
mod submit;
mod to_tracker;
mod trust;
mod why;
pub(crate) mod worker;

use std::path::PathBuf;

use aq_runner::run::ProcessEnvironment;
use clap::Subcommand;

use crate::exit::Outcome;

use cli_context::CliContext;
use lazy_args::LazyArgs;

pub(crate) use completions::complete_if_asked;
#[cfg(feature = "dashboard")]
pub(crate) use job::by_the_train;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Make a queue: of this repository, else ./.aq, or in DIR.
    ///
    /// The queue of a repository is below ~/aq-work (AQ_HOME): nothing of aq is in a checkout.
    /// What is made here is trusted.
    Init(LazyArgs<init::InitArgs>),
    /// Print where the queue is.
    Path(LazyArgs<path::PathArgs>),
    /// Trust a queue that aq did not make for you: what it names may be run from now on.
    ///
    /// Says what that is. A queue that is not trusted can be looked at; nothing of it is run or
    /// changed.
    Trust(LazyArgs<trust::TrustArgs>),
    /// Add jobs: files, all `*.md` of a directory, or `-` for standard input.
    ///
    /// All are added or none is. When this has answered, they survive power loss.
    Add(LazyArgs<add::AddArgs>),
    /// Validate job files without adding them.
    Check(LazyArgs<check::CheckArgs>),
    /// Print the JSON Schema of a job file's front matter.
    Schema(LazyArgs<schema::SchemaArgs>),
    /// Run jobs: for good, or with --once until nothing more will happen by itself.
    ///
    /// Ctrl-C ends the loop and leaves running agents at work; the next `aq run` takes them up
    /// again.
    Run(LazyArgs<run::RunArgs>),
    /// Show the queue: what runs, what waits and why, what ended.
    Status(LazyArgs<status::StatusArgs>),
    /// Say why a job does not run, or what became of it.
    Why(LazyArgs<why::WhyArgs>),
    /// Print the next attempt's prompt, with its feedback on earlier attempts.
    ///
    /// Byte for byte, were it to start now. A session that goes on gets only what it does not know.
    Prompt(LazyArgs<prompt::PromptArgs>),
    /// Show what a job printed: the agent and `verify`, all attempts.
    ///
    /// On a terminal, control sequences are taken out; into a pipe the log goes as it is.
    Logs(LazyArgs<logs::LogsArgs>),
    /// Show what a job changed: from the commit that it started from to its branch.
    Diff(LazyArgs<diff::DiffArgs>),
    /// End the run loop, and with --all its agents too; or end one job.
    ///
    /// `aq stop` leaves running agents at work. `aq stop --all` ends them and puts their jobs back,
    /// to run again later. `aq stop JOB` ends one job for good: it moves to failed/ as `stopped`.
    Stop(LazyArgs<stop::StopArgs>),
    /// Move a job one step on: review -> testing (runs `verify`), testing -> shipped.
    Promote(LazyArgs<job::PromoteArgs>),
    /// Accept a job from review or testing.
    Ship(LazyArgs<job::ShipArgs>),
    /// Turn a job's work down: it moves to failed/ as `rejected`.
    Reject(LazyArgs<job::RejectArgs>),
    /// Say something to a job's agent, which goes on with it in the same session.
    ///
    /// From review, testing and failed the job goes back into the inbox, and `retry` counts anew. A
    /// job that runs or waits gets it before its next attempt.
    Reply(LazyArgs<reply::ReplyArgs>),
    /// Keep a waiting job from its start, or all that wait now.
    Hold(LazyArgs<hold::HoldArgs>),
    /// Let a job go that is held, or all of them.
    Release(LazyArgs<hold::ReleaseArgs>),
    /// Set a key in the file of a waiting job.
    ///
    /// The changed file is checked as `aq add` does; when it is refused, nothing has changed.
    Set(LazyArgs<set::SetArgs>),
    /// Change the file of a waiting job in your editor.
    ///
    /// That is VISUAL, else EDITOR, else vi. The text is checked as `aq add` does; when it is
    /// refused, the job is as it was and your text is kept.
    Edit(LazyArgs<edit::EditArgs>),
    /// Put failed jobs back into the inbox, as if they had never run.
    Requeue(LazyArgs<job::RequeueArgs>),
    /// Put jobs whose worker died back into the inbox. `aq run` does this by itself.
    Recover(LazyArgs<recover::RecoverArgs>),
    /// Put logs and records of long finished jobs away and remove their checkouts. Job files, and
    /// what is not merged or saved nowhere else, stay.
    Clean(LazyArgs<clean::CleanArgs>),
    /// Show what jobs took: one job, or the recent ones and each engine and profile together.
    Insights(LazyArgs<insights::InsightsArgs>),
    /// Show the queue in a browser: board, jobs, logs, diffs, numbers.
    ///
    /// Looking is open to whoever can connect to this machine's own address; acting needs the token
    /// that is printed. Ctrl-C ends it; it changes nothing in the queue by itself.
    #[cfg(feature = "dashboard")]
    Dashboard(LazyArgs<dashboard::DashboardArgs>),
    #[cfg(not(feature = "dashboard"))]
    #[command(hide = true)]
    Dashboard(LazyArgs<left_out::Args>),
    /// Add jobs for items of a tracker, or for issues on GitHub.
    ///
    /// Pulling an item again changes nothing, unless its text has changed and its job has not
    /// started: then the job is replaced. Items that cannot be used are reported, and do not keep
    /// others out.
    FromTracker(LazyArgs<from_tracker::FromTrackerArgs>),
    /// Send a job's state to its tracker: its status, and a comment of numbers.
    ///
    /// Telling the same twice sends nothing. With AQ_TRACKER_AUTO=1 a run loop does this at every
    /// step.
    ToTracker(LazyArgs<to_tracker::ToTrackerArgs>),
    /// Run a command in the sandbox that a job added here would have.
    ///
    /// It writes to this checkout (outside git: this directory) and to a private /tmp, reads
    /// everything but secrets, and seems to write below the home. Ends as the command does, and
    /// says what was refused, with the setting that would allow it.
    Sandbox(LazyArgs<sandbox::Args>),
    /// List what this host can do: the tokens that jobs' `capabilities` are matched against.
    Caps(LazyArgs<caps::CapsArgs>),
    /// List the engines: which are installed, which rest, their classes, and how to name another
    /// binary.
    Engines(LazyArgs<engines::EnginesArgs>),
    /// List the profiles and check them.
    Profiles(LazyArgs<profiles::ProfilesArgs>),
    /// Check what goes wrong for new users: engines, git, permissions, disk, config, coordinator.
    Doctor(LazyArgs<doctor::DoctorArgs>),
    /// Hand jobs to the fleet in place of this host's queue: files, directories, or `-`.
    ///
    /// Needs AQ_FLEET_URL and AQ_FLEET_TOKEN. Jobs go one by one, in the order of the files; one
    /// that is refused ends it, and those before it are submitted.
    Submit(LazyArgs<submit::SubmitArgs>),
    /// Show the fleet: this host's switches, the hosts, the jobs and who has them.
    ///
    /// Asks the coordinator when AQ_FLEET is 1. When it is not, the switches are all there is to
    /// show, and nothing is asked.
    FleetStatus(LazyArgs<fleet_status::FleetStatusArgs>),
    /// Look after a fleet: its jobs and events, drain a host, cancel or requeue a job.
    ///
    /// Needs AQ_FLEET_URL and AQ_FLEET_TOKEN; to look takes a token of the scope `read`, the rest
    /// one of `admin`.
    Fleet(LazyArgs<fleet::FleetArgs>),
    /// Say whether the fleet's coordinator decides as this host does, from what the shadow wrote
    /// down.
    ///
    /// Ends with 0 when it is ready to decide (AQ_FLEET_ROUTE=1), with 1 when not. Nothing is asked
    /// over the network, and nothing switches by itself.
    FleetShadowReport(LazyArgs<fleet_shadow_report::ShadowReportArgs>),
    /// Serve a fleet: take jobs from `aq submit` and give them to hosts that ask.
    ///
    /// Prints one line with its address when it is ready, and logs to standard error. SIGTERM and
    /// Ctrl-C end it after the open requests.
    #[cfg(feature = "coordinator")]
    Coordinator(LazyArgs<coordinator::CoordinatorArgs>),
    #[cfg(not(feature = "coordinator"))]
    #[command(hide = true)]
    Coordinator(LazyArgs<left_out::Args>),
    /// Run the shipped example queue in a new directory and show what came of it.
    ///
    /// It runs on the built-in shell engine: nothing is installed, no account is needed, and
    /// nothing outside the new directory is touched.
    Demo(LazyArgs<demo::DemoArgs>),
    /// Print a systemd unit, or a launchd plist, that keeps the run loop of this queue at work.
    Service(LazyArgs<service::ServiceArgs>),
    /// Print the completion script of a shell. Job names complete, too.
    Completions(LazyArgs<completions::CompletionsArgs>),
    /// Print the manual page, or write all pages into a directory.
    Man(LazyArgs<man::ManArgs>),
}

/// Runs a verb on the queue that the user names, or else the one that is found. `arguments`
/// describes the whole command line, for those that write about it.
pub(crate) fn run(
    queue: Option<PathBuf>,
    command: CliCommand,
    arguments: fn() -> clap::Command,
    environment: ProcessEnvironment,
) -> Outcome {
    let here = CliContext::new(queue, environment);
    match command {
        CliCommand::Init(LazyArgs(args)) => init::run(&here, &args),
        CliCommand::Path(_) => path::run(&here),
        CliCommand::Trust(LazyArgs(args)) => trust::run(&here, &args),
        CliCommand::Add(LazyArgs(args)) => add::run(&here, &args),
        CliCommand::Check(LazyArgs(args)) => check::run(&here, &args),
        CliCommand::Schema(_) => schema::run(),
        CliCommand::Run(LazyArgs(args)) => run::run(&here, &args),
        CliCommand::Status(LazyArgs(args)) => status::run(&here, &args),
        CliCommand::Why(LazyArgs(args)) => why::run(&here, &args),
        CliCommand::Prompt(LazyArgs(args)) => prompt::run(&here, &args),
        CliCommand::Logs(LazyArgs(args)) => logs::run(&here, &args),
        CliCommand::Diff(LazyArgs(args)) => diff::run(&here, &args),
        CliCommand::Stop(LazyArgs(args)) => stop::run(&here, &args),
        CliCommand::Promote(LazyArgs(args)) => job::promote(&here, &args),
        CliCommand::Ship(LazyArgs(args)) => job::ship(&here, &args),
        CliCommand::Reject(LazyArgs(args)) => job::reject(&here, &args),
        CliCommand::Reply(LazyArgs(args)) => reply::run(&here, &args),
        CliCommand::Hold(LazyArgs(args)) => hold::hold(&here, &args),
        CliCommand::Release(LazyArgs(args)) => hold::release(&here, &args),
        CliCommand::Set(LazyArgs(args)) => set::run(&here, &args),
        CliCommand::Edit(LazyArgs(args)) => edit::run(&here, &args),
        CliCommand::Requeue(LazyArgs(args)) => job::requeue(&here, &args),
        CliCommand::Recover(_) => recover::run(&here),
        CliCommand::Clean(LazyArgs(args)) => clean::run(&here, &args),
        CliCommand::Insights(LazyArgs(args)) => insights::run(&here, &args),
        #[cfg(feature = "dashboard")]
        CliCommand::Dashboard(LazyArgs(args)) => dashboard::run(&here, args),
        #[cfg(not(feature = "dashboard"))]
        CliCommand::Dashboard(_) => left_out::refuse("dashboard"),
        CliCommand::FromTracker(LazyArgs(args)) => from_tracker::run(&here, &args),
        CliCommand::ToTracker(LazyArgs(args)) => to_tracker::run(&here, &args),
        CliCommand::Sandbox(LazyArgs(args)) => sandbox::run(&here, &args),
        CliCommand::Caps(LazyArgs(args)) => caps::run(&here, &args),
        CliCommand::Engines(LazyArgs(args)) => engines::run(&here, &args),
        CliCommand::Profiles(LazyArgs(args)) => profiles::run(&here, &args),
        CliCommand::Doctor(_) => doctor::run(&here),
        CliCommand::Submit(LazyArgs(args)) => submit::run(&here, &args),
        CliCommand::FleetStatus(LazyArgs(args)) => fleet_status::run(&here, &args),
        CliCommand::Fleet(LazyArgs(args)) => fleet::run(&here, &args),
        CliCommand::FleetShadowReport(LazyArgs(args)) => fleet_shadow_report::run(&here, &args),
        #[cfg(feature = "coordinator")]
        CliCommand::Coordinator(LazyArgs(args)) => coordinator::run(&here, args),
        #[cfg(not(feature = "coordinator"))]
        CliCommand::Coordinator(_) => left_out::refuse("coordinator"),
        CliCommand::Demo(LazyArgs(args)) => demo::run(&here, &args),
        CliCommand::Service(LazyArgs(args)) => service::run(&here, &args),
        CliCommand::Completions(LazyArgs(args)) => completions::run(&args),
        CliCommand::Man(LazyArgs(args)) => man::run(&args, arguments()),
    }
}
