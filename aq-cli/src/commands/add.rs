//! `aq add`

use std::path::PathBuf;

use aq_ledger::RecordKey;
use aq_manifest::{EditError, JobId, Stage, parse, with_value};
use aq_runner::run::{QueueSettings, add_context, added_records, taken_at_word, without_engine};
use aq_runner::store::{
    AddContext, AddReport, AddWarning, AddWarningKind, DraftResult, JobDraft, JobRecord, QueueDir,
    add,
};
use jiff::Timestamp;

use super::CliContext;
use super::cli_context::job_id;
use super::files::drafts;
use crate::exit::{CliExit, CliFailure, Outcome};
use crate::output;
use crate::output::json::{JsonOption, JsonVersion};

#[derive(Debug, clap::Args)]
#[command(
    after_help = concat!(
        "Examples:  aq add fix-login.md\n",
        "           aq add jobs/\n",
        "           echo 'Fix the login.' | aq add - --name fix-login",
    )
)]
pub(crate) struct AddArgs {
    /// Job files, directories, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The id to give the job, instead of the file's name; for one job only
    #[arg(long, value_name = "ID")]
    name: Option<String>,
    /// Add files that were added before, under the same name and with the same text, once more
    #[arg(long)]
    again: bool,
    /// Start only when this job is shipped, and with its work: adds its key to `deps`
    #[arg(long, value_name = "JOB", add = super::completions::jobs())]
    after: Option<String>,
    #[command(flatten)]
    json: JsonOption,
}

pub(crate) fn run(here: &CliContext, args: &AddArgs) -> Outcome {
    let mut drafts = drafts(&args.files, args.name.as_deref(), args.again)?;
    let queue = here.queue_or_new()?;
    if let Some(job) = &args.after {
        put_after(&queue, &job_id(job)?, &mut drafts)?;
    }
    let context = add_context(&queue, &here.environment, here.cwd()?, Timestamp::now());
    let context = AddContext { colour: output::errors_in_colour(), ..context };
    let report = add(&queue, &drafts, &context)?;
    // A bad config is reported by those who need it: the jobs are in.
    tell_added(&queue, here.settings(&queue).ok().as_ref(), report, args.json.version);
    Ok(CliExit::Done)
}

/// Lets jobs wait for another one. A shipped one without a key is waited for no more.
fn put_after(queue: &QueueDir, id: &JobId, drafts: &mut [JobDraft]) -> Result<(), CliFailure> {
    let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
    let Some(key) = record.meta.get(RecordKey::IdempotencyKey) else {
        if record.stage == Stage::Shipped {
            return Ok(());
        }
        let words = "has no idempotency-key, so no job can wait for it";
        let mend = format!("`aq set {id} idempotency-key={id}` gives it one while it waits");
        return Err(CliFailure::new(CliExit::Refused, format_args!("{id} {words}; {mend}")));
    };
    for draft in drafts {
        let mut deps = parse(&draft.text).manifest.deps.unwrap_or_default();
        if deps.iter().any(|dep| dep == key) {
            continue;
        }
        deps.push(key.to_owned());
        let list = serde_json::Value::from(deps).to_string();
        match with_value(&draft.text, "deps", &list) {
            Ok(text) => draft.text = text,
            // The add says what is wrong, and where.
            Err(EditError::Invalid { file, .. }) => draft.text = file,
            Err(e) => return Err(CliFailure::usage(format_args!("{}: {e}", draft.name))),
        }
    }
    Ok(())
}

/// Says which jobs were added, and what a person should look at.
pub(super) fn tell_added(
    queue: &QueueDir,
    settings: Option<&QueueSettings>,
    mut report: AddReport,
    json: Option<JsonVersion>,
) {
    if let Some(settings) = settings {
        let records = added_records(queue, report.added.iter().map(DraftResult::id));
        let missing = without_engine(settings, &records);
        let warnings = missing.iter().map(|found| {
            let text = output::human::no_engine(found);
            jobs_warning(AddWarningKind::NoEngine, &found.jobs, text)
        });
        report.warnings.extend(warnings);
        let unchecked = taken_at_word(queue, settings, &records);
        let warnings = unchecked.iter().map(|found| {
            let text = output::human::taken_at_word(found);
            jobs_warning(AddWarningKind::Unchecked, &found.jobs, text)
        });
        report.warnings.extend(warnings);
    }
    for warning in &report.warnings {
        output::warning(&warning.text);
    }
    match json {
        Some(version) => output::json::added(&report, version),
        None => output::human::added(&report.added),
    }
}

fn jobs_warning(kind: AddWarningKind, jobs: &[JobId], text: String) -> AddWarning {
    AddWarning { kind, jobs: jobs.iter().map(ToString::to_string).collect(), text }
}
