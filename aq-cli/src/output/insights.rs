//! The output of `aq insights`.

use std::fmt::Write;

use aq_manifest::format_dollars;
use aq_runner::insights::{InsightsGroup, JobNumbers, QueueInsights, insights};
use jiff::SignedDuration;

use super::style::{self, paint, plain};
use super::table::{TableCell, TextTable};
use super::time::short;

/// The text in the place of a number that is not known.
const UNKNOWN: &str = "-";

/// The recent jobs, then everything together, by engine and by profile.
pub(crate) fn all(found: &QueueInsights, shown: usize) -> String {
    if found.jobs.is_empty() {
        return "no job has run yet".to_owned();
    }
    // On a narrow terminal the cost goes last.
    let mut jobs = TextTable::new(&[
        "job",
        "stage",
        "engine",
        "tries",
        "time",
        "input",
        "cached",
        "written",
        "output",
        "reasoning",
        "cost",
    ])
    .spare(&[9, 6, 7, 5, 8, 3, 2, 4])
    .names(0);
    for job in found.jobs.iter().take(shown) {
        jobs.row(job_row(job));
    }
    let mut groups = TextTable::new(&[
        "",
        "jobs",
        "good",
        "shipped",
        "tries/good",
        "median",
        "input",
        "cached",
        "written",
        "output",
        "reasoning",
        "cost",
        "cost/shipped",
    ])
    .spare(&[10, 7, 8, 6, 9, 4, 5, 3])
    .names(0);
    groups.row(group_row("all", &found.all));
    for (kind, members) in [("engine", &found.engines), ("profile", &found.profiles)] {
        for group in members {
            groups.row(group_row(&format!("{kind} {}", plain(&group.name)), group));
        }
    }
    let mut out = jobs.render(super::width());
    if found.jobs.len() > shown {
        let more = format!("\n... and {} more before them", found.jobs.len() - shown);
        out.push_str(&paint(style::FAINT, more));
    }
    // Writing to a `String` cannot fail.
    let _ = write!(out, "\n\n{}", groups.render(super::width()));
    if found.all.estimated {
        out.push_str(&paint(style::FAINT, "\n\n~ is a guess from what the engine printed"));
    }
    out
}

/// One job, a line a number.
pub(crate) fn job(job: &JobNumbers) -> String {
    let about = |known: Option<String>| known.unwrap_or_else(|| UNKNOWN.to_owned());
    let guess = if job.estimated { "~" } else { "" };
    let lines = [
        ("stage", job.stage.to_string()),
        ("result", about(job.outcome.map(|outcome| outcome.to_string()))),
        ("engine", plain(job.engine.as_deref().unwrap_or(UNKNOWN))),
        ("profile", plain(job.profile.as_deref().unwrap_or(UNKNOWN))),
        ("attempts", job.attempts.to_string()),
        ("time at work", seconds(job.duration_s)),
        ("input tokens", tokens(job.input_tokens, guess)),
        ("cached tokens", tokens(job.cached_tokens, guess)),
        ("cache writes", tokens(job.cache_write_tokens, guess)),
        ("output tokens", tokens(job.output_tokens, guess)),
        ("reasoning", tokens(job.reasoning_tokens, guess)),
        ("cost", dollars(job.cost_usd, guess)),
    ];
    let tracker = [
        ("tracker item", job.tracker_item.as_deref()),
        ("last echo", job.tracker_item.as_deref().and(job.tracker_echoed.as_deref())),
    ];
    let tracker = tracker.into_iter().filter_map(|(name, value)| Some((name, plain(value?))));
    let mut out = paint(style::HEADING, &job.id);
    for (name, value) in lines.into_iter().chain(tracker) {
        let _ = write!(out, "\n  {name:<14} {value}");
    }
    out
}

/// The line of `aq status` on the jobs that ended lately; empty without any.
pub(crate) fn line(recent: &[JobNumbers]) -> String {
    if recent.is_empty() {
        return String::new();
    }
    let good = recent.iter().filter(|job| job.succeeded()).count();
    let mut parts = vec![match recent.len() - good {
        0 => format!("{good} good"),
        failed => format!("{good} good, {failed} failed"),
    }];
    let all = insights(recent.iter().cloned(), None).all;
    match all.median_s {
        Some(median) if median < 1.0 => parts.push("median under 1s".to_owned()),
        Some(_) => parts.push(format!("median {}", seconds(all.median_s))),
        None => {}
    }
    let guess = if all.estimated { "~" } else { "" };
    if let (Some(input), Some(output)) = (all.new_input_tokens(), all.written_tokens()) {
        parts.push(format!(
            "{} tokens in, {} out",
            tokens(Some(input), guess),
            tokens(Some(output), guess)
        ));
    }
    if all.cost_usd.is_some() {
        parts.push(dollars(all.cost_usd, guess));
    }
    parts.join(" · ")
}

fn job_row(job: &JobNumbers) -> Vec<TableCell> {
    let guess = if job.estimated { "~" } else { "" };
    vec![
        TableCell::new(&job.id),
        TableCell::styled(style::stage(job.stage), job.stage),
        TableCell::new(plain(job.engine.as_deref().unwrap_or(UNKNOWN))),
        TableCell::new(job.attempts),
        TableCell::new(seconds(job.duration_s)),
        TableCell::new(tokens(job.input_tokens, guess)),
        TableCell::new(tokens(job.cached_tokens, guess)),
        TableCell::new(tokens(job.cache_write_tokens, guess)),
        TableCell::new(tokens(job.output_tokens, guess)),
        TableCell::new(tokens(job.reasoning_tokens, guess)),
        TableCell::new(dollars(job.cost_usd, guess)),
    ]
}

fn group_row(name: &str, group: &InsightsGroup) -> Vec<TableCell> {
    let guess = if group.estimated { "~" } else { "" };
    let number =
        |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), |value| format!("{value:.1}"));
    let good =
        group.success_rate().map_or(UNKNOWN.to_owned(), |rate| format!("{:.0} %", rate * 100.0));
    vec![
        TableCell::new(name),
        TableCell::new(group.jobs),
        TableCell::new(good),
        TableCell::new(group.shipped),
        TableCell::new(number(group.attempts_per_success())),
        TableCell::new(seconds(group.median_s)),
        TableCell::new(tokens(group.input_tokens, guess)),
        TableCell::new(tokens(group.cached_tokens, guess)),
        TableCell::new(tokens(group.cache_write_tokens, guess)),
        TableCell::new(tokens(group.output_tokens, guess)),
        TableCell::new(tokens(group.reasoning_tokens, guess)),
        TableCell::new(dollars(group.cost_usd, guess)),
        TableCell::new(dollars(group.cost_per_shipped(), guess)),
    ]
}

/// A time: to a tenth below ten seconds, then as a duration.
pub(crate) fn seconds(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.to_owned(),
        Some(value) if value < 0.05 => "<0.1s".to_owned(),
        Some(value) if value < 9.95 => format!("{value:.1}s"),
        Some(value) => {
            SignedDuration::try_from_secs_f64(value.round()).map_or(UNKNOWN.to_owned(), short)
        }
    }
}

/// A count of tokens, rounded where nobody counts any more: `980`, `12.3k`, `4.5M`.
#[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
pub(crate) fn tokens(count: Option<u64>, guess: &str) -> String {
    match count {
        None => UNKNOWN.to_owned(),
        Some(count @ 0..10_000) => format!("{guess}{count}"),
        // 999,950 would be 1000.0k.
        Some(count @ 10_000..999_950) => format!("{guess}{:.1}k", count as f64 / 1e3),
        Some(count) => format!("{guess}{:.1}M", count as f64 / 1e6),
    }
}

/// An amount of money.
pub(crate) fn dollars(amount: Option<f64>, guess: &str) -> String {
    amount.map_or(UNKNOWN.to_owned(), |amount| format!("{guess}{}", format_dollars(amount)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_where_nobody_counts() {
        assert_eq!(tokens(Some(9_999), ""), "9999");
        assert_eq!(tokens(Some(12_345), "~"), "~12.3k");
        assert_eq!(tokens(Some(999_949), ""), "999.9k");
        assert_eq!(tokens(Some(999_950), ""), "1.0M");
        assert_eq!(tokens(Some(4_500_000), ""), "4.5M");
        assert_eq!(tokens(None, "~"), "-");
        assert_eq!(dollars(Some(0.01234), "~"), "~$0.012");
        assert_eq!(dollars(None, "~"), "-");
        for (value, text) in [(0.007, "<0.1s"), (1.5, "1.5s"), (9.97, "10s"), (59.6, "1m")] {
            assert_eq!(seconds(Some(value)), text);
        }
        assert_eq!(seconds(Some(3_725.0)), "1h2m");
    }
}
