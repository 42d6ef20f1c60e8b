//! The whole description of an engine's output.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::asked_mode::AskedMode;
use super::event_rule::EventRule;
use super::usage_file::UsageFile;
use crate::engine::fault::ErrorClass;
use crate::engine::seen::ObservedRun;
use crate::engine::steps::StepsFormat;
use crate::engine::usage::{LeftBehind, UsageReport};
use crate::engine::verdict::ProcessExit;

/// Description of an engine's output, as config and the built-in engines have it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct OutputDescription {
    /// Words for the end of a success: "a result event".
    pub(in crate::engine) ends_with: String,
    every: EventRule,
    /// The table of events: of each event, the first row that is about it is taken.
    events: Vec<EventRule>,
    /// The end of a failed run's stderr gives no reason: it is not the vendor's text.
    pub(in crate::engine) stderr_of_others: bool,
    /// Files that the engine leaves with its numbers of usage: of the first one that has any they
    /// count, where the output has none.
    pub(in crate::engine) usage_files: Vec<UsageFile>,
    /// Arguments that ask for a permission mode, where the output says which one is in force.
    pub(in crate::engine) asked_mode: Option<AskedMode>,
    /// Meaning of exit codes, where nothing else says more.
    pub(in crate::engine) exit_codes: BTreeMap<i32, ExitMeaning>,
    /// Words of the vendor for no session of the id that was to be resumed: any of these
    /// texts, in any case; `a+b` holds both.
    pub(in crate::engine) session_gone: Vec<String>,
    /// Shape by which the events are shown to people as steps.
    pub(in crate::engine) steps: Option<StepsFormat>,
}

/// Meaning of an exit code by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::engine) enum ExitMeaning {
    /// Class of the error.
    Class(ErrorClass),
    /// There is no session of the id that was to be resumed.
    SessionGone,
}

impl TryFrom<String> for ExitMeaning {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.parse() {
            Ok(class) => Ok(Self::Class(class)),
            Err(_) if name == "session-gone" => Ok(Self::SessionGone),
            Err(error) => {
                let classes = ErrorClass::names().collect::<Vec<_>>().join(", ");
                Err(format!("{error}; it can be {classes}, or session-gone"))
            }
        }
    }
}

impl OutputDescription {
    /// Output of a program that has no vendor: the exit code alone decides.
    pub(in crate::engine) fn without_vendor() -> Self {
        Self { stderr_of_others: true, ..Self::default() }
    }

    /// Tests for an engine that prints events; without, its exit code alone decides.
    pub(in crate::engine) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes what an event says.
    pub(in crate::engine) fn take(&self, event: &Value, seen: &mut ObservedRun) {
        self.every.take(event, seen);
        EventRule::first_of(&self.events, event, seen);
    }

    /// Tests for rows that count the calls of the model.
    pub(in crate::engine) fn tells_calls(&self) -> bool {
        self.events.iter().any(EventRule::counts_calls)
    }

    /// The meaning of a program's end by itself.
    pub(in crate::engine) fn exit_meaning(&self, exit: ProcessExit) -> Option<ExitMeaning> {
        match exit {
            ProcessExit::Code(code) => self.exit_codes.get(&code).copied(),
            ProcessExit::Signal(_) => None,
        }
    }

    /// The numbers of a session that the engine has left on disk.
    pub(in crate::engine) fn left_behind(
        &self,
        from: &LeftBehind<'_>,
        session: Option<&str>,
    ) -> Option<UsageReport> {
        self.usage_files.iter().find_map(|file| file.read(from, session))
    }

    /// Problem of a description that cannot be used: the key, and the problem.
    pub(in crate::engine) fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.has_events() && self.ends_with.is_empty() {
            return Some(("ends-with", "an output with events needs words for its final event"));
        }
        if self.has_events() && !self.events.iter().any(EventRule::can_succeed) {
            return Some(("events", "no row says `success: true`, so no run could ever succeed"));
        }
        let is_shadowed = |rules: &[EventRule]| {
            rules.split_last().is_some_and(|(_, before)| before.iter().any(EventRule::is_for_all))
        };
        if is_shadowed(&self.events) {
            return Some(("events", "no row after the one without `when` could ever be taken"));
        }
        if self.usage_files.iter().any(UsageFile::names_no_file) {
            return Some(("usage-files", "each needs a `file`, such as `{usage_file}`"));
        }
        None
    }
}
