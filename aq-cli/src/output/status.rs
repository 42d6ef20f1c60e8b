//! The table of `aq status`.

mod rows;

use anstream::adapter::strip_str;
use aq_manifest::Stage;
use aq_runner::insights::JobNumbers;
use aq_runner::run::{JobActivity, JobView, QueueOverview};
use aq_scheduler::EngineState;
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::insights;
use super::job::left_out;
use super::style::{self, paint, plain};
use super::table::{cut, cut_middle};
use super::time::until;
use rows::table;

/// Columns and lines of a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TerminalSize {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// The table of `aq status`, with the numbers of the jobs that ended lately. At most `shown` jobs
/// that wait are listed. Without a `width` nothing is cut.
pub(crate) fn status(
    overview: &QueueOverview,
    recent: &[JobNumbers],
    shown: usize,
    width: Option<usize>,
) -> String {
    let mut lines = head(overview, width);
    let is_waiting = |job: &&JobView| job.record.stage == Stage::Inbox;
    let waiting = overview.jobs.iter().filter(is_waiting).count() + overview.unlisted;
    let mut left = shown;
    let listed = overview.jobs.iter().filter(|job| {
        let is_listed = !is_waiting(job) || left > 0;
        left -= usize::from(is_waiting(job) && left > 0);
        is_listed
    });
    let jobs: Vec<&JobView> = listed.chain(&overview.ended).collect();
    if !jobs.is_empty() {
        lines.push(format!("\n{}", table(overview, &jobs).wraps(true).render(width)));
    }
    if waiting > shown {
        let more = format!("... and {} more that wait; --all shows them", waiting - shown);
        lines.push(paint(style::FAINT, more));
    }
    let recent = insights::line(recent);
    let notices = notices(overview);
    if !recent.is_empty() || !notices.is_empty() {
        lines.push(String::new());
    }
    if !recent.is_empty() {
        lines.push(paint(style::FAINT, format!("last 24h: {recent}")));
    }
    lines.extend(notices.iter().map(StatusNotice::to_line));
    lines.join("\n")
}

/// The picture of `aq status --watch`: never more than the terminal has room for, and of the jobs
/// first those that matter.
pub(crate) fn watch(
    overview: &QueueOverview,
    recent: &[JobNumbers],
    above: &[String],
    size: TerminalSize,
) -> String {
    let TerminalSize { width, height } = size;
    let mut lines: Vec<String> =
        above.iter().map(|text| paint(style::ATTENTION, cut(text, width))).collect();
    lines.extend(head(overview, Some(width)));
    let recent = insights::line(recent);
    if !recent.is_empty() {
        lines.push(paint(style::FAINT, cut(&format!("last 24h: {recent}"), width)));
    }
    let notices = notices(overview);
    // The jobs are what is looked for.
    let most = (height / 4).max(1);
    let shown = if notices.len() > most { most - 1 } else { notices.len() };
    lines.extend(notices.iter().take(shown).map(|notice| notice.to_cut_line(width)));
    if notices.len() > shown {
        let more = format!("! and {} more warnings; `aq status` has them", notices.len() - shown);
        lines.push(paint(style::ATTENTION, cut(&more, width)));
    }
    lines.push(String::new());
    let mut jobs: Vec<&JobView> = overview.jobs.iter().chain(&overview.ended).collect();
    // One line is for the headings.
    let room = height.saturating_sub(lines.len() + 1);
    let mut more = 0;
    if jobs.len() > room {
        jobs.sort_by_key(|job| urgency(job));
        more = jobs.len() - room.saturating_sub(1);
        jobs.truncate(room.saturating_sub(1));
    }
    if !jobs.is_empty() {
        lines.push(table(overview, &jobs).render(Some(width)));
    }
    if more > 0 {
        lines.push(paint(style::FAINT, cut(&format!("... and {more} more"), width)));
    }
    // Where there is hardly any room.
    lines.join("\n").lines().take(height).collect::<Vec<_>>().join("\n")
}

/// The order in which a person looks for jobs.
fn urgency(job: &JobView) -> u8 {
    match (&job.activity, job.record.stage) {
        (JobActivity::Running { .. } | JobActivity::Lost, _) => 0,
        (JobActivity::Unusable(_), _) | (_, Stage::Review) => 1,
        _ if job.work_problem.is_some() || left_out(&job.record).is_some() => 1,
        (_, Stage::Failed | Stage::Quarantine) => 2,
        (_, Stage::Testing) => 3,
        (_, Stage::Inbox | Stage::Building) => 4,
        (_, Stage::Shipped) => 5,
    }
}

/// The queue and its loop, then the number of jobs in each folder.
fn head(overview: &QueueOverview, width: Option<usize>) -> Vec<String> {
    let state = match &overview.run_loop {
        Some(found) => format!("run loop at work (process {}, {} at a time)", found.pid, found.max),
        None => "no run loop; `aq run` starts one".to_owned(),
    };
    let queue = plain(&overview.queue.display().to_string());
    let state = width.map_or(state.as_str().into(), |width| cut(&state, width.saturating_sub(3)));
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(state.width() + 3));
    let queue = cut_middle(&queue, room);
    let first =
        format!("{} {}", paint(style::HEADING, queue), paint(style::FAINT, format!("· {state}")));
    let counts = overview.counts.iter().filter(|&(_, &count)| count > 0);
    let counts: Vec<(usize, String)> = counts
        .map(|(stage, count)| {
            let width = format!("{count} {stage}").width();
            (width, format!("{count} {}", paint(style::stage(*stage), stage)))
        })
        .collect();
    let mut lines = vec![first];
    if counts.is_empty() {
        lines.push("empty: `aq add FILE` adds a job".to_owned());
    } else {
        lines.extend(in_lines(&counts, width.unwrap_or(usize::MAX)));
    }
    lines
}

/// Parts with dots between them, each with its width, in lines of at most so many columns.
fn in_lines(parts: &[(usize, String)], width: usize) -> Vec<String> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (wide, part) in parts {
        match lines.last_mut() {
            Some((at, line)) if *at + 3 + wide <= width => {
                *at += 3 + wide;
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push((*wide, part.clone())),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Something that a person should know, beside the jobs.
enum StatusNotice {
    /// With a mark before it.
    Warning(String),
    /// A line with colours of its own.
    Painted(String),
}

impl StatusNotice {
    fn to_line(&self) -> String {
        match self {
            Self::Warning(text) => format!("{} {text}", paint(style::ATTENTION, "!")),
            Self::Painted(line) => line.clone(),
        }
    }

    fn to_cut_line(&self, width: usize) -> String {
        match self {
            Self::Warning(text) => {
                Self::Warning(cut(text, width.saturating_sub(2)).into_owned()).to_line()
            }
            Self::Painted(line) => cut(&strip_str(line).to_string(), width).into_owned(),
        }
    }
}

fn notices(overview: &QueueOverview) -> Vec<StatusNotice> {
    let mut found = Vec::new();
    for (engine, state) in &overview.resting {
        found.push(StatusNotice::Warning(engine_state(engine, state, overview.now)));
    }
    if let Some(part) = &overview.fleet {
        found.push(StatusNotice::Painted(super::fleet::part(part.as_ref())));
    }
    found.extend(untold(overview).map(StatusNotice::Warning));
    for stranger in &overview.strangers {
        found.push(StatusNotice::Warning(format!(
            "inbox/{} is left alone: a job is a file NAME.md, with letters, digits, `.`, `_` and \
             `-` in NAME",
            plain(stranger)
        )));
    }
    found
}

/// The engines that are not simply used, for `aq engines`.
pub(crate) fn resting(engines: &[(String, EngineState)], now: Timestamp) {
    for (engine, state) in engines {
        super::line(resting_line(engine, state, now));
    }
}

fn resting_line(engine: &str, state: &EngineState, now: Timestamp) -> String {
    format!("{} {}", paint(style::ATTENTION, "!"), engine_state(engine, state, now))
}

/// Why an engine is not simply used.
pub(crate) fn engine_state(engine: &str, state: &EngineState, now: Timestamp) -> String {
    match state {
        EngineState::Missing => format!("engine {engine} is not installed"),
        EngineState::Absent { lack } => plain(&lack.to_string()),
        EngineState::Ready { limit: None } => format!("engine {engine} is ready"),
        EngineState::Ready { limit: Some(_) } => {
            format!(
                "engine {engine} has rested; one job goes first and shows whether it works again"
            )
        }
        EngineState::CoolingDown { until: at } => {
            format!("engine {engine} cooling down until {}", until(*at, now))
        }
        EngineState::OutOfUse { reason } => {
            format!("engine {engine} is out of use: {}", plain(reason))
        }
    }
}

/// Why trackers do not know what they should.
fn untold(overview: &QueueOverview) -> Option<String> {
    let jobs = overview.jobs.iter().chain(&overview.ended);
    let mut problems = jobs.filter_map(|job| job.tracker.as_ref()?.problem.as_deref());
    let first = plain(problems.next()?);
    let more = match problems.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("not told: {first}{more}"))
}

#[cfg(test)]
mod tests;
