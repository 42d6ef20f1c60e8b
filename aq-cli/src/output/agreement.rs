//! The output of `aq fleet-shadow-report`.

use std::fmt::Write;

use aq_runner::run::{AgreementReport, ShadowDivergence, ShadowVerdict};

use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};

/// The text in the place of a job that was not picked.
const NONE: &str = "-";

pub(crate) fn report(report: &AgreementReport) -> String {
    let mut out = if report.ready {
        paint(style::GOOD, "ready: the coordinator decides as this host does")
    } else {
        paint(style::ATTENTION, "not ready")
    };
    for missing in &report.missing {
        let _ = write!(out, "\n  missing: {missing}");
    }
    let _ = write!(out, "\n\n{} decisions compared", report.counted);
    if let Some(rate) = report.rate {
        let [rate, low, high] = [rate, report.interval.low, report.interval.high].map(percent);
        let _ = write!(out, ", {rate} agree (95 % sure: {low} to {high})");
    }
    for (verdict, count) in report.counts() {
        let _ = write!(out, "\n  {:<12} {count:>6}  {}", verdict.as_str(), meaning(verdict));
    }
    let asides = [
        (report.nothing_to_choose, "with nothing to choose from"),
        (report.repeated, "of a decision that another line is of"),
        (report.bad_lines, "that cannot be read"),
    ];
    let asides = asides.into_iter().filter(|&(count, _)| count > 0);
    let asides: Vec<String> = asides.map(|(count, what)| format!("{count} {what}")).collect();
    if !asides.is_empty() {
        let words = format!("\nnot counted: lines {}", asides.join(", "));
        out.push_str(&paint(style::FAINT, words));
    }
    for (what, reasons) in [("disagreements", &report.reasons), ("errors", &report.error_reasons)] {
        if !reasons.is_empty() {
            let _ = write!(out, "\n\n{what} by reason");
            for (reason, count) in reasons {
                let _ = write!(out, "\n  {reason:<12} {count:>6}");
            }
        }
    }
    if !report.latest.is_empty() {
        let mut table = TextTable::new(&["time", "verdict", "here", "coordinator", "reason"]);
        for one in &report.latest {
            table.row(latest(one));
        }
        let _ = write!(out, "\n\n{}", table.render(super::width()));
    }
    out
}

fn latest(one: &ShadowDivergence) -> Vec<TableCell> {
    let key = |key: &Option<String>| TableCell::new(plain(key.as_deref().unwrap_or(NONE)));
    vec![
        TableCell::new(&one.ts),
        TableCell::new(one.verdict.as_str()),
        key(&one.local),
        key(&one.coord),
        TableCell::new(one.reason.unwrap_or(NONE)),
    ]
}

pub(crate) fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

pub(crate) const fn meaning(verdict: ShadowVerdict) -> &'static str {
    match verdict {
        ShadowVerdict::Agree => "both picked the same job",
        ShadowVerdict::Diverge => "each picked another job",
        ShadowVerdict::CoordEmpty => "this host picked a job, the coordinator none",
        ShadowVerdict::LocalEmpty => "the coordinator picked a job, this host none",
        ShadowVerdict::Error => "the coordinator gave no answer that could be used",
    }
}
