//! Reports of a fleet job's worker before it goes on: that the ground is ready, and that the agent
//! is done. A worker has no token, so the loop sends them. A coordinator, or a loop, that cannot be
//! reached holds nothing up: the report waits in the outbox.

use aq_fleet::protocol::LeaseRef;
use aq_ledger::RecordKey;
use aq_ledger::steps::{NotePush, NumberReport};
use aq_manifest::Stage;
use jiff::Timestamp;

use crate::checkpoint;
use crate::process::take_line;
use crate::sync::fleet::{JobReporter, Told};

use super::super::fleet::{
    FleetSettingsError, fleet_dir, lease, metrics, note_push, push, pushed, take_up, worker_name,
};
use super::wip::Workplace;
use super::{Failure, Work, host_or};

/// The grant that the job is worked on under.
#[derive(Debug)]
pub(super) struct FleetJob {
    reporter: JobReporter,
    lease: LeaseRef,
}

impl Work<'_> {
    /// Finds out whether the job is one of the fleet. Where the switches are off, or wrong, it is
    /// worked on all the same, and only its ship waits.
    pub(super) fn join_fleet(&mut self) {
        let Some(lease) = lease(self.job.meta()) else { return };
        // First of all: nothing that is started may inherit it.
        let line = take_line().ok().flatten();
        let outbox = fleet_dir(self.queue).join("outbox");
        let opened = match worker_name(&self.settings.environment, self.job.meta()) {
            Ok(Some(name)) => {
                JobReporter::open(name, lease, &outbox, line).map_err(FleetSettingsError::from)
            }
            Ok(None) => {
                return self.note("a job of the fleet, and AQ_FLEET is off: nothing is reported");
            }
            Err(e) => Err(e),
        };
        match opened {
            Ok(reporter) => self.fleet = Some(FleetJob { reporter, lease }),
            Err(e) => self.note(&format!("nothing is reported to the fleet: {e}")),
        }
    }

    /// Reports how far the job has come. It must not go on when another host has it.
    pub(super) fn report(&mut self, stage: Stage) -> Result<(), Failure> {
        if self.fleet.is_none() {
            return Ok(());
        }
        let numbered = self.job.decide(&NumberReport, Timestamp::now());
        let noted = numbered.and_then(|step| self.retry_on_full_disk(|work| work.job.apply(&step)));
        noted.map_err(|e| match stage {
            Stage::Building => host_or(&e, Failure::NotCounted),
            _ => Failure::Unrecorded(e),
        })?;
        let Some(FleetJob { reporter, .. }) = &mut self.fleet else { return Ok(()) };
        let seq = self.job.row().fleet_reports().unwrap_or_default();
        let meta = self.job.meta();
        let numbers = (stage != Stage::Building).then(|| metrics(meta));
        match reporter.report(seq, stage, pushed(meta), numbers) {
            Told::Accepted => Ok(()),
            Told::Fenced => Err(Failure::Fenced),
            Told::Later(why) => {
                self.note(&format!("{stage} is reported to the fleet later: {why}"));
                Ok(())
            }
        }
    }

    /// Says that another host has pushed work of the job.
    pub(super) fn is_handed_over(&self) -> bool {
        self.job.meta().get(RecordKey::ResumeCommit).is_some()
    }

    /// Fetches what another host has done of the job, before its first start here.
    pub(super) fn take_up_work(&mut self, job: &checkpoint::Job) {
        let Some(remote) = self.settings.config.fleet.push_wip.clone() else {
            if self.is_handed_over() {
                self.note("another host has worked on this, but the config has no fleet.push-wip");
            }
            return;
        };
        match take_up(&remote, job, self.job.meta()) {
            Ok(Some(commit)) => {
                self.note(&format!("goes on from {commit}, the work of another host"));
            }
            Ok(None) => {}
            Err(e) => self.note(&format!(
                "warning: starts afresh, because the work of another host cannot be fetched: {e}"
            )),
        }
    }

    /// Pushes the branch, so that another host can go on from here.
    pub(super) fn push_work(&mut self) {
        let Some(name) = &self.settings.config.fleet.push_wip else { return };
        let wip = self.place.as_ref().and_then(Workplace::wip);
        let (Some(FleetJob { reporter, lease }), Some(wip)) = (&mut self.fleet, wip) else {
            return;
        };
        let done = push(name, wip, *lease, self.job.meta(), || reporter.renew());
        // Not on record, it is only told later.
        let _ = match done {
            Ok(Some(done)) => note_push(&mut self.job, &done),
            Ok(None) => self.job.step(&NotePush::Unchanged, Timestamp::now()),
            Err(e) => {
                let why = e.to_string();
                self.note(&format!("warning: the work is not pushed: {why}"));
                self.job.step(&NotePush::Failed { why: &why }, Timestamp::now())
            }
        };
    }
}
