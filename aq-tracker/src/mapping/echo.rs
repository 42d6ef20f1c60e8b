//! The state of a job, in a tracker's words.

use std::fmt::Write;
use std::time::Duration;

use aq_manifest::{format_dollars, format_duration};

use crate::status::StatusMap;
use crate::tracker::{RenderedUpdate, TrackerUpdate};

/// The update for a tracker; `None` when the map has nothing for the folder.
pub fn update(echo: &TrackerUpdate, statuses: &StatusMap) -> Option<RenderedUpdate> {
    let status = statuses.status(echo.stage)?.to_owned();
    Some(RenderedUpdate { stage: echo.stage, status, comment: comment(echo) })
}

/// The comment: numbers, and words of fixed lists. A line for each thing that is known.
pub fn comment(echo: &TrackerUpdate) -> String {
    let words = [
        // A shipped job has the result `shipped`.
        echo.outcome.map(|outcome| outcome.to_string()).filter(|word| word != echo.stage.folder()),
        echo.failure.map(|failure| failure.to_string()),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let mut text = format!("aq: {}", echo.stage);
    // Writing to a `String` cannot fail.
    if !words.is_empty() {
        let _ = write!(text, " ({})", words.join(", "));
    }
    let lines = [
        ("attempts", echo.attempts.map(|attempts| attempts.to_string())),
        ("time", echo.duration_s.and_then(time)),
        ("tokens", tokens(echo)),
        ("cost", echo.cost_usd.map(|cost| format!("{}{}", format_dollars(cost), guess(echo)))),
        ("diff", diff(echo)),
    ];
    let mut separator = "\n\n";
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = write!(text, "{separator}- {name}: {value}");
            separator = "\n";
        }
    }
    text
}

fn time(seconds: f64) -> Option<String> {
    if seconds < 10.0 {
        return Some(format!("{seconds:.1}s"));
    }
    let whole = Duration::try_from_secs_f64(seconds.round()).ok()?;
    Some(format_duration(whole))
}

fn tokens(echo: &TrackerUpdate) -> Option<String> {
    let parts =
        [(echo.input_tokens, "in"), (echo.cached_tokens, "cached"), (echo.output_tokens, "out")];
    let parts = parts.iter().filter_map(|(count, name)| Some(format!("{} {name}", (*count)?)));
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("{}{}", parts.join(", "), guess(echo)))
}

fn guess(echo: &TrackerUpdate) -> &'static str {
    if echo.estimated { " (estimated)" } else { "" }
}

fn diff(echo: &TrackerUpdate) -> Option<String> {
    let files = echo.files_changed?;
    let lines = match (echo.lines_added, echo.lines_deleted) {
        (None, None) => String::new(),
        (added, deleted) => format!(", +{} -{}", added.unwrap_or(0), deleted.unwrap_or(0)),
    };
    Some(format!("{files} {}{lines}", if files == 1 { "file" } else { "files" }))
}
