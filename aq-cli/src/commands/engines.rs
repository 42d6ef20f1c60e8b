//! `aq engines`

use aq_manifest::parse_duration;
use aq_runner::engine::{CommandError, EngineInfo};
use aq_runner::run::host::ProbePolicy;
use aq_runner::run::{
    AskedPrograms, EngineCheckError, QueueSettings, ask_engine_versions, check_engine,
    engine_pitfalls, engine_version, engine_windows, resting_engines, retry_engine,
};
use aq_runner::store::QueueDir;
use jiff::Timestamp;

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::engines::EngineReport;
use crate::output::json::JsonOption;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq engines\n",
        "           aq engines --retry claude\n",
        "           aq engines --check claude",
    )
)]
pub(crate) struct EnginesArgs {
    /// Use this engine again, although it rests after a limit or is out of use
    #[arg(long, value_name = "NAME", conflicts_with = "json")]
    retry: Option<String>,
    /// Try this engine with one short run, which costs a call of its model
    #[arg(long, value_name = "NAME", conflicts_with = "retry")]
    check: Option<String>,
    /// Time that the run of --check may take
    #[arg(long, value_name = "DURATION", default_value = "2m", requires = "check")]
    timeout: String,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &EnginesArgs) -> Outcome {
    if let Some(name) = &args.retry {
        return retry(here, name);
    }
    if let Some(name) = &args.check {
        return check(here, name, args);
    }
    let queue = here.queue_if_any()?;
    let settings = here.settings_if_any(queue.as_ref())?;
    let untrusted = queue.as_ref().and_then(|queue| here.untrusted(queue));
    // Its config says how programs are asked.
    let policy = if untrusted.is_some() { ProbePolicy::CachedOnly } else { ProbePolicy::AsNeeded };
    ask_engine_versions(queue.as_ref(), &settings, AskedPrograms::Installed, policy);
    let now = Timestamp::now();
    let engines = reports(here, queue.as_ref(), &settings, now);
    if let Some(version) = args.json.version {
        output::engines::json(&engines, version);
        return Ok(CliExit::Done);
    }
    output::engines::table(&engines, now);
    if let Some(queue) = queue {
        output::status::resting(&resting_engines(&queue, &settings, now), now);
    }
    Ok(CliExit::Done)
}

fn reports(
    here: &CliContext,
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    now: Timestamp,
) -> Vec<EngineReport> {
    let mut windows = queue.map(|queue| engine_windows(queue, settings, now)).unwrap_or_default();
    let cwd = here.cwd().ok();
    let report = |info: EngineInfo| {
        let pitfalls = match info.binary {
            Ok(_) => engine_pitfalls(settings, &info.name, cwd.as_deref()),
            Err(_) => Vec::new(),
        };
        let windows = windows.remove(&info.name);
        EngineReport { info, windows, pitfalls }
    };
    settings.engines.info().into_iter().map(report).collect()
}

fn check(here: &CliContext, name: &str, args: &EnginesArgs) -> Outcome {
    let limit = parse_duration(&args.timeout)
        .map_err(|e| CliFailure::usage(format_args!("--timeout {}: {e}", args.timeout)))?;
    let queue = here.queue_if_any()?;
    if let Some(untrusted) = queue.as_ref().and_then(|queue| here.untrusted(queue)) {
        return Err(untrusted.into());
    }
    let settings = here.settings_if_any(queue.as_ref())?;
    let policy = ProbePolicy::AsNeeded;
    ask_engine_versions(queue.as_ref(), &settings, AskedPrograms::Installed, policy);
    let found = check_engine(queue.as_ref(), &settings, name, limit).map_err(|e| match e {
        EngineCheckError::NoSuchEngine(_)
        | EngineCheckError::Command(CommandError::NoSuchEngine(_)) => CliFailure::usage(e),
        other => CliFailure::new(CliExit::Environment, other),
    })?;
    let info = settings.engines.info().into_iter().find(|engine| engine.name == name);
    let engine = info.as_ref().and_then(engine_version);
    if let Some(version) = args.json.version {
        output::engines::check_json(&found, engine.as_ref(), version);
    } else {
        output::engines::check(&found, engine.as_ref());
    }
    Ok(if found.success { CliExit::Done } else { CliExit::No })
}

fn retry(here: &CliContext, name: &str) -> Outcome {
    let queue = here.trusted_queue()?;
    let settings = here.settings(&queue)?;
    if !settings.engines.names().any(|known| known == name) {
        return Err(CliFailure::usage(format_args!(
            "there is no engine {name:?}; see `aq engines`"
        )));
    }
    output::line(if retry_engine(&queue, name)? {
        format!("engine {name} is used again")
    } else {
        format!("engine {name} was not resting")
    });
    Ok(CliExit::Done)
}
