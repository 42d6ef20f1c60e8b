//! The worker: the supervisor process of one job. The loop starts it and forgets it; what it
//! learns goes to the queue's files, so the loop can die at any time.

mod agent;
mod command;
mod feedback;
mod fleet;
mod shell;
mod usage;
mod wip;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aq_ledger::steps::{
    Accept, Begin, EndUnwanted, Fail, FailFinally, GiveBack, Interrupt, JobStep, Postpone,
    StopReason, Verify,
};
use aq_ledger::{RecordKey, RecordUpdate};
use aq_manifest::{FailureClass, JobId, JobIdError, JobSpec, Outcome, ReviewPolicy, Stage};
use aq_scheduler::{AfterFailure, HostLack};
use jiff::Timestamp;

use crate::checkpoint::LeftOut;
use crate::engine::PROMPT_FILE;
use crate::process::{Cgroup, ProcessId, Supervisor, survive_file_limit};
use crate::store::{FileLock, HeldJob, JobFile, QueueDir, ScratchDir, StoreError, load, read_text};

use super::host_lack::{HostError, lack_of_io, put_back};
use super::job_log::JobLog;
use super::settings::{Environment, Settings};
use super::stop::StopRequest;
use feedback::LastCommand;
use fleet::FleetJob;
use wip::Workplace;

/// The pause before a full disk is tried again.
const ROOM_PAUSE: Duration = Duration::from_secs(2);

/// A worker that could not do its work at all. The loop's recovery takes care of the job.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// What it was given is no job's name.
    #[error("that is no job's name: {0}")]
    Name(#[from] JobIdError),
    /// The process could not become a supervisor.
    #[error("cannot supervise: {0}")]
    Supervise(#[from] io::Error),
    /// The queue's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As an adapter, its agent has not done its work. It has said why on standard output.
    #[error("the agent has not done its work; standard output says why")]
    AgentFailed,
}

/// Works on one job until it has left `building/` (or, when it lies in `review/`, until `verify`
/// has judged it). To be called first thing in a process of its own, with one thread, that was
/// started by a run loop, which hands the job over on standard input.
///
/// # Errors
/// When nothing could be done and recovery has to see to the job.
pub fn work(queue: &QueueDir, id: &JobId, environment: Environment) -> Result<(), WorkerError> {
    let supervisor = Supervisor::install()?;
    survive_file_limit()?;
    let me = ProcessId::current()?;
    let mut job = HeldJob::inherit(queue, id)?;
    let boot = me.boot().to_string();
    job.step(&Begin { pid: me.pid(), start: me.start(), boot: &boot }, Timestamp::now())?;
    let (settings, outdated) = match Settings::load_or_last(queue, environment) {
        Ok(loaded) => loaded,
        Err(e) => return give_back(&mut job, &e.to_string()).map_err(WorkerError::from),
    };
    let log = match JobLog::open(&queue.log(id), settings.log_limit) {
        Ok(log) => log,
        Err(e) => {
            let why = format!("cannot open its log: {e}");
            let done = match lack_of_io(&e, &why) {
                Some(lack) => put_back(&mut job, &lack),
                None => give_back(&mut job, &why),
            };
            return done.map_err(WorkerError::from);
        }
    };
    let attempt = job.meta().count(RecordKey::Attempt).max(1);
    let mut work = Work {
        queue,
        settings,
        supervisor,
        job,
        log,
        attempt,
        cgroup: None,
        place: None,
        gone: Vec::new(),
        scratch: None,
        last_command: LastCommand::default(),
        changed: Vec::new(),
        fleet: None,
    };
    if let Some(problem) = outdated {
        work.note(&format!("warning: the old settings apply: {problem}"));
    }
    work.join_fleet();
    let done = work.run();
    if done.is_ok() {
        // A wish that came too late must not end the next attempt. Otherwise recovery sees to it.
        StopRequest::of(queue, id).withdraw();
    }
    work.put_scratch_away();
    if let Some(cgroup) = work.cgroup {
        // One that cannot be removed is empty, and harms nobody.
        let _ = cgroup.leave();
    }
    Ok(done?)
}

/// Gives a job back that could not start; the attempt does not count.
fn give_back(job: &mut HeldJob, why: &str) -> Result<(), StoreError> {
    job.step(&GiveBack { message: why }, Timestamp::now())
}

struct Work<'a> {
    queue: &'a QueueDir,
    settings: Settings,
    supervisor: Supervisor,
    job: HeldJob,
    log: JobLog,
    attempt: u32,
    /// Entered when a command has run for a while.
    cgroup: Option<Cgroup>,
    /// Where the job works, once that is ready.
    place: Option<Workplace>,
    /// Work of this attempt that is nowhere any more.
    gone: Vec<LeftOut>,
    /// Its `TMPDIR`, once it needed one.
    scratch: Option<ScratchDir>,
    /// The end of the last command, for the feedback of the next attempt.
    last_command: LastCommand,
    /// The paths that the job has changed, as far as this worker has seen.
    changed: Vec<String>,
    /// The grant of a job that the fleet gave to this host.
    fleet: Option<FleetJob>,
}

/// Why an attempt, or the judgement of one, ended without success.
enum Failure {
    /// Of a class that `retry` can name.
    Class(FailureClass, String),
    /// For good, whatever `retry` says.
    Final(Outcome, String),
    /// The supervisor was told to stop.
    Stopped,
    /// The coordinator has given the job to another host.
    Fenced,
    /// The host lacks something: the job goes back, says what, and the attempt does not count.
    Host(HostLack),
    /// Not the job's fault: it goes back and the attempt does not count.
    NotCounted(String),
    /// The agent has run, and what came of it cannot be written down. Recovery counts the attempt: its
    /// number must not be another agent's.
    Unrecorded(StoreError),
    /// Its engine met a limit, or is out of use: it goes back at once, for another engine or for
    /// later, and the attempt does not count.
    NoEngineNow(String),
}

/// The failure that an error is: the host's, or `other` with its words.
fn host_or<E: HostError + ToString>(error: &E, other: impl FnOnce(String) -> Failure) -> Failure {
    error.lack().map_or_else(|| other(error.to_string()), Failure::Host)
}

impl Work<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        if self.is_unwanted() {
            return self.fail(None, Failure::Stopped);
        }
        let file = match self.read_file() {
            Ok(file) => file,
            Err(failure) => return self.fail(None, failure),
        };
        let taken = match self.lock() {
            Ok(taken) => taken,
            Err(e) => return self.fail(Some(&file.spec), host_or(&e, Failure::NotCounted)),
        };
        let Some(_lock) = taken else {
            let why = "another run loop has its lock";
            return self.fail(Some(&file.spec), Failure::NotCounted(why.to_owned()));
        };
        if self.job.stage() == Stage::Building {
            let accepted = self.agent(&file).and_then(|()| self.report(Stage::Review));
            if let Err(failure) = accepted {
                return self.fail(Some(&file.spec), failure);
            }
            let policy = file.spec.review_policy;
            if policy == ReviewPolicy::Human {
                self.leave_workplace();
                self.forget_failures();
                return self.end(&Accept { policy });
            }
            self.end(&Accept { policy })?;
        }
        match self.verify(&file.spec) {
            Ok(verified) => {
                self.keep_artifacts(&file.spec);
                self.leave_workplace();
                self.forget_failures();
                self.end(&Verify { has_passed: verified })
            }
            Err(failure) => self.fail(Some(&file.spec), failure),
        }
    }

    fn read_file(&self) -> Result<JobFile, Failure> {
        let path = self.queue.job_file(self.job.stage(), self.job.id());
        let invalid = |problem: String| Failure::Final(Outcome::InvalidManifest, problem);
        let text = read_text(&path)
            .map_err(|e| host_or(&e, |why| invalid(format!("cannot read the job file: {why}"))))?;
        load(self.queue.profiles(), &path.display().to_string(), &text, false)
            .map_err(|e| e.lack().map_or_else(|| invalid(e.summary.clone()), Failure::Host))
    }

    /// Even two loops on one queue must not run two jobs of one lock.
    fn lock(&self) -> Result<Option<Option<FileLock>>, StoreError> {
        match self.job.meta().get(RecordKey::Lock) {
            None => Ok(Some(None)),
            Some(key) => Ok(FileLock::lock_key(self.queue, key)?.map(Some)),
        }
    }

    /// The end of an attempt that did not go well.
    fn fail(&mut self, spec: Option<&JobSpec>, failure: Failure) -> Result<(), StoreError> {
        self.leave_workplace();
        match failure {
            // A wish that came when nothing could be signalled still counts.
            Failure::Host(_)
            | Failure::NotCounted(_)
            | Failure::NoEngineNow(_)
            | Failure::Class(..)
                if self.is_unwanted() =>
            {
                self.stopped(spec)
            }
            Failure::Host(lack) => {
                // It is tried again and again, and noted once.
                let why = lack.to_string();
                if self.job.meta().get(RecordKey::Message) != Some(&why) {
                    self.note(&format!("put back, and not counted: {why}"));
                }
                self.retry_on_full_disk(|work| put_back(&mut work.job, &lack))
            }
            Failure::NotCounted(why) => {
                // It is tried again every few seconds, and told once.
                if self.job.meta().get(RecordKey::Message) != Some(&why) {
                    self.note(&format!("not started: {why}"));
                }
                self.retry_on_full_disk(|work| give_back(&mut work.job, &why))
            }
            Failure::Unrecorded(e) => {
                self.note(&format!("cannot record what came of it: {e}"));
                Err(e)
            }
            Failure::NoEngineNow(why) => {
                self.note(&format!("not counted: {why}"));
                self.end(&Postpone { message: &why })
            }
            Failure::Final(outcome, why) => {
                self.note(&format!("failed: {outcome}: {why}"));
                self.keep_failure(spec, outcome.as_str(), &why);
                self.end(&FailFinally { outcome, message: &why })
            }
            Failure::Stopped => self.stopped(spec),
            Failure::Fenced => self.end_unwanted(spec, StopReason::Fenced),
            Failure::Class(class, why) => {
                self.keep_failure(spec, class.as_str(), &why);
                let retry = spec.and_then(|spec| spec.retry.as_ref());
                let (step, now) = (Fail { class, message: &why, retry }, Timestamp::now());
                let next = match step.consequence(self.job.row(), now) {
                    AfterFailure::Requeue { not_before } => {
                        format!("; next attempt at {not_before:.0}")
                    }
                    AfterFailure::Exhausted => "; no attempt is left".to_owned(),
                    AfterFailure::NotRetried => String::new(),
                };
                self.note(&format!("failed: {class}: {why}{next}"));
                self.end_at(&step, now)
            }
        }
    }

    /// A person stopped this job, or something else this process (the host goes down, `aq stop
    /// --all`): then the job goes on later.
    fn stopped(&mut self, spec: Option<&JobSpec>) -> Result<(), StoreError> {
        if let Some(reason) = StopRequest::of(self.queue, self.job.id()).reason() {
            return self.end_unwanted(spec, reason);
        }
        self.note("interrupted");
        if self.job.stage() == Stage::Review {
            // Nothing has moved, so the log is not asked for what it lacks.
            return self.job.step(&Interrupt, Timestamp::now());
        }
        self.end(&Interrupt)
    }

    /// The end of a job that is not wanted any more.
    fn end_unwanted(
        &mut self,
        spec: Option<&JobSpec>,
        reason: StopReason,
    ) -> Result<(), StoreError> {
        self.note(reason.message());
        if reason == StopReason::Person {
            self.keep_failure(spec, reason.outcome().as_str(), reason.message());
        }
        let step = self.job.decide(&EndUnwanted { reason }, Timestamp::now())?;
        self.retry_on_full_disk(|work| work.job.apply(&step))
    }

    /// Whether somebody has asked for its end.
    fn is_unwanted(&self) -> bool {
        StopRequest::of(self.queue, self.job.id()).is_made()
    }

    /// Makes a step that ends this part of the attempt, and records whether the log has all of it.
    fn end<S: JobStep>(&mut self, step: &S) -> Result<(), StoreError> {
        self.end_at(step, Timestamp::now())
    }

    fn end_at<S: JobStep>(&mut self, step: &S, now: Timestamp) -> Result<(), StoreError> {
        let log = RecordUpdate::new().set_some(RecordKey::LogIncomplete, self.log.incomplete());
        let step = self.job.decide(step, now)?.with(log);
        self.retry_on_full_disk(|work| work.job.apply(&step))
    }

    /// How a job ended is worth waiting for: on a full disk this tries until there is room.
    fn retry_on_full_disk(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            match step(self) {
                Err(e) if e.is_full() && self.supervisor.stop_requested().is_none() => {
                    std::thread::sleep(ROOM_PAUSE);
                }
                other => return other,
            }
        }
    }

    /// The job's `TMPDIR`, with nothing in it.
    fn scratch(&mut self) -> Result<PathBuf, Failure> {
        if let Some(scratch) = &self.scratch {
            let path = scratch.path().to_owned();
            if let Err(e) = scratch.empty(PROMPT_FILE) {
                self.note(&format!("warning: its TMPDIR is not empty: {e}"));
            }
            return Ok(path);
        }
        let made = ScratchDir::make(&self.settings.scratch, self.queue, self.job.id());
        let mut scratch = made.map_err(|e| host_or(&e, Failure::NotCounted))?;
        if let Some(why) = scratch.passed_over() {
            self.note(&format!("warning: `tmp` in config.yaml does not do for a TMPDIR: {why}"));
        }
        let path = scratch.path().to_owned();
        self.scratch = Some(scratch);
        Ok(path)
    }

    fn put_scratch_away(&mut self) {
        let Some(scratch) = self.scratch.take() else { return };
        if let Err(e) = scratch.put_away(PROMPT_FILE) {
            self.note(&format!("warning: its TMPDIR cannot be removed: {e}"));
        }
    }

    fn note(&mut self, text: &str) {
        self.log.note(Timestamp::now(), text);
    }
}
