//! Output of `aq`, with what differs from run to run taken out.

use std::ffi::OsStr;
use std::process::Command;

use crate::sandbox::Sandbox;

/// A line of 97 columns or more, in two parts. The second may have to be folded again.
const FOLDS: [&str; 6] = [FOLD_LATE, FOLD, FOLD_EARLY, FOLD_LATE, FOLD, FOLD_EARLY];
const FOLD_LATE: &str = r"(?m)^(.{74,92}) (\S.{21,})$";
const FOLD: &str = r"(?m)^(.{60,92}) (\S.{35,})$";
const FOLD_EARLY: &str = r"(?m)^(.{40,92}) (\S.{55,})$";

/// The end of a command.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Sandbox {
    /// Runs `aq` and answers all that it printed, what went to standard error marked, and the
    /// exit code where it is not 0.
    pub(crate) fn says<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        let told = told(&mut self.aq(args));
        let mut text = told.out;
        for line in told.err.lines() {
            text.push_str(format!("! {line}").trim_end());
            text.push('\n');
        }
        if told.code != 0 {
            text.push_str(&format!("exit {}\n", told.code));
        }
        text
    }

    /// Runs `aq` and answers its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&told(&mut self.aq(args)).out).unwrap()
    }

    /// Takes paths, times and process ids out of snapshots for as long as the answer is held, and
    /// lets long lines go on in the next one, behind `~`.
    pub(crate) fn steady(&self) -> impl Drop + use<> {
        let mut settings = insta::Settings::clone_current();
        let dir = self.path("");
        settings.add_filter(dir.to_str().unwrap().trim_end_matches('/'), "DIR");
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME");
        settings.add_filter(r"\d{8}T\d{6}Z", "TIME");
        settings.add_filter(r"median (under )?[0-9.]+[0-9dhms]*", "median AGE");
        settings.add_filter(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)? \(in [0-9dhms]+\)", "TIME");
        settings.add_filter(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d;", "since LOCAL TIME;");
        settings.add_filter(r"process \d+", "process PID");
        // Keeps the width of a column.
        settings.add_filter(r"\b\d\ds ", "0s  ");
        settings.add_filter(r"\b\d+s( |$)", "0s$1");
        for fold in FOLDS {
            settings.add_filter(fold, "$1\n~ $2");
        }
        settings.bind_to_scope()
    }
}
