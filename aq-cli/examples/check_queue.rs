//! Checks that a queue at rest is whole: `check_queue QUEUE [JOB...]`.
//!
//! It reads files only and shares no code with aq, so that a mistake there is not made here again. Tests
//! call it after they have made system calls fail and killed processes; on a queue of your own run it while no
//! loop is at work, after `aq recover`. The jobs named must be there. Exit code 1 when something is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const STAGES: [&str; 7] =
    ["inbox", "building", "review", "testing", "shipped", "failed", "quarantine"];

/// Where each job lies.
type Places = BTreeMap<String, Vec<&'static str>>;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(queue) = arguments.next() else {
        eprintln!("usage: check_queue QUEUE [JOB...]");
        return ExitCode::from(2);
    };
    let expected: Vec<String> = arguments.collect();
    let mut problems = Vec::new();
    let places = check_folders(Path::new(&queue), &mut problems);
    for job in &expected {
        if !places.contains_key(job) {
            problems.push(format!("{job} is in no folder"));
        }
    }
    check_records(Path::new(&queue), &places, &mut problems);
    check_keys(Path::new(&queue), &places, &mut problems);
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Each job lies in one folder, whole, and none is left at work.
fn check_folders(queue: &Path, problems: &mut Vec<String>) -> Places {
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
            if entry.metadata().map_or(0, |metadata| metadata.len()) == 0 {
                problems.push(format!("{stage}/{name} is empty"));
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

/// Each job's record says where the job is, and nobody is at work on it.
fn check_records(queue: &Path, places: &Places, problems: &mut Vec<String>) {
    for (job, stages) in places {
        let Ok(text) = fs::read_to_string(queue.join(format!(".state/meta/{job}.meta"))) else {
            // `clean` puts the records of finished jobs away.
            if !stages.iter().any(|stage| matches!(*stage, "shipped" | "failed")) {
                problems.push(format!("{job} has no record"));
            }
            continue;
        };
        let record = read(&text);
        let value = |key: &str| record.get(key).map_or("", String::as_str);
        // A step is written down before it is made; one into the inbox is not told apart from the start.
        let told = value("moved_to");
        if !told.is_empty() && !stages.contains(&told) {
            problems.push(format!("{job} is in {}, and its record says {told}", stages.join("+")));
        }
        if !value("pid").is_empty() {
            problems.push(format!("{job} has a worker on record: {}", value("pid")));
        }
        if stages.contains(&"failed") && value("result").is_empty() {
            problems.push(format!("{job} is in failed/, and nothing says why"));
        }
        let number = |key: &str| value(key).parse::<u32>().unwrap_or(0);
        if number("attempts") > number("attempt") {
            problems.push(format!(
                "{job} counts {} attempts and began {}",
                value("attempts"),
                value("attempt")
            ));
        }
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
