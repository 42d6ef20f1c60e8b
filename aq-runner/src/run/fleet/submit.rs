//! `aq submit`: a job file goes to the coordinator in place of a queue.

use std::time::Duration;

use aq_fleet::protocol::{FleetJobId, SubmitRequest};
use aq_manifest::JobId;

use super::{FleetError, FleetSettings};

/// How long a submission may take, retries included.
const PATIENCE: Duration = Duration::from_secs(20);

/// A job that the fleet has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSubmission {
    /// Its id there.
    pub job: FleetJobId,
    /// Its key.
    pub key: String,
    /// Whether it is new; else the same file was there already, or one that had not started and
    /// that this one has replaced.
    pub is_new: bool,
}

/// Hands a job file over. It is the fleet's when this returns. A file with an idempotency key can
/// be sent again when an answer was lost; one without is then another job.
///
/// # Errors
/// When the coordinator cannot be asked or refuses the job.
pub fn submit(
    settings: &FleetSettings,
    name: &JobId,
    text: String,
) -> Result<FleetSubmission, FleetError> {
    let submit =
        SubmitRequest { manifest: text, name: name.clone(), shadow: false, factory_id: None };
    let answer = settings.client(PATIENCE)?.submit(&submit)?;
    Ok(FleetSubmission {
        job: answer.value.job_id,
        key: answer.value.key,
        is_new: answer.status == 201,
    })
}
