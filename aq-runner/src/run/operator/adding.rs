//! Who adds a job: a person, or the agent of another one. What an agent adds is work for the
//! project, not for the checkout that its own job throws away.

use std::path::{Path, PathBuf};

use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::checkpoint::{WorkIsolation, WorkOrigin, branch_at, repository_at};
use crate::store::{AddContext, AddObserver, ParentJob, QueueDir, read_values, scratch_dirs};

use crate::run::checkouts::job_of_checkout;
use crate::run::engines::sightings::note_engines_of_add;
use crate::run::environment::ProcessEnvironment;
use crate::run::settings::scratch_of;
use crate::run::workplace::{branch_of, checkpoint_job};

/// The context of an add that was called in a directory.
pub fn add_context(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    base: PathBuf,
    now: Timestamp,
) -> AddContext {
    let noter = (queue.clone(), environment.clone());
    let observer = AddObserver::new(move |jobs| note_engines_of_add(&noter.0, &noter.1, jobs));
    let parent = parent(queue, environment, &base);
    let context = AddContext::new(base, environment.path("HOME"), now);
    AddContext { branch_at, repository_at, parent, observer: Some(observer), ..context }
}

/// The job in whose checkout or TMPDIR a directory is. Agents may have changed their environment,
/// so the place decides.
fn parent(queue: &QueueDir, environment: &ProcessEnvironment, dir: &Path) -> Option<ParentJob> {
    let by_place = job_of_checkout(dir).filter(|(of, _)| of == queue.root());
    let by_place = by_place.and_then(|(_, name)| JobId::new(name.to_str()?).ok());
    let running = [Stage::Building, Stage::Review].into_iter();
    let running = running.flat_map(|stage| queue.jobs(stage).unwrap_or_default());
    by_place.into_iter().chain(running).find_map(|id| {
        let meta = read_values(&queue.meta(&id)).ok()?;
        let places = places(queue, environment, &id, &meta);
        let is_there = places.iter().any(|(own, _)| dir.starts_with(own));
        is_there.then(|| ParentJob { places, branch: target(queue, &id, &meta) })
    })
}

/// What an agent has of its own, with what it stands for in the project.
fn places(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    id: &JobId,
    meta: &RecordContent,
) -> Vec<(PathBuf, PathBuf)> {
    let job = checkpoint_job(queue, id, meta);
    let is_top = |dir: &&Path| dir.join(".git").symlink_metadata().is_ok();
    let top = job.cwd.ancestors().find(is_top).unwrap_or(&job.cwd);
    let scratch = scratch_dirs(&scratch_of(queue, environment), queue, id).into_iter();
    let mut places: Vec<_> = scratch.map(|dir| (dir, job.cwd.clone())).collect();
    match &job.isolation {
        WorkIsolation::Own(place) => {
            let roots = place.root().into_iter().chain([place.linked.clone()]);
            places.extend(roots.map(|root| (root, top.to_owned())));
        }
        // The checkout is on the job's branch, which no other job may be merged into.
        WorkIsolation::InPlace => places.push((top.to_owned(), top.to_owned())),
    }
    places
}

/// The branch that a job is merged into: the one that it started from, or will.
fn target(queue: &QueueDir, id: &JobId, meta: &RecordContent) -> Option<String> {
    let started = branch_of(queue, id, meta).ok().flatten();
    let origin = started.and_then(|wip| wip.origin().ok().flatten());
    let recorded =
        || meta.get(RecordKey::Target).or(meta.get(RecordKey::AddedOn)).map(str::to_owned);
    match origin {
        Some(WorkOrigin::Branch(name)) => Some(name),
        _ => recorded(),
    }
}
