//! Expectations of a case and what was seen, for the test and the table of `tools/engine-matrix`.

use std::any::Any;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::path::Path;

/// The cases in the order of the table, and their names there.
const CASES: [(&str, &str); 27] = [
    ("success", "`yolo`, a file is written"),
    ("unasked", "without `yolo`, a file is made by a command"),
    ("resume", "`verify` fails, a second attempt"),
    ("reply", "a person replies"),
    ("nested", "`aq` is started by a tool of the same engine"),
    ("wrong_key", "wrong key, then mended"),
    ("too_many_requests", "429, over after 2 s"),
    ("long_wait", "429, over after 300 s"),
    ("no_credit", "no credit or daily quota"),
    ("used_up", "the plan's limit, with its end"),
    ("broken_service", "500"),
    ("overloaded", "529 or 503"),
    ("context_overflow", "the session is too long"),
    ("hang", "no answer, and a process that left its session"),
    ("hang_midway", "an answer that stops in the middle"),
    ("tool_that_hangs", "a tool that hangs"),
    ("cut", "every stream is cut"),
    ("hang_up", "every connection ends"),
    ("budget_of_a_resumed_session", "a budget that two attempts exceed together"),
    ("no_history", "settings keep no session"),
    ("background", "a command in the background"),
    ("limit_of_time_over_an_error", "a time limit while the vendor fails"),
    ("watchdog", "`CLAUDE_CODE_RETRY_WATCHDOG`"),
    ("refused_prompt", "a hook refuses the prompt"),
    ("stopped_by_a_hook", "a hook stops the run"),
    ("yolo_switched_off", "settings forbid `yolo`"),
    ("cancel", "`aq stop --all` in the middle of an answer, then `aq run`"),
];

/// Cases that take long and find what the others mostly find too. They run for the table, and
/// where `AQ_E2E_ALL` is set.
const LONG: [&str; 7] =
    ["nested", "long_wait", "overloaded", "hang_midway", "tool_that_hangs", "cut", "hang_up"];

/// Tests for a case that runs this time.
pub(super) fn is_wanted(case: &str) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !LONG.contains(&case) || is_set("AQ_ENGINE_MATRIX") || is_set("AQ_E2E_ALL")
}

/// One thing that a case looks at.
#[derive(Debug)]
struct Point {
    name: &'static str,
    wanted: String,
    seen: String,
    is_shown: bool,
}

impl Point {
    fn is_right(&self) -> bool {
        self.wanted == self.seen
    }
}

/// The points of one case with one engine.
#[derive(Debug, Default)]
pub(super) struct Report {
    points: Vec<Point>,
}

impl Report {
    /// A point that the table always shows.
    pub(super) fn show(&mut self, name: &'static str, wanted: impl Display, seen: impl Display) {
        self.add(name, &wanted, &seen, true);
    }

    /// A point that the table shows when it is wrong.
    pub(super) fn expect(&mut self, name: &'static str, wanted: impl Display, seen: impl Display) {
        self.add(name, &wanted, &seen, false);
    }

    fn add(
        &mut self,
        name: &'static str,
        wanted: &dyn Display,
        seen: &dyn Display,
        is_shown: bool,
    ) {
        let (wanted, seen) = (wanted.to_string(), seen.to_string());
        self.points.push(Point { name, wanted, seen, is_shown });
    }

    pub(super) fn is_right(&self) -> bool {
        self.points.iter().all(Point::is_right)
    }

    /// Writes a cell of the table, and beside it the log where something is wrong.
    pub(super) fn write(&self, dir: &Path, case: &Case<'_>) {
        let place = CASES.iter().position(|(name, _)| *name == case.name);
        let place = place.unwrap_or_else(|| panic!("{} is not in the table", case.name));
        let cell = |kind: &str| dir.join(format!("{place:02}.{kind}"));
        fs::write(cell("title"), CASES[place].1).unwrap();
        let text = match case.broke {
            Some(why) => format!("W {why}; {self}"),
            None => self.to_string(),
        };
        let text = text.replace(['\n', '\r'], " ").replace('|', "\\|");
        fs::write(cell(case.engine), text).unwrap();
        if case.broke.is_some() || !self.is_right() {
            fs::write(cell(&format!("{}.log", case.engine)), case.log).unwrap();
        }
    }
}

/// Outcome of a case with an engine.
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    pub(super) engine: &'a str,
    /// The words with which it gave up.
    pub(super) broke: Option<&'a str>,
    pub(super) log: &'a str,
}

/// `R`, and what was seen; or `W`, and what should have been.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wrong = self.points.iter().filter(|point| !point.is_right());
        let wrong: Vec<String> = wrong
            .map(|Point { name, wanted, seen, .. }| format!("{name}: {seen}, not {wanted}"))
            .collect();
        if !wrong.is_empty() {
            return write!(f, "W {}", wrong.join("; "));
        }
        let shown = self.points.iter().filter(|point| point.is_shown);
        let shown: Vec<&str> = shown.map(|point| point.seen.as_str()).collect();
        write!(f, "R {}", shown.join("; "))
    }
}

/// The words of a test that gave up.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").chars().take(200).collect()
}
