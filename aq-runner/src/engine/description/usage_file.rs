//! Files in which an engine leaves its numbers of usage, also when it was killed.
//!
//! Everything here is best effort: a file that is not there, too long or not understood is none.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::event_rule::EventRule;
use super::json_path::JsonPath;
use crate::engine::lines::LineSplitter;
use crate::engine::seen::ObservedRun;
use crate::engine::usage::{LeftBehind, UsageReport};

/// The longest file of one JSON document that is read, in bytes.
const DOCUMENT_MAX: u64 = 16 << 20;
/// The most that is read of a file of lines, in bytes.
const LINES_MAX: u64 = 1 << 30;
/// The most files that are read for one session.
const FILES_MAX: usize = 64;
/// Length of `{session_start}`, in bytes of a session's id.
const SESSION_START: usize = 8;
/// The most directories that are looked through for a file.
const DIRECTORIES_MAX: usize = 20_000;

/// File in which an engine leaves its numbers of usage.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct UsageFile {
    /// The file: `{usage_file}`, a path below it, or a path below `dir` in which `{session}` is the
    /// session's id, `{session_start}` its first 8 characters, and `*` any part of a name; several
    /// are looked at from the last name to the first, until one has numbers. One that ends with
    /// `.jsonl` has an event in each line, any other is one event.
    file: String,
    /// Directory below the home directory.
    dir: String,
    /// Variable that names another directory in place of `dir`.
    dir_variable: String,
    /// Place of the session's id: a file that does not name this one is another's.
    session: Option<JsonPath>,
    /// Place of an event's time, as text or in seconds or milliseconds since 1970: earlier ones
    /// than the run's start are of other runs.
    time: Option<JsonPath>,
    /// The table of events, as for the output.
    events: Vec<EventRule>,
}

impl UsageFile {
    /// Tests for a description that says of no file.
    pub(super) fn names_no_file(&self) -> bool {
        self.file.is_empty()
    }

    /// The numbers that the engine has left of a session.
    pub(in crate::engine) fn read(
        &self,
        from: &LeftBehind<'_>,
        session: Option<&str>,
    ) -> Option<UsageReport> {
        if let Some(below) = self.file.strip_prefix("{usage_file}") {
            let told = from.usage_file?;
            return match below.strip_prefix('/') {
                Some(below) => self.read_file(&told.join(below), from, session),
                None => self.read_file(told, from, session),
            };
        }
        let named = |name: &str| match session {
            Some(session) => {
                let start = session.get(..SESSION_START).unwrap_or(session);
                Some(name.replace("{session}", session).replace("{session_start}", start))
            }
            None => Some(name.to_owned()).filter(|name| !name.contains("{session")),
        };
        let file = named(&self.file)?;
        let dir = from.directory(&self.dir_variable, &self.dir)?;
        let names: Vec<&str> = file.split('/').collect();
        let mut files_left = FILES_MAX;
        let mut read = |path: &Path| {
            files_left = files_left.checked_sub(1)?;
            self.read_file(path, from, session)
        };
        find(&dir, &names, &mut DIRECTORIES_MAX.clone(), &mut read)
    }

    fn read_file(
        &self,
        path: &Path,
        from: &LeftBehind<'_>,
        session: Option<&str>,
    ) -> Option<UsageReport> {
        let mut seen = ObservedRun::default();
        let mut is_of_session = self.session.is_none();
        let mut event = |event: &Value| {
            if let Some(id) = self.session.as_ref().and_then(|path| path.first(event).as_str()) {
                is_of_session = Some(id) == session;
            }
            if !is_of_session {
                return;
            }
            let at = |path: &JsonPath| time(path.first(event));
            let is_of_run =
                self.time.as_ref().is_none_or(|path| at(path).is_some_and(|at| at >= from.started));
            if is_of_run {
                EventRule::first_of(&self.events, event, &mut seen);
            }
        };
        match path.extension().is_some_and(|extension| extension == "jsonl") {
            true => each_line(path, event),
            false => event(&document(path)?),
        }
        let report = seen.usage().so_far(seen.session_id.as_deref().or(session));
        let (model, windows) = (seen.model, seen.windows);
        let says = !report.usage.is_empty() || model.is_some() || !windows.is_empty();
        says.then_some(UsageReport { model, windows, ..report })
    }
}

/// Reads the last file, by its name, that fits the names below `dir` and in which there is
/// something. Links are not followed.
fn find<T>(
    dir: &Path,
    names: &[&str],
    left: &mut usize,
    read: &mut dyn FnMut(&Path) -> Option<T>,
) -> Option<T> {
    let (name, rest) = names.split_first()?;
    if !name.contains('*') {
        let path = dir.join(name);
        let kind = path.symlink_metadata().ok()?;
        return match rest.is_empty() {
            true if kind.is_file() => read(&path),
            false if kind.is_dir() => find(&path, rest, left, read),
            _ => None,
        };
    }
    *left = left.checked_sub(1)?;
    let entries = fs::read_dir(dir).ok()?.flatten();
    let fits = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|n| fits(n, name));
    let mut entries: Vec<fs::DirEntry> = entries.filter(fits).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.file_name()));
    entries.iter().find_map(|entry| {
        let kind = entry.file_type().ok()?;
        match rest.is_empty() {
            true if kind.is_file() => read(&entry.path()),
            false if kind.is_dir() => find(&entry.path(), rest, left, read),
            _ => None,
        }
    })
}

/// Tests a name against one in which `*` is any text.
fn fits(name: &str, wanted: &str) -> bool {
    let mut pieces = wanted.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// A time as text, or in seconds or milliseconds since 1970.
fn time(value: &Value) -> Option<Timestamp> {
    /// Greater numbers are of milliseconds: as seconds they would be of the year 5138.
    const SECONDS_MAX: i64 = 100_000_000_000;
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => match number.as_i64()? {
            seconds @ ..=SECONDS_MAX => Timestamp::from_second(seconds).ok(),
            ms => Timestamp::from_millisecond(ms).ok(),
        },
        _ => None,
    }
}

fn document(path: &Path) -> Option<Value> {
    let mut text = String::new();
    File::open(path).ok()?.take(DOCUMENT_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn each_line(path: &Path, mut event: impl FnMut(&Value)) {
    let Ok(file) = File::open(path) else { return };
    let mut file = file.take(LINES_MAX);
    let (mut lines, mut chunk) = (LineSplitter::default(), vec![0; 64 << 10]);
    let mut line = |line: &[u8]| {
        if let Ok(value) = serde_json::from_slice(line) {
            event(&value);
        }
    };
    while let Ok(length @ 1..) = file.read(&mut chunk) {
        lines.feed(&chunk[..length], &mut line);
    }
    lines.finish(line);
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_is_any_text() {
        for (name, wanted, want) in [
            ("a.jsonl", "a.jsonl", true),
            ("a.jsonl", "*", true),
            ("rollout-1-s.jsonl", "rollout-*-s.jsonl", true),
            ("rollout-s.jsonl", "rollout-*-s.jsonl", false),
            ("x-rollout-1-s.jsonl", "rollout-*-s.jsonl", false),
            ("abcabc", "*b*c", true),
            ("abcab", "*b*c", false),
            ("ab", "ab*b", false),
        ] {
            assert_eq!(fits(name, wanted), want, "{name} {wanted}");
        }
    }
}
