//! The first view: the job's prompt, the values that apply to it, and its attempts.

use aq_ledger::RecordKey;
use aq_manifest::{Stage, ValueOrigin};
use aq_runner::run::{AttemptView, JobView, attempts, job_numbers};
use aq_runner::store::{
    EffectiveValue, EffectiveValues, KeptArtifact, artifacts, effective_values,
};
use maud::{Markup, html};

use super::facts::{is_put_away, size};
use super::visible::visible;
use crate::dashboard::brief::count;
use crate::dashboard::error::PageError;
use crate::dashboard::moment::at;
use crate::dashboard::state::QueueDashboard;
use crate::output::insights::{dollars, seconds, tokens};

/// Lines of a prompt, and bytes, that are shown without a click.
const LINES: usize = 24;
const BYTES: usize = 4_000;
/// Attempts that are shown, the newest.
const ATTEMPTS: usize = 50;
/// Files that are listed.
const FILES: usize = 500;

pub(super) fn overview(dashboard: &QueueDashboard, job: &JobView) -> Result<Markup, PageError> {
    let (queue, id) = (&dashboard.queue, &job.record.id);
    let attempts = attempts(queue, id)?;
    let (files, more) = artifacts(queue, id, FILES)?;
    // It can move on between two looks.
    let stage = queue.find(id).unwrap_or(job.record.stage);
    let source = queue.read_job(stage, id);
    Ok(html! {
        div.overview {
            div.told {
                @match &source {
                    Err(problem) => pre.problem.words { "The job file cannot be read: " (problem) },
                    Ok(source) => (told(dashboard, job, source)),
                }
            }
            div.came-of-it {
                (numbers(dashboard, job)?)
                (attempts_table(&attempts, is_put_away(&job.record)))
                (artifact_list(job, &files, more))
            }
        }
    })
}

fn told(dashboard: &QueueDashboard, job: &JobView, source: &str) -> Markup {
    let name = format!("{}.md", job.record.id);
    match effective_values(dashboard.queue.profiles(), &name, source) {
        Ok(EffectiveValues { values, persona, prompt }) => html! {
            section aria-labelledby="prompt" {
                h2 #prompt { "Prompt" }
                @if let Some(persona) = &persona {
                    details.rest data-keep="persona" {
                        summary { "The profile's persona comes first" } (long_text(persona))
                    }
                }
                (long_text(prompt))
            }
            section aria-labelledby="values" {
                h2 #values { "What applies" }
                @if has_changed(dashboard, job) {
                    p.notice {
                        "The job's file, or its profile, is not as it was when this was recorded."
                    }
                }
                (values_table(job, &values))
            }
        },
        Err(invalid) => html! {
            pre.problem.words { (visible(&invalid.report)) }
            h2 { "Job file" } (long_text(source))
        },
    }
}

/// The record says what the job was judged by; what is shown is read anew.
fn has_changed(dashboard: &QueueDashboard, job: &JobView) -> bool {
    job.record.meta.get(RecordKey::Source).is_some() && !job.record.is_current(&dashboard.queue)
}

/// A text whose beginning is shown, and the rest after a click.
fn long_text(text: &str) -> Markup {
    let by_lines = text.match_indices('\n').nth(LINES).map_or(text.len(), |(at, _)| at + 1);
    let (first, rest) = text.split_at(text.floor_char_boundary(by_lines.min(BYTES)));
    html! {
        pre.words.prompt { (visible(first)) }
        @if !rest.is_empty() {
            details.rest {
                summary { (count(rest.lines().count(), "more line")) }
                pre.words.prompt { (visible(rest)) }
            }
        }
    }
}

/// The values of the file, the profile or a default; first those that somebody gave or the runner
/// filled in.
fn values_table(job: &JobView, values: &[EffectiveValue]) -> Markup {
    // What the runner made of it, under the same names.
    let recorded = |value: &EffectiveValue| {
        let found = matches!(value.key, "cwd" | "lock" | "engine" | "model")
            .then(|| job.record.meta.get_named(value.key))?;
        found.filter(|found| *found != value.value).map(visible)
    };
    let (said, default): (Vec<_>, Vec<_>) = values
        .iter()
        .partition(|value| value.origin != ValueOrigin::Default || recorded(value).is_some());
    let rows = |values: &[&EffectiveValue]| {
        html! {
            @for value in values {
                tr {
                    th scope="row" title=(value.about) { (value.key) }
                    td.words {
                        @if value.value.is_empty() {
                            span.faint { "-" }
                        } @else {
                            (visible(&value.value))
                        }
                        @if let Some(recorded) = recorded(value) {
                            " " span.faint { "→ " (recorded) }
                        }
                    }
                    td.origin.(value.origin.as_str()) { (value.origin.as_str()) }
                }
            }
        }
    };
    html! {
        div.wide-table { table.values {
            thead {
                tr { th scope="col" { "Key" } th scope="col" { "Value" } th scope="col" { "From" } }
            }
            tbody { (rows(&said)) }
        } }
        details data-keep="defaults" {
            summary { (count(default.len(), "default")) }
            div.wide-table { table.values { tbody { (rows(&default)) } } }
        }
    }
}

fn numbers(dashboard: &QueueDashboard, job: &JobView) -> Result<Markup, PageError> {
    let numbers = job_numbers(&dashboard.queue, &job.record.id)?;
    let guess = if numbers.estimated { "~" } else { "" };
    let meta = &job.record.meta;
    Ok(html! {
        section aria-labelledby="numbers" {
            h2 #numbers { "Numbers" }
            dl.numbers {
                div { dt { "Agent time" } dd { (seconds(numbers.duration_s)) } }
                div { dt { "Input" } dd { (tokens(numbers.input_tokens, guess)) } }
                div { dt { "Cached" } dd { (tokens(numbers.cached_tokens, guess)) } }
                @if numbers.cache_write_tokens.is_some() {
                    div {
                        dt { "Written to cache" } dd { (tokens(numbers.cache_write_tokens, guess)) }
                    }
                }
                div { dt { "Output" } dd { (tokens(numbers.output_tokens, guess)) } }
                @if numbers.reasoning_tokens.is_some() {
                    div { dt { "Reasoning" } dd { (tokens(numbers.reasoning_tokens, guess)) } }
                }
                div { dt { "Cost" } dd { (dollars(numbers.cost_usd, guess)) } }
                @if meta.get(RecordKey::FilesChanged).is_some() {
                    div { dt { "Changed" } dd {
                        a href={ "/jobs/" (job.record.id) "?view=diff" } {
                            (count(meta.count(RecordKey::FilesChanged), "file"))
                        }
                        " "
                        span.good { "+" (meta.count(RecordKey::LinesAdded)) }
                        " "
                        span.bad { "−" (meta.count(RecordKey::LinesDeleted)) }
                    } }
                }
            }
            @if numbers.estimated { p.faint { "~ is read out of text." } }
        }
    })
}

/// All attempts are numbered, those before a requeue as well as those that did not count.
fn attempts_table(attempts: &[AttemptView], is_put_away: bool) -> Markup {
    let older = attempts.len().saturating_sub(ATTEMPTS);
    html! {
        section aria-labelledby="attempts" {
            h2 #attempts { "Attempts" }
            @if is_put_away {
                p.faint { code { "aq clean" } " has put its record away." }
            } @else if attempts.is_empty() {
                p.faint { "It was not tried yet." }
            }
            @if older > 0 { p.faint { "The newest " (ATTEMPTS) " of " (attempts.len()) "." } }
            ol.attempts {
                @for (at, attempt) in attempts.iter().enumerate().skip(older).rev() {
                    (attempt_line(at + 1, attempt))
                }
            }
        }
    }
}

fn attempt_line(number: usize, attempt: &AttemptView) -> Markup {
    let between = || Some(attempt.ended?.duration_since(attempt.began?).as_secs_f64().max(0.0));
    let took = attempt.duration_s.or_else(between);
    let result = attempt.result.as_deref().map(|result| visible(&result.replace('_', " ")));
    html! {
        li {
            div {
                strong { "#" (number) }
                " " (at(attempt.began))
                @if took.is_some() { " · " (seconds(took)) }
                @if let Some(engine) = &attempt.engine { " · " (visible(engine)) }
                @if let Some(model) = &attempt.model { " " span.faint { (visible(model)) } }
                @if attempt.output_tokens.is_some() || attempt.input_tokens.is_some() {
                    " · " (tokens(attempt.input_tokens, "")) " in, "
                    (tokens(attempt.output_tokens, "")) " out"
                }
                @if attempt.cost_usd.is_some() { " · " (dollars(attempt.cost_usd, "")) }
            }
            div {
                @match attempt.led_to {
                    None => span.busy { "runs" },
                    Some(Stage::Inbox) => span.warn {
                        (result.as_deref().unwrap_or("put back")) ", tried again"
                    },
                    Some(_) if attempt.has_failed() => span.bad {
                        (result.as_deref().unwrap_or("failed"))
                    },
                    Some(_) => span.good { (result.as_deref().unwrap_or("done")) },
                }
                @if let Some(message) = &attempt.message { span.words { ": " (visible(message)) } }
            }
        }
    }
}

fn artifact_list(job: &JobView, files: &[KeptArtifact], more: bool) -> Markup {
    html! {
        @if !files.is_empty() {
            section aria-labelledby="artifacts" {
                h2 #artifacts { "Artifacts" }
                ul.artifacts { @for file in files {
                    @let path =
                        form_urlencoded::byte_serialize(file.path.as_bytes()).collect::<String>();
                    li {
                        a href={ "/jobs/" (job.record.id) "/artifact?path=" (path) } download {
                            (visible(&file.path))
                        }
                        " " span.faint { (size(file.bytes)) }
                    }
                } }
                @if more { p.faint { "There are more." } }
            }
        }
    }
}
