//! Files in which an engine leaves its numbers of usage, also when it was killed.
//!
//! Everything here is best effort: a file that is not there, too long or not understood is none.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::event_rule::EventRule;
use super::json_path::JsonPath;
use crate::engine::lines::Lines;
use crate::engine::seen::Seen;
use crate::engine::usage::{LeftBehind, UsageReport};

/// The longest file of one JSON document that is read, in bytes.
const DOCUMENT_MAX: u64 = 16 << 20;
/// The most that is read of a file of lines, in bytes.
const LINES_MAX: u64 = 1 << 30;
/// The most directories that are looked through for a file.
const DIRECTORIES_MAX: usize = 20_000;

/// File in which an engine leaves its numbers of usage.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(in crate::engine) struct UsageFile {
    /// The file: `{usage_file}`, a path below it, or a path below `dir` in which `{session}` is the session's id and
    /// `*` any part of a name; several are looked at from the last name to the first. One that ends
    /// with `.jsonl` has an event in each line, any other is one event.
    file: String,
    /// Directory below the home directory.
    dir: String,
    /// Variable that names another directory in place of `dir`.
    dir_variable: String,
    /// Place of an event's time, as text or in seconds or milliseconds since 1970: earlier ones than the run's start are of other runs.
    time: Option<JsonPath>,
    /// The table of events, as for the output.
    events: Vec<EventRule>,
}

impl UsageFile {
    /// What the engine has left about a session.
    pub(in crate::engine) fn read(
        &self,
        from: &LeftBehind<'_>,
        session: Option<&str>,
    ) -> Option<UsageReport> {
        let path = self.find(from, session)?;
        let mut seen = Seen::default();
        let mut event = |event: &Value| {
            let at = |path: &JsonPath| time(path.first(event));
            let is_of_run =
                self.time.as_ref().is_none_or(|path| at(path).is_some_and(|at| at >= from.started));
            if is_of_run {
                EventRule::first_of(&self.events, event, &mut seen);
            }
        };
        match path.extension().is_some_and(|extension| extension == "jsonl") {
            true => each_line(&path, event),
            false => event(&document(&path)?),
        }
        let report = seen.usage().so_far(seen.session_id.as_deref().or(session));
        let report = UsageReport { model: seen.model, ..report };
        (!report.usage.is_empty() || report.model.is_some()).then_some(report)
    }

    fn find(&self, from: &LeftBehind<'_>, session: Option<&str>) -> Option<PathBuf> {
        if let Some(below) = self.file.strip_prefix("{usage_file}") {
            let told = from.usage_file?;
            let below = below.trim_start_matches('/');
            return Some(if below.is_empty() { told.to_owned() } else { told.join(below) });
        }
        let file = match session {
            Some(session) => self.file.replace("{session}", session),
            None if self.file.contains("{session}") => return None,
            None => self.file.clone(),
        };
        let dir = from.directory(&self.dir_variable, &self.dir)?;
        let names: Vec<&str> = file.split('/').collect();
        find(&dir, &names, &mut DIRECTORIES_MAX.clone())
    }
}

/// The last file, by its name, that fits the names below `dir`. Links are not followed.
fn find(dir: &Path, names: &[&str], left: &mut usize) -> Option<PathBuf> {
    let (name, rest) = names.split_first()?;
    if !name.contains('*') {
        let path = dir.join(name);
        let kind = path.symlink_metadata().ok()?;
        return match rest.is_empty() {
            true => kind.is_file().then_some(path),
            false => {
                if kind.is_dir() {
                    find(&path, rest, left)
                } else {
                    None
                }
            }
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
            true => kind.is_file().then(|| entry.path()),
            false => {
                if kind.is_dir() {
                    find(&entry.path(), rest, left)
                } else {
                    None
                }
            }
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
    let (mut lines, mut chunk) = (Lines::default(), vec![0; 64 << 10]);
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
