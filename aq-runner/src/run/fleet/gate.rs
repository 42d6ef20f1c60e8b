//! The question before a ship: whether the job is still this host's. The coordinator decides it,
//! and decides it once.

use std::time::Duration;

use aq_fleet::protocol::LeaseRef;
use aq_ledger::steps::NumberReport;
use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::Stage;
use jiff::Timestamp;

use super::{FleetSettings, metrics, pushed};
use crate::run::environment::ProcessEnvironment;
use crate::store::{HeldJob, QueueDir, StoreError};
use crate::sync::fleet::{FleetHolder, HolderAnswer};

/// How long the coordinator is asked before a person gets an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The coordinator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ShipAnswer {
    /// The ship is decided; the job can be shipped here.
    Open,
    /// The job is no longer this host's.
    Fenced,
    /// It cannot be asked now, for this reason: the job stays where it is.
    Closed(String),
}

/// Asks whether a fleet job may be shipped. The report is the compare-and-set at the coordinator:
/// when it says yes, no other host can ship the job. Asking again after a crash gets the same
/// answer.
///
/// # Errors
/// When the job's record cannot be written.
pub(crate) fn ask_to_ship(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    job: &mut HeldJob,
    lease: LeaseRef,
) -> Result<ShipAnswer, StoreError> {
    let holder = match asker(queue, environment, job.meta()) {
        Ok(holder) => holder,
        Err(why) => return Ok(ShipAnswer::Closed(why)),
    };
    job.step(&NumberReport, Timestamp::now())?;
    let seq = job.row().fleet_reports().unwrap_or_default();
    let numbers = Some(metrics(job.meta()));
    let report = holder.report_of(lease, seq, Stage::Shipped, pushed(job.meta()), numbers);
    Ok(match holder.ship(lease, &report) {
        HolderAnswer::Accepted => ShipAnswer::Open,
        HolderAnswer::Fenced => ShipAnswer::Fenced,
        HolderAnswer::Later(why) => {
            let noted = RecordUpdate::new()
                .set(RecordKey::Message, format!("cannot be shipped yet: {why}"));
            job.append(&noted.set(RecordKey::ShipTriedAt, Timestamp::now()))?;
            ShipAnswer::Closed(why)
        }
    })
}

/// The one who asks the coordinator about a job of the fleet.
///
/// # Errors
/// Why it cannot be asked.
pub(crate) fn asker(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    meta: &RecordContent,
) -> Result<FleetHolder, String> {
    match FleetSettings::read(environment) {
        Ok(Some(fleet)) => fleet.named_in(meta).holder(queue, PATIENCE).map_err(|e| e.to_string()),
        Ok(None) => Err("it is a job of the fleet, and AQ_FLEET is not 1 here".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}
