//! The same numbers as words. Each value is there in full beside what people read of it.

use aq_manifest::Outcome;
use aq_runner::insights::{InsightsGroup, JobNumbers, QueueInsights};
use maud::{Markup, html};

use super::NAME;
use super::measure::PlotMeasure;
use super::window::{PlotSeries, PlotWindow};
use crate::dashboard::brief::brief;
use crate::dashboard::moment::ago;
use crate::output::insights::{dollars, seconds, tokens};

/// Jobs that are listed, the last to end.
const JOBS: usize = 20;

/// Engines or profiles in a table.
const GROUPS: usize = 200;

/// A cell with a number.
fn number(value: Option<f64>, text: &str) -> Markup {
    html! {
        td.number {
            @match value { Some(value) => data value=(value) { (text) }, None => (text) }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "as a cell it is a number like others")]
fn count(value: Option<u64>, text: &str) -> Markup {
    number(value.map(|value| value as f64), text)
}

/// A part of a whole.
pub(super) fn share(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

fn guess(estimated: bool) -> &'static str {
    if estimated { "~" } else { "" }
}

/// The numbers of a plot, folded.
fn folded(id: &str, table: &Markup) -> Markup {
    html! {
        details id={ "table-" (id) } {
            summary { "As a table" } div.scroll tabindex="0" { (table) }
        }
    }
}

pub(super) fn by_day(window: &PlotWindow, series: &[PlotSeries], measure: PlotMeasure) -> Markup {
    let table = html! {
        table data-of=(measure.word()) {
            thead { tr {
                th scope="col" { "day" }
                @for one in series { th.number scope="col" { (one.name) } }
                @if series.len() > 1 { th.number scope="col" { "together" } }
            } }
            tbody { @for day in window.days.iter().rev() {
                tr {
                    th scope="row" { (day.date) }
                    @for one in series {
                        @let (value, estimated) = one.on(day, measure);
                        (number(value, &measure.text(value, estimated)))
                    }
                    @if series.len() > 1 {
                        @let all = measure.of(&day.all);
                        (number(all, &measure.text(all, day.all.estimated)))
                    }
                }
            } }
        }
    };
    folded(measure.word(), &table)
}

pub(super) fn durations(profiles: &[(String, &InsightsGroup)]) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "profile" }
                    @for name in ["shortest", "quarter", "median", "three quarters", "longest"] {
                        th.number scope="col" { (name) }
                    }
                }
            }
            tbody { @for (name, group) in profiles.iter().take(GROUPS) {
                @let spread = group.spread;
                tr {
                    th scope="row" { (name) }
                    @for value in [
                        spread.map(|s| s.min_s), spread.map(|s| s.lower_s), group.median_s,
                        spread.map(|s| s.upper_s), spread.map(|s| s.max_s)
                    ] {
                        (number(value, &seconds(value)))
                    }
                }
            } }
        }
    };
    folded("durations", &table)
}

pub(super) fn successes(profiles: &[(String, &InsightsGroup)]) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "profile" }
                    @for name in ["jobs", "good", "share"] { th.number scope="col" { (name) } }
                }
            }
            tbody { @for (name, group) in profiles.iter().take(GROUPS) {
                tr {
                    th scope="row" { (name) }
                    td.number { (group.jobs) }
                    td.number { (group.succeeded) }
                    @let rate = group.success_rate();
                    (number(rate, &rate.map_or("-".to_owned(), share)))
                }
            } }
        }
    };
    folded("successes", &table)
}

/// Everything together, and each engine and profile.
pub(super) fn groups(found: &QueueInsights) -> Markup {
    let left_out =
        found.engines.len().saturating_sub(GROUPS) + found.profiles.len().saturating_sub(GROUPS);
    html! {
        h2 { "By engine and profile" }
        div.scroll tabindex="0" { table #groups {
            thead { tr {
                th scope="col" { "" }
                @for name in [
                    "jobs", "good", "shipped", "tries/good", "median", "input", "cached", "written",
                    "output", "reasoning", "cost", "cost/shipped"
                ] {
                    th.number scope="col" { (name) }
                }
            } }
            tbody {
                (group("all", "", &found.all))
                @for one in found.engines.iter().take(GROUPS) {
                    (group("engine", &brief(&one.name, NAME), one))
                }
                @for one in found.profiles.iter().take(GROUPS) {
                    (group("profile", &brief(&one.name, NAME), one))
                }
                @if let Some(rest) = &found.no_profile { (group("no profile", "", rest)) }
            }
        } }
        @if left_out > 0 { p.faint { "... and " (left_out) " more" } }
    }
}

fn group(kind: &str, name: &str, group: &InsightsGroup) -> Markup {
    let guess = guess(group.estimated);
    let tries = group.attempts_per_success();
    html! {
        tr data-kind=(kind) data-name=(name) {
            th scope="row" { span.faint { (kind) } " " (name) }
            (count(Some(group.jobs.into()), &group.jobs.to_string()))
            (number(group.success_rate(), &group.success_rate().map_or("-".to_owned(), share)))
            (count(Some(group.shipped.into()), &group.shipped.to_string()))
            (number(tries, &tries.map_or("-".to_owned(), |tries| format!("{tries:.1}"))))
            (number(group.median_s, &seconds(group.median_s)))
            (count(group.input_tokens, &tokens(group.input_tokens, guess)))
            (count(group.cached_tokens, &tokens(group.cached_tokens, guess)))
            (count(group.cache_write_tokens, &tokens(group.cache_write_tokens, guess)))
            (count(group.output_tokens, &tokens(group.output_tokens, guess)))
            (count(group.reasoning_tokens, &tokens(group.reasoning_tokens, guess)))
            (number(group.cost_usd, &dollars(group.cost_usd, guess)))
            (number(group.cost_per_shipped(), &dollars(group.cost_per_shipped(), guess)))
        }
    }
}

/// The jobs that ended last.
pub(super) fn jobs(found: &QueueInsights) -> Markup {
    html! {
        h2 { "The last jobs" }
        div.scroll tabindex="0" { table #jobs {
            thead { tr {
                @for name in ["job", "result", "engine", "ended"] { th scope="col" { (name) } }
                @for name in
                    ["tries", "time", "input", "cached", "written", "output", "reasoning", "cost"] {
                    th.number scope="col" { (name) }
                }
            } }
            tbody { @for one in found.jobs.iter().take(JOBS) { (job(one)) } }
        } }
        @if found.jobs.len() > JOBS {
            p.faint { "... and " (found.jobs.len() - JOBS) " more before them" }
        }
    }
}

fn job(job: &JobNumbers) -> Markup {
    let guess = guess(job.estimated);
    let result = job.outcome.map_or_else(|| job.stage.folder(), Outcome::as_str);
    html! {
        tr {
            th scope="row" { a href={ "/jobs/" (job.id) } { (job.id) } }
            td {
                span class=(if job.succeeded() { "good" } else { "bad" }) {
                    (result.replace('_', " "))
                }
            }
            td { (brief(job.engine.as_deref().unwrap_or("-"), NAME)) }
            td { (ago(job.ended_at)) }
            (count(Some(job.attempts.into()), &job.attempts.to_string()))
            (number(job.duration_s, &seconds(job.duration_s)))
            (count(job.input_tokens, &tokens(job.input_tokens, guess)))
            (count(job.cached_tokens, &tokens(job.cached_tokens, guess)))
            (count(job.cache_write_tokens, &tokens(job.cache_write_tokens, guess)))
            (count(job.output_tokens, &tokens(job.output_tokens, guess)))
            (count(job.reasoning_tokens, &tokens(job.reasoning_tokens, guess)))
            (number(job.cost_usd, &dollars(job.cost_usd, guess)))
        }
    }
}
