//! A host of a fleet as a part of a program: it takes a job from a coordinator, and reports it
//! shipped.
//!
//! `cargo run -p aq-examples --example fleet_worker`
//!
//! The coordinator is in this program, too, so that nothing else has to run; elsewhere its address
//! and token are all that a host needs.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use aq_coordinator::{
    ApiTokens, CoordinatorConfig, DEFAULT_RATE, DatabaseLocation, RunningCoordinator, serve,
};
use aq_manifest::JobId;
use aq_runner::run::{
    FleetSettings, LoopProgress, ProcessEnvironment, QueueSettings, RunOptions, fleet_job, start,
    submit, work_if_asked,
};
use aq_runner::store::QueueDir;

type Failure = Box<dyn std::error::Error>;

/// The secret that host and coordinator share.
const TOKEN: &str = "a-token-of-this-example";

fn main() -> Result<(), Failure> {
    if let Some(done) = work_if_asked(std::env::args_os()) {
        return Ok(done?);
    }
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let coordinator = runtime.block_on(coordinator(dir.path()))?;
    let environment = environment(&coordinator.url());

    // Anybody with the token may hand in a job.
    let script = format!("---\nengine: shell\ncwd: {}\n---\necho hello\n", dir.path().display());
    let of_fleet = FleetSettings::of_coordinator(&environment)?;
    let submitted = submit(&of_fleet, &JobId::new("hello")?, script)?;

    // The loop asks for jobs, runs them, and with `once` ends when there are none.
    let queue = QueueDir::init(&dir.path().join("queue"))?;
    let settings = QueueSettings::load(&queue, environment.clone())?;
    let options =
        RunOptions { once: true, ship: true, ..RunOptions::new(std::env::current_exe()?) };
    let host = start(&queue, settings, options, |progress| {
        let told = match progress {
            LoopProgress::Ended { id, stage, .. } => format!("{id} came to {stage}/ here"),
            LoopProgress::Trouble(why) | LoopProgress::Fleet(why) => why.to_owned(),
            _ => return,
        };
        // A program that nobody reads goes on.
        let _ = writeln!(std::io::stdout(), "{told}");
    })?;
    host.join()?;

    let job = fleet_job(&of_fleet, submitted.job)?.job;
    runtime.block_on(coordinator.stop());
    writeln!(std::io::stdout(), "the fleet has {} in {}/", job.name, job.stage)?;
    Ok(())
}

/// A coordinator on any free port of this machine, with a database in a file.
async fn coordinator(dir: &Path) -> Result<RunningCoordinator, Failure> {
    let config = CoordinatorConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        database: DatabaseLocation::Sqlite(dir.join("coordinator.sqlite")),
        tokens: ApiTokens::parse("TOKEN", TOKEN)?,
        lease: Duration::from_secs(60),
        heartbeat: Duration::from_secs(15),
        tls: None,
        insecure: false,
        rate: DEFAULT_RATE,
        run_doubted: false,
        keep: None,
        echoes: None,
    };
    Ok(serve(config).await?)
}

/// The environment of the process with what makes this host one of the fleet.
fn environment(url: &str) -> ProcessEnvironment {
    let fleet = [
        ("AQ_FLEET", "1"),
        ("AQ_FLEET_URL", url),
        ("AQ_FLEET_TOKEN", TOKEN),
        ("AQ_FACTORY_ID", "example-host"),
    ];
    let fleet = fleet.map(|(name, value)| (name.into(), value.into()));
    ProcessEnvironment::new(std::env::vars_os().chain(fleet))
}
