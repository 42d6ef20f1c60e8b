//! Answers for people.

use aq_manifest::{JobId, Profile};
use aq_runner::run::host::HostReport;
use aq_runner::run::place::WaitingElsewhere;
use aq_runner::run::{NoEngine, TakenAtWord};
use aq_runner::store::DraftResult;

use super::json::CodedReason;
use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};
use super::{line, warning};

/// Prints the fate of the files of `aq add`.
pub(crate) fn added(added: &[DraftResult]) {
    if added.is_empty() {
        return;
    }
    let lines = added.iter().map(|one| match one {
        DraftResult::New { id } => format!("added {id}"),
        DraftResult::Unchanged { id, stage } => format!("{id} is there already, in {stage}/"),
        DraftResult::SameFile { id, stage, name } => {
            format!("{} is the file of {id} ({stage}); --again adds it once more", plain(name))
        }
        DraftResult::Superseded { id, old } if id == old => format!("replaced {id}"),
        DraftResult::Superseded { id, old } => format!("added {id} in place of {old}"),
    });
    line(lines.collect::<Vec<_>>().join("\n"));
}

/// Jobs that were added and have no engine here.
pub(crate) fn no_engine(found: &NoEngine) -> String {
    let (warning, jobs) = (paint(style::ATTENTION, "warning"), some_of(&found.jobs));
    format!("{warning}: {jobs} cannot run here: {}", plain(&found.problem))
}

/// Jobs that were added and of which nothing will say whether they went well.
pub(crate) fn taken_at_word(found: &TakenAtWord) -> String {
    let (warning, jobs) = (paint(style::ATTENTION, "warning"), some_of(&found.jobs));
    format!(
        "{warning}: {jobs}: of {} only the exit code says whether it did anything; `verify`, or \
         `expect-changes: true`, checks that",
        plain(&found.engine)
    )
}

/// The first jobs by name, and the number of the others.
fn some_of(jobs: &[JobId]) -> String {
    let mut named: Vec<&str> = jobs.iter().take(3).map(JobId::as_str).collect();
    let more = format!("{} more", jobs.len() - named.len());
    if jobs.len() > named.len() {
        named.push(&more);
    }
    named.join(", ")
}

/// The findings of `check` in one file.
#[derive(Debug)]
pub(crate) struct FileFindings {
    pub(crate) file: String,
    /// The first error in a line.
    pub(crate) error: Option<CodedReason>,
    /// Errors and warnings, rendered.
    pub(crate) report: String,
}

/// Prints the findings of `aq check`.
pub(crate) fn checked(files: &[FileFindings]) {
    for file in files {
        if !file.report.is_empty() {
            line(file.report.trim_end());
        }
        if file.error.is_none() {
            line(format_args!("{}: {}", plain(&file.file), paint(style::GOOD, "ok")));
        }
    }
}

/// The table of `aq caps`.
pub(crate) fn capabilities(host: &HostReport) {
    let mut table = TextTable::new(&["token", "from"]);
    for advertised in &host.tokens {
        table.row(vec![
            TableCell::new(plain(&advertised.token.to_string())),
            TableCell::new(&advertised.source),
        ]);
    }
    line(table.render(super::width()));
    if !host.absent.is_empty() {
        line(format_args!(
            "\n{}",
            paint(style::FAINT, format!("not on PATH: {}", host.absent.join(", ")))
        ));
    }
    for problem in &host.problems {
        warning(&format!(
            "{}: {}",
            paint(style::ATTENTION, "warning"),
            plain(&problem.to_string())
        ));
    }
}

/// A line of `aq profiles`.
pub(crate) fn profile(profile: &Profile) -> String {
    let persona = profile.persona.as_deref().and_then(|text| text.trim().lines().next());
    let persona =
        persona.map_or(String::new(), |first| format!("  {}", paint(style::FAINT, plain(first))));
    format!("{}{persona}", paint(style::HEADING, &profile.name))
}

/// Jobs for a directory that wait in another queue.
pub(crate) fn waiting_elsewhere(found: &WaitingElsewhere) -> String {
    let mut jobs: Vec<&str> = found.jobs.iter().take(5).map(JobId::as_str).collect();
    let more = format!("{} more", found.jobs.len() - jobs.len());
    if found.jobs.len() > jobs.len() {
        jobs.push(&more);
    }
    let queue = plain(&found.queue.display().to_string());
    format!("jobs for this directory wait in {queue}: {}", jobs.join(", "))
}

/// Commands to type next, each with its purpose.
pub(crate) fn next_steps(title: &str, steps: &[(&str, &str)]) -> String {
    let width = steps.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let lines = steps.iter().map(|(command, what)| format!("\n  {command:<width$}  {what}"));
    format!("{}{}", paint(style::HEADING, title), lines.collect::<String>())
}
