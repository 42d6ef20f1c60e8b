//! The deps of a job that is granted, as far as its host needs them to begin with their work.

use aq_fleet::protocol::{GrantedDep, MAX_PAGE, PUSH_TARGET};
use aq_manifest::{Stage, parse};

use super::refusal::ApiRefusal;
use super::state::ApiState;
use crate::ledger::FleetJob;
use crate::store::{JobDetail, JobFilter};

/// Looks the deps of a job up, by their keys.
pub(super) async fn granted(
    api: &ApiState,
    job: &FleetJob,
    manifest: &str,
) -> Result<Vec<GrantedDep>, ApiRefusal> {
    let mut deps = Vec::new();
    for key in &job.terms.deps {
        let filter = JobFilter {
            world: Some(job.world.clone()),
            named: Some(key.clone()),
            limit: MAX_PAGE,
            ..JobFilter::default()
        };
        let page = api.store.jobs(filter).await?.value;
        let Some(dep) = page.jobs.into_iter().find(|found| found.key == *key) else { continue };
        let stays_behind = match (&dep.checkpoint, is_merged(&dep)) {
            (None, false) => {
                let detail = api.store.job(dep.id).await?;
                detail.is_some_and(|detail| has_own_changes(&detail.value, manifest))
            }
            _ => false,
        };
        deps.push(GrantedDep {
            job_id: dep.id,
            name: dep.terms.name,
            host: dep.tenure.map(|tenure| tenure.factory),
            checkpoint: dep.checkpoint,
            stays_behind,
        });
    }
    Ok(deps)
}

/// Tests for a job whose work is in its target, or on the way there.
fn is_merged(dep: &FleetJob) -> bool {
    dep.stage == Stage::Shipped && dep.terms.needs.iter().any(|need| need == PUSH_TARGET)
}

/// Tests for a job that has changed files in the directory of another one.
fn has_own_changes(dep: &JobDetail, manifest: &str) -> bool {
    let directory = |text: &str| parse(text).manifest.cwd;
    let numbers = dep.reports.iter().rev().find_map(|report| report.metrics.as_ref());
    numbers.is_some_and(|numbers| numbers.files_changed.is_some_and(|files| files > 0))
        && directory(&dep.manifest) == directory(manifest)
}
