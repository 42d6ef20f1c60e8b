//! Reading of each shape of output that real engines have been seen to print.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod claude;
mod codex;
mod copilot;
mod described;
mod further;
mod gemini;
mod left_files;
mod opencode;
mod others;
mod phases;
mod steps;

use std::ffi::OsString;
use std::path::Path;

use aq_runner::engine::{
    EndedBy, EngineConfig, EngineRegistry, LeftBehind, ProcessExit, RunTokens, RunVerdict,
    SessionTotal, SettledUsage,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// When the runs of these tests end.
const NOW: &str = "2026-11-22T12:00:00Z";

/// The output of one run, and its end.
struct Run<'a> {
    engine: &'a str,
    stdout: &'a str,
    stderr: &'a str,
    exit: i32,
    ended: EndedBy,
}

/// A run that ended by itself.
fn run<'a>(engine: &'a str, exit: i32, stdout: &'a str, stderr: &'a str) -> Run<'a> {
    Run { engine, stdout, stderr, exit, ended: EndedBy::Engine }
}

/// A run that aq ended. `exit` below zero is the signal.
fn killed<'a>(engine: &'a str, exit: i32, stdout: &'a str) -> Run<'a> {
    Run { ended: EndedBy::Aq, ..run(engine, exit, stdout, "") }
}

fn registry() -> EngineRegistry {
    let env = |name: &str| name.ends_with("_BIN").then(|| OsString::from("/bin/sh"));
    EngineRegistry::new(&EngineConfig::default(), &env).unwrap()
}

impl Run<'_> {
    fn verdict(&self) -> RunVerdict {
        let mut records = registry().records(self.engine).unwrap();
        records.stdout(self.stdout.as_bytes());
        records.stderr(self.stderr.as_bytes());
        let exit = if self.exit < 0 {
            ProcessExit::Signal(-self.exit)
        } else {
            ProcessExit::Code(self.exit)
        };
        records.verdict(exit, self.ended)
    }

    fn settled(&self, resumed: Option<&str>, previous: Option<&SessionTotal>) -> SettledUsage {
        self.settled_with(None, resumed, previous)
    }

    fn settled_with(
        &self,
        usage_file: Option<&Path>,
        resumed: Option<&str>,
        previous: Option<&SessionTotal>,
    ) -> SettledUsage {
        let started = NOW.parse().unwrap();
        let files = LeftBehind { usage_file, env: &|_| None, started };
        registry().usage(self.engine, &self.verdict(), &files, resumed, previous)
    }

    /// `outcome class session model | input cached output cost | reset`, `-` for what is not known.
    fn line(&self) -> String {
        let verdict = self.verdict();
        let error = verdict.error.as_ref();
        let now: Timestamp = NOW.parse().unwrap();
        let reset = error.and_then(|error| error.resets_at(now, &TimeZone::UTC));
        format!(
            "{} {} {} {} | {} | {}",
            if verdict.success { "ok" } else { "failed" },
            known(error.map(|error| error.class)),
            known(verdict.session_id),
            known(verdict.model),
            numbers(&self.settled(None, None).run),
            known(reset),
        )
    }

    #[track_caller]
    fn is(&self, want: &str) {
        assert_eq!(self.line(), want, "{:?}", self.verdict());
    }
}

fn known(value: Option<impl ToString>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn numbers(usage: &RunTokens) -> String {
    let counts = [usage.input_tokens, usage.cached_tokens, usage.output_tokens];
    format!("{} {}", counts.map(known).join(" "), known(usage.cost_usd))
}
