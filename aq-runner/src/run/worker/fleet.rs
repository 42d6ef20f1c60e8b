//! What the worker of a fleet job tells the coordinator before it goes on: that the ground is ready,
//! and that the agent is done. A coordinator that cannot be reached holds nothing up: what could not
//! be told waits in the outbox.

use std::time::Duration;

use aq_fleet::protocol::LeaseRef;
use aq_manifest::Stage;

use crate::checkpoint::{self, Wip};
use crate::store::Record;
use crate::sync::fleet::{Holder, Told};

use super::super::fleet::{
    FleetSettings, Remote, lease, metrics, next_report, push, pushed, pushed_record, take_up,
};
use super::{Failure, Work};

/// How long the coordinator is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The grant that the job is worked on under.
#[derive(Debug)]
pub(super) struct FleetJob {
    holder: Holder,
    lease: LeaseRef,
}

impl Work<'_> {
    /// Finds out whether the job is one of the fleet. Where the switches are off, or wrong, it is
    /// worked on all the same, and only its ship waits.
    pub(super) fn join_fleet(&mut self) {
        let Some(lease) = lease(self.job.meta()) else { return };
        let holder = match FleetSettings::read(&self.settings.environment) {
            Ok(Some(fleet)) => {
                fleet.named_in(self.job.meta()).holder(self.queue, PATIENCE).map(Some)
            }
            Ok(None) => Ok(None),
            Err(e) => Err(e),
        };
        match holder {
            Ok(Some(holder)) => self.fleet = Some(FleetJob { holder, lease }),
            Ok(None) => self.note("a job of the fleet, and AQ_FLEET is off: nothing is reported"),
            Err(e) => self.note(&format!("nothing is reported to the fleet: {e}")),
        }
    }

    /// Reports how far the job has come. It must not go on when another host has it.
    pub(super) fn report(&mut self, stage: Stage) -> Result<(), Failure> {
        if self.fleet.is_none() {
            return Ok(());
        }
        let seq = next_report(self.job.meta());
        // Before it is sent: a report with a number that was used before counts for nothing.
        let record = Record::new().set("fleet_reports", seq);
        let noted = self.retry_on_full_disk(|work| work.job.append(&record));
        noted.map_err(|e| match stage {
            Stage::Building => Failure::NotCounted(e.to_string()),
            _ => Failure::Unrecorded(e),
        })?;
        let Some(FleetJob { holder, lease }) = &self.fleet else { return Ok(()) };
        let meta = self.job.meta();
        let numbers = (stage != Stage::Building).then(|| metrics(meta));
        let report = holder.report_of(*lease, seq, stage, pushed(meta), numbers);
        match holder.report(*lease, report) {
            Told::Accepted => Ok(()),
            Told::Fenced => Err(Failure::Fenced),
            Told::Later(why) => {
                self.note(&format!("{stage} is reported to the fleet later: {why}"));
                Ok(())
            }
        }
    }

    /// Fetches what another host has done of the job, before its first start here.
    pub(super) fn take_up_work(&mut self, job: &checkpoint::Job) {
        let Some(remote) = self.settings.config.fleet.push_wip.clone() else {
            if self.job.meta().get("resume_commit").is_some() {
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
        let (Some(FleetJob { holder, lease }), Some(wip)) = (&self.fleet, self.wip()) else {
            return;
        };
        let remote = Remote { name, holder };
        let done = push(&remote, wip, *lease, self.job.meta());
        match done {
            Ok(Some(checkpoint)) => {
                // Not on record, it is only told later.
                let _ = self.job.append(&pushed_record(&checkpoint));
            }
            Ok(None) => {}
            Err(e) => self.note(&format!("warning: the work is not pushed: {e}")),
        }
    }

    fn wip(&self) -> Option<&Wip> {
        self.place.as_ref()?.wip()
    }
}
