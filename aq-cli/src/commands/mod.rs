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
mod edit;
mod engines;
mod files;
mod fleet_shadow_report;
mod fleet_status;
mod from_tracker;
mod here;
pub(crate) mod hints;
mod hold;
mod init;
mod insights;
mod job;
mod lazy;
mod logs;
mod man;
mod path;
mod profiles;
mod prompt;
mod recover;
mod reply;
mod run;
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

use aq_runner::run::Environment;
use clap::Subcommand;

use crate::exit::Outcome;

use here::Here;
use lazy::Lazy;

pub(crate) use completions::complete_if_asked;
#[cfg(feature = "dashboard")]
pub(crate) use job::by_the_train;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a queue: of this repository, else ./.aq, or in DIR.
    ///
    /// The queue of a repository is below ~/aq-work (AQ_HOME): nothing of aq is in a checkout.
    /// What is made here is trusted.
    Init(Lazy<init::Args>),
    /// Print where the queue is.
    Path(Lazy<path::Args>),
    /// Trust a queue that aq did not make for you: what it names may be run from now on.
    ///
    /// Says what that is. A queue that is not trusted can be looked at; nothing of it is run or
    /// changed.
    Trust(Lazy<trust::Args>),
    /// Add jobs: files, all `*.md` of a directory, or `-` for standard input.
    ///
    /// All are added or none is. When this has answered, they survive power loss.
    Add(Lazy<add::Args>),
    /// Validate job files without adding them.
    Check(Lazy<check::Args>),
    /// Print the JSON Schema of a job file's front matter.
    Schema(Lazy<schema::Args>),
    /// Run jobs: for good, or with --once until nothing more will happen by itself.
    ///
    /// Ctrl-C ends the loop and leaves running agents at work; the next `aq run` takes them up
    /// again.
    Run(Lazy<run::Args>),
    /// Show the queue: what runs, what waits and why, what ended.
    Status(Lazy<status::Args>),
    /// Say why a job does not run, or what became of it.
    Why(Lazy<why::Args>),
    /// Print the next attempt's prompt, with its feedback on earlier attempts.
    ///
    /// Byte for byte, were it to start now. A session that goes on gets only what it does not know.
    Prompt(Lazy<prompt::Args>),
    /// Show what a job printed: the agent and `verify`, all attempts.
    ///
    /// On a terminal, control sequences are taken out; into a pipe the log goes as it is.
    Logs(Lazy<logs::Args>),
    /// Show what a job changed: from the commit that it started from to its branch.
    Diff(Lazy<diff::Args>),
    /// End the run loop, and with --all its agents too; or end one job.
    ///
    /// `aq stop` leaves running agents at work. `aq stop --all` ends them and puts their jobs back,
    /// to run again later. `aq stop JOB` ends one job for good: it moves to failed/ as `stopped`.
    Stop(Lazy<stop::Args>),
    /// Move a job one step on: review -> testing (runs `verify`), testing -> shipped.
    Promote(Lazy<job::Promote>),
    /// Accept a job from review or testing.
    Ship(Lazy<job::Ship>),
    /// Turn a job's work down: it moves to failed/ as `rejected`.
    Reject(Lazy<job::Reject>),
    /// Say something to a job's agent, which goes on with it in the same session.
    ///
    /// From review, testing and failed the job goes back into the inbox, and `retry` counts anew. A
    /// job that runs or waits is told before its next attempt.
    Reply(Lazy<reply::Args>),
    /// Keep a waiting job from its start, or all that wait now.
    Hold(Lazy<hold::Hold>),
    /// Let a job go that is held, or all of them.
    Release(Lazy<hold::Release>),
    /// Set a key in the file of a waiting job.
    ///
    /// The changed file is checked as `aq add` does; when it is refused, nothing has changed.
    Set(Lazy<set::Args>),
    /// Change the file of a waiting job in your editor.
    ///
    /// That is VISUAL, else EDITOR, else vi. The text is checked as `aq add` does; when it is
    /// refused, the job is as it was and your text is kept.
    Edit(Lazy<edit::Args>),
    /// Put failed jobs back into the inbox, as if they had never run.
    Requeue(Lazy<job::Requeue>),
    /// Put jobs whose worker died back into the inbox. `aq run` does this by itself.
    Recover(Lazy<recover::Args>),
    /// Put logs and records of long finished jobs away and remove their checkouts. Job files, and
    /// what is not merged or saved nowhere else, stay.
    Clean(Lazy<clean::Args>),
    /// Show what jobs took: one job, or the recent ones and each engine and profile together.
    Insights(Lazy<insights::Args>),
    /// Show the queue in a browser: board, jobs, logs, diffs, numbers.
    ///
    /// Looking is open to whoever can connect to this machine's own address; acting needs the token
    /// that is printed. Ctrl-C ends it; it changes nothing in the queue by itself.
    #[cfg(feature = "dashboard")]
    Dashboard(Lazy<dashboard::Args>),
    /// Add jobs for items of a tracker, or for issues on GitHub.
    ///
    /// Pulling an item again changes nothing, unless its text has changed and its job has not
    /// started: then the job is replaced. Items that cannot be used are told, and do not keep
    /// others out.
    FromTracker(Lazy<from_tracker::Args>),
    /// Tell a job's tracker where the job stands: its status, and a comment of numbers.
    ///
    /// Telling the same twice sends nothing. With AQ_TRACKER_AUTO=1 a run loop does this at every
    /// step.
    ToTracker(Lazy<to_tracker::Args>),
    /// List what this host can do: the tokens that jobs' `capabilities` are matched against.
    Caps(Lazy<caps::Args>),
    /// List the engines: which are installed, which rest, their classes, and how to name another
    /// binary.
    Engines(Lazy<engines::Args>),
    /// List the profiles and check them.
    Profiles(Lazy<profiles::Args>),
    /// Check what goes wrong for new users: engines, git, permissions, disk, config, coordinator.
    Doctor(Lazy<doctor::Args>),
    /// Hand jobs to the fleet in place of this host's queue: files, directories, or `-`.
    ///
    /// Needs AQ_FLEET_URL and AQ_FLEET_TOKEN. Jobs go one by one, in the order of the files; one
    /// that is refused ends it, and those before it are submitted.
    Submit(Lazy<submit::Args>),
    /// Show the fleet: this host's switches, the hosts, the jobs and who has them.
    ///
    /// Asks the coordinator when AQ_FLEET is 1. When it is not, the switches are all there is to
    /// show, and nothing is asked.
    FleetStatus(Lazy<fleet_status::Args>),
    /// Say whether the fleet's coordinator decides as this host does, from what the shadow wrote
    /// down.
    ///
    /// Ends with 0 when it is ready to decide (AQ_FLEET_ROUTE=1), with 1 when not. Nothing is asked
    /// over the network, and nothing switches by itself.
    FleetShadowReport(Lazy<fleet_shadow_report::Args>),
    /// Serve a fleet: take jobs from `aq submit` and give them to hosts that ask.
    ///
    /// Prints one line with its address when it is ready, and logs to standard error. SIGTERM and
    /// Ctrl-C end it after the open requests.
    Coordinator(Lazy<coordinator::Args>),
    /// Run the shipped example queue in a new directory and show what came of it.
    ///
    /// It runs on the built-in shell engine: nothing is installed, no account is needed, and
    /// nothing outside the new directory is touched.
    Demo(Lazy<demo::Args>),
    /// Print a systemd unit, or a launchd plist, that keeps the run loop of this queue at work.
    Service(Lazy<service::Args>),
    /// Print the completion script of a shell. Job names complete, too.
    Completions(Lazy<completions::Args>),
    /// Print the manual page, or write all pages into a directory.
    Man(Lazy<man::Args>),
}

/// Runs a verb on the queue that the user names, or else the one that is found. `arguments`
/// describes the whole command line, for those that write about it.
pub(crate) fn run(
    queue: Option<PathBuf>,
    command: Command,
    arguments: fn() -> clap::Command,
    environment: Environment,
) -> Outcome {
    let here = Here::new(queue, environment);
    match command {
        Command::Init(Lazy(args)) => init::run(&here, &args),
        Command::Path(_) => path::run(&here),
        Command::Trust(Lazy(args)) => trust::run(&here, &args),
        Command::Add(Lazy(args)) => add::run(&here, &args),
        Command::Check(Lazy(args)) => check::run(&here, &args),
        Command::Schema(_) => schema::run(),
        Command::Run(Lazy(args)) => run::run(&here, &args),
        Command::Status(Lazy(args)) => status::run(&here, &args),
        Command::Why(Lazy(args)) => why::run(&here, &args),
        Command::Prompt(Lazy(args)) => prompt::run(&here, &args),
        Command::Logs(Lazy(args)) => logs::run(&here, &args),
        Command::Diff(Lazy(args)) => diff::run(&here, &args),
        Command::Stop(Lazy(args)) => stop::run(&here, &args),
        Command::Promote(Lazy(args)) => job::promote(&here, &args),
        Command::Ship(Lazy(args)) => job::ship(&here, &args),
        Command::Reject(Lazy(args)) => job::reject(&here, &args),
        Command::Reply(Lazy(args)) => reply::run(&here, &args),
        Command::Hold(Lazy(args)) => hold::hold(&here, &args),
        Command::Release(Lazy(args)) => hold::release(&here, &args),
        Command::Set(Lazy(args)) => set::run(&here, &args),
        Command::Edit(Lazy(args)) => edit::run(&here, &args),
        Command::Requeue(Lazy(args)) => job::requeue(&here, &args),
        Command::Recover(_) => recover::run(&here),
        Command::Clean(Lazy(args)) => clean::run(&here, &args),
        Command::Insights(Lazy(args)) => insights::run(&here, &args),
        #[cfg(feature = "dashboard")]
        Command::Dashboard(Lazy(args)) => dashboard::run(&here, args),
        Command::FromTracker(Lazy(args)) => from_tracker::run(&here, &args),
        Command::ToTracker(Lazy(args)) => to_tracker::run(&here, &args),
        Command::Caps(Lazy(args)) => caps::run(&here, &args),
        Command::Engines(Lazy(args)) => engines::run(&here, &args),
        Command::Profiles(Lazy(args)) => profiles::run(&here, &args),
        Command::Doctor(_) => doctor::run(&here),
        Command::Submit(Lazy(args)) => submit::run(&here, &args),
        Command::FleetStatus(Lazy(args)) => fleet_status::run(&here, &args),
        Command::FleetShadowReport(Lazy(args)) => fleet_shadow_report::run(&here, &args),
        Command::Coordinator(Lazy(args)) => coordinator::run(&here, args),
        Command::Demo(Lazy(args)) => demo::run(&here, &args),
        Command::Service(Lazy(args)) => service::run(&here, &args),
        Command::Completions(Lazy(args)) => completions::run(&args),
        Command::Man(Lazy(args)) => man::run(&args, arguments()),
    }
}
