//! The places of the fleet's jobs, which the coordinator is to know.

use std::io;

use aq_fleet::protocol::{LeaseRef, ReleaseOutcome};
use aq_ledger::steps::NumberReport;
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{JobId, Outcome, ShipMode, Stage};
use jiff::Timestamp;

use super::{FleetMember, unwritable};
use crate::run::fleet::{LeaseNote, ReportedSteps, lease, metrics, pushed};
use crate::run::queue::train::ship_mode;
use crate::run::run_loop::context::ListenerContext;
use crate::run::run_loop::loop_core::LoopEvent;
use crate::store::{HeldJob, JobRecord, QueueDir, StoreError, moves};

/// The key by which the coordinator knows a job: that of its file, which is no key of this host's.
fn key_in_the_fleet(queue: &QueueDir, stage: Stage, id: &JobId, lease: LeaseRef) -> String {
    let text = queue.read_job(stage, id).unwrap_or_default();
    let key = aq_manifest::parse(&text).manifest.idempotency_key;
    key.unwrap_or_else(|| lease.job_id.to_string())
}

impl FleetMember {
    /// Posts an event for each step under this grant that was not posted. The coordinator takes
    /// each once, by its number.
    fn post_steps(
        &mut self,
        queue: &QueueDir,
        id: &JobId,
        stage: Stage,
        lease: LeaseRef,
    ) -> Result<(), StoreError> {
        let known = self.steps.get(id).filter(|known| known.lease() == lease);
        let mut steps = known.copied().unwrap_or_else(|| ReportedSteps::new(lease));
        let events = steps.news(moves(queue, id, Some(steps.read()))?, stage, Timestamp::now());
        self.steps.insert(id.clone(), steps);
        if !events.is_empty() {
            self.holder.post_events(lease, &events);
            self.membership.hurry();
        }
        Ok(())
    }

    /// A job may have moved while its worker holds it.
    pub(super) fn job_runs(&mut self, id: &JobId, at: &mut ListenerContext<'_, '_>) {
        let queue = at.queue();
        let (Some(&lease), Some(stage)) = (self.jobs.get(id), queue.find(id)) else { return };
        if let Err(e) = self.post_steps(queue, id, stage, lease) {
            at.report_trouble(&e.to_string());
        }
    }

    /// Looks what a job's place means for the fleet: whether it is held here, and whether the
    /// coordinator is to hear how far it has come.
    pub(super) fn looked(&mut self, id: &JobId, at: &mut ListenerContext<'_, '_>) {
        let looked = self.try_looked(id, at);
        if self.unlooked.remove(id) && !self.noted.contains(id) {
            // It ended while no loop was there, and the registration did not say so.
            self.membership.register_again();
        }
        match looked {
            Ok(()) | Err(StoreError::NoSuchJob(_)) => {}
            // Such as `aq reject`, which moves the job and lets go of it a moment later. Nothing
            // else would say when, and the fleet would never hear of it.
            Err(StoreError::Busy(_)) if at.core.is_busy(id) => {}
            Err(StoreError::Busy(_)) => at.send(LoopEvent::JobBusy(id.clone())),
            Err(e) => {
                let trouble = at.context.trouble_of(id, &e);
                at.send(LoopEvent::JobTroubled(id.clone(), trouble));
            }
        }
    }

    fn try_looked(
        &mut self,
        id: &JobId,
        at: &mut ListenerContext<'_, '_>,
    ) -> Result<(), StoreError> {
        let queue = at.queue();
        let settings = &at.context.settings;
        let found = queue.find(id);
        let record = match found {
            Some(stage) => JobRecord::read(queue, stage, id.clone())?,
            None => {
                self.forget(queue, id);
                return Ok(());
            }
        };
        let Some(lease) = lease(&record.meta) else {
            self.forget(queue, id);
            return Ok(());
        };
        let (stage, told) = (record.stage, format!("{}@{}", record.stage, lease.epoch));
        if !stage.is_final() {
            if self.jobs.insert(id.clone(), lease) != Some(lease) {
                self.membership.hurry();
            }
            if !self.noted.contains(id) {
                LeaseNote::of(queue, id).note().map_err(|e| unwritable(queue, e))?;
                self.noted.insert(id.clone());
            }
        }
        if record.meta.get(RecordKey::FleetTold) == Some(&told) {
            if stage == Stage::Testing && at.context.options.ship {
                self.ship_when_allowed(id, at);
            }
            return Ok(());
        }
        // Before what is sent below, which may be the last that the coordinator takes.
        if stage != Stage::Quarantine || LeaseNote::of(queue, id).is_noted() {
            self.post_steps(queue, id, stage, lease)?;
        }
        match stage {
            Stage::Inbox | Stage::Building | Stage::Review => return Ok(()),
            // The train may send it back, and the coordinator takes nobody back from there. Its
            // worker asks whether it may ship.
            Stage::Testing if ship_mode(record.unchecked(), settings) == ShipMode::Merge => {
                return Ok(());
            }
            Stage::Testing => {
                let mut job = HeldJob::lock(queue, id)?;
                // Before it is sent, and that it was sent after: a kill in between sends it twice,
                // under another number, and not never.
                job.step(&NumberReport, Timestamp::now())?;
                let seq = job.row().fleet_reports().unwrap_or(1);
                let (at, numbers) = (pushed(job.meta()), metrics(job.meta()));
                let report = self.holder.report_of(lease, seq, Stage::Testing, at, Some(numbers));
                let posted = self.holder.post_report(lease, report);
                posted.map_err(|e| unwritable(queue, io::Error::other(e)))?;
                job.append(&RecordUpdate::new().set(RecordKey::FleetTold, told))?;
            }
            Stage::Shipped | Stage::Failed => {
                let mut job = HeldJob::lock(queue, id)?;
                let (outcome, result) = match stage {
                    Stage::Shipped => (ReleaseOutcome::Shipped, Outcome::Shipped),
                    _ => {
                        let result = job.meta().parsed(RecordKey::Result).unwrap_or(Outcome::Crash);
                        (ReleaseOutcome::Failed, result)
                    }
                };
                let numbers = metrics(job.meta());
                // Kept for a coordinator that has lost what it gets now.
                let key = key_in_the_fleet(queue, stage, id, lease);
                let noted = self.ended.note(lease.job_id, &key, lease.epoch, outcome);
                noted.map_err(|e| unwritable(queue, e))?;
                let posted = self.holder.post_release(lease, outcome, Some(result), Some(numbers));
                posted.map_err(|e| unwritable(queue, io::Error::other(e)))?;
                job.append(&RecordUpdate::new().set(RecordKey::FleetTold, told))?;
                self.forget(queue, id);
            }
            Stage::Quarantine => self.forget(queue, id),
        }
        self.membership.hurry();
        if stage == Stage::Testing && at.context.options.ship {
            self.ship_when_allowed(id, at);
        }
        Ok(())
    }
}
