//! The fleet, as it follows an attempt at one of its jobs: it gets a report when the ground is
//! ready and when the agent is done, and the work of other hosts comes and goes. A worker has no
//! token, so the loop sends the reports. A coordinator, or a loop, that cannot be reached holds
//! nothing up: the report waits in the outbox.

use aq_fleet::protocol::{LeaseRef, PushedCheckpoint};
use aq_ledger::steps::{NotePush, NumberReport};
use aq_manifest::Stage;
use jiff::Timestamp;

use super::super::fleet::{
    FleetSettingsError, fleet_dir, metrics, push, pushed, pushed_note, take_up, told_lease,
    worker_name,
};
use super::super::host_lack::no_answer;
use super::super::settings::QueueSettings;
use super::failure::AttemptFailure;
use super::listener::AttemptListener;
use super::record::AttemptRecord;
use crate::checkpoint::{CheckpointJob, CommitId, JobBranch, shown_remote};
use crate::process::take_line;
use crate::store::QueueDir;
use crate::sync::fleet::{HolderAnswer, JobReporter};

/// The fleet's part in an attempt.
pub(super) struct FleetListener {
    /// The remote for work on its way between hosts.
    remote: Option<String>,
    /// `None` where nothing is reported: the job is worked on all the same, and only its ship
    /// waits.
    reports: Option<LeaseReporter>,
}

/// Reports under the lease that the job is worked on under.
struct LeaseReporter {
    reporter: JobReporter,
    lease: LeaseRef,
}

impl FleetListener {
    /// Follows the attempt, when the job is one of the fleet.
    pub(super) fn of_job(
        queue: &QueueDir,
        settings: &QueueSettings,
        record: &mut AttemptRecord,
    ) -> Option<Self> {
        let lease = told_lease(record.content());
        if lease.is_none() && !record.is_handed_over() {
            return None;
        }
        let reports = lease.and_then(|lease| LeaseReporter::open(queue, settings, record, lease));
        Some(Self { remote: settings.config.fleet.push_wip.clone(), reports })
    }
}

impl LeaseReporter {
    fn open(
        queue: &QueueDir,
        settings: &QueueSettings,
        record: &mut AttemptRecord,
        lease: LeaseRef,
    ) -> Option<Self> {
        // First of all: nothing that is started may inherit it.
        let line = take_line().ok().flatten();
        let outbox = fleet_dir(queue).join("outbox");
        let opened = match worker_name(&settings.environment, record.content()) {
            Ok(Some(name)) => {
                JobReporter::open(name, lease, &outbox, line).map_err(FleetSettingsError::from)
            }
            Ok(None) => {
                record.note("a job of the fleet, and AQ_FLEET is off: nothing is reported");
                return None;
            }
            Err(e) => Err(e),
        };
        match opened {
            Ok(reporter) => Some(Self { reporter, lease }),
            Err(e) => {
                record.note(&format!("nothing is reported to the fleet: {e}"));
                None
            }
        }
    }
}

impl AttemptListener for FleetListener {
    /// Fetches the work of another host, before the job's first start here.
    fn checkout_comes(&mut self, record: &mut AttemptRecord, job: &CheckpointJob) {
        let Some(remote) = &self.remote else {
            if record.is_handed_over() {
                record
                    .note("another host has worked on this, but the config has no fleet.push-wip");
            }
            return;
        };
        match take_up(remote, job, record.content()) {
            Ok(Some(commit)) => {
                record.note(&format!("goes on from {commit}, the work of another host"));
            }
            Ok(None) => {}
            Err(e) => record.note(&format!(
                "warning: starts afresh, because the work of another host cannot be fetched: {e}"
            )),
        }
    }

    /// Pushes the branch, so that another host can go on from here.
    fn work_saved(&mut self, record: &mut AttemptRecord, wip: &JobBranch) {
        let (Some(remote), Some(LeaseReporter { reporter, lease })) =
            (&self.remote, &mut self.reports)
        else {
            return;
        };
        // Not on record, a push is only reported later.
        match push(remote, wip, *lease, record.content(), || reporter.renew()) {
            Ok(Some(done)) => record.try_make(&pushed_note(&done)),
            Ok(None) => record.try_make(&NotePush::Unchanged),
            Err(e) => {
                let why = e.to_string();
                record.note(&format!("warning: the work is not pushed: {why}"));
                record.try_make(&NotePush::Failed { why: &why });
            }
        }
    }

    /// Reports how far the job has come. It must not go on when another host has it.
    fn stage_reached(
        &mut self,
        record: &mut AttemptRecord,
        stage: Stage,
    ) -> Result<(), AttemptFailure> {
        let Some(LeaseReporter { reporter, .. }) = &mut self.reports else { return Ok(()) };
        record.make(&NumberReport, Timestamp::now()).map_err(|e| match stage {
            Stage::Building => AttemptFailure::not_counted(&e),
            _ => AttemptFailure::Unrecorded(e),
        })?;
        let seq = record.row().fleet_reports().unwrap_or_default();
        let content = record.content();
        let numbers = (stage != Stage::Building).then(|| metrics(content));
        match reporter.report(seq, stage, pushed(content), numbers) {
            HolderAnswer::Accepted => Ok(()),
            HolderAnswer::Fenced => Err(AttemptFailure::Fenced),
            HolderAnswer::Later(why) => {
                record.note(&format!("{stage} is reported to the fleet later: {why}"));
                Ok(())
            }
        }
    }

    /// Asks whether the job may be shipped. The answer decides it.
    fn ship_comes(
        &mut self,
        record: &mut AttemptRecord,
        merge: Option<(&JobBranch, &CommitId)>,
    ) -> Result<(), AttemptFailure> {
        let unasked = |why: &str| {
            let why = format!("the fleet cannot be asked whether it may ship: {why}");
            AttemptFailure::Host(no_answer(why))
        };
        let Some(LeaseReporter { reporter, .. }) = &mut self.reports else {
            return Err(unasked("AQ_FLEET is not 1 here"));
        };
        record
            .make(&NumberReport, Timestamp::now())
            .map_err(|e| AttemptFailure::not_counted(&e))?;
        let seq = record.row().fleet_reports().unwrap_or_default();
        let content = record.content();
        // Without a branch at a remote the commit in its target is where its work is: jobs that
        // build on it wait for that.
        let at = pushed(content).or_else(|| merge.and_then(|(wip, commit)| merged(wip, commit)));
        match reporter.ship(seq, at, Some(metrics(content))) {
            HolderAnswer::Accepted => Ok(()),
            HolderAnswer::Fenced => Err(AttemptFailure::Fenced),
            HolderAnswer::Later(why) => Err(unasked(&why)),
        }
    }
}

/// The place of work in its target.
fn merged(wip: &JobBranch, commit: &CommitId) -> Option<PushedCheckpoint> {
    let remote = wip.target_at()?;
    Some(PushedCheckpoint {
        branch: wip.branch().parse().ok()?,
        commit: commit.as_str().parse().ok()?,
        remote: shown_remote(remote),
        repository: wip.repository_at_remote(remote).ok().flatten(),
        failure: None,
    })
}
