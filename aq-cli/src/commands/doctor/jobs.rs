//! Faults of jobs that have not ended.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use aq_manifest::Stage;
use aq_runner::run::QueueOverview;
use aq_runner::store::{QueueDir, load};

use crate::output::doctor::DoctorFinding;

/// Jobs whose files are read, and directories in which git is asked.
const MOST: usize = 200;

/// Names that are listed.
const NAMED: usize = 3;

/// Jobs that wait and may run without an end.
pub(super) fn without_timeout(queue: &QueueDir, overview: &QueueOverview) -> Option<DoctorFinding> {
    let waiting = overview.jobs.iter().filter(|job| job.record.stage == Stage::Inbox);
    let has_none = |id: &&aq_manifest::JobId| {
        let source = queue.read_job(Stage::Inbox, id).ok();
        // One that cannot be read is reported by whoever runs it.
        let file = source.and_then(|text| load(queue.profiles(), id.as_str(), &text, false).ok());
        file.is_some_and(|file| file.spec.timeout.is_none())
    };
    let ids = waiting.map(|job| &job.record.id).take(MOST);
    let found: Vec<&str> = ids.filter(has_none).map(aq_manifest::JobId::as_str).collect();
    if found.is_empty() {
        return None;
    }
    let mut names = found[..found.len().min(NAMED)].join(", ");
    if found.len() > NAMED {
        names.push_str(&format!(" and {} more", found.len() - NAMED));
    }
    Some(DoctorFinding::doubtful(
        format!("these jobs have no time limit, and an agent that hangs keeps its slot: {names}"),
        "write `timeout: 2h` into the job file, or into a profile for many",
    ))
}

/// Directories of jobs that git does not read, because they are another user's.
pub(super) fn refused_repositories(overview: &QueueOverview) -> Vec<DoctorFinding> {
    let dirs: BTreeSet<PathBuf> =
        overview.jobs.iter().filter_map(|job| job.record.cwd()).take(MOST).collect();
    let refused = dirs.into_iter().filter_map(|dir| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&dir).args(["rev-parse", "--git-dir"]).env("LC_ALL", "C");
        let output = git.stdin(Stdio::null()).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Git names the directory that it means, in quotes.
        let (_, rest) = said.split_once("dubious ownership in repository at '")?;
        Some(rest.split_once('\'')?.0.to_owned())
    });
    let refused: BTreeSet<String> = refused.collect();
    let finding = |dir: String| {
        DoctorFinding::bad(
            format!("git refuses {dir}, where jobs are to work: it belongs to another user"),
            format!("if you trust it: git config --global --add safe.directory {dir}"),
        )
    };
    refused.into_iter().map(finding).collect()
}
