//! The steps of an agent as lines.

use std::fmt::Write;

use aq_runner::engine::{AgentStep, RunEnd, RunTokens, TextClip, ToolCall, UsageCounting};
use aq_runner::run::StepNews;

use super::insights::{dollars, tokens};
use super::style::{self, paint, plain, plain_lines};

/// Lines of a failed call's answer that are shown.
const ANSWER: usize = 10;

/// Bytes of a printed line that are shown.
const LINE: usize = 32 << 10;

/// One piece of news, as lines that end in a newline.
pub(crate) fn news(news: &StepNews<'_>) -> String {
    match news {
        StepNews::New(step) => format!("{}\n", self::step(step)),
        StepNews::Answered(call) => {
            answer(call).map_or_else(String::new, |text| format!("{text}\n"))
        }
        StepNews::Printed(line) => {
            let shown = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
            let more = if line.len() > LINE { " …" } else { "" };
            format!("{}{more}\n", plain_lines(&shown))
        }
    }
}

fn step(step: &AgentStep) -> String {
    match step {
        AgentStep::Note(text) => paint(style::FAINT, format!("--- aq {}", plain(&text.text))),
        AgentStep::Began { model } => {
            let model = model.as_ref().map(|model| format!(", model {}", plain(&model.text)));
            paint(style::FAINT, format!("the engine starts{}", model.unwrap_or_default()))
        }
        AgentStep::Said(text) => words(text),
        AgentStep::Thought(text) => {
            let first = text.text.trim().lines().next().unwrap_or_default();
            paint(style::FAINT, format!("thinks: {}", plain(first)))
        }
        AgentStep::Called(call) => called(call),
        AgentStep::Planned(items) => {
            let one = |(done, item): &(bool, TextClip)| {
                format!("{} {}", if *done { "[x]" } else { "[ ]" }, plain(&item.text))
            };
            items.iter().map(one).collect::<Vec<_>>().join("\n")
        }
        AgentStep::Problem(text) => paint(style::ATTENTION, words(text)),
        AgentStep::Ended(end) => ended(end),
        AgentStep::Printed(text) => words(text),
    }
}

/// A text, and how much of it is left out.
fn words(text: &TextClip) -> String {
    let more = match text.left_out {
        0 => String::new(),
        bytes => format!(" … {bytes} more bytes"),
    };
    format!("{}{more}", plain_lines(&text.text))
}

fn called(call: &ToolCall) -> String {
    let indent = if call.nested { "  " } else { "" };
    let tool = paint(style::BUSY, format!("{indent}> {}", plain(&call.tool.text)));
    let mut text = format!("{tool} {}", plain(&call.about.text)).trim_end().to_owned();
    if let Some(answer) = answer(call) {
        let _ = write!(text, "\n{answer}");
    }
    text
}

/// The answer of a call; `None` while there is none.
fn answer(call: &ToolCall) -> Option<String> {
    let answer = call.answer.as_ref()?;
    let indent = if call.nested { "    " } else { "  " };
    let lines = answer.text.lines().count();
    if !call.failed {
        let said = match lines {
            0 => "done".to_owned(),
            1 => "1 line".to_owned(),
            _ => format!("{lines} lines"),
        };
        let more = if answer.left_out > 0 { " or more" } else { "" };
        return Some(paint(style::FAINT, format!("{indent}{said}{more}")));
    }
    let mut text = format!("{indent}{}", paint(style::BAD, "failed"));
    for line in answer.text.lines().take(ANSWER) {
        let _ = write!(text, "\n{indent}{}", plain(line));
    }
    if lines > ANSWER {
        let _ = write!(text, "\n{indent}… {} more lines", lines - ANSWER);
    }
    Some(text)
}

fn ended(end: &RunEnd) -> String {
    let said = if end.success {
        paint(style::GOOD, "the engine says: done")
    } else {
        paint(style::BAD, "the engine says: failed")
    };
    let reason = end.reason.as_deref().map_or(String::new(), |why| format!(": {}", plain(why)));
    let of_session =
        if end.counted == UsageCounting::Session { " (the whole session)" } else { "" };
    let used = match usage(&end.usage) {
        used if used.is_empty() => used,
        used => paint(style::FAINT, format!(" · {used}{of_session}")),
    };
    format!("{said}{reason}{used}")
}

/// Tokens and cost in a line.
pub(crate) fn usage(usage: &RunTokens) -> String {
    let guess = if usage.estimated { "~" } else { "" };
    let count =
        |name: &str, count: Option<u64>| count.map(|_| format!("{name} {}", tokens(count, guess)));
    let parts = [
        count("input", usage.input_tokens),
        count("cached", usage.cached_tokens),
        count("cache writes", usage.cache_write_tokens),
        count("output", usage.output_tokens),
        count("reasoning", usage.reasoning_tokens),
        count("total", usage.total_tokens),
        usage.cost_usd.map(|_| dollars(usage.cost_usd, guess)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
