//! Checks that a queue at rest is whole: `check_queue [--power-cut] [--originals DIR]... QUEUE
//! [JOB...]`.
//!
//! It reads files only and shares no code with aq, so that a mistake there is not made here again.
//! Tests call it after they have made system calls fail and killed processes; on a queue of your
//! own run it while no loop is at work, after `aq recover`. The jobs named must be there.
//! `DIR/JOB.md` is what was added as JOB: with several such directories, a job has to be as in one
//! of them. After a power cut a log and the end of a record may be gone that nobody was promised,
//! so that the record does not name the last step. Exit code 1 when something is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const STAGES: [&str; 7] =
    ["inbox", "building", "review", "testing", "shipped", "failed", "quarantine"];

/// Every key of a record, as docs/on-disk-format.md lists them.
const KEYS: &str = "added_at added_from added_on base ship cwd lock priority profile \
    engine_wanted engine_class prefers_engine model capabilities review_policy allowed_scope \
    idempotency_key deps deps_mode retry_max tracker_item tracker_told tracker_echoed \
    tracker_comment source profile_source attempt attempts recoveries launched_at started_at \
    ended_at pid pidstart boot cgroup engine session_id session_engine session_total \
    session_feedback input_tokens cached_tokens cache_write_tokens output_tokens \
    reasoning_tokens cost_usd usage_estimated total_input_tokens total_cached_tokens \
    total_cache_write_tokens total_output_tokens total_reasoning_tokens total_cost_usd \
    total_duration_s next_eligible host_lacks host_lacks_detail host_tries result failure_class \
    message missing engine_error exit duration_s permission_denials wip_branch wip_base \
    wip_target wip_deps deps_conflict deps_conflict_dep deps_seen isolation checkout \
    repository_lock held step target files_changed lines_added lines_deleted scope_warning \
    leave_out left_out left_out_why checkpoint_error push_error merged_into pull_request \
    pull_request_name pull_request_commit pull_request_open pull_request_error merged_commit \
    landing train_tries rebase train_waits train_waits_for setup_done verified verified_at \
    spent_at shipped_at log_incomplete moved_to fleet_job_id fleet_lease_epoch fleet_reports \
    fleet_told ship_tried_at resume_branch resume_commit resume_failure_class resume_attempts \
    resume_files_changed pushed_branch pushed_commit pushed_to train_waits_dep fleet_factory \
    fleet_ships merged_remote dep_elsewhere fleet_deps pushed_repository";

/// Those of them that count something.
const COUNTS: [&str; 7] =
    ["attempt", "attempts", "recoveries", "retry_max", "host_tries", "pid", "pidstart"];

/// Those that are a time, beside those that end in `_at`.
const TIME: &str = "next_eligible";

const RESULTS: &str = "success shipped crash timeout verify_failed retries_exhausted \
    capability_mismatch no_engine invalid_manifest setup_failed scope_violation budget_exceeded \
    no_changes stopped fenced rejected";

/// The folder of each job.
type Places = BTreeMap<String, Vec<&'static str>>;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    let power_cut = arguments.next_if(|argument| argument == "--power-cut").is_some();
    let mut originals = Vec::new();
    while arguments.next_if(|argument| argument == "--originals").is_some() {
        originals.extend(arguments.next().map(PathBuf::from));
    }
    let Some(queue) = arguments.next() else {
        eprintln!("usage: check_queue [--power-cut] [--originals DIR]... QUEUE [JOB...]");
        return ExitCode::from(2);
    };
    let queue = Path::new(&queue);
    let mut problems = Vec::new();
    let places = check_folders(queue, &originals, &mut problems);
    for job in arguments.filter(|job| !places.contains_key(job)) {
        problems.push(format!("{job} is in no folder"));
    }
    for (job, stages) in &places {
        check_record(queue, job, stages, power_cut, &mut problems);
    }
    check_keys(queue, &places, &mut problems);
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Each job is in one folder, whole, and none is left at work.
fn check_folders(queue: &Path, originals: &[PathBuf], problems: &mut Vec<String>) -> Places {
    let mut places = Places::new();
    for stage in STAGES {
        let Ok(entries) = fs::read_dir(queue.join(stage)) else {
            problems.push(format!("{stage}/ cannot be read"));
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(job) = name.strip_suffix(".md") else {
                problems.push(format!("{stage}/{name} is no job"));
                continue;
            };
            let known = originals.iter().filter_map(|dir| fs::read(dir.join(&name)).ok());
            if let Some(fault) = fault_of_job(&entry.path(), &known.collect::<Vec<_>>()) {
                problems.push(format!("{stage}/{name} {fault}"));
            }
            places.entry(job.to_owned()).or_default().push(stage);
        }
    }
    for (job, stages) in &places {
        if stages.len() > 1 {
            problems.push(format!("{job} is in {}", stages.join(" and ")));
        }
        if stages.contains(&"building") {
            problems.push(format!("{job} is in building/, and nobody is at work"));
        }
    }
    places
}

/// No job file is ever changed by aq, whatever becomes of the job.
fn fault_of_job(path: &Path, originals: &[Vec<u8>]) -> Option<&'static str> {
    let Ok(text) = fs::read(path) else { return Some("cannot be read") };
    if text.is_empty() {
        return Some("is empty");
    }
    if text.contains(&0) {
        return Some("has NUL bytes");
    }
    let is_known = originals.is_empty() || originals.contains(&text);
    (!is_known).then_some("is not as it was added")
}

/// A job's record is whole, says where the job is, and that nobody is at work on it.
fn check_record(
    queue: &Path,
    job: &str,
    stages: &[&str],
    power_cut: bool,
    problems: &mut Vec<String>,
) {
    let mut report = |problem: String| problems.push(format!("{job} {problem}"));
    let records = [queue.join(format!(".state/meta/{job}.meta"))];
    // `clean` puts the records of finished jobs away.
    let has_ended = stages.iter().any(|stage| ["shipped", "failed"].contains(stage));
    let away = if has_ended { archived(queue, &format!("{job}.meta")) } else { Vec::new() };
    let Some(path) = records.iter().chain(&away).find(|path| path.exists()) else {
        return report("has no record".to_owned());
    };
    let Ok(mut text) = fs::read_to_string(path) else {
        return report("has a record that cannot be read as text".to_owned());
    };
    if power_cut {
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    }
    if text.is_empty() {
        report("has an empty record".to_owned());
    } else if !text.ends_with('\n') {
        report("has a record whose last line is torn off".to_owned());
    }
    for line in text.split_terminator('\n') {
        if let Some(fault) = fault_of_line(line) {
            let line: String = line.chars().take(80).collect();
            report(format!("has a line in its record that {fault}: {line:?}"));
        }
    }
    let record = read(&text);
    let value = |key: &str| record.get(key).map_or("", String::as_str);
    // A step is written down before it is made. A job in the inbox may have made none.
    let told = value("moved_to");
    let is_told = if told.is_empty() { stages.contains(&"inbox") } else { stages.contains(&told) };
    if !is_told && !power_cut {
        let told = if told.is_empty() { "nothing of that" } else { told };
        report(format!("is in {}, and its record says {told}", stages.join("+")));
    }
    if !value("pid").is_empty() {
        report(format!("has a worker on record: {}", value("pid")));
    }
    if stages.contains(&"failed") && value("result").is_empty() {
        report("is in failed/, and nothing says why".to_owned());
    }
    let number = |key: &str| value(key).parse::<u32>().unwrap_or(0);
    if number("attempts") > number("attempt") {
        report(format!("counts {} attempts and began {}", value("attempts"), value("attempt")));
    }
    let log = format!("{job}.log");
    let has_log = queue.join("logs").join(&log).exists() || !archived(queue, &log).is_empty();
    if !value("started_at").is_empty()
        && value("log_incomplete").is_empty()
        && !has_log
        && !power_cut
    {
        report("has run, and has no log".to_owned());
    }
}

/// Files of this name that `clean` has put away, the last one first.
fn archived(queue: &Path, name: &str) -> Vec<PathBuf> {
    let archives = fs::read_dir(queue.join(".archive")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = archives.map(|archive| archive.path().join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.reverse();
    found
}

/// Finds the fault of a line of a record.
fn fault_of_line(line: &str) -> Option<&'static str> {
    let Some((key, value)) = line.split_once('=') else { return Some("is no `key=value`") };
    let mut rest = value;
    while let Some((_, escape)) = rest.split_once('\\') {
        if !escape.starts_with(['\\', 'n', 'r', '0']) {
            return Some("has an escape that means nothing");
        }
        rest = &escape[1..];
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // 2026-01-31T12:00:00Z, with a fraction of a second or none.
    let is_time = || {
        let mask: String =
            value.chars().take(19).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        let end = value.get(19..).and_then(|end| end.strip_suffix('Z'));
        let end = end.map(|end| end.strip_prefix('.').unwrap_or(end));
        mask == "0000-00-00T00:00:00" && end.is_some_and(digits)
    };
    match key {
        _ if !KEYS.split_whitespace().any(|known| known == key) => Some("has a key nobody knows"),
        _ if value.contains(['\0', '\r']) => Some("has control characters"),
        _ if value.is_empty() => None,
        "moved_to" if !STAGES.contains(&value) => Some("names no folder"),
        "result" if !RESULTS.split_whitespace().any(|known| known == value) => {
            Some("has a result nobody knows")
        }
        _ if COUNTS.contains(&key) && !digits(value) => Some("is no number"),
        _ if (key == TIME || key.ends_with("_at")) && !is_time() => Some("is no time"),
        _ => None,
    }
}

/// A job's key leads to it, so that it is not added twice, or to the one for which it had to fail.
fn check_keys(queue: &Path, places: &Places, problems: &mut Vec<String>) {
    let mut holders = BTreeMap::new();
    for entry in fs::read_dir(queue.join(".state/keys")).into_iter().flatten().flatten() {
        let entry = read(&fs::read_to_string(entry.path()).unwrap_or_default());
        // The one before holds it still when the one that was to take its place never came.
        let mut named = ["job", "before"].into_iter().filter_map(|place| entry.get(place));
        let holder = named.find(|job| places.contains_key(*job));
        if let (Some(key), Some(holder)) = (entry.get("key"), holder) {
            holders.insert(key.clone(), holder.clone());
        }
    }
    for (job, stages) in places {
        let text = fs::read_to_string(queue.join(format!(".state/meta/{job}.meta")));
        let record = read(&text.unwrap_or_default());
        let Some(key) = record.get("idempotency_key").filter(|key| !key.is_empty()) else {
            continue;
        };
        let leads = holders.get(key).is_some_and(|it| it == job || stages.contains(&"failed"));
        if !leads {
            problems.push(format!("{job} has a key that does not lead to it"));
        }
    }
}

/// The last value of each key. A last line that was torn off is none.
fn read(text: &str) -> BTreeMap<String, String> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let pairs = whole.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
