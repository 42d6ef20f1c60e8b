//! Steps out of lines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::acp::acp_steps;
use super::claude::claude_steps;
use super::codex::codex_steps;
use super::step::{AgentStep, RunEnd, TextClip, ToolCall};
use crate::engine::format::OutputFormat;
use crate::engine::seen::ObservedRun;

/// Number of steps back in which a call is looked for when its answer comes.
const LOOK_BACK: usize = 200;
/// The longest line that is read as a record, in bytes. Longer ones are named by their length.
const RECORD_MAX: usize = 4 << 20;

/// Shape by which an engine's events are shown as steps.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::engine) enum StepsFormat {
    /// Messages with parts, as of `claude --output-format stream-json`.
    Claude,
    /// Items, as of `codex exec --json`.
    Codex,
    /// Lines of aq's own adapter for the Agent Client Protocol.
    Acp,
}

impl StepsFormat {
    /// Takes an event; `false`: of a kind that is not shown.
    fn read(self, event: &Value, steps: &mut StepLog) -> bool {
        match self {
            Self::Claude => claude_steps(event, steps),
            Self::Codex => codex_steps(event, steps),
            Self::Acp => acp_steps(event, steps),
        }
    }
}

/// Reads the log of one job line by line and keeps the last steps.
///
/// Memory is bounded by the number of steps, each of which is clipped. What is no record is shown
/// as it is; records of kinds that are not known are counted.
pub struct StepLog {
    formats: BTreeMap<String, OutputFormat>,
    /// Of the engine that is running where the reader is.
    format: Option<OutputFormat>,
    seen: ObservedRun,
    /// Each with the place of the line that it came from.
    steps: VecDeque<(usize, AgentStep)>,
    at: usize,
    most: usize,
    dropped: usize,
    unknown: usize,
}

impl fmt::Debug for StepLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepLog").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl StepLog {
    pub(in crate::engine) fn new(formats: BTreeMap<String, OutputFormat>, most: usize) -> Self {
        let (seen, steps) = (ObservedRun::default(), VecDeque::new());
        Self { formats, format: None, seen, steps, at: 0, most, dropped: 0, unknown: 0 }
    }

    /// Notes that the following output is of this engine.
    pub fn engine(&mut self, name: &str) {
        self.format = self.formats.get(name).cloned();
        self.seen = ObservedRun::default();
    }

    /// The next line begins at this byte.
    pub fn place(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes a line that aq wrote itself.
    pub fn note(&mut self, text: &str) {
        self.push(AgentStep::Note(TextClip::text(text)));
    }

    /// Takes a line of an engine, `verify` or the like, without its newline.
    pub fn line(&mut self, line: &[u8]) {
        if line.len() > RECORD_MAX {
            return self.note(&format!("a line of {} bytes is left out", line.len()));
        }
        let record = self.format.clone().filter(|_| line.trim_ascii().starts_with(b"{"));
        // Bytes that are no UTF-8 are in a string, if anywhere.
        let line = String::from_utf8_lossy(line);
        match record.map(|format| (format, serde_json::from_str::<Value>(&line))) {
            Some((format, Ok(record))) if record["type"].is_string() => {
                self.record(&format, &record);
            }
            _ => self.printed(&line),
        }
    }

    /// The last steps, in order, each with the place of the line that it came from.
    pub fn steps(&self) -> impl Iterator<Item = (usize, &AgentStep)> {
        self.steps.iter().map(|(at, step)| (*at, step))
    }

    /// The last step.
    pub fn last(&self) -> Option<&AgentStep> {
        self.steps.back().map(|(_, step)| step)
    }

    /// Steps that were read, also those that were not kept.
    pub fn count(&self) -> usize {
        self.dropped + self.steps.len()
    }

    /// A step by its number, from 0 for the first that was read; `None` when it is not kept.
    pub fn get(&self, number: usize) -> Option<&AgentStep> {
        self.steps.get(number.checked_sub(self.dropped)?).map(|(_, step)| step)
    }

    /// Steps before them that were read and not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Records of kinds that are not shown.
    pub fn unknown(&self) -> usize {
        self.unknown
    }

    fn record(&mut self, format: &OutputFormat, record: &Value) {
        let is_known = format.steps.is_some_and(|format| format.read(record, self));
        self.seen.terminal = None;
        format.take(record, &mut self.seen);
        if let Some(end) = self.seen.terminal.take() {
            let report = self.seen.usage().so_far(None);
            let (usage, counted) = (report.usage, report.counted);
            let ended = RunEnd { success: end.success, reason: end.reason, usage, counted };
            self.push(AgentStep::Ended(ended));
        } else if !is_known {
            self.unknown += 1;
        }
    }

    /// Lines that follow one another are one step.
    fn printed(&mut self, line: &str) {
        match self.steps.back_mut() {
            Some((_, AgentStep::Printed(text))) => text.push_line(line),
            _ if line.trim().is_empty() => {}
            _ => self.push(AgentStep::Printed(TextClip::text(line))),
        }
    }

    /// A text, when it has any.
    pub(super) fn text(&mut self, text: &Value, step: fn(TextClip) -> AgentStep) {
        if let Some(text) = text.as_str().filter(|text| !text.trim().is_empty()) {
            self.push(step(TextClip::text(text)));
        }
    }

    /// The call that was shown before, or this one in its place at the end.
    pub(super) fn call(&mut self, new: ToolCall) -> Option<&mut ToolCall> {
        // Another run counts from the start again.
        let of_this_run =
            |(_, step): &&(usize, AgentStep)| !matches!(step, AgentStep::Began { .. });
        let is_it = |(_, step): &(usize, AgentStep)| {
            matches!(
                step, AgentStep::Called(call) if call.id == new.id,
            )
        };
        let found = self.steps.iter().rev().take(LOOK_BACK).take_while(of_this_run).position(is_it);
        let at = match found.filter(|_| !new.id.is_empty()) {
            Some(back) => self.steps.len() - 1 - back,
            None => {
                self.push(AgentStep::Called(new));
                self.steps.len().checked_sub(1)?
            }
        };
        match self.steps.get_mut(at) {
            Some((_, AgentStep::Called(call))) => Some(call),
            _ => None,
        }
    }

    /// The call that an answer belongs to.
    pub(super) fn called(&mut self, id: &Value) -> Option<&mut ToolCall> {
        let id = id.as_str()?;
        self.steps.iter_mut().rev().take(LOOK_BACK).find_map(|(_, step)| match step {
            AgentStep::Called(call) if call.id == id => Some(call),
            _ => None,
        })
    }

    pub(super) fn push(&mut self, step: AgentStep) {
        if self.steps.len() >= self.most {
            self.steps.pop_front();
            self.dropped += 1;
        }
        self.steps.push_back((self.at, step));
    }
}
