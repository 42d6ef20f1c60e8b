//! A job file from outside, as the ledger takes it.

use aq_fleet::protocol::{
    MAX_MANIFEST_BYTES, PUSH_TARGET, ProblemBody, ProblemKind, SubmitRequest,
};
use aq_manifest::{Manifest, Severity, ShipMode, parse, resolve};
use uuid::Uuid;

use super::refusal::ApiRefusal;
use crate::assign::terms;
use crate::echo::TrackerSettings;
use crate::ledger::{JobNamespace, JobSubmission};

/// Reads a submission. The profile that a file names is the host's, and is not known here: what
/// the file says itself is what counts in the fleet.
pub(super) fn read(
    submit: SubmitRequest,
    echoes: Option<&TrackerSettings>,
) -> Result<JobSubmission, ApiRefusal> {
    let SubmitRequest { manifest, name, shadow, factory_id } = submit;
    let world = world(shadow, factory_id)?;
    if manifest.len() >= MAX_MANIFEST_BYTES {
        let detail = format!("a job file has less than {MAX_MANIFEST_BYTES} bytes");
        return Err(ApiRefusal::invalid("manifest", detail));
    }
    let parsed = parse(&manifest);
    let error = parsed.diagnostics.iter().find(|found| found.severity == Severity::Error);
    if let Some(error) = error {
        let place = error.position(&manifest);
        let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        let mut problem = refused(format!("{name}.md:{place}: {}{help}", error.message));
        problem.line = u32::try_from(place.line).ok();
        problem.column = u32::try_from(place.column).ok();
        return Err(problem.into());
    }
    let spec = resolve(&parsed.manifest, None);
    if world == JobNamespace::Fleet {
        check_keys(&parsed.manifest).map_err(|key| {
            refused(format!("{name}.md: `{key}` is written by the fleet itself; take the line out"))
        })?;
        check_item(spec.tracker_item.as_deref(), echoes)
            .map_err(|detail| refused(format!("{name}.md: {detail}")))?;
    }
    let (key, item) = (spec.idempotency_key.clone(), spec.tracker_item.clone());
    let is_merged = world == JobNamespace::Fleet && spec.ship == Some(ShipMode::Merge);
    let mut terms = terms(name, &manifest, spec).map_err(|error| {
        refused(format!("the engine or the profile cannot be advertised by a host: {error}"))
    })?;
    if is_merged && terms.needs.iter().all(|need| need != PUSH_TARGET) {
        terms.needs.push(PUSH_TARGET.to_owned());
    }
    Ok(JobSubmission { id: Uuid::now_v7().into(), world, key, terms, item, manifest })
}

fn refused(detail: String) -> ProblemBody {
    let mut problem = ProblemBody::new(ProblemKind::InvalidManifest, detail);
    problem.path = Some("manifest".to_owned());
    problem
}

/// Refuses what would make a job pass for one that was granted already.
fn check_keys(manifest: &Manifest) -> Result<(), &'static str> {
    if manifest.fleet_job_id.is_some() {
        return Err("fleet-job-id");
    }
    if manifest.fleet_lease_epoch.is_some() {
        return Err("fleet-lease-epoch");
    }
    Ok(())
}

/// Refuses an issue of a repository that this coordinator is not to write to.
fn check_item(item: Option<&str>, echoes: Option<&TrackerSettings>) -> Result<(), String> {
    let item = item.and_then(|item| item.parse().ok());
    match (&item, echoes) {
        (Some(item), Some(echoes)) if !echoes.covers(item) => Err(format!(
            "tracker-item {item} is in no repository that this coordinator tells; take the line \
             out, or have it tell that one"
        )),
        _ => Ok(()),
    }
}

fn world(
    shadow: bool,
    owner: Option<aq_fleet::protocol::FactoryId>,
) -> Result<JobNamespace, ApiRefusal> {
    match (shadow, owner) {
        (false, _) => Ok(JobNamespace::Fleet),
        (true, Some(owner)) if !owner.is_shadow() => Ok(JobNamespace::Shadow(owner)),
        (true, _) => {
            let detail = "a shadow job needs the id of the host whose job it is, without `-shadow`";
            Err(ApiRefusal::invalid("factoryId", detail))
        }
    }
}
