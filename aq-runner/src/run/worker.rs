//! The worker: the supervisor process of one job. The loop starts it and forgets it; what it
//! learns goes to the queue's files, so the loop can die at any time.

use std::io;

use aq_ledger::steps::{BeginAttempt, GiveBack};
use aq_manifest::{JobId, JobIdError};
use jiff::Timestamp;

use super::attempt::JobAttempt;
use super::environment::ProcessEnvironment;
use super::host_lack::{lack_of_io, put_back};
use super::job_log::JobLog;
use super::settings::QueueSettings;
use crate::process::{ProcessId, ProcessSupervisor, survive_file_limit};
use crate::store::{HeldJob, QueueDir, StoreError};

/// A worker that could not do its work at all. The loop's recovery takes care of the job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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

/// Works on one job until it has left `building/` (or, when it is in `review/`, until `verify`
/// has judged it). To be called first thing in a process of its own, with one thread, that was
/// started by a run loop, which hands the job over on standard input.
///
/// # Errors
/// When nothing could be done and recovery has to see to the job.
pub fn work(
    queue: &QueueDir,
    id: &JobId,
    environment: ProcessEnvironment,
) -> Result<(), WorkerError> {
    let supervisor = ProcessSupervisor::install()?;
    survive_file_limit()?;
    let me = ProcessId::current()?;
    let mut job = HeldJob::inherit(queue, id)?;
    let boot = me.boot().to_string();
    job.step(&BeginAttempt { pid: me.pid(), start: me.start(), boot: &boot }, Timestamp::now())?;
    let (settings, outdated) = match QueueSettings::load_or_last(queue, environment) {
        Ok(loaded) => loaded,
        Err(e) => return give_back(&mut job, &e.to_string()).map_err(WorkerError::from),
    };
    let mut log = match JobLog::open(&queue.log(id), settings.log_limit) {
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
    if let Some(problem) = outdated {
        log.note(Timestamp::now(), &format!("warning: the old settings apply: {problem}"));
    }
    Ok(JobAttempt::new(queue, settings, supervisor, job, log).make()?)
}

/// Gives a job back that could not start; the attempt does not count.
fn give_back(job: &mut HeldJob, why: &str) -> Result<(), StoreError> {
    job.step(&GiveBack { message: why }, Timestamp::now())
}
