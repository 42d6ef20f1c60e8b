//! One attempt at a job: its data, and its steps in order. The ground is prepared, the agent runs,
//! its work is saved and judged, `verify` judges it once more, and the attempt ends, well or not.
//! Whoever else has to know, the fleet, is a listener.

mod checkout;
mod commands;
mod distant_deps;
mod end;
mod failure;
mod feedback;
mod fleet;
mod ground;
mod judge;
mod listener;
mod prepare;
mod record;
mod run;
mod save;
mod tee;
mod train;
mod usage;
mod verify;

use std::sync::Arc;

use aq_manifest::{ReviewPolicy, Stage};

use super::job_log::JobLog;
use super::settings::QueueSettings;
use crate::checkpoint::{CommitId, JobBranch};
use crate::process::ProcessSupervisor;
use crate::store::{HeldJob, JobFile, QueueDir, StoreError};
use commands::CommandRunner;
use failure::AttemptFailure;
use fleet::FleetListener;
use ground::WorkGround;
use listener::AttemptListener;
use record::AttemptRecord;

/// An attempt at a job.
pub(super) struct JobAttempt<'a> {
    queue: &'a QueueDir,
    settings: QueueSettings,
    /// The job's record and log.
    record: AttemptRecord,
    /// The number of the attempt.
    number: u32,
    /// What runs its commands.
    commands: CommandRunner,
    /// Where it works.
    ground: WorkGround,
    /// Those who follow it.
    listeners: Vec<Box<dyn AttemptListener>>,
}

impl<'a> JobAttempt<'a> {
    /// An attempt at a job that this process holds, with all who follow it.
    pub(super) fn new(
        queue: &'a QueueDir,
        settings: QueueSettings,
        supervisor: ProcessSupervisor,
        job: HeldJob,
        log: JobLog,
    ) -> Self {
        let stop = Arc::new(supervisor.stop_check());
        let number = job.row().attempt_number();
        let mut record = AttemptRecord::new(queue, job, log, stop);
        let fleet = FleetListener::of_job(queue, &settings, &mut record);
        let listeners = fleet.map(|fleet| Box::new(fleet) as Box<dyn AttemptListener>);
        Self {
            queue,
            settings,
            record,
            number,
            commands: CommandRunner::new(supervisor),
            ground: WorkGround::default(),
            listeners: listeners.into_iter().collect(),
        }
    }

    /// Makes the attempt, whatever comes of it.
    ///
    /// # Errors
    /// When its end could not be recorded: recovery has to see to the job.
    pub(super) fn make(mut self) -> Result<(), StoreError> {
        let done = self.work();
        if done.is_ok() {
            // A wish that came too late must not end the next attempt. Otherwise recovery sees to
            // it.
            self.record.stop_request().withdraw();
        }
        ground::put_scratch_away(&mut self);
        self.commands.leave_cgroup();
        done
    }

    fn work(&mut self) -> Result<(), StoreError> {
        // Of a landing at a remote it has to be known first how far it came.
        if self.record.stop_request().is_made() && !self.record.row().has_open_landing() {
            return end::fail(self, None, AttemptFailure::Stopped);
        }
        let file = match prepare::job_file(self.queue, &self.record) {
            Ok(file) => file,
            Err(failure) => return end::fail(self, None, failure),
        };
        let spec = &file.spec;
        if self.record.stage() == Stage::Testing {
            return train::make(self, spec);
        }
        let _lock = match prepare::take_lock(self.queue, &self.record) {
            Ok(lock) => lock,
            Err(failure) => return end::fail(self, Some(spec), failure),
        };
        if self.record.stage() == Stage::Building {
            if let Err(failure) = self.agent(&file) {
                return end::fail(self, Some(spec), failure);
            }
            end::accept(self, spec.review_policy)?;
            if spec.review_policy == ReviewPolicy::Human {
                return Ok(());
            }
        }
        match verify::run(self, spec) {
            Ok(has_passed) => end::succeed(self, spec, has_passed),
            Err(failure) => end::fail(self, Some(spec), failure),
        }
    }

    /// The agent's part.
    fn agent(&mut self, file: &JobFile) -> Result<(), AttemptFailure> {
        let (ground, mut input) = prepare::agent(self, file)?;
        self.tell_reached(Stage::Building)?;
        let run = loop {
            let run = run::engine(self, &file.spec, &ground, input)?;
            if !run.has_lost_session() {
                break run;
            }
            input = prepare::fresh_input(self, file, &ground)?;
        };
        self.commands.last.lacked_session = run.verdict.session_gone;
        let changes = save::work(self);
        judge::run(self, &file.spec, &run, changes)?;
        checkout::expect_resolved(self)?;
        self.tell_reached(Stage::Review)
    }

    fn tell_reached(&mut self, stage: Stage) -> Result<(), AttemptFailure> {
        let record = &mut self.record;
        self.listeners.iter_mut().try_for_each(|listener| listener.stage_reached(record, stage))
    }

    /// Asks those who have a say in it whether the job's work may go into its target.
    fn ask_to_ship(
        &mut self,
        merge: Option<(&JobBranch, &CommitId)>,
    ) -> Result<(), AttemptFailure> {
        let record = &mut self.record;
        self.listeners.iter_mut().try_for_each(|listener| listener.ship_comes(record, merge))
    }

    fn tell_saved(&mut self) {
        let Some(wip) = self.ground.wip() else { return };
        for listener in &mut self.listeners {
            listener.work_saved(&mut self.record, wip);
        }
    }
}
