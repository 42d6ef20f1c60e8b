//! Jobs and events of a fleet, for its operator. Everything of it comes from other machines.

use std::fmt::Write;

use aq_fleet::protocol::{EventValue, FactoryId, FeedEvent, JobSummary};
use aq_runner::run::{FleetJobs, log_host};
use jiff::{SignedDuration, Timestamp};

use super::fleet::{age, remark};
use super::line;
use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};
use super::time::clock;

/// `aq fleet jobs`.
pub(crate) fn list(found: &FleetJobs) {
    line(table(found).trim_end());
}

fn table(found: &FleetJobs) -> String {
    if found.jobs.is_empty() {
        return "no such jobs".to_owned();
    }
    let mut table = TextTable::new(&["job", "stage", "priority", "host", "epoch", "age", ""]);
    for job in &found.jobs {
        table.row(vec![
            TableCell::new(&job.name),
            TableCell::styled(style::stage(job.stage), job.stage),
            TableCell::new(job.priority),
            host(found, log_host(job)),
            TableCell::new(job.epoch),
            TableCell::new(age(job.age_ms)),
            TableCell::new(end_of(job)),
        ]);
    }
    let mut text = table.render(super::width());
    if found.jobs.iter().any(|job| log_host(job).is_some()) {
        let hint = "logs: `aq logs JOB` on the job's host, in its queue";
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n{}", paint(style::FAINT, hint));
    }
    text
}

/// A host, with the name of its machine where that is another one.
fn host(found: &FleetJobs, id: Option<&FactoryId>) -> TableCell {
    let Some(id) = id else { return TableCell::new("-") };
    match found.machines.get(id).filter(|machine| *machine != id.as_str()) {
        Some(machine) => TableCell::new(format_args!("{id} ({})", plain(machine))),
        None => TableCell::new(id),
    }
}

fn end_of(job: &JobSummary) -> String {
    match job.result {
        Some(result) if result.as_str() != job.stage.folder() => result.to_string(),
        Some(_) => String::new(),
        None if job.in_doubt => "may have ended before a restore".to_owned(),
        None => remark(job, None),
    }
}

/// Describes the result of a wish to stop a job.
pub(crate) fn cancelled(job: &JobSummary) -> String {
    let name = &job.name;
    match (&job.holder, job.cancel) {
        (Some(host), true) => format!("{name} is to be stopped; {host} is told so"),
        _ => format!("{name} is in {} now", job.stage),
    }
}

/// Describes the result of a wish to run a job again.
pub(crate) fn requeued(job: &JobSummary) -> String {
    format!("{} is in {} now", job.name, job.stage)
}

/// Describes the result of a word about a host.
pub(crate) fn drained(host: &FactoryId, takes_jobs: bool) -> String {
    if takes_jobs {
        return format!("{host} takes jobs again");
    }
    format!("{host} takes no more jobs; `aq fleet jobs --host {host}` lists those that it has")
}

/// A line about an event.
pub(crate) fn event(event: &FeedEvent, now: Timestamp) -> String {
    if event.kind.as_str() == FeedEvent::GAP {
        let text = format!("events up to {} are no longer kept", event.id);
        return paint(style::ATTENTION, text).to_string();
    }
    let at = event.ms_ago.map_or_else(String::new, |ms| {
        let ago = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
        clock(now.checked_sub(ago).unwrap_or(Timestamp::MIN), now)
    });
    let mut text = format!("{}  {:<10}", paint(style::FAINT, at), plain(event.kind.as_str()));
    let name = event.name.as_ref().map(ToString::to_string);
    if let Some(job) = name.or_else(|| event.job_id.map(|id| id.to_string())) {
        text += &format!(" {job}");
    }
    if let Some(stage) = event.stage {
        text += &format!(" {}", paint(style::stage(stage), stage));
    }
    if let Some(host) = &event.factory_id {
        text += &format!(" {host}");
    }
    if let Some(epoch) = event.epoch {
        text += &format!(" e{epoch}");
    }
    // The host's own time is not another one to read.
    for (name, value) in event.fields.iter().filter(|(name, _)| name.as_str() != "at") {
        let value = match value {
            EventValue::Flag(flag) => flag.to_string(),
            EventValue::Count(count) => count.to_string(),
            EventValue::Number(number) => number.to_string(),
            EventValue::Word(word) => plain(word.as_str()),
        };
        let field = format!(" {}={value}", plain(name.as_str()));
        text += &paint(style::FAINT, field).to_string();
    }
    text
}
