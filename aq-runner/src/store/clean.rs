//! `aq clean`: putting the logs and records of long finished jobs away.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aq_ledger::RecordContent;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::durable::{rename_new, sync_dir, sync_file, sync_file_system};
use super::error::{Result, StoreError, StoreIo};
use super::feedback_file::FeedbackFile;
use super::meta::read_values;
use super::queue_dir::QueueDir;
use super::record_fault::{RecordFault, record_fault};
use super::spent::{append_spent, mark_spent};
use super::transition::HeldJob;

/// Jobs whose numbers are made durable with one call.
const AT_ONCE: usize = 32;

/// Fewer records than these are synced one by one.
const FEW: usize = 8;

/// The result of `clean`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    /// The jobs, oldest first.
    pub jobs: Vec<JobId>,
    /// Jobs that keep everything, because their record cannot be used.
    pub left_alone: Vec<RecordFault>,
    /// Where their logs and records are now; `None` when there was nothing to do.
    pub archive: Option<PathBuf>,
}

/// The finished jobs that `clean` puts away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CleanChoice {
    /// All but the newest so many.
    AllBut(usize),
    /// Shipped ones on which nothing has changed since then.
    ShippedBefore(SystemTime),
}

/// Moves logs and records of chosen jobs to `.archive/<timestamp>/`.
/// Job files stay where they are, and so does everything of a job that is not finished. `before` is
/// called for each job while its record is still there. The numbers of a job stay in
/// `.state/spent`.
///
/// # Errors
/// When the queue's folders cannot be read or written.
pub(crate) fn clean(
    queue: &QueueDir,
    choice: CleanChoice,
    now: Timestamp,
    before: &mut dyn FnMut(&JobId, &RecordContent),
) -> Result<CleanReport> {
    let mut finished = Vec::new();
    let is_looked_at = |stage: &Stage| match choice {
        CleanChoice::AllBut(_) => stage.is_final(),
        CleanChoice::ShippedBefore(_) => *stage == Stage::Shipped,
    };
    for stage in Stage::ALL.into_iter().filter(is_looked_at) {
        for id in queue.jobs(stage)? {
            // A job without a record has been put away before.
            if let Some(last_change) = modified(&queue.meta(&id)) {
                finished.push((last_change, id));
            }
        }
    }
    finished.sort();
    match choice {
        CleanChoice::AllBut(keep) => finished.truncate(finished.len().saturating_sub(keep)),
        CleanChoice::ShippedBefore(then) => finished.retain(|(changed, _)| *changed < then),
    }
    let mut cleaned = CleanReport::default();
    let mut full = None;
    for some in finished.chunks(AT_ONCE) {
        let jobs = held(queue, some, &mut cleaned.left_alone)?;
        if jobs.is_empty() {
            continue;
        }
        match put_jobs_away(queue, jobs, now, before, &mut cleaned) {
            // What `before` removes of the next ones may make room.
            Err(e) if e.is_full() => full = full.or(Some(e)),
            done => done?,
        }
    }
    if let Some(archive) = &cleaned.archive {
        // A later sync of the folders that it came from must not be all that a power cut leaves of
        // it.
        sync_dir(archive)?;
    }
    full.map_or(Ok(cleaned), Err)
}

/// Those of these jobs that can be put away.
fn held(
    queue: &QueueDir,
    jobs: &[(SystemTime, JobId)],
    left_alone: &mut Vec<RecordFault>,
) -> Result<Vec<HeldJob>> {
    let mut found = Vec::with_capacity(jobs.len());
    for (_, id) in jobs {
        let held = match HeldJob::lock(queue, id) {
            Ok(held) if held.stage().is_final() => held,
            // It has come back to life since we looked.
            Ok(_) | Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => continue,
            Err(e) => return Err(e),
        };
        match record_fault(&queue.meta(id), held.meta()) {
            Some(fault) => left_alone.push(fault),
            None => found.push(held),
        }
    }
    Ok(found)
}

fn put_jobs_away(
    queue: &QueueDir,
    mut jobs: Vec<HeldJob>,
    now: Timestamp,
    before: &mut dyn FnMut(&JobId, &RecordContent),
    cleaned: &mut CleanReport,
) -> Result<()> {
    // First of all: on a full disk this makes the room for an archive and for the lines.
    jobs.iter().for_each(|job| before(job.id(), job.meta()));
    let archive = match &cleaned.archive {
        Some(archive) => archive.clone(),
        None => new_archive(queue, now)?,
    };
    let lines: Vec<_> = jobs.iter_mut().map(|job| mark_spent(job, now)).collect::<Result<_>>()?;
    // A power cut that took the mark and left the line would count the job twice.
    if jobs.len() < FEW {
        jobs.iter().try_for_each(|job| sync_file(&queue.meta(job.id())))?;
    } else {
        sync_file_system(&queue.meta_dir())?;
    }
    append_spent(queue, &lines)?;
    for job in jobs {
        FeedbackFile::of(queue, job.id()).put_away(&archive)?;
        put_away(&queue.log(job.id()), &archive)?;
        put_away(&queue.meta(job.id()), &archive)?;
        cleaned.archive = Some(archive.clone());
        cleaned.jobs.push(job.id().clone());
    }
    Ok(())
}

/// Calls `again` for each of these jobs that has ended and whose record was put away before, with
/// the record from the archive: what was left of it may go by now. Version 0.1 also leaves
/// checkouts that it does not know.
///
/// # Errors
/// When the queue's folders cannot be read or written.
pub(crate) fn clean_again(
    queue: &QueueDir,
    ids: impl IntoIterator<Item = JobId>,
    again: &mut dyn FnMut(&JobId, &RecordContent),
) -> Result<()> {
    for id in ids {
        let meta = queue.meta(&id);
        let is_put_away = || queue.find(&id).is_some_and(Stage::is_final) && !meta.exists();
        if !is_put_away() {
            continue;
        }
        let Some(archived) = archived(queue, &meta)? else { continue };
        let archived = read_values(&archived)?;
        let held = match HeldJob::lock(queue, &id) {
            // It has come back to life since we looked.
            Err(StoreError::Busy(_) | StoreError::NoSuchJob(_)) => continue,
            held => held?,
        };
        if held.stage().is_final() && held.meta().is_empty() {
            again(&id, &archived);
            // The lock has made it, and the archive's is the record.
            std::fs::remove_file(&meta).at("remove", &meta)?;
        }
    }
    Ok(())
}

/// Where `clean` has put the log of a job that has ended; `None` when it has not, or the archive
/// was deleted since.
///
/// # Errors
/// When the archives cannot be listed.
pub fn archived_log(queue: &QueueDir, id: &JobId) -> Result<Option<PathBuf>> {
    match queue.find(id) {
        Some(stage) if stage.is_final() => archived(queue, &queue.log(id)),
        _ => Ok(None),
    }
}

/// Where a file of that name was put last.
pub(crate) fn archived(queue: &QueueDir, file: &Path) -> Result<Option<PathBuf>> {
    let Some(name) = file.file_name() else { return Ok(None) };
    let all = queue.archive();
    let entries = match std::fs::read_dir(&all) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.at("list", &all)?,
    };
    let mut newest: Option<PathBuf> = None;
    for entry in entries {
        let found = entry.at("list", &all)?.path().join(name);
        // Archives are named by their time.
        if newest.as_ref().is_none_or(|newest| *newest < found) && found.exists() {
            newest = Some(found);
        }
    }
    Ok(newest)
}

/// Takes a job out of the inbox that is not to run here: its file and its record go to the archive.
///
/// # Errors
/// When they cannot be moved.
pub fn withdraw(queue: &QueueDir, job: &HeldJob, now: Timestamp) -> Result<()> {
    let id = job.id();
    let archive = new_archive(queue, now)?;
    let file = queue.job_file(Stage::Inbox, id);
    match rename_new(&file, &archive.join(format!("{id}.md"))) {
        // A person was faster.
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e).at("archive", &file),
        _ => {}
    }
    FeedbackFile::of(queue, id).put_away(&archive)?;
    let meta = queue.meta(id);
    rename_new(&meta, &archive.join(format!("{id}.meta"))).at("archive", &meta)?;
    sync_dir(&archive)
}

/// Makes a folder under `.archive/` that is named after the time.
fn new_archive(queue: &QueueDir, now: Timestamp) -> Result<PathBuf> {
    let name = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    std::fs::create_dir_all(queue.archive()).at("create", &queue.archive())?;
    for n in 1.. {
        let suffix = if n == 1 { String::new() } else { format!("-{n}") };
        let dir = queue.archive().join(format!("{name}{suffix}"));
        match std::fs::create_dir(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => {
                other.at("create", &dir)?;
                // Before anything is put away there: what is in a folder that a power cut takes
                // is gone.
                sync_dir(&queue.archive())?;
                sync_dir(queue.root())?;
                return Ok(dir);
            }
        }
    }
    unreachable!("the loop ends when a name is free")
}

fn put_away(file: &Path, archive: &Path) -> Result<()> {
    let Some(name) = file.file_name() else { return Ok(()) };
    match rename_new(file, &archive.join(name)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.at("move to the archive", file),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    #[test]
    fn newest_and_unfinished_are_kept() {
        let queue = TestQueue::new();
        for (n, (name, stage)) in [
            ("old", Stage::Shipped),
            ("older", Stage::Failed),
            ("new", Stage::Failed),
            ("waits", Stage::Inbox),
            ("rests", Stage::Review),
        ]
        .into_iter()
        .enumerate()
        {
            queue.place(name, stage, "text");
            std::fs::write(queue.log(&id(name)), "log").unwrap();
            // `older` ended before `old`.
            let age = [2, 3, 1, 9, 9][n];
            let at = SystemTime::now() - std::time::Duration::from_secs(60 * age);
            let meta = std::fs::File::options().append(true).open(queue.meta(&id(name))).unwrap();
            meta.set_modified(at).unwrap();
        }
        let cleaned =
            clean(&queue, CleanChoice::AllBut(1), Timestamp::UNIX_EPOCH, &mut |_, _| {}).unwrap();
        assert_eq!(cleaned.jobs, [id("older"), id("old")]);
        let archive = cleaned.archive.unwrap();
        assert_eq!(archive, queue.archive().join("19700101T000000Z"));
        for name in ["old", "older"] {
            assert!(archive.join(format!("{name}.log")).exists());
            assert!(archive.join(format!("{name}.meta")).exists());
            assert!(!queue.meta(&id(name)).exists());
        }
        assert!(queue.has(Stage::Shipped, &id("old")), "job files stay");
        let found = |name| archived_log(&queue, &id(name)).unwrap();
        assert_eq!((found("old"), found("new")), (Some(archive.join("old.log")), None));
        std::fs::write(archive.join("waits.log"), "log").unwrap();
        assert_eq!(found("waits"), None, "that was another job of its name");
        let later = archive.with_file_name("19700102T000000Z");
        std::fs::create_dir(&later).unwrap();
        std::fs::write(later.join("old.log"), "log").unwrap();
        assert_eq!(found("old"), Some(later.join("old.log")), "the newest");
        std::fs::remove_dir_all(queue.archive()).unwrap();
        assert_eq!(found("old"), None);
        for name in ["new", "waits", "rests"] {
            assert!(queue.meta(&id(name)).exists() && queue.log(&id(name)).exists(), "{name}");
        }
        assert_eq!(
            clean(&queue, CleanChoice::AllBut(1), Timestamp::UNIX_EPOCH, &mut |_, _| {}).unwrap(),
            CleanReport::default()
        );
    }

    #[test]
    fn second_clean_has_its_folder() {
        let queue = TestQueue::new();
        let mut archives = Vec::new();
        for name in ["a", "b"] {
            queue.place(name, Stage::Failed, "text");
            archives.extend(
                clean(&queue, CleanChoice::AllBut(0), Timestamp::UNIX_EPOCH, &mut |_, _| {})
                    .unwrap()
                    .archive,
            );
        }
        assert_eq!(archives[1], queue.archive().join("19700101T000000Z-2"));
    }
}
