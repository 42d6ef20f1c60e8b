//! A job file as the fleet wants it: what a host must have, and what must come first.

use aq_caps::{HostRequirement, RequirementError};
use aq_manifest::{JobId, JobSpec};
use aq_scheduler::ScheduledJob;
use jiff::Timestamp;

use crate::ledger::{BodyHash, FleetJob as Row, SchedulingTerms};

/// The one engine that every host has. Which engine runs a job is the host's business: an engine
/// that the file names is a requirement here, and a class is met anywhere.
pub(super) const ANY_ENGINE: &str = "any";

/// The value of `lock` that means none.
const NO_LOCK: &str = "none";

/// Extracts from a job file the part that the fleet needs to know: a host must also have the engine
/// and the profile that the file names.
///
/// # Errors
/// The name of an engine or a profile that no host can advertise.
pub(crate) fn terms(
    name: JobId,
    manifest: &str,
    spec: JobSpec,
) -> Result<SchedulingTerms, RequirementError> {
    let mut needs: Vec<String> = spec.capabilities.iter().map(ToString::to_string).collect();
    for (what, name) in [("engine", spec.engine), ("profile", spec.profile)] {
        if let Some(name) = name {
            needs.push(format!("{what}:{name}").parse::<HostRequirement>()?.to_string());
        }
    }
    Ok(SchedulingTerms {
        name,
        body: BodyHash::of(manifest),
        priority: spec.priority,
        lock: spec.lock.filter(|lock| lock != NO_LOCK),
        deps: spec.deps,
        deps_mode: spec.deps_mode,
        needs,
    })
}

/// A row for the queue in memory. `None` for one that no coordinator has written.
pub(super) fn job(row: &Row) -> Option<ScheduledJob> {
    // A time only in name: the order is all that the queue takes from it.
    let added_at = Timestamp::from_microsecond(i64::try_from(row.seq).ok()?).ok()?;
    let requirements = row.terms.needs.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    Some(ScheduledJob {
        priority: row.terms.priority,
        lock: row.terms.lock.clone(),
        key: Some(row.key.clone()),
        deps: row.terms.deps.clone(),
        deps_mode: row.terms.deps_mode,
        requirements: requirements.ok()?,
        engines: vec![ANY_ENGINE.to_owned()],
        ..ScheduledJob::new(row.id.to_string().parse().ok()?, added_at)
    })
}
