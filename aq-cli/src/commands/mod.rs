//! One file a verb. They ask the libraries and hand the answer to `output`.

mod add;
mod caps;
mod check;
mod clean;
mod completions;
mod demo;
mod doctor;
mod engines;
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
mod why;
pub(crate) mod worker;

use clap::Subcommand;

use crate::app::{Arguments, Outcome};

use here::Here;

pub(crate) use check::Checked;
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
    Stop(stop::Args),
    Promote(job::Promote),
    Ship(job::Ship),
    Reject(job::Reject),
    Requeue(job::Requeue),
    Recover(recover::Args),
    Clean(clean::Args),
    Insights(insights::Args),
    Caps(caps::Args),
    Engines(engines::Args),
    Profiles(profiles::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Service(service::Args),
    Completions(completions::Args),
    Man(man::Args),
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let here = Here::new(arguments.global.queue);
    match arguments.command {
        Command::Init(args) => init::run(&here, args),
        Command::Add(args) => add::run(&here, &args),
        Command::Check(args) => check::run(&here, &args),
        Command::Schema(_) => schema::run(),
        Command::Run(args) => run::run(&here, &args),
        Command::Status(args) => status::run(&here, &args),
        Command::Why(args) => why::run(&here, &args),
        Command::Logs(args) => logs::run(&here, &args),
        Command::Stop(args) => stop::run(&here, &args),
        Command::Promote(args) => job::promote(&here, &args),
        Command::Ship(args) => job::ship(&here, &args),
        Command::Reject(args) => job::reject(&here, &args),
        Command::Requeue(args) => job::requeue(&here, &args),
        Command::Recover(_) => recover::run(&here),
        Command::Clean(args) => clean::run(&here, &args),
        Command::Insights(args) => insights::run(&here, &args),
        Command::Caps(args) => caps::run(&here, &args),
        Command::Engines(args) => engines::run(&here, &args),
        Command::Profiles(args) => profiles::run(&here, &args),
        Command::Doctor(_) => doctor::run(&here),
        Command::Demo(args) => demo::run(&here, &args),
        Command::Service(args) => service::run(&here, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
