//! A job file from outside, as the ledger takes it.

use aq_fleet::protocol::{MAX_MANIFEST_BYTES, Problem, ProblemKind, Submit};
use aq_manifest::{Severity, parse, resolve};
use uuid::Uuid;

use super::refusal::Refusal;
use crate::assign::terms;
use crate::ledger::{Submission, World};

/// Reads a submission. The profile that a file names is the host's, and is not known here: what
/// the file says itself is what counts in the fleet.
pub(super) fn read(submit: Submit) -> Result<Submission, Refusal> {
    let Submit { manifest, name, shadow, factory_id } = submit;
    let world = world(shadow, factory_id)?;
    if manifest.len() >= MAX_MANIFEST_BYTES {
        let detail = format!("a job file has less than {MAX_MANIFEST_BYTES} bytes");
        return Err(Refusal::invalid("manifest", detail));
    }
    let parsed = parse(&manifest);
    let error = parsed.diagnostics.iter().find(|found| found.severity == Severity::Error);
    if let Some(error) = error {
        let place = error.position(&manifest);
        let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
        let detail = format!("{name}.md:{place}: {}{help}", error.message);
        let mut problem = Problem::new(ProblemKind::InvalidManifest, detail);
        problem.path = Some("manifest".to_owned());
        problem.line = u32::try_from(place.line).ok();
        problem.column = u32::try_from(place.column).ok();
        return Err(problem.into());
    }
    let spec = resolve(&parsed.manifest, None);
    let (key, item) = (spec.idempotency_key.clone(), spec.tracker_item.clone());
    let terms = terms(name, &manifest, spec).map_err(|error| {
        let detail = format!("the engine or the profile cannot be advertised by a host: {error}");
        let mut problem = Problem::new(ProblemKind::InvalidManifest, detail);
        problem.path = Some("manifest".to_owned());
        Refusal::from(problem)
    })?;
    Ok(Submission { id: Uuid::now_v7().into(), world, key, terms, item, manifest })
}

fn world(shadow: bool, owner: Option<aq_fleet::protocol::FactoryId>) -> Result<World, Refusal> {
    match (shadow, owner) {
        (false, _) => Ok(World::Fleet),
        (true, Some(owner)) if !owner.is_shadow() => Ok(World::Shadow(owner)),
        (true, _) => {
            let detail = "a shadow job needs the id of the host whose job it is, without `-shadow`";
            Err(Refusal::invalid("factoryId", detail))
        }
    }
}
