//! Jobs that came without `aq add`: files dropped into the inbox by hand, or changed there.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aq_manifest::{JobId, Outcome, Stage};
use jiff::Timestamp;

use super::durable::{append, rename_new};
use super::error::{At, Result};
use super::job_file::{Invalid, load, resolve_cwd};
use super::keys::Keys;
use super::meta::Record;
use super::queue_dir::QueueDir;
use super::record::{JobRecord, describe};
use super::transition::{HeldJob, Promise};

/// A file is taken when it has not changed for this long: whoever writes it may not be done.
const REST: Duration = Duration::from_millis(500);

/// What became of a file.
#[derive(Debug)]
pub enum Ingested {
    /// It is a job, and its record is current.
    Job(JobRecord),
    /// It is still being written: look again after this time.
    Unsettled(Duration),
    /// It is no job: it lies in `failed/` now, and this is why.
    Refused(Invalid),
}

/// Records what a file in the inbox says. The caller holds the job.
///
/// # Errors
/// When the queue's files cannot be read or written.
pub fn ingest(
    queue: &QueueDir,
    mut job: HeldJob,
    home: Option<&Path>,
    now: Timestamp,
) -> Result<Ingested> {
    let path = queue.job_file(Stage::Inbox, job.id());
    let about = path.symlink_metadata().at("look at", &path)?;
    let written = about.modified().at("look at", &path)?;
    let is_new = job.meta().get("source").is_none();
    if about.is_file()
        && let Some(rest) =
            REST.checked_sub(SystemTime::now().duration_since(written).unwrap_or(REST))
        && !rest.is_zero()
    {
        return Ok(Ingested::Unsettled(rest));
    }
    let name = path.display().to_string();
    let loaded = match queue.read_job(Stage::Inbox, job.id()) {
        Ok(text) => load(queue.profiles(), &name, &text, false),
        Err(problem) => Err(Invalid::whole(&name, problem)),
    };
    let checked = loaded.and_then(|file| {
        let key = file.spec.idempotency_key.clone();
        let holder = key.as_deref().map_or(Ok(None), |key| Keys::new(queue).holder(key));
        match (holder, key) {
            (Ok(Some(holder)), Some(key)) if holder.id != *job.id() => Err(Invalid::whole(
                &name,
                format_args!("the idempotency key {key:?} belongs to job {} in {}/; give this job another, or take it away", holder.id, holder.stage),
            )),
            (Err(e), _) => Err(Invalid::whole(&name, e)),
            _ => Ok(file),
        }
    });
    let file = match checked {
        Ok(file) => file,
        Err(invalid) => {
            refuse(queue, &mut job, &invalid, now)?;
            return Ok(Ingested::Refused(invalid));
        }
    };
    let parent = queue.root().parent().unwrap_or(queue.root());
    let base = job.meta().get("added_from").map_or(parent, Path::new);
    let cwd = resolve_cwd(file.spec.cwd.as_deref(), base, home);
    let added_at = Timestamp::try_from(written).unwrap_or(now).min(now);
    let record = Record::new().set_some("added_at", is_new.then_some(added_at));
    job.append(&record.followed_by(describe(queue, &file.spec, &cwd, &path)))?;
    let keys = Keys::new(queue);
    if let Some(key) = &file.spec.idempotency_key
        && keys.holder(key)?.is_none()
    {
        keys.claim(key, job.id())?;
    }
    for dep in &file.spec.deps {
        keys.await_key(dep)?;
    }
    let (id, meta) = (job.id().clone(), job.meta().clone());
    Ok(Ingested::Job(JobRecord { id, stage: Stage::Inbox, meta }))
}

/// Gives a file in the inbox the next free name when a job of its name lies in another folder:
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
    invalid: &Invalid,
    now: Timestamp,
) -> Result<()> {
    let log = queue.log(job.id());
    append(&log, invalid.report.as_bytes()).at("write", &log)?;
    let record = Record::new()
        .set("result", Outcome::InvalidManifest)
        .set("ended_at", now)
        .set("message", &invalid.summary);
    let record = match job.meta().get("added_at") {
        None => record.set("added_at", now),
        Some(_) => record,
    };
    job.move_to(Stage::Failed, record, Promise::None)
}
