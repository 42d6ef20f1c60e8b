//! `aq init`

use std::path::{Path, PathBuf};

use aq_runner::run::place::{
    MadeQueue, PROJECT_QUEUE, QueueOrigin, make_queue, make_repository_queue, waiting_elsewhere,
};

use super::CliContext;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:  aq init && aq add fix-login.md\n           aq init ~/nightly")]
pub(crate) struct InitArgs {
    /// Directory of the queue [default: below AQ_HOME for a repository, else ./.aq]
    dir: Option<PathBuf>,
}

/// The commands to type once there is a queue.
const NEXT: [(&str, &str); 3] = [
    ("aq doctor", "is all here that jobs need?"),
    ("aq add FILE.md", "a prompt in a file is a job"),
    ("aq run", "runs jobs until Ctrl-C; `aq status` in another terminal shows them"),
];

pub(crate) fn run(here: &CliContext, args: &InitArgs) -> Outcome {
    let (made, projects) = make(here, args)?;
    let root = made.queue.root();
    let verb = if made.is_new { "made a queue at" } else { "there is already a queue at" };
    output::line(format_args!("{verb} {}", output::style::plain(&root.display().to_string())));
    here.take_over(&made.queue)?;
    for found in waiting_elsewhere(&made.queue, &projects, &here.environment)? {
        output::warning(&output::human::waiting_elsewhere(&found));
    }
    if made.is_new {
        output::line(output::human::next_steps("next:", &NEXT));
    }
    Ok(CliExit::Done)
}

/// Makes the queue. Answers the directories whose jobs belong into it, where there are any.
fn make(here: &CliContext, args: &InitArgs) -> Result<(MadeQueue, Vec<PathBuf>), CliFailure> {
    let environment = &here.environment;
    if let Some(dir) = &args.dir {
        return Ok((make_queue(dir, environment)?, Vec::new()));
    }
    let place = here.place()?;
    match (place.origin, &place.path, &place.repository) {
        (QueueOrigin::Argument | QueueOrigin::Variable, Some(dir), _) => {
            Ok((make_queue(dir, environment)?, Vec::new()))
        }
        (QueueOrigin::Project, Some(dir), Some(_)) => {
            let project = dir.parent().map(Path::to_owned).into_iter().collect();
            Ok((make_queue(dir, environment)?, project))
        }
        (_, _, Some(repository)) => {
            let made = make_repository_queue(repository, environment)?;
            // A linked work tree is another directory of the same repository.
            Ok((made, vec![repository.main_top().to_owned(), repository.top.clone()]))
        }
        _ => {
            let cwd = here.cwd()?;
            Ok((make_queue(&cwd.join(PROJECT_QUEUE), environment)?, vec![cwd]))
        }
    }
}
