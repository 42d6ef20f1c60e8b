//! The work of a job's agents, step by step.

use aq_runner::engine::{AgentStep, RunEnd, TextClip, ToolCall, UsageCounting};
use aq_runner::run::{JobView, read_steps};
use aq_runner::store::log_until;
use maud::{Markup, html};

use super::facts::engine_of;
use super::log::put_away;
use super::visible::visible;
use crate::dashboard::brief::count;
use crate::dashboard::error::PageError;
use crate::dashboard::state::QueueDashboard;
use crate::output::steps::usage;

/// Steps in one answer.
const MOST: usize = 300;

/// Bytes of the log that are read for them. Records can be of several MiB: where the first gives
/// next to nothing, the second is tried.
const WINDOWS: [usize; 2] = [1 << 20, 8 << 20];

/// Fewer steps than these are next to nothing.
const FEW: usize = 10;

/// Steps that fit on a screen, about.
const SCREEN: usize = 15;

/// Lines of output that are shown without a click.
const LINES: usize = 12;

/// The view: the last steps, or those before a byte of the log.
pub(super) fn steps(
    dashboard: &QueueDashboard,
    job: &JobView,
    to: Option<u64>,
) -> Result<Markup, PageError> {
    let id = &job.record.id;
    let settings = dashboard.settings()?;
    let engine = engine_of(job).unwrap_or_default();
    for window in WINDOWS {
        let Some(mut piece) = log_until(&dashboard.queue, id, to, window)? else { break };
        piece.bytes.append(&mut piece.open);
        let read = read_steps(&settings.engines, &engine, &piece.bytes, MOST);
        let number = read.steps().count();
        if number < FEW && piece.from > 0 && window < WINDOWS[1] {
            continue;
        }
        let first = match read.steps().next() {
            Some((at, _)) if read.dropped() > 0 => piece.from + at as u64,
            _ => piece.from,
        };
        return Ok(html! {
            div.steps data-live[to.is_none()] data-size=(piece.size) {
                @if first > 0 || number > SCREEN {
                    p.bar {
                        @if first > 0 {
                            a.button href={ "?view=steps&to=" (first) } { "Earlier steps" }
                        }
                        @if number > SCREEN { a.button href="#newest" { "To the newest" } }
                    }
                }
                @if number == 0 { p.faint { "No step yet." } }
                @for (at, found) in read.steps() { (step(found, piece.from + at as u64)) }
                @if read.unknown() > 0 {
                    p.faint {
                        "In the log is more: " (count(read.unknown(), "record")) " of other kinds."
                    }
                }
                @if to.is_some() { p { a.button href="?view=steps" { "To the last steps" } } }
                span #newest { }
            }
        });
    }
    if let Some(put_away) = put_away(dashboard, job)? {
        return Ok(put_away);
    }
    Ok(html! { div.steps data-live data-size="0" { p.faint { "It has printed nothing yet." } } })
}

fn step(step: &AgentStep, at: u64) -> Markup {
    html! {
        @match step {
            AgentStep::Note(text) => p.step.note { (words(text)) },
            AgentStep::Began { model } => p.step.note {
                "The engine starts" @if let Some(model) = model { ", model " (words(model)) }
            },
            AgentStep::Said(text) => div.step.said { (words(text)) },
            AgentStep::Thought(text) => {
                @let summary = html! { span.faint { "Thinking: " (first_line(text)) } };
                (folded(at, "thought", &summary, &html! { pre { (words(text)) } }))
            },
            AgentStep::Called(call) => (called(call, at)),
            AgentStep::Planned(items) => ul.step.plan {
                @for (done, item) in items {
                    li.done[*done] {
                        span aria-label=(if *done { "done" } else { "to do" }) {
                            (if *done { "☑" } else { "☐" })
                        }
                        " " (words(item))
                    }
                }
            },
            AgentStep::Problem(text) => div.step.problem-step { (words(text)) },
            AgentStep::Ended(end) => (ended(end)),
            AgentStep::Printed(text) => (printed(text, at)),
        }
    }
}

/// Something that opens with a click; the script keeps what is open by its key.
fn folded(at: u64, kind: &str, summary: &Markup, content: &Markup) -> Markup {
    html! {
        details.step.(kind) data-keep={ (at) "-" (kind) } { summary { (summary) } (content) }
    }
}

fn called(call: &ToolCall, at: u64) -> Markup {
    let summary = html! {
        span.tool { (words(&call.tool)) }
        " " code { (words(&call.about)) }
        @match &call.answer {
            None => span.state.busy { " …" },
            Some(_) if call.failed => span.state.bad { " failed" },
            Some(answer) if answer.is_empty() => span.state.faint { " done" },
            Some(answer) => span.state.faint { " " (count_of_lines(answer)) },
        }
    };
    let content = html! {
        @if !call.input.is_empty() { pre.input { (words(&call.input)) } }
        @match &call.answer {
            Some(answer) if !answer.is_empty() => pre.answer { (words(answer)) },
            Some(_) => p.faint { "It answered nothing." },
            None => p.faint { "No answer yet." },
        }
    };
    let kind = if call.nested { "call-within" } else { "call" };
    // Calls of one message come from one line.
    html! {
        details.step.(kind) .failed[call.failed]
            data-keep={ (at) "-" (visible(&call.tool.text)) "-" (visible(&call.about.text)) } {
            summary { (summary) } (content)
        }
    }
}

fn printed(text: &TextClip, at: u64) -> Markup {
    let lines = text.text.lines().count();
    if lines <= LINES && text.left_out == 0 {
        return html! { pre.step.printed { (words(text)) } };
    }
    let summary = html! { "Output, " (count_of_lines(text)) };
    folded(at, "output", &summary, &html! { pre { (words(text)) } })
}

fn ended(end: &RunEnd) -> Markup {
    html! {
        div.step.ended.failed[!end.success] {
            strong {
                (if end.success { "The engine says: done" } else { "The engine says: failed" })
            }
            @if let Some(reason) = &end.reason { ": " (visible(reason)) }
            @if !end.usage.is_empty() {
                div.faint {
                    (usage(&end.usage))
                    @if end.counted == UsageCounting::Session { " (the whole session)" }
                }
            }
        }
    }
}

fn first_line(text: &TextClip) -> String {
    let line = text.text.trim().lines().next().unwrap_or_default();
    visible(&line.chars().take(160).collect::<String>())
}

fn count_of_lines(text: &TextClip) -> String {
    let lines = text.text.lines().count();
    let more = if text.left_out > 0 { " or more" } else { "" };
    format!("{lines} line{}{more}", if lines == 1 { "" } else { "s" })
}

/// A text, and how much of it is left out.
fn words(text: &TextClip) -> Markup {
    html! {
        (visible(&text.text))
        @if text.left_out > 0 { span.faint.cut { " … " (count(text.left_out, "more byte")) } }
    }
}
