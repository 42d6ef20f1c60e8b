//! The table of `aq status`.

use std::fmt::Write;

use aq_manifest::{Stage, format_duration};
use aq_runner::insights::Numbers;
use aq_runner::run::{Activity, JobView, Overview};
use aq_scheduler::EngineState;
use jiff::Timestamp;

use super::insights;
use super::job::{git_step, left_out, reason, result};
use super::style::{self, paint, plain};
use super::table::{Cell, Table};
use super::time::{short, until};

/// Columns that a narrow terminal can do without.
const PRIORITY: usize = 2;
const PROFILE: usize = 3;
const ENGINE: usize = 4;
const TRIES: usize = 6;
const ITEM: usize = 7;

/// The table of `aq status`.
pub(crate) fn status(overview: &Overview, shown: usize) -> String {
    let mut out = String::new();
    let head = match &overview.run_loop {
        Some(found) => format!("run loop at work (process {}, {} at a time)", found.pid, found.max),
        None => "no run loop; `aq run` starts one".to_owned(),
    };
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(
        out,
        "{} {}",
        paint(style::HEADING, overview.queue.display()),
        paint(style::FAINT, format!("· {head}"))
    );
    let jobs = || overview.jobs.iter().chain(&overview.ended);
    // Who uses no tracker has no column for it.
    let with_items = jobs().any(|job| job.tracker.is_some());
    let mut names = vec!["job", "stage", "priority", "profile", "engine", "age", "tries", ""];
    let mut spare = vec![PROFILE, ENGINE, PRIORITY, TRIES];
    if with_items {
        names.insert(ITEM, "item");
        spare.push(ITEM);
    }
    let mut table = Table::new(&names).spare(&spare);
    let mut waiting = 0;
    for job in &overview.jobs {
        if job.record.stage == Stage::Inbox {
            waiting += 1;
            if waiting > shown {
                continue;
            }
        }
        table.row(row(job, with_items, overview.now));
    }
    for job in &overview.ended {
        table.row(row(job, with_items, overview.now));
    }
    if !table.is_empty() {
        let _ = writeln!(out, "\n{}", table.render(super::width()));
    }
    if waiting > shown {
        let _ = writeln!(
            out,
            "{}",
            paint(
                style::FAINT,
                format!("... and {} more that wait; --all shows them", waiting - shown)
            )
        );
    }
    let counts: Vec<String> = overview
        .counts
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(stage, count)| format!("{count} {}", paint(style::stage(*stage), stage)))
        .collect();
    let counts = if counts.is_empty() {
        "empty: `aq add FILE` adds a job".to_owned()
    } else {
        counts.join(" · ")
    };
    let _ = writeln!(out, "\n{counts}");
    let recent = recent(overview);
    if !recent.is_empty() {
        let _ = writeln!(out, "{}", paint(style::FAINT, format!("of these: {recent}")));
    }
    for (engine, state) in &overview.resting {
        let _ = writeln!(out, "{}", resting_line(engine, state, overview.now));
    }
    if let Some(part) = &overview.fleet {
        let _ = writeln!(out, "{}", super::fleet::part(part));
    }
    if let Some(problem) = untold(overview) {
        let _ = writeln!(out, "{problem}");
    }
    for stranger in &overview.strangers {
        let _ = writeln!(
            out,
            "{} inbox/{} is left alone: a job is a file NAME.md, with letters, digits, `.`, `_` and `-` in NAME",
            paint(style::ATTENTION, "!"),
            plain(stranger)
        );
    }
    out
}

/// What the jobs of the table that have run come to.
fn recent(overview: &Overview) -> String {
    let shown = overview.jobs.iter().chain(&overview.ended).map(|job| &job.record);
    let numbers = shown
        .filter(|record| Numbers::counts_in(record.stage))
        .map(|record| Numbers::read(record.id.clone(), record.stage, |key| record.meta.get(key)));
    insights::line(&aq_runner::insights::insights(numbers, None).all)
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

fn row(job: &JobView, with_items: bool, now: Timestamp) -> Vec<Cell> {
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
        in_fleet(job, remark(job, now)),
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
    Some(format!("{} not told: {first}{more}", paint(style::ATTENTION, "!")))
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

/// The column that says what a person wants to know: why it waits, how it ended.
fn remark(job: &JobView, now: Timestamp) -> Cell {
    match &job.activity {
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
        Activity::Resting if left_out(&job.record).is_some() => Cell::styled(
            style::ATTENTION,
            format_args!("not on its branch: {}", left_out(&job.record).unwrap_or_default()),
        ),
        Activity::Resting => match job.record.stage {
            Stage::Review => {
                Cell::styled(style::ATTENTION, "waits for you: aq promote, ship or reject")
            }
            Stage::Testing => Cell::styled(style::FAINT, "verified; `aq ship` accepts it"),
            Stage::Shipped => Cell::new(""),
            _ if job.record.meta.is_empty() => Cell::styled(style::FAINT, "its record is put away"),
            _ => Cell::styled(style::BAD, result(&job.record)),
        },
    }
}
