//! What an add would do, before anything is written: which keys are taken, which id a job gets, and
//! whether dependencies go round in a circle.

use std::collections::HashMap;

use aq_manifest::{JobId, Stage};

use super::super::error::{Result, StoreError};
use super::super::keys::Keys;
use super::super::queue_dir::QueueDir;
use super::super::transition::HeldJob;
use super::{AddError, Added, Checked};

/// What is to be done with one draft.
pub(super) enum Plan {
    /// It goes in under this id.
    Place(JobId),
    /// It goes in under this id, in place of the held job.
    Supersede(JobId, Box<HeldJob>),
    /// It is there already.
    Nothing(Added),
}

/// A new job can close a circle only when something already waits for its key, so most adds
/// look at one small file.
pub(super) fn refuse_cycles(queue: &QueueDir, jobs: &[Checked<'_>]) -> Result<(), AddError> {
    let keys = Keys::new(queue);
    let new: HashMap<&str, &[String]> = jobs
        .iter()
        .filter_map(|job| Some((job.spec.idempotency_key.as_deref()?, job.spec.deps.as_slice())))
        .collect();
    for job in jobs {
        let Some(key) = job.spec.idempotency_key.as_deref() else { continue };
        let awaited = jobs.iter().any(|other| other.spec.deps.iter().any(|dep| dep == key));
        if job.spec.deps.is_empty() || !(awaited || keys.is_awaited(key)?) {
            continue;
        }
        let deps_of = |key: &str| match new.get(key) {
            Some(deps) => Ok(deps.to_vec()),
            None => keys.unfinished_deps(key),
        };
        if let Some(path) = find_cycle(key, deps_of)? {
            return Err(AddError::Cycle { name: job.draft.name.clone(), path });
        }
    }
    Ok(())
}

/// A path of keys from `start` back to itself, depth first, each key looked at once.
fn find_cycle(
    start: &str,
    deps_of: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Option<Vec<String>>> {
    let mut seen = std::collections::HashSet::new();
    let mut path = vec![start.to_owned()];
    let mut pending = vec![deps_of(start)?];
    while let Some(deps) = pending.last_mut() {
        let Some(dep) = deps.pop() else {
            pending.pop();
            path.pop();
            continue;
        };
        if dep == start {
            path.push(dep);
            return Ok(Some(path));
        }
        if seen.insert(dep.clone()) {
            pending.push(deps_of(&dep)?);
            path.push(dep);
        }
    }
    Ok(None)
}

/// Decides about one draft: is its key taken, and which id does it get?
pub(super) fn plan(
    queue: &QueueDir,
    before: &[Checked<'_>],
    job: &Checked<'_>,
    taken: &mut Vec<JobId>,
) -> Result<Plan, AddError> {
    let Some(key) = job.spec.idempotency_key.as_deref() else {
        return Ok(Plan::Place(free_id(queue, &job.draft.id, taken)));
    };
    if let Some(at) = before.iter().position(|b| b.spec.idempotency_key.as_deref() == Some(key)) {
        if before[at].draft.text == job.draft.text {
            let added = Added::Unchanged { id: before[at].draft.id.clone(), stage: Stage::Inbox };
            return Ok(Plan::Nothing(added));
        }
        let (name, other) = (job.draft.name.clone(), before[at].draft.name.clone());
        return Err(AddError::Twice { name, key: key.to_owned(), other });
    }
    let Some(holder) = Keys::new(queue).holder(key)? else {
        return Ok(Plan::Place(free_id(queue, &job.draft.id, taken)));
    };
    let (id, stage) = (holder.id, holder.stage);
    if queue.read_job(stage, &id).is_ok_and(|text| text == job.draft.text) {
        return Ok(Plan::Nothing(Added::Unchanged { id, stage }));
    }
    // The lock keeps the loop from starting the old job while it is being replaced.
    match HeldJob::take(queue, &id) {
        Ok(old) if old.stage() == Stage::Inbox => {
            let new = if id == job.draft.id { id } else { free_id(queue, &job.draft.id, taken) };
            Ok(Plan::Supersede(new, Box::new(old)))
        }
        Ok(_) | Err(StoreError::Busy(_)) => {
            let stage = queue.find(&id).unwrap_or(stage);
            Err(AddError::Clash { name: job.draft.name.clone(), key: key.to_owned(), id, stage })
        }
        Err(e) => Err(e.into()),
    }
}

/// The wanted id, or `-2`, `-3`, ... of it: unique over all folders, and not of a job whose file was
/// deleted and whose branch may still be there.
fn free_id(queue: &QueueDir, wanted: &JobId, taken: &mut Vec<JobId>) -> JobId {
    let mut id = wanted.clone();
    for n in 2.. {
        // A branch of an earlier job of this name must not become the new one's.
        let is_free = queue.find(&id).is_none() && !queue.wip_base(&id).exists();
        if is_free && !taken.contains(&id) {
            break;
        }
        id = wanted.numbered(n);
    }
    taken.push(id.clone());
    id
}
