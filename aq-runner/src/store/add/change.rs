//! Another text for a job that waits: checked as an add is, and put in the file's place whole.

use std::path::{Path, PathBuf};

use aq_ledger::{RecordKey, RecordUpdate, SESSION_KEYS};
use aq_manifest::{JobSpec, Stage, parse};

use super::super::durable::{sync_dir, write_new};
use super::super::error::{Result, StoreIo};
use super::super::job_file::{InvalidJobFile, lacks_home, load, resolve_cwd};
use super::super::keys::KeyIndex;
use super::super::locks::FileLock;
use super::super::queue_dir::QueueDir;
use super::super::record::describe;
use super::super::transition::HeldJob;
use super::plan::refuse_cycles;
use super::{AddError, CheckedDraft, DraftPlace, JobDraft};

/// Puts `text` in the place of a waiting job's file, in which `before` is expected. Answers
/// warnings, rendered. Durable when this returns.
///
/// # Errors
/// As [`add`](super::add); nothing has changed then.
pub fn change(
    queue: &QueueDir,
    job: &mut HeldJob,
    before: &str,
    text: &str,
    home: Option<&Path>,
    colour: bool,
) -> Result<String, AddError> {
    job.require(&[Stage::Inbox], "a change", "inbox/")?;
    job.expect_sound()?;
    let id = job.id().clone();
    let name = format!("{id}.md");
    let refuse = |why: &str| AddError::Invalid(vec![InvalidJobFile::whole(&name, why)]);
    let found = queue.read_job(Stage::Inbox, &id).map_err(|e| refuse(&e.to_string()))?;
    if found != before {
        return Err(refuse("its file was changed by somebody else meanwhile; look at it again"));
    }
    let file = load(queue.profiles(), &name, text, colour);
    let file = file.map_err(|invalid| AddError::Invalid(vec![invalid]))?;
    if grant(text) != grant(before) || job.meta().get(RecordKey::FleetJobId).is_some() {
        return Err(refuse("the keys and the file of a fleet job are the coordinator's to change"));
    }
    if lacks_home(file.spec.cwd.as_deref(), home) {
        let why = "`cwd` begins with `~`, and HOME is not set: set it, or write the directory out";
        return Err(refuse(why));
    }
    let base = match job.meta().get(RecordKey::AddedFrom) {
        Some(dir) => PathBuf::from(dir),
        None => queue.project()?,
    };
    let dir = resolve_cwd(file.spec.cwd.as_deref(), &base, home);
    let place = DraftPlace { is_there: dir.is_dir(), branch: None, dir: dir.clone() };
    let draft = JobDraft::new(name.clone(), id.clone(), text.to_owned());
    let _one_at_a_time = FileLock::adding(queue)?;
    refuse_cycles(queue, &[CheckedDraft { draft: &draft, spec: file.spec.clone(), place }])?;
    take_keys(queue, job, &file.spec, &name)?;
    let temporary = queue.state().join(format!("tmp/.change-{id}"));
    write_new(&temporary, text.as_bytes(), true)?;
    let prompt_of = |source: &str| {
        let file = load(queue.profiles(), &name, source, false).ok()?;
        Some((file.body, file.spec.persona))
    };
    let knows = prompt_of(before).is_some_and(|old| Some(old) == prompt_of(text));
    // A session that does not know the new text does not go on.
    let record = RecordUpdate::new().clear(if knows { &[] } else { SESSION_KEYS });
    job.append(&record.followed_by(describe(queue, &file.spec, &dir, &temporary)))?;
    // A file that the record does not describe is read again.
    let path = queue.job_file(Stage::Inbox, &id);
    std::fs::rename(&temporary, &path).at("replace", &path)?;
    job.sync()?;
    sync_dir(&queue.stage(Stage::Inbox))?;
    Ok(file.warnings)
}

fn grant(text: &str) -> (Option<String>, Option<u64>) {
    let manifest = parse(text).manifest;
    (manifest.fleet_job_id, manifest.fleet_lease_epoch)
}

/// Sees to the keys that the job has, and waits for.
fn take_keys(queue: &QueueDir, job: &HeldJob, spec: &JobSpec, name: &str) -> Result<(), AddError> {
    let keys = KeyIndex::new(queue);
    if let Some(key) = &spec.idempotency_key {
        match keys.holder(key)? {
            Some(holder) if holder.id != *job.id() => {
                let (name, key) = (name.to_owned(), key.clone());
                return Err(AddError::Clash { name, key, id: holder.id, stage: holder.stage });
            }
            Some(_) => {}
            None => keys.claim(key, job.id())?,
        }
    }
    for dep in &spec.deps {
        keys.await_key(dep)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::JobRecord;
    use crate::store::testing::{TestQueue, id};

    const OLD: &str = "---\nidempotency-key: k\n---\none\n";

    fn changed(queue: &TestQueue, before: &str, text: &str) -> Result<String, AddError> {
        let mut job = HeldJob::lock(queue, &id("a")).unwrap();
        change(queue, &mut job, before, text, None, false)
    }

    fn text(queue: &TestQueue) -> String {
        queue.read_job(Stage::Inbox, &id("a")).unwrap()
    }

    #[test]
    fn change_is_job_at_once() {
        let queue = TestQueue::new();
        queue.add(&[("a", OLD)]).unwrap();
        let session = RecordUpdate::new().set(RecordKey::SessionId, "s");
        HeldJob::lock(&queue, &id("a")).unwrap().append(&session).unwrap();
        let new = OLD.replace("---\none", "priority: high\n---\none");
        changed(&queue, OLD, &new).unwrap();
        assert_eq!(text(&queue), new);
        let record = JobRecord::read(&queue, Stage::Inbox, id("a")).unwrap();
        assert!(record.is_current(&queue));
        assert_eq!(record.meta.get(RecordKey::Priority), Some("high"));
        assert_eq!(record.meta.get(RecordKey::SessionId), Some("s"), "the prompt is the same");
        changed(&queue, &new, "two\n").unwrap();
        assert_eq!(queue.record("a").get(RecordKey::SessionId), None);
    }

    #[test]
    fn what_add_refuses_changes_nothing() {
        let queue = TestQueue::new();
        queue.add(&[("a", OLD), ("b", "---\nidempotency-key: b\ndeps: [k]\n---\nx\n")]).unwrap();
        let refused = |text: &str| changed(&queue, OLD, text).unwrap_err();
        assert!(matches!(refused("---\npriority: soon\n---\nx\n"), AddError::Invalid(_)));
        let circle = "---\nidempotency-key: k\ndeps: [b]\n---\none\n";
        assert!(matches!(refused(circle), AddError::Cycle { .. }));
        let clash = "---\nidempotency-key: b\n---\none\n";
        assert!(matches!(refused(clash), AddError::Clash { .. }));
        let grant = "---\nfleet-job-id: f\n---\none\n";
        assert!(matches!(refused(grant), AddError::Invalid(_)));
        assert!(matches!(changed(&queue, "other", "x\n"), Err(AddError::Invalid(_))));
        assert_eq!(text(&queue), OLD);
        assert!(JobRecord::read(&queue, Stage::Inbox, id("a")).unwrap().is_current(&queue));
    }
}
