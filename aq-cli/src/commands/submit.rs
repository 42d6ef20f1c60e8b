//! `aq submit`

use std::path::PathBuf;

use aq_runner::run::{FleetSettings, submit, submittable};

use super::CliContext;
use super::files::drafts;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::{JsonOption, JsonVersion};

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq submit fix-login.md\n",
        "           aq submit jobs/\n",
        "           echo 'Fix the login.' | aq submit - --name fix-login",
    )
)]
pub(crate) struct SubmitArgs {
    /// Job files, directories, or `-`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The name to give the job, instead of the file's; for one job only
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &SubmitArgs) -> Outcome {
    let mut drafts = drafts(&args.files, args.name.as_deref(), true)?;
    let settings = FleetSettings::of_coordinator(&here.environment)?;
    // Whoever submits need not have a queue.
    let queue =
        here.queue_if_any().ok().flatten().map(|queue| here.settings(&queue)).transpose()?;
    if let Some(warning) = settings.address_warning() {
        output::warning(warning);
    }
    let mut submitted = Vec::new();
    for draft in &drafts {
        let parsed = aq_manifest::parse(&draft.text);
        if !parsed.has_errors() && parsed.body.trim().is_empty() {
            let problem = "the prompt is empty; write what is to be done below the front matter";
            return Err(CliFailure::usage(format_args!("{}: {problem}", draft.name)));
        }
    }
    for draft in &mut drafts {
        let text = submittable(std::mem::take(&mut draft.text), queue.as_ref());
        draft.text = text.map_err(|e| CliFailure::usage(format_args!("{}: {e}", draft.name)))?;
    }
    for draft in drafts {
        match submit(&settings, &draft.id, draft.text) {
            Ok(job) => submitted.push((draft.id, job)),
            Err(e) => {
                report(&submitted, args.json.version);
                let failure = CliFailure::from(e);
                return Err(CliFailure::new(
                    failure.exit,
                    format_args!("{}: {failure}", draft.name),
                ));
            }
        }
    }
    report(&submitted, args.json.version);
    Ok(CliExit::Done)
}

fn report(
    submitted: &[(aq_manifest::JobId, aq_runner::run::FleetSubmission)],
    json: Option<JsonVersion>,
) {
    match json {
        Some(version) => output::json::submitted(submitted, version),
        None => output::fleet::submitted(submitted),
    }
}
