//! A row a job.

use anstyle::Style;
use aq_ledger::RecordKey;
use aq_manifest::{Stage, format_duration};
use aq_runner::run::{JobActivity, JobView, QueueOverview};
use jiff::Timestamp;

use crate::output::job::{
    git_step, left_out, open_pull, pull_error, reason, result, short_problem,
};
use crate::output::style::{self, plain};
use crate::output::table::{TableCell, TextTable};
use crate::output::time::short;

/// Columns that a narrow terminal can do without.
const PRIORITY: usize = 2;
const PROFILE: usize = 3;
const ENGINE: usize = 4;
const TRIES: usize = 6;
const ITEM: usize = 7;

/// The table of these jobs.
pub(super) fn table(overview: &QueueOverview, jobs: &[&JobView]) -> TextTable {
    // Who uses no tracker has no column for it.
    let with_items = jobs.iter().any(|job| job.tracker.is_some());
    let mut names = vec!["job", "stage", "priority", "profile", "engine", "age", "tries", ""];
    let mut spare = vec![PROFILE, ENGINE, PRIORITY, TRIES];
    if with_items {
        names.insert(ITEM, "item");
        spare.push(ITEM);
    }
    let mut table = TextTable::new(&names).spare(&spare).names(0);
    let ships = overview.run_loop.as_ref().is_some_and(|found| found.ships);
    jobs.iter().for_each(|job| table.row(row(job, with_items, ships, overview.now)));
    table
}

fn row(job: &JobView, with_items: bool, ships: bool, now: Timestamp) -> Vec<TableCell> {
    let record = &job.record;
    let meta = &record.meta;
    let word = |key: RecordKey| plain(meta.get(key).unwrap_or("-"));
    let engine =
        meta.get(RecordKey::Engine).or_else(|| meta.get(RecordKey::EngineWanted)).unwrap_or("-");
    let tries = match (job.tries(), job.max_tries()) {
        (n, max) if max == 1 || n > max => n.to_string(),
        (n, max) => format!("{n}/{max}"),
    };
    let stage_style = match &job.activity {
        JobActivity::Running { .. } => style::BUSY,
        _ => style::stage(record.stage),
    };
    let mut cells = vec![
        TableCell::new(&record.id),
        TableCell::styled(stage_style, record.stage),
        TableCell::new(word(RecordKey::Priority)),
        TableCell::new(word(RecordKey::Profile)),
        TableCell::new(plain(engine)),
        TableCell::new(age(job, now)),
        TableCell::new(tries),
        in_fleet(job, remark(job, ships, now)),
    ];
    if with_items {
        cells.insert(ITEM, item(job));
    }
    cells
}

/// The tracker's item and the last update that it got.
fn item(job: &JobView) -> TableCell {
    let Some(tracker) = &job.tracker else { return TableCell::new("-") };
    let told = tracker.echoed.as_ref().map_or(String::new(), |echoed| format!(" ({echoed})"));
    TableCell::new(plain(&format!("{}{told}", tracker.item)))
}

/// The remark, and the grant under which a job of the fleet is here.
fn in_fleet(job: &JobView, remark: TableCell) -> TableCell {
    let meta = &job.record.meta;
    match (meta.get(RecordKey::FleetJobId), meta.get(RecordKey::FleetLeaseEpoch)) {
        (Some(id), Some(epoch)) => {
            remark.followed_by(&format!("fleet={}@e{}", plain(id), plain(epoch)))
        }
        _ => remark,
    }
}

/// The time for which it runs or waits, or since it ended.
fn age(job: &JobView, now: Timestamp) -> String {
    let meta = &job.record.meta;
    let since = match &job.activity {
        JobActivity::Running { since, .. } => *since,
        JobActivity::Resting => meta.time(RecordKey::EndedAt),
        _ => meta.time(RecordKey::AddedAt),
    };
    since.map_or_else(|| "-".to_owned(), |since| short(now.duration_since(since)))
}

/// The column that says what a person wants to know: why it waits, how it ended. `ships`: the loop
/// ships what reaches testing/.
fn remark(job: &JobView, ships: bool, now: Timestamp) -> TableCell {
    let remark = match &job.activity {
        JobActivity::Waiting(None) => TableCell::styled(style::GOOD, "next"),
        JobActivity::Waiting(Some(why)) => TableCell::new(reason(why, now)),
        JobActivity::Unread => TableCell::new("a loop has not read it yet"),
        JobActivity::Running { .. } if git_step(&job.record).is_some() => TableCell::styled(
            style::BUSY,
            format_args!("{} takes long", git_step(&job.record).unwrap_or_default()),
        ),
        JobActivity::Running { stalled: Some(silent), .. } => TableCell::styled(
            style::BAD,
            format_args!("stalled: silent for {}", format_duration(*silent)),
        ),
        JobActivity::Running { .. } if job.record.stage == Stage::Testing => {
            TableCell::styled(style::BUSY, "being merged")
        }
        JobActivity::Running { verifying: true, .. } => {
            TableCell::styled(style::BUSY, "verify runs")
        }
        JobActivity::Running { .. } => TableCell::styled(style::BUSY, "running"),
        JobActivity::Lost => {
            TableCell::styled(style::BAD, "its worker died; `aq recover` puts it back")
        }
        JobActivity::Unusable(fault) => TableCell::styled(
            style::BAD,
            format_args!("its record cannot be used: {}", plain(&fault.to_string())),
        ),
        JobActivity::Resting => match left_out(&job.record) {
            Some(names) => {
                TableCell::styled(style::ATTENTION, format_args!("not on its branch: {names}"))
            }
            None => rests(job, ships),
        },
    };
    match &job.work_problem {
        Some(problem) => remark.behind(style::ATTENTION, short_problem(problem)),
        None => remark,
    }
}

fn rests(job: &JobView, ships: bool) -> TableCell {
    if pull_error(&job.record).is_some() {
        return TableCell::styled(style::ATTENTION, "its pull request: `aq why` has the error");
    }
    if let Some(url) = open_pull(&job.record) {
        return TableCell::new(format_args!("waits for its pull request: {}", plain(url)));
    }
    // What goes on without anybody having looked at it is worth a look.
    let unverified = if ships { style::ATTENTION } else { Style::new() };
    match (job.record.stage, job.record.verified()) {
        (Stage::Review, _) => {
            TableCell::styled(style::ATTENTION, "waits for you: aq promote, ship or reject")
        }
        (Stage::Testing, Some(true)) => {
            TableCell::styled(style::FAINT, "verified; `aq ship` accepts it")
        }
        (Stage::Testing, Some(false)) if ships => {
            TableCell::styled(unverified, "not verified; the loop ships it unasked")
        }
        (Stage::Testing, Some(false)) => TableCell::new("not verified; `aq ship` accepts it"),
        (Stage::Testing, None) => TableCell::new("`aq ship` accepts it"),
        (Stage::Shipped, Some(false)) => TableCell::styled(unverified, "not verified"),
        (Stage::Shipped, _) => TableCell::new(""),
        _ if job.record.meta.is_empty() => {
            TableCell::styled(style::FAINT, "its record is put away")
        }
        _ => TableCell::styled(style::BAD, result(&job.record)),
    }
}
