//! The steps.

use serde_json::Value;

use crate::engine::usage::{RunTokens, UsageCounting};

/// The longest text of a step, in bytes.
const TEXT_MAX: usize = 32 << 10;
/// The longest input or answer of a tool, in bytes.
const ANSWER_MAX: usize = 8 << 10;
/// The longest name or line, in bytes.
const LINE_MAX: usize = 500;

/// One step. All texts are the agent's, hostile as any.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentStep {
    /// A line that aq wrote between.
    Note(TextClip),
    /// The engine has started, or starts a turn.
    Began {
        /// The model, where it says so.
        model: Option<TextClip>,
    },
    /// The agent said something.
    Said(TextClip),
    /// The agent thought aloud.
    Thought(TextClip),
    /// The agent uses a tool.
    Called(ToolCall),
    /// The agent's list of things to do, and which are done.
    Planned(Vec<(bool, TextClip)>),
    /// The engine reports an error or a warning.
    Problem(TextClip),
    /// The engine's final event.
    Ended(RunEnd),
    /// Lines that are no records: of `verify`, or on standard error.
    Printed(TextClip),
}

/// One use of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The id by which its answer names it.
    pub(super) id: String,
    /// The tool.
    pub tool: TextClip,
    /// Its command, file or the like, in a line.
    pub about: TextClip,
    /// Everything it was given, when that is more than `about`.
    pub input: TextClip,
    /// Its answer; `None`: not yet.
    pub answer: Option<TextClip>,
    /// It answered with an error.
    pub failed: bool,
    /// A sub-agent called it.
    pub nested: bool,
}

/// The end of a run, in the engine's own words.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// It says that the work is done.
    pub success: bool,
    /// Its reason when not.
    pub reason: Option<String>,
    /// The usage.
    pub usage: RunTokens,
    /// The span of that: this run, or the whole session.
    pub counted: UsageCounting,
}

/// The beginning of a text that may be long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextClip {
    /// The beginning, or all of it.
    pub text: String,
    /// Bytes that are left out.
    pub left_out: usize,
}

impl TextClip {
    /// A text of a message.
    pub(super) fn text(text: &str) -> Self {
        Self::new(text, TEXT_MAX)
    }

    /// Clips the input or the answer of a tool.
    pub(super) fn answer(text: &str) -> Self {
        Self::new(text, ANSWER_MAX)
    }

    /// The first line.
    pub(super) fn line(text: &str) -> Self {
        let line = text.trim().lines().next().unwrap_or_default();
        Self { left_out: text.trim().len() - line.len().min(LINE_MAX), ..Self::new(line, LINE_MAX) }
    }

    fn new(text: &str, most: usize) -> Self {
        let text = text.trim_end();
        let shown = &text[..text.floor_char_boundary(most)];
        Self { text: shown.to_owned(), left_out: text.len() - shown.len() }
    }

    /// Adds a line, as far as there is room.
    pub(super) fn push_line(&mut self, line: &str) {
        if self.left_out > 0 {
            self.left_out += line.len() + 1;
            return;
        }
        let room = TEXT_MAX.saturating_sub(self.text.len() + 1);
        let shown = &line[..line.floor_char_boundary(room)];
        self.text.push('\n');
        self.text.push_str(shown);
        self.left_out = line.len() - shown.len();
    }

    /// Tests for nothing to show.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl ToolCall {
    /// A call with the fields that say in a line what it is about, the first that is there.
    pub(super) fn new(id: &Value, tool: &str, input: &Value, telling: &[&str]) -> Self {
        let about = telling.iter().find_map(|&key| input[key].as_str());
        let fields = input.as_object().map_or(0, serde_json::Map::len);
        let is_told = about.is_some_and(|about| !about.trim().contains('\n')) && fields <= 1;
        let input = if is_told || fields == 0 {
            TextClip::default()
        } else {
            TextClip::answer(&listed(input))
        };
        Self {
            id: id.as_str().unwrap_or_default().chars().take(200).collect(),
            tool: TextClip::line(tool),
            about: TextClip::line(about.unwrap_or_default()),
            input,
            answer: None,
            failed: false,
            nested: false,
        }
    }
}

/// An object as lines `key: value`, texts as they are.
fn listed(input: &Value) -> String {
    let Some(fields) = input.as_object() else { return input.to_string() };
    let mut lines = String::new();
    for (key, value) in fields {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let gap = if value.contains('\n') { "\n" } else { " " };
        lines.push_str(&format!("{key}:{gap}{value}\n"));
        if lines.len() > ANSWER_MAX * 2 {
            break;
        }
    }
    lines
}
