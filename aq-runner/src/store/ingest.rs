//! Jobs that came without `aq add`: files dropped into the inbox by hand, or changed there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aq_ledger::steps::{RefusalCause, RefuseJob};
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::durable::{append, rename_new};
use super::error::{Result, StoreIo};
use super::job_file::{InvalidJobFile, lacks_home, load, resolve_cwd};
use super::keys::KeyIndex;
use super::queue_dir::{QueueDir, require_text};
use super::record::{JobRecord, describe};
use super::text::REST;
use super::transition::HeldJob;
use super::waiting_order::outdate_order;

/// The fate of a file.
#[derive(Debug)]
pub enum IngestResult {
    /// It is a job, and its record is current.
    Job(JobRecord),
    /// It is still being written: look again after this time.
    Unsettled(Duration),
    /// It is no job: it is in `failed/` now, and this is why.
    Refused(InvalidJobFile),
}

/// Records what a file in the inbox says, when it has not changed for half a second: whoever writes
/// it may not be done. The caller holds the job.
///
/// # Errors
/// When the queue's files cannot be read or written.
pub fn ingest(
    queue: &QueueDir,
    mut job: HeldJob,
    home: Option<&Path>,
    now: Timestamp,
) -> Result<IngestResult> {
    let path = queue.job_file(Stage::Inbox, job.id());
    let about = path.symlink_metadata().at("look at", &path)?;
    let written = about.modified().at("look at", &path)?;
    let is_new = job.meta().get(RecordKey::Source).is_none();
    if about.is_file()
        && let Some(rest) = rest_after(written)
    {
        return Ok(IngestResult::Unsettled(rest));
    }
    // Where the file is when somebody reads of its errors.
    let name = queue.job_file(Stage::Failed, job.id()).display().to_string();
    let looked_at = SystemTime::now();
    let loaded = match queue.read_job(Stage::Inbox, job.id()) {
        Ok(text) => {
            load(queue.profiles(), &name, &text, false).and_then(|file| file.require_prompt(&name))
        }
        Err(problem) => Err(InvalidJobFile::unreadable(&name, &problem)),
    };
    let checked = loaded.and_then(|file| {
        let key = file.spec.idempotency_key.clone();
        let holder = key.as_deref().map_or(Ok(None), |key| KeyIndex::new(queue).holder(key));
        match (holder, key) {
            (Ok(Some(holder)), Some(key)) if holder.id != *job.id() => Err(InvalidJobFile::whole(
                &name,
                format_args!(
                    "the idempotency key {key:?} belongs to job {} in {}/; \
                    give this job another, or take it away",
                    holder.id, holder.stage
                ),
            )),
            (Err(e), _) => Err(InvalidJobFile {
                host_error: e.host_error(),
                ..InvalidJobFile::whole(&name, e)
            }),
            _ if lacks_home(file.spec.cwd.as_deref(), home) => Err(InvalidJobFile::whole(
                &name,
                "`cwd` begins with `~`, and the run loop has no HOME: set it there, \
                or write the directory out",
            )),
            _ => Ok(file),
        }
    });
    let base = match job.meta().get(RecordKey::AddedFrom) {
        Some(dir) => PathBuf::from(dir),
        None => queue.project()?,
    };
    let checked = checked.and_then(|file| {
        let cwd = resolve_cwd(file.spec.cwd.as_deref(), &base, home);
        require_text(&cwd).map_err(|e| InvalidJobFile::whole(&name, e))?;
        Ok((file, cwd))
    });
    if let Err(InvalidJobFile { host_error: Some(number), .. }) = &checked {
        return Err(io::Error::from_raw_os_error(*number)).at("read the file or profile of", &path);
    }
    let (file, cwd) = match checked {
        Ok(file) => file,
        Err(invalid) => {
            if profiles_changed(queue, &job, looked_at) {
                return Ok(IngestResult::Unsettled(REST));
            }
            refuse(queue, &mut job, &invalid, now)?;
            return Ok(IngestResult::Refused(invalid));
        }
    };
    let added_at = Timestamp::try_from(written).unwrap_or(now).min(now);
    let record = RecordUpdate::new().set_some(RecordKey::AddedAt, is_new.then_some(added_at));
    let record = record.followed_by(describe(queue, &file.spec, &cwd, &path));
    // A claim makes a job the fleet's, and `aq requeue` this host's own again; a file that is
    // here and says otherwise does not.
    let record = match job.meta().get(RecordKey::FleetJobId) {
        Some(_) => record,
        None => record.clear(&[RecordKey::FleetJobId, RecordKey::FleetLeaseEpoch]),
    };
    job.append(&record)?;
    outdate_order(queue);
    let keys = KeyIndex::new(queue);
    if let Some(key) = &file.spec.idempotency_key
        && keys.holder(key)?.is_none()
    {
        keys.claim(key, job.id())?;
    }
    for dep in &file.spec.deps {
        keys.await_key(dep)?;
    }
    let (id, meta) = (job.id().clone(), job.meta().clone());
    Ok(IngestResult::Job(JobRecord { id, stage: Stage::Inbox, meta }))
}

/// Time for which something that changed then has to rest yet.
fn rest_after(changed: SystemTime) -> Option<Duration> {
    let age = SystemTime::now().duration_since(changed).unwrap_or(REST);
    REST.checked_sub(age).filter(|rest| !rest.is_zero())
}

/// Answers whether a profile came or went while the job's was looked for, or just before. Some
/// editors, and git, remove a file before they write it anew, and a person may be replacing the
/// folder: what the job had is no error of it until that has come to rest.
fn profiles_changed(queue: &QueueDir, job: &HeldJob, looked_at: SystemTime) -> bool {
    let folder = queue.profiles();
    let has_one = job.meta().get(RecordKey::Profile).is_some();
    let about = folder.metadata().or_else(|_| folder.parent().unwrap_or(folder).metadata());
    let changed = about.and_then(|about| about.modified());
    has_one
        && changed.is_ok_and(|changed| {
            looked_at.duration_since(changed).map_or(true, |before| before < REST)
        })
}

/// Gives a file in the inbox the next free name when a job of its name is in another folder:
/// ids are unique, and that job must be able to come back. Answers the new id.
///
/// # Errors
/// When it cannot be renamed.
pub fn rename_if_taken(queue: &QueueDir, id: &JobId) -> Result<Option<JobId>> {
    let inbox = |id: &JobId| queue.job_file(Stage::Inbox, id);
    let elsewhere = |&stage: &Stage| stage != Stage::Inbox && queue.has(stage, id);
    if !queue.has(Stage::Inbox, id) || !Stage::ALL.iter().any(elsewhere) {
        return Ok(None);
    }
    for n in 2.. {
        let new = id.numbered(n);
        if queue.find(&new).is_some() {
            continue;
        }
        match rename_new(&inbox(id), &inbox(&new)) {
            Ok(()) => return Ok(Some(new)),
            // It moved on while we looked, so there was one file and not two.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).at("rename", &inbox(id)),
        }
    }
    Ok(None)
}

/// Moves a job to `failed/` because of its file. The report goes to the log.
///
/// # Errors
/// When the queue's files cannot be written.
pub fn refuse(
    queue: &QueueDir,
    job: &mut HeldJob,
    invalid: &InvalidJobFile,
    now: Timestamp,
) -> Result<()> {
    let log = queue.log(job.id());
    append(&log, invalid.report.as_bytes()).at("write", &log)?;
    job.step(&RefuseJob { cause: RefusalCause::InvalidManifest, message: &invalid.summary }, now)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::store::JobDraft;
    use crate::store::testing::{TestQueue, id};

    /// Drops a file in that was written some time ago.
    fn drop_in(queue: &TestQueue, name: &str, text: &str, age: Duration) {
        let path = queue.job_file(Stage::Inbox, &id(name));
        std::fs::write(&path, text).unwrap();
        let file = std::fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn take(queue: &TestQueue, name: &str) -> IngestResult {
        let job = HeldJob::lock(queue, &id(name)).unwrap();
        ingest(queue, job, None, Timestamp::now()).unwrap()
    }

    /// How long a file has to rest that was written this moment.
    fn take_at_once(queue: &TestQueue, name: &str, text: &str) -> Duration {
        loop {
            let begun = Instant::now();
            drop_in(queue, name, text, Duration::ZERO);
            if let IngestResult::Unsettled(rest) = take(queue, name) {
                return rest;
            }
            assert!(begun.elapsed() >= REST, "taken at once");
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn resting_file_is_taken() {
        let queue = TestQueue::new();
        assert!(take_at_once(&queue, "a", "half a fi") <= REST);
        drop_in(&queue, "a", "---\ncwd: sub\n---\nthe whole file\n", MINUTE);
        let IngestResult::Job(record) = take(&queue, "a") else { panic!("not taken") };
        let parent = queue.root().parent().unwrap();
        assert_eq!(record.cwd().unwrap(), parent.join("sub"), "against the queue's parent");
        let age = Timestamp::now().duration_since(record.unchecked().added_at().unwrap());
        assert!(age.as_secs() >= 60, "its age is that of the file: {age}");
        assert!(record.is_current(&queue));
    }

    #[test]
    fn a_report_names_the_file_where_it_lies() {
        let queue = TestQueue::new();
        for (name, front, problem) in [
            ("a", "yolo: maybe", "failed/a.md:2:7"),
            ("b", "cwd: ~/x", "failed/b.md: `cwd` begins with `~`, and the run loop has no HOME"),
        ] {
            drop_in(&queue, name, &format!("---\n{front}\n---\nx\n"), MINUTE);
            let IngestResult::Refused(invalid) = take(&queue, name) else {
                panic!("{name} is taken")
            };
            assert!(invalid.report.contains(problem), "{}", invalid.report);
            assert_eq!(std::fs::read_to_string(queue.log(&id(name))).unwrap(), invalid.report);
            assert!(queue.has(Stage::Failed, &id(name)));
        }
        drop_in(&queue, "c", "---\ncwd: ~other\n---\nx\n", MINUTE);
        assert!(matches!(take(&queue, "c"), IngestResult::Job(_)), "a name like any other");
    }

    #[test]
    fn an_edited_job_keeps_its_age_and_directory() {
        let queue = TestQueue::new();
        queue.add(&[("a", "---\npriority: low\n---\nx\n")]).unwrap();
        let cwd = queue.record("a").get(RecordKey::Cwd).map(str::to_owned);
        take_at_once(&queue, "a", "---\npriority: high\n---\nx\n");
        drop_in(&queue, "a", "---\npriority: high\n---\nx\n", MINUTE);
        let IngestResult::Job(record) = take(&queue, "a") else { panic!("not taken") };
        assert_eq!(record.meta.get(RecordKey::Priority), Some("high"));
        assert_eq!(record.unchecked().added_at().unwrap(), Timestamp::UNIX_EPOCH);
        assert_eq!(record.meta.get(RecordKey::Cwd).map(str::to_owned), cwd);
    }

    #[test]
    fn only_claim_makes_fleet_job() {
        let queue = TestQueue::new();
        let text = "---\nfleet-job-id: \"01890a5d\"\nfleet-lease-epoch: 3\n---\nx\n";
        let mut draft = JobDraft::new("a grant".to_owned(), id("a"), text.to_owned());
        draft.is_granted = true;
        queue.add_drafts(&[draft]).unwrap();
        drop_in(&queue, "a", text, MINUTE);
        let IngestResult::Job(record) = take(&queue, "a") else { panic!("not taken") };
        assert_eq!(
            record.meta.get(RecordKey::FleetLeaseEpoch),
            Some("3"),
            "the touched file of a claim"
        );
        // As `aq requeue` leaves it; the file says still what it was.
        let own = RecordUpdate::new().clear(&[RecordKey::FleetJobId, RecordKey::FleetLeaseEpoch]);
        HeldJob::lock(&queue, &id("a")).unwrap().append(&own).unwrap();
        drop_in(&queue, "a", text, 2 * MINUTE);
        drop_in(&queue, "b", text, MINUTE);
        for name in ["a", "b"] {
            let IngestResult::Job(record) = take(&queue, name) else { panic!("not taken") };
            assert_eq!(record.meta.get(RecordKey::FleetJobId), None, "{name}");
            assert_eq!(record.meta.get(RecordKey::FleetLeaseEpoch), None, "{name}");
            assert_eq!(queue.record(name).get(RecordKey::FleetJobId), None, "{name} on disk");
        }
    }

    #[test]
    fn a_profile_that_just_went_may_come_back() {
        let queue = TestQueue::new();
        let profile = queue.profiles().join("p.yaml");
        std::fs::write(&profile, "priority: low\n").unwrap();
        drop_in(&queue, "a", "---\nprofile: p\n---\nx\n", MINUTE);
        assert!(matches!(take(&queue, "a"), IngestResult::Job(_)));
        std::fs::remove_file(&profile).unwrap();
        let set_back = |dir: &Path| {
            let dir = std::fs::File::open(dir).unwrap();
            dir.set_modified(SystemTime::now() - MINUTE).unwrap();
        };
        let begun = Instant::now();
        let taken = take(&queue, "a");
        assert!(
            matches!(taken, IngestResult::Unsettled(_)) || begun.elapsed() >= REST,
            "{taken:?}"
        );
        // As long as the folder itself is away, its parent says when it went.
        set_back(queue.profiles());
        std::fs::remove_dir(queue.profiles()).unwrap();
        let begun = Instant::now();
        let taken = take(&queue, "a");
        assert!(
            matches!(taken, IngestResult::Unsettled(_)) || begun.elapsed() >= REST,
            "{taken:?}"
        );
        set_back(queue.root());
        assert!(matches!(take(&queue, "a"), IngestResult::Refused(_)));
    }

    #[test]
    fn bad_file_is_refused_in_log() {
        let queue = TestQueue::new();
        drop_in(&queue, "a", "---\nyolo: maybe\n---\nx\n", MINUTE);
        assert!(matches!(take(&queue, "a"), IngestResult::Refused(_)));
        assert!(queue.has(Stage::Failed, &id("a")));
        let meta = queue.record("a");
        assert_eq!(meta.get(RecordKey::Result), Some("invalid_manifest"));
        assert!(meta.get(RecordKey::Message).unwrap().starts_with("line 2, column 7: "));
        assert!(std::fs::read_to_string(queue.log(&id("a"))).unwrap().contains("2 | yolo: maybe"));
    }

    #[test]
    fn a_key_that_is_taken_is_refused() {
        let queue = TestQueue::new();
        queue.add(&[("a", "---\nidempotency-key: k\n---\nx\n")]).unwrap();
        drop_in(&queue, "b", "---\nidempotency-key: k\n---\ny\n", MINUTE);
        let IngestResult::Refused(why) = take(&queue, "b") else { panic!("two jobs, one key") };
        assert!(why.summary.contains("belongs to job a in inbox/"), "{}", why.summary);
    }

    #[test]
    fn links_pipes_and_giants_are_no_jobs() {
        let queue = TestQueue::new();
        let path = |name: &str| queue.job_file(Stage::Inbox, &id(name));
        std::os::unix::fs::symlink("/etc/hostname", path("link")).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        drop_in(&queue, "giant", &"x".repeat(1 << 20), MINUTE);
        drop_in(&queue, "binary", "x", MINUTE);
        std::fs::write(path("binary"), b"\xff\xfe").unwrap();
        let old = std::fs::File::options().append(true).open(path("binary")).unwrap();
        old.set_modified(SystemTime::now() - MINUTE).unwrap();
        for name in ["link", "pipe", "giant", "binary"] {
            assert!(matches!(take(&queue, name), IngestResult::Refused(_)), "{name}");
            assert!(queue.job_file(Stage::Failed, &id(name)).symlink_metadata().is_ok(), "{name}");
        }
    }
}
