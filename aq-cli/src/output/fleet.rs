//! The fleet, for people. Everything of it comes from other machines.

use std::convert::Infallible;
use std::fmt::{Display, Write};

use anstyle::Style;
use aq_fleet::protocol::{FactoryView, FleetStats, GivenReason, JobSummary, SpentSum, WaitReason};
use aq_manifest::{JobId, Stage};
use aq_runner::run::{FleetOverview, FleetPart, FleetSubmission};
use jiff::SignedDuration;

use super::insights::{dollars, tokens};
use super::line;
use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};
use super::time::short;

/// What became of the files of `aq submit`.
pub(crate) fn submitted(jobs: &[(JobId, FleetSubmission)]) {
    for (name, job) in jobs {
        let what = if job.is_new { "submitted" } else { "already there:" };
        line(format_args!("{what} {name} as {}", job.job));
    }
}

/// The lines of `aq status` about the fleet.
pub(crate) fn part<E: Display>(part: Result<&FleetPart, E>) -> String {
    match part {
        Ok(FleetPart { switches, factory, unsent }) => {
            let unsent = match unsent {
                0 => String::new(),
                1 => ", reports of 1 job wait to be sent".to_owned(),
                n => format!(", reports of {n} jobs wait to be sent"),
            };
            format!("fleet: {switches}; this host is {factory}{unsent}")
        }
        Err(problem) => {
            format!("{} fleet: {}", paint(style::BAD, "✗"), plain(&problem.to_string()))
        }
    }
}

/// `aq fleet-status`.
pub(crate) fn status(own: Option<&FleetPart>, fleet: Option<&FleetOverview>) {
    match own {
        Some(own) => line(part::<Infallible>(Ok(own))),
        None => line("fleet: off; AQ_FLEET=1 joins one"),
    }
    if let Some(fleet) = fleet {
        line(overview(fleet).trim_end());
    }
}

fn overview(fleet: &FleetOverview) -> String {
    let mut out = String::new();
    let stats = &fleet.stats;
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        out,
        "{} of {} hosts alive · {} jobs held{}",
        stats.factories_alive,
        stats.factories_known,
        stats.held,
        stats.oldest_wait_ms.map_or(String::new(), |ms| format!(" · oldest waits {}", age(ms)))
    );
    if let Some(words) = work_done(stats) {
        let _ = writeln!(out, "{words}");
    }
    if let Some(words) = in_doubt(stats) {
        let _ = writeln!(out, "{}", paint(style::ATTENTION, words));
    }
    if !fleet.factories.is_empty() {
        let mut table = TextTable::new(&["host", "seen", "free", "holds", "version", ""]);
        for factory in &fleet.factories {
            table.row(host(factory));
        }
        let _ = writeln!(out, "\n{}", table.render(super::width()));
    }
    if !fleet.jobs.is_empty() {
        let mut table = TextTable::new(&["job", "stage", "priority", "host", "epoch", "age", ""]);
        for (summary, why) in &fleet.jobs {
            table.row(job(summary, why.as_ref()));
        }
        let _ = writeln!(out, "\n{}", table.render(super::width()));
    }
    if fleet.more {
        let _ =
            writeln!(out, "{}", paint(style::FAINT, "... and more; the API pages through them"));
    }
    let counts = stats
        .queue
        .iter()
        .map(|depth| format!("{} {} {}", depth.jobs, depth.priority, depth.stage));
    let _ = writeln!(out, "\n{}", counts.collect::<Vec<_>>().join(" · "));
    out
}

/// Slots, what runs have cost, and failures, as far as the coordinator counts them.
fn work_done(stats: &FleetStats) -> Option<String> {
    let slots = stats.slots.map(|slots| {
        format!("{} of {} slots in use", slots.in_use, slots.in_use.saturating_add(slots.free))
    });
    let spent = stats.spent.filter(|spent| *spent != SpentSum::default()).map(|spent| {
        let (input, output) = (Some(spent.input_tokens), Some(spent.output_tokens));
        let cost = dollars(Some(spent.cost_usd), "");
        format!("spent {cost}, {} tokens in, {} out", tokens(input, ""), tokens(output, ""))
    });
    let failures = stats.failures.iter().map(|(result, n)| format!("{n} {}", plain(result)));
    let failures = failures.collect::<Vec<_>>().join(", ");
    let failed = (!failures.is_empty()).then(|| format!("failed: {failures}"));
    let parts: Vec<String> = [slots, spent, failed].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// The jobs that nobody knows the end of after a restore, in words.
pub(crate) fn in_doubt(stats: &FleetStats) -> Option<String> {
    let ms = stats.restored_ms_ago.filter(|_| stats.in_doubt > 0)?;
    Some(format!(
        "a backup was restored {} ago: {} jobs may have ended since it was made, and wait; \
         `aq coordinator --after-restore run` runs them all",
        age(ms),
        stats.in_doubt
    ))
}

fn host(factory: &FactoryView) -> Vec<TableCell> {
    let seen = format!("{} ago", age(factory.seen_ms_ago));
    // What is free there is for nobody.
    let free = match factory.draining {
        true => TableCell::styled(style::ATTENTION, "drains"),
        false => TableCell::new(format_args!("{} of {}", factory.free, factory.capacity)),
    };
    vec![
        TableCell::new(&factory.factory_id),
        TableCell::styled(if factory.alive { style::GOOD } else { style::BAD }, seen),
        free,
        TableCell::new(factory.holds.len()),
        TableCell::new(plain(&factory.version)),
        TableCell::styled(style::FAINT, plain(&factory.host)),
    ]
}

fn job(job: &JobSummary, why: Option<&GivenReason>) -> Vec<TableCell> {
    let holder = job.holder.as_ref().map_or("-".to_owned(), ToString::to_string);
    let style = match (why, job.expires_in_ms) {
        _ if job.cancel => style::ATTENTION,
        _ if job.lapsed => style::BAD,
        (None, Some(_)) => style::FAINT,
        _ => Style::new(),
    };
    vec![
        TableCell::new(&job.name),
        TableCell::styled(style::stage(job.stage), job.stage),
        TableCell::new(job.priority),
        TableCell::new(holder),
        TableCell::new(job.epoch),
        TableCell::new(age(job.age_ms)),
        TableCell::styled(style, remark(job, why)),
    ]
}

/// Why a job waits, or what becomes of it.
pub(crate) fn remark(job: &JobSummary, why: Option<&GivenReason>) -> String {
    match (why, job.expires_in_ms) {
        _ if job.cancel => "to be stopped".to_owned(),
        // It goes nowhere until somebody decides.
        _ if job.lapsed && job.in_doubt => WaitReason::InDoubt.to_string(),
        _ if job.lapsed => "its host is silent; it goes elsewhere".to_owned(),
        (Some(why), _) => plain(&why.to_string()),
        (None, Some(ms)) => format!("lease {}", age(ms)),
        (None, None) if job.stage == Stage::Inbox => "waits".to_owned(),
        (None, None) => String::new(),
    }
}

pub(crate) fn age(ms: u64) -> String {
    short(SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_in_doubt_are_told() {
        let shown = |in_doubt| {
            let stats =
                FleetStats { restored_ms_ago: Some(60_000), in_doubt, ..FleetStats::default() };
            let (factories, jobs) = (Vec::new(), Vec::new());
            overview(&FleetOverview { stats, factories, jobs, more: false })
        };
        assert!(shown(3).contains("3 jobs may have ended"), "{}", shown(3));
        assert!(!shown(0).contains("restored"), "{}", shown(0));
    }

    #[test]
    fn lapsed_jobs_in_doubt_go_nowhere() {
        let shown = |in_doubt: bool| {
            let view = json!({
                "jobId": "01890a5d-ac96-774b-bcce-b302099a8057", "key": "k", "name": "job",
                "stage": "building", "priority": "medium", "shadow": false, "epoch": 1,
                "holder": "one", "lapsed": true, "inDoubt": in_doubt, "cancel": false,
                "attempts": 0, "ageMs": 5,
            });
            remark(&serde_json::from_value(view).unwrap(), None)
        };
        assert!(shown(true).starts_with("a backup was restored"), "{}", shown(true));
        assert!(shown(false).contains("goes elsewhere"), "{}", shown(false));
    }

    #[test]
    fn coordinators_counts_are_shown() {
        let stats = json!({
            "factoriesAlive": 1, "factoriesKnown": 1, "queue": [], "held": 0,
            "slots": { "inUse": 3, "free": 5 }, "failures": { "crash": 1, "time\u{1b}out": 2 },
            "spent": {
                "costUsd": 1.5, "inputTokens": 12_345, "cachedTokens": 0, "outputTokens": 7,
            },
        });
        let stats: FleetStats = serde_json::from_value(stats).unwrap();
        let shown = work_done(&stats).unwrap();
        let costs = "spent $1.50, 12.3k tokens in, 7 out";
        assert_eq!(
            shown,
            format!("3 of 8 slots in use · {costs} · failed: 1 crash, 2 time\\u{{1b}}out")
        );
        assert_eq!(work_done(&FleetStats::default()), None, "one of version 0.1 counts nothing");
    }

    #[test]
    fn draining_hosts_differ_from_free_ones() {
        let factory = |id: &str, draining: bool| -> FactoryView {
            let view = json!({
                "factoryId": id, "host": "h", "version": "1",
                "instanceId": "01890a5d-ac96-774b-bcce-b302099a8057", "capabilities": [],
                "capacity": 2, "free": 1, "alive": true, "seenMsAgo": 5, "draining": draining,
                "holds": [],
            });
            serde_json::from_value(view).unwrap()
        };
        let factories = vec![factory("one", false), factory("two", true)];
        let (stats, jobs) = (FleetStats::default(), Vec::new());
        let shown = overview(&FleetOverview { stats, factories, jobs, more: false });
        let line = |id| shown.lines().find(|line| line.starts_with(id)).unwrap();
        assert!(line("one").contains("1 of 2") && !line("one").contains("drains"), "{shown}");
        assert!(line("two").contains("drains") && !line("two").contains("1 of 2"), "{shown}");
    }
}
