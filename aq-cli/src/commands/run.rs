//! `aq run`

use std::io::IsTerminal;

use aq_runner::run::place::{shell_word, wait_for_trust};
use aq_runner::run::{ProcessEnvironment, RunError, RunOptions, run as run_loop};
use aq_runner::store::QueueDir;

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::progress::ProgressReporter;
use crate::output::style::plain;

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq run --max 4\n",
        "           aq run --once --ship\n",
        "\n",
        "Exit code with --once: 0 when all that ran ended well, 1 when some job failed, \
            or waits for\n",
        "something that this host lacks or for an engine that is out of use.",
    )
)]
pub(crate) struct RunArgs {
    /// Drain the queue, then exit
    #[arg(long)]
    once: bool,
    /// Jobs that run at once [default: `max` in config.yaml, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max: Option<u32>,
    /// Start nothing while N jobs wait in review/
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_review: Option<u32>,
    /// Ship what reaches testing/ by itself
    #[arg(long)]
    ship: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(here: &CliContext, args: &RunArgs) -> Outcome {
    let queue = match unattended(here, has_terminal()) {
        Some(queue) => wait_for_queue(here, queue)?,
        None => here.trusted_queue()?,
    };
    let settings = here.settings(&queue)?;
    name_odd_variables(&here.environment);
    let options = RunOptions {
        max: args.max.or(settings.config.max).unwrap_or(1).max(1),
        max_review: args.max_review.or(settings.config.max_review),
        once: args.once,
        ship: args.ship,
        worker: here.program()?,
        take_signals: true,
    };
    let mut reporter = ProgressReporter::new(&queue, &options, args.quiet);
    let summary = run_loop(&queue, settings, &options, &mut |progress| {
        reporter.tell(&progress);
    })?;
    reporter.end(&summary);
    Ok(if summary.failed > 0 || summary.kept > 0 { CliExit::No } else { CliExit::Done })
}

/// Names variables whose value means nothing, and what holds instead.
fn name_odd_variables(environment: &ProcessEnvironment) {
    let odd = |name: &str, is_good: fn(&str) -> bool| {
        let value = environment.get(name)?;
        let value = value.to_string_lossy();
        (!value.is_empty() && !is_good(&value)).then(|| plain(&value))
    };
    if let Some(value) = odd("AQ_TRACKER_AUTO", |value| matches!(value, "0" | "1")) {
        output::warning(&format!(
            "warning: AQ_TRACKER_AUTO is 1 or 0, not {value:?}: trackers are not told"
        ));
    }
    let is_minutes = |value: &str| value.trim().parse().is_ok_and(|minutes: f64| minutes >= 0.0);
    if let Some(value) = odd("AGENT_QUEUE_STALL_MIN", is_minutes) {
        output::warning(&format!(
            "warning: AGENT_QUEUE_STALL_MIN is a number of minutes, not {value:?}: 10 is taken"
        ));
    }
}

/// True when a person may be there. Terminals that are services themselves hand their variables on
/// to what runs in them, so these alone say nothing.
fn has_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// The queue of a loop that a service manager has started, when it is not trusted: to end then
/// would be to be started again, for ever. On a terminal a person reads the refusal.
fn unattended(here: &CliContext, has_terminal: bool) -> Option<QueueDir> {
    let is_set = |name: &str| here.environment.get(name).is_some_and(|value| !value.is_empty());
    // A terminal of macOS has the variable, too, and there it is 0.
    let is_launchd = here.environment.get("XPC_SERVICE_NAME").is_some_and(|name| name != "0");
    let is_service = is_set("INVOCATION_ID") || is_launchd && is_set("XPC_SERVICE_NAME");
    let queue = here.silent_queue().ok().filter(|_| is_service && !has_terminal)?;
    here.untrusted(&queue).is_some().then_some(queue)
}

fn wait_for_queue(here: &CliContext, queue: QueueDir) -> Result<QueueDir, CliFailure> {
    wait_for_trust(&queue, &here.environment, |untrusted| {
        output::warning(&plain(&format!("{untrusted}; this loop waits until it is")));
    })
    .map_err(|e| CliFailure::io("wait until the queue is trusted", &e))?;
    output::warning("the queue is trusted now");
    here.take_over(&queue)?;
    Ok(queue)
}

impl From<RunError> for CliFailure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Fleet(error) => error.into(),
            RunError::AlreadyRunning { .. } => {
                Self::new(CliExit::Refused, format_args!("{error}; `aq stop` ends it"))
            }
            RunError::Lost { part, ref now_at, .. } => {
                let mend = match now_at {
                    Some(path) if part.is_whole() => {
                        let dir = shell_word(path);
                        format!("`aq trust {dir} && aq --queue {dir} run` takes it up there")
                    }
                    None if part.is_whole() => {
                        "where it is now, `aq --queue DIR run` takes it up".to_owned()
                    }
                    _ => "put it back, then `aq run`".to_owned(),
                };
                Self::new(CliExit::NotFound, format_args!("{error}; {mend}"))
            }
            RunError::Settings(_) | RunError::Token(_) => Self::new(CliExit::Usage, error),
            _ => Self::new(CliExit::Environment, error),
        }
    }
}
