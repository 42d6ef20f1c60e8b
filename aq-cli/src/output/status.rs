//! The table of `aq status`.

use anstream::adapter::strip_str;
use anstyle::Style;
use aq_manifest::{Stage, format_duration};
use aq_runner::insights::Numbers;
use aq_runner::run::{Activity, JobView, Overview};
use aq_scheduler::EngineState;
use jiff::Timestamp;
use unicode_width::UnicodeWidthStr;

use super::insights;
use super::job::{git_step, left_out, reason, result, short_problem};
use super::style::{self, paint, plain};
use super::table::{Cell, Table, cut, cut_middle};
use super::time::{short, until};

/// Columns that a narrow terminal can do without.
const PRIORITY: usize = 2;
const PROFILE: usize = 3;
const ENGINE: usize = 4;
const TRIES: usize = 6;
const ITEM: usize = 7;

/// Columns and lines of a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// The table of `aq status`, with the numbers of the jobs that ended lately. At most `shown` jobs
/// that wait are listed. Without a `width` nothing is cut.
pub(crate) fn status(
    overview: &Overview,
    recent: &[Numbers],
    shown: usize,
    width: Option<usize>,
) -> String {
    let mut lines = head(overview, width);
    let is_waiting = |job: &&JobView| job.record.stage == Stage::Inbox;
    let waiting = overview.jobs.iter().filter(is_waiting).count();
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
    lines.extend(notices.iter().map(Notice::to_line));
    lines.join("\n")
}

/// What `aq status --watch` draws: never more than the terminal has room for, and of the jobs first
/// those that matter.
pub(crate) fn watch(
    overview: &Overview,
    recent: &[Numbers],
    above: &[String],
    size: Size,
) -> String {
    let Size { width, height } = size;
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

/// What a person looks for first comes first.
fn urgency(job: &JobView) -> u8 {
    match (&job.activity, job.record.stage) {
        (Activity::Running { .. } | Activity::Lost, _) => 0,
        (Activity::Unusable(_), _) | (_, Stage::Review) => 1,
        _ if job.work_problem.is_some() || left_out(&job.record).is_some() => 1,
        (_, Stage::Failed | Stage::Quarantine) => 2,
        (_, Stage::Testing) => 3,
        (_, Stage::Inbox | Stage::Building) => 4,
        (_, Stage::Shipped) => 5,
    }
}

/// Where it is and who is at work, then how many jobs are where.
fn head(overview: &Overview, width: Option<usize>) -> Vec<String> {
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

fn table(overview: &Overview, jobs: &[&JobView]) -> Table {
    // Who uses no tracker has no column for it.
    let with_items = jobs.iter().any(|job| job.tracker.is_some());
    let mut names = vec!["job", "stage", "priority", "profile", "engine", "age", "tries", ""];
    let mut spare = vec![PROFILE, ENGINE, PRIORITY, TRIES];
    if with_items {
        names.insert(ITEM, "item");
        spare.push(ITEM);
    }
    let mut table = Table::new(&names).spare(&spare).names(0);
    let ships = overview.run_loop.as_ref().is_some_and(|found| found.ships);
    jobs.iter().for_each(|job| table.row(row(job, with_items, ships, overview.now)));
    table
}

/// Something that a person should know, beside the jobs.
enum Notice {
    /// With a mark before it.
    Warning(String),
    /// A line with colours of its own.
    Painted(String),
}

impl Notice {
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

fn notices(overview: &Overview) -> Vec<Notice> {
    let mut found = Vec::new();
    for (engine, state) in &overview.resting {
        found.push(Notice::Warning(engine_state(engine, state, overview.now)));
    }
    if let Some(part) = &overview.fleet {
        found.push(Notice::Painted(super::fleet::part(part)));
    }
    found.extend(untold(overview).map(Notice::Warning));
    for stranger in &overview.strangers {
        found.push(Notice::Warning(format!(
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

fn row(job: &JobView, with_items: bool, ships: bool, now: Timestamp) -> Vec<Cell> {
    let record = &job.record;
    let meta = &record.meta;
    let word = |key: &str| plain(meta.get(key).unwrap_or("-"));
    let engine = meta.get("engine").or_else(|| meta.get("engine_wanted")).unwrap_or("-");
    let tries = match (job.tries(), job.max_tries()) {
        (n, max) if max == 1 || n > max => n.to_string(),
        (n, max) => format!("{n}/{max}"),
    };
    let stage_style = match &job.activity {
        Activity::Running { .. } => style::BUSY,
        _ => style::stage(record.stage),
    };
    let mut cells = vec![
        Cell::new(&record.id),
        Cell::styled(stage_style, record.stage),
        Cell::new(word("priority")),
        Cell::new(word("profile")),
        Cell::new(plain(engine)),
        Cell::new(age(job, now)),
        Cell::new(tries),
        in_fleet(job, remark(job, ships, now)),
    ];
    if with_items {
        cells.insert(ITEM, item(job));
    }
    cells
}

/// The tracker's item and what the tracker was told last.
fn item(job: &JobView) -> Cell {
    let Some(tracker) = &job.tracker else { return Cell::new("-") };
    let told = tracker.echoed.as_ref().map_or(String::new(), |echoed| format!(" ({echoed})"));
    Cell::new(plain(&format!("{}{told}", tracker.item)))
}

/// Why trackers do not know what they should.
fn untold(overview: &Overview) -> Option<String> {
    let jobs = overview.jobs.iter().chain(&overview.ended);
    let mut problems = jobs.filter_map(|job| job.tracker.as_ref()?.problem.as_deref());
    let first = plain(problems.next()?);
    let more = match problems.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("not told: {first}{more}"))
}

/// The remark, and the grant under which a job of the fleet is here.
fn in_fleet(job: &JobView, remark: Cell) -> Cell {
    let meta = &job.record.meta;
    match (meta.get("fleet_job_id"), meta.get("fleet_lease_epoch")) {
        (Some(id), Some(epoch)) => {
            remark.followed_by(&format!("fleet={}@e{}", plain(id), plain(epoch)))
        }
        _ => remark,
    }
}

/// How long it runs, how long it waits, how long ago it ended.
fn age(job: &JobView, now: Timestamp) -> String {
    let meta = &job.record.meta;
    let since = match &job.activity {
        Activity::Running { since, .. } => *since,
        Activity::Resting => meta.time("ended_at"),
        _ => meta.time("added_at"),
    };
    since.map_or_else(|| "-".to_owned(), |since| short(now.duration_since(since)))
}

/// The column that says what a person wants to know: why it waits, how it ended. `ships`: the loop
/// ships what reaches testing/.
fn remark(job: &JobView, ships: bool, now: Timestamp) -> Cell {
    let remark = match &job.activity {
        Activity::Waiting(None) => Cell::styled(style::GOOD, "next"),
        Activity::Waiting(Some(why)) => Cell::new(reason(why, now)),
        Activity::Unread => Cell::new("a loop has not read it yet"),
        Activity::Running { .. } if git_step(&job.record).is_some() => Cell::styled(
            style::BUSY,
            format_args!("{} takes long", git_step(&job.record).unwrap_or_default()),
        ),
        Activity::Running { stalled: Some(silent), .. } => Cell::styled(
            style::BAD,
            format_args!("stalled: silent for {}", format_duration(*silent)),
        ),
        Activity::Running { verifying: true, .. } => Cell::styled(style::BUSY, "verify runs"),
        Activity::Running { .. } => Cell::styled(style::BUSY, "running"),
        Activity::Lost => Cell::styled(style::BAD, "its worker died; `aq recover` puts it back"),
        Activity::Unusable(fault) => Cell::styled(
            style::BAD,
            format_args!("its record cannot be used: {}", plain(&fault.to_string())),
        ),
        Activity::Resting => match left_out(&job.record) {
            Some(names) => {
                Cell::styled(style::ATTENTION, format_args!("not on its branch: {names}"))
            }
            None => rests(job, ships),
        },
    };
    match &job.work_problem {
        Some(problem) => remark.behind(style::ATTENTION, short_problem(problem)),
        None => remark,
    }
}

fn rests(job: &JobView, ships: bool) -> Cell {
    // What goes on without anybody having looked at it is worth a look.
    let unverified = if ships { style::ATTENTION } else { Style::new() };
    match (job.record.stage, job.record.verified()) {
        (Stage::Review, _) => {
            Cell::styled(style::ATTENTION, "waits for you: aq promote, ship or reject")
        }
        (Stage::Testing, Some(true)) => {
            Cell::styled(style::FAINT, "verified; `aq ship` accepts it")
        }
        (Stage::Testing, Some(false)) if ships => {
            Cell::styled(unverified, "not verified; the loop ships it unasked")
        }
        (Stage::Testing, Some(false)) => Cell::new("not verified; `aq ship` accepts it"),
        (Stage::Testing, None) => Cell::new("`aq ship` accepts it"),
        (Stage::Shipped, Some(false)) => Cell::styled(unverified, "not verified"),
        (Stage::Shipped, _) => Cell::new(""),
        _ if job.record.meta.is_empty() => Cell::styled(style::FAINT, "its record is put away"),
        _ => Cell::styled(style::BAD, result(&job.record)),
    }
}

#[cfg(test)]
mod tests;
