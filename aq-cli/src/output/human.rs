//! Answers for people.

use std::fmt::Write;

use aq_manifest::{JobId, Profile, Stage, format_duration};
use aq_runner::engine::EngineInfo;
use aq_runner::run::host::Host;
use aq_runner::run::{Activity, JobView, Overview, Recovered};
use aq_runner::store::{Added, JobRecord};
use jiff::{SignedDuration, Timestamp};

use super::style::{self, paint, plain};
use super::table::{Cell, Table};
use super::{line, warning};
use crate::commands::Checked;

/// What became of the files of `aq add`.
pub(crate) fn added(added: &[Added]) {
    for one in added {
        match one {
            Added::New { id } => line(format_args!("added {id}")),
            Added::Unchanged { id, stage } => {
                line(format_args!("{id} is there already, in {stage}/"));
            }
            Added::Superseded { id, old } if id == old => line(format_args!("replaced {id}")),
            Added::Superseded { id, old } => line(format_args!("added {id} in place of {old}")),
        }
    }
}

/// What `aq check` found.
pub(crate) fn checked(files: &[Checked]) {
    for file in files {
        if !file.report.is_empty() {
            line(file.report.trim_end());
        }
        if file.error.is_none() {
            line(format_args!("{}: {}", plain(&file.file), paint(style::GOOD, "ok")));
        }
    }
}

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
    let mut table =
        Table::new(&["job", "stage", "priority", "profile", "engine", "age", "tries", ""]);
    let mut waiting = 0;
    for job in &overview.jobs {
        if job.record.stage == Stage::Inbox {
            waiting += 1;
            if waiting > shown {
                continue;
            }
        }
        table.row(row(job, overview.now));
    }
    for job in &overview.ended {
        table.row(row(job, overview.now));
    }
    if !table.is_empty() {
        let _ = writeln!(out, "\n{}", table.render());
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
    for stranger in &overview.strangers {
        let _ = writeln!(
            out,
            "{} inbox/{} is no job's name; see `aq help add`",
            paint(style::ATTENTION, "!"),
            plain(stranger)
        );
    }
    out
}

fn row(job: &JobView, now: Timestamp) -> Vec<Cell> {
    let record = &job.record;
    let meta = &record.meta;
    let word = |key: &str| plain(meta.get(key).unwrap_or("-"));
    let engine = meta.get("engine").or_else(|| meta.get("engine_wanted")).unwrap_or("-");
    let tries = match (
        record.attempts().max(if matches!(job.activity, Activity::Running { .. }) {
            meta.count("attempt")
        } else {
            0
        }),
        meta.count("retry_max"),
    ) {
        (n, 0 | 1) => n.to_string(),
        (n, max) => format!("{n}/{max}"),
    };
    let stage_style = match &job.activity {
        Activity::Running { .. } => style::BUSY,
        _ => style::stage(record.stage),
    };
    vec![
        Cell::new(&record.id),
        Cell::styled(stage_style, record.stage),
        Cell::new(word("priority")),
        Cell::new(word("profile")),
        Cell::new(plain(engine)),
        Cell::new(age(job, now)),
        Cell::new(tries),
        remark(job),
    ]
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
fn remark(job: &JobView) -> Cell {
    match &job.activity {
        Activity::Waiting(None) => Cell::styled(style::GOOD, "next"),
        Activity::Waiting(Some(reason)) => Cell::new(plain(&reason.to_string())),
        Activity::Unread => Cell::new("a loop has not read it yet"),
        Activity::Running { stalled: Some(silent), .. } => Cell::styled(
            style::BAD,
            format_args!("stalled: silent for {}", format_duration(*silent)),
        ),
        Activity::Running { verifying: true, .. } => Cell::styled(style::BUSY, "verify runs"),
        Activity::Running { .. } => Cell::styled(style::BUSY, "running"),
        Activity::Lost => Cell::styled(style::BAD, "its worker died; `aq recover` puts it back"),
        Activity::Resting => match job.record.stage {
            Stage::Review => {
                Cell::styled(style::ATTENTION, "waits for you: aq promote, ship or reject")
            }
            Stage::Testing => Cell::styled(style::FAINT, "verified; `aq ship` accepts it"),
            Stage::Shipped => Cell::new(""),
            _ => Cell::styled(style::BAD, result(&job.record)),
        },
    }
}

/// How a job ended that did not end well.
fn result(record: &JobRecord) -> String {
    let meta = &record.meta;
    let message = meta.get("message").map_or(String::new(), |text| format!(": {}", plain(text)));
    match (meta.get("result"), meta.get("failure_class")) {
        (Some("retries_exhausted"), Some(class)) => format!("retries exhausted ({class}){message}"),
        (Some(result), _) => format!("{}{message}", plain(&result.replace('_', " "))),
        (None, _) => "moved here by hand".to_owned(),
    }
}

/// The answer of `aq why`.
pub(crate) fn why(job: &JobView, now: Timestamp) -> String {
    let record = &job.record;
    let id = &record.id;
    let what = match &job.activity {
        Activity::Waiting(None) => "would start now; `aq run` starts it".to_owned(),
        Activity::Waiting(Some(reason)) => format!("does not run: {}", plain(&reason.to_string())),
        Activity::Unread => "waits for a loop to read it: it was dropped in by hand".to_owned(),
        Activity::Running { since, stalled, verifying } => {
            let doing = if *verifying { "is being verified" } else { "is running" };
            let since = since
                .map_or(String::new(), |at| format!(", for {}", short(now.duration_since(at))));
            let stalled = stalled.map_or(String::new(), |silent| {
                format!("; silent for {}", format_duration(silent))
            });
            format!("{doing}{since}{stalled}")
        }
        Activity::Lost => {
            "was running when its worker died; `aq recover`, or the loop, puts it back".to_owned()
        }
        Activity::Resting => rest(record),
    };
    format!("{id} (in {}/) {what}", record.stage)
}

fn rest(record: &JobRecord) -> String {
    let id = &record.id;
    let message =
        record.meta.get("message").map_or(String::new(), |text| format!(": {}", plain(text)));
    match record.stage {
        Stage::Review => {
            format!("waits for you: `aq promote {id}`, `aq ship {id}` or `aq reject {id}`")
        }
        Stage::Testing => format!("is verified; `aq ship {id}` accepts it"),
        Stage::Shipped => "is shipped".to_owned(),
        _ => {
            let result = record.meta.get("result").unwrap_or("moved here by hand");
            format!(
                "ended as {result}{message}; `aq logs {id}` has more, `aq requeue {id}` runs it again"
            )
        }
    }
}

/// Where a job has come to rest after `aq promote`.
pub(crate) fn moved(record: &JobRecord) -> String {
    let message = record
        .meta
        .get("message")
        .filter(|_| !matches!(record.stage, Stage::Testing | Stage::Shipped));
    let message = message.map_or(String::new(), |text| format!(": {}", plain(text)));
    format!("{} is in {}/{message}", record.id, record.stage)
}

/// What `aq recover` did to a job.
pub(crate) fn recovered(id: &JobId, what: &Recovered) -> String {
    match what {
        Recovered::Nothing => format!("{id} needs no recovery"),
        Recovered::VerifyAgain => format!("{id} is in review/; `verify` runs again"),
        Recovered::Completed(stage) => format!("{id} had ended; it is in {stage}/ now"),
        Recovered::Requeued { counted: true } => {
            format!("{id} is back in the inbox; the attempt counts")
        }
        Recovered::Requeued { counted: false } => {
            format!("{id} is back in the inbox; it had not started")
        }
        Recovered::Failed(outcome) => format!("{id} is in failed/: {outcome}"),
    }
}

/// The table of `aq caps`.
pub(crate) fn capabilities(host: &Host) {
    let mut table = Table::new(&["token", "from"]);
    for advertised in &host.tokens {
        table.row(vec![
            Cell::new(plain(&advertised.token.to_string())),
            Cell::new(&advertised.source),
        ]);
    }
    line(table.render());
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

/// The table of `aq engines`.
pub(crate) fn engines(engines: &[EngineInfo]) {
    let mut table = Table::new(&["engine", "classes", "program", "another one by"]);
    for engine in engines {
        let program = match &engine.binary {
            Ok(path) => Cell::styled(style::GOOD, plain(&path.display().to_string())),
            Err(missing) => Cell::styled(style::FAINT, plain(&missing.to_string())),
        };
        let classes =
            if engine.classes.is_empty() { "-".to_owned() } else { engine.classes.join(", ") };
        table.row(vec![
            Cell::new(&engine.name),
            Cell::new(classes),
            program,
            Cell::new(&engine.variable),
        ]);
    }
    line(table.render());
}

/// A line of `aq profiles`.
pub(crate) fn profile(profile: &Profile) -> String {
    let persona = profile.persona.as_deref().and_then(|text| text.trim().lines().next());
    let persona =
        persona.map_or(String::new(), |first| format!("  {}", paint(style::FAINT, plain(first))));
    format!("{}{persona}", paint(style::HEADING, &profile.name))
}

/// A duration in at most two units: `3m12s`, `2d4h`, `0s`.
fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0).unsigned_abs();
    let coarse = match seconds {
        0..3_600 => seconds,
        3_600..86_400 => seconds - seconds % 60,
        _ => seconds - seconds % 3_600,
    };
    format_duration(std::time::Duration::from_secs(coarse))
}

/// What to look at when `aq demo` has ended.
pub(crate) fn after_demo(dir: &std::path::Path) -> String {
    format!(
        "\n{}\n  cd {}\n  aq why deploy            why it does not run\n  aq logs flaky-network    both attempts of a retried job\n  \
         aq promote release-notes let the job that waits for you go on\n  aq requeue too-slow      run a failed job again, with `aq run --once`\n  \
         less jobs/flaky-network.md",
        paint(style::HEADING, "What to look at next"),
        dir.display(),
    )
}
