//! The plan of an add, before anything is written: which keys are taken, which id a job gets, and
//! whether dependencies go round in a circle.

use std::collections::{HashMap, HashSet};

use aq_manifest::{JobId, Stage};

use super::super::error::{Result, StoreError};
use super::super::keys::KeyIndex;
use super::super::queue_dir::QueueDir;
use super::super::transition::HeldJob;
use super::{AddError, AddWarning, AddWarningKind, CheckedDraft, DraftResult, JobDraft};

/// The plan for one draft.
pub(super) enum DraftPlan {
    /// It goes in under this id.
    Place(JobId),
    /// It goes in under this id, in place of the held job.
    Supersede(JobId, Box<HeldJob>),
    /// It is there already.
    Nothing(DraftResult),
}

/// A new job can close a circle only when something already waits for its key, so most adds
/// look at one small file.
pub(super) fn refuse_cycles(queue: &QueueDir, jobs: &[CheckedDraft<'_>]) -> Result<(), AddError> {
    let keys = KeyIndex::new(queue);
    let new: HashMap<&str, &[String]> = jobs
        .iter()
        .filter_map(|job| Some((job.spec.idempotency_key.as_deref()?, job.spec.deps.as_slice())))
        .collect();
    let awaited: HashSet<&str> =
        jobs.iter().flat_map(|job| &job.spec.deps).map(String::as_str).collect();
    for job in jobs {
        let Some(key) = job.spec.idempotency_key.as_deref() else { continue };
        if job.spec.deps.is_empty() || !(awaited.contains(key) || keys.is_awaited(key)?) {
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

/// Warnings about deps whose key no job has: their jobs wait until somebody adds one.
pub(super) fn unheld_deps(queue: &QueueDir, jobs: &[CheckedDraft<'_>]) -> Result<Vec<AddWarning>> {
    let new: HashSet<&str> =
        jobs.iter().filter_map(|job| job.spec.idempotency_key.as_deref()).collect();
    let mut held: HashMap<&str, bool> = HashMap::new();
    let mut warnings = Vec::new();
    for job in jobs {
        for dep in job.spec.deps.iter().map(String::as_str).filter(|dep| !new.contains(dep)) {
            let is_held = match held.get(dep) {
                Some(&is_held) => is_held,
                None => KeyIndex::new(queue).holder(dep)?.is_some(),
            };
            held.insert(dep, is_held);
            if !is_held {
                let text = format!(
                    "warning: {}: no job has the key `{dep}` that it waits for; it waits until \
                     one is added\n",
                    job.draft.name
                );
                let kind = AddWarningKind::UnheldDep;
                warnings.push(AddWarning::of_job(kind, &job.draft.name, text));
            }
        }
    }
    Ok(warnings)
}

/// A path of keys from `start` back to itself, depth first, each key looked at once.
fn find_cycle(
    start: &str,
    deps_of: impl Fn(&str) -> Result<Vec<String>>,
) -> Result<Option<Vec<String>>> {
    let mut seen = HashSet::new();
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

/// From this many drafts on, the queue's folders are listed once; for fewer, each wanted id is
/// looked for in each of them.
const MANY: usize = 100;

/// Plans the drafts of one add, one after the other.
pub(super) struct DraftPlanner<'a> {
    queue: &'a QueueDir,
    /// The drafts so far that have a key, and which jobs they are.
    keyed: HashMap<&'a str, (&'a JobDraft, JobId, Stage)>,
    /// The drafts so far that have no key, by the name that they wanted, with the ids that they
    /// got.
    unkeyed: HashMap<&'a JobId, Vec<(&'a str, JobId)>>,
    /// Ids of jobs, and of the drafts so far. Not of all jobs, unless they were listed.
    taken: HashSet<JobId>,
    is_listed: bool,
}

impl<'a> DraftPlanner<'a> {
    /// A planner for so many drafts. The queue must let nobody else add meanwhile.
    pub(super) fn new(queue: &'a QueueDir, drafts: usize) -> Result<Self> {
        let is_listed = drafts >= MANY;
        let taken = if is_listed { queue.all_jobs()? } else { HashSet::new() };
        let (keyed, unkeyed) = (HashMap::new(), HashMap::new());
        Ok(Self { queue, keyed, unkeyed, taken, is_listed })
    }

    /// Decides about one draft: is its key taken, and which id does it get?
    pub(super) fn plan(&mut self, job: &'a CheckedDraft<'_>) -> Result<DraftPlan, AddError> {
        let Some(key) = job.spec.idempotency_key.as_deref() else {
            if let Some(there) = self.same_file(job.draft) {
                return Ok(DraftPlan::Nothing(there));
            }
            let id = self.free_id(&job.draft.id);
            self.unkeyed.entry(&job.draft.id).or_default().push((&job.draft.text, id.clone()));
            return Ok(DraftPlan::Place(id));
        };
        if let Some((before, id, stage)) = self.keyed.get(key) {
            if before.text == job.draft.text {
                return Ok(DraftPlan::Nothing(DraftResult::Unchanged {
                    id: id.clone(),
                    stage: *stage,
                }));
            }
            let (name, other) = (job.draft.name.clone(), before.name.clone());
            return Err(AddError::Twice { name, key: key.to_owned(), other });
        }
        let plan = self.plan_keyed(job, key)?;
        let (id, stage) = match &plan {
            DraftPlan::Nothing(DraftResult::Unchanged { id, stage }) => (id, *stage),
            DraftPlan::Nothing(added) => (added.id(), Stage::Inbox),
            DraftPlan::Place(id) | DraftPlan::Supersede(id, _) => (id, Stage::Inbox),
        };
        self.keyed.insert(key, (job.draft, id.clone(), stage));
        Ok(plan)
    }

    /// The same for the first draft with a key.
    fn plan_keyed(&mut self, job: &CheckedDraft<'_>, key: &str) -> Result<DraftPlan, AddError> {
        let Some(holder) = KeyIndex::new(self.queue).holder(key)? else {
            return Ok(DraftPlan::Place(self.free_id(&job.draft.id)));
        };
        let (id, stage) = (holder.id, holder.stage);
        if self.queue.read_job(stage, &id).is_ok_and(|text| text == job.draft.text) {
            return Ok(DraftPlan::Nothing(DraftResult::Unchanged { id, stage }));
        }
        // The lock keeps the loop from starting the old job while it is being replaced.
        match HeldJob::lock(self.queue, &id) {
            Ok(old) if old.stage() == Stage::Inbox => {
                let new = if id == job.draft.id { id } else { self.free_id(&job.draft.id) };
                Ok(DraftPlan::Supersede(new, Box::new(old)))
            }
            Ok(_) | Err(StoreError::Busy(_)) => {
                let stage = self.queue.find(&id).unwrap_or(stage);
                let name = job.draft.name.clone();
                Err(AddError::Clash { name, key: key.to_owned(), id, stage })
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The job that was made of this file before: one of its name, numbered or not, with its text.
    fn same_file(&self, draft: &JobDraft) -> Option<DraftResult> {
        if draft.may_repeat {
            return None;
        }
        let there = |id, stage| DraftResult::SameFile { id, stage, name: draft.name.clone() };
        let mut here = self.unkeyed.get(&draft.id).into_iter().flatten();
        if let Some((_, id)) = here.find(|(text, _)| *text == draft.text) {
            return Some(there(id.clone(), Stage::Inbox));
        }
        let mut id = draft.id.clone();
        for n in 2.. {
            if self.is_listed && !self.taken.contains(&id) {
                return None;
            }
            let stage = self.queue.find(&id)?;
            if self.queue.read_job(stage, &id).is_ok_and(|text| text == draft.text) {
                return Some(there(id, stage));
            }
            id = draft.id.numbered(n);
        }
        None
    }

    /// The wanted id, or `-2`, `-3`, ... of it: unique over all folders, and not of a job whose
    /// file was deleted and whose branch may still be there.
    fn free_id(&mut self, wanted: &JobId) -> JobId {
        let mut id = wanted.clone();
        for n in 2.. {
            let is_there = |id| !self.is_listed && self.queue.find(id).is_some();
            // A branch of an earlier job of this name must not become the new one's.
            if !(self.taken.contains(&id) || is_there(&id) || self.queue.wip_base(&id).exists()) {
                break;
            }
            id = wanted.numbered(n);
        }
        self.taken.insert(id.clone());
        id
    }
}
