//! `aq run`

use aq_runner::run::{RunError, RunOptions, run as run_loop};

use super::Here;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::progress::Reporter;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  aq run --max 4\n           aq run --once --ship\n\nExit code with --once: 0 when all that ran ended well, 1 when some job failed."
)]
pub(crate) struct Args {
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

pub(crate) fn run(here: &Here, args: &Args) -> Outcome {
    let queue = here.queue()?;
    let settings = here.settings(&queue)?;
    let options = RunOptions {
        max: args.max.or(settings.config.max).unwrap_or(1).max(1),
        max_review: args.max_review.or(settings.config.max_review),
        once: args.once,
        ship: args.ship,
        worker: here.program()?,
    };
    let mut reporter = Reporter::new(&queue, &options, args.quiet);
    let summary = run_loop(&queue, settings, &options, &mut |progress| {
        reporter.tell(&progress);
    })?;
    reporter.end(&summary);
    Ok(if summary.failed > 0 { Exit::No } else { Exit::Done })
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Fleet(error) => error.into(),
            RunError::AlreadyRunning { .. } => Self::new(Exit::Refused, error),
            RunError::Lost { part, ref now_at, .. } => {
                let mend = match now_at {
                    Some(path) if part.is_whole() => {
                        format!("`aq --queue {} run` takes it up there", path.display())
                    }
                    None if part.is_whole() => {
                        "where it is now, `aq --queue DIR run` takes it up".to_owned()
                    }
                    _ => "put it back, then `aq run`".to_owned(),
                };
                Self::new(Exit::NotFound, format_args!("{error}; {mend}"))
            }
            RunError::Settings(_) => Self::new(Exit::Usage, error),
            RunError::System(..) => Self::new(Exit::Environment, error),
        }
    }
}
