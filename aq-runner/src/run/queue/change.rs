//! Changes of the run loop's queue, for somebody who keeps a second one.

use aq_manifest::{JobId, Stage};
use aq_scheduler::{EngineState, JobState, ScheduledJob, SettledAs};
use jiff::Timestamp;

/// A change of the queue in memory.
#[derive(Clone, Debug)]
pub(crate) enum QueueChange {
    /// A job was put in, in place of what was known of it.
    Put(Box<QueuedJob>),
    /// The job with this key has ended.
    Settled { key: String, by: JobId, settled: SettledAs },
    /// A job was started.
    Started { id: JobId, state: JobState },
    /// A job has ended.
    Ended { id: JobId, key: Option<String>, settled: SettledAs },
    /// A job was taken out.
    Forgotten(JobId),
    /// The clock was set back.
    SetBack(Timestamp),
    /// The engines may be used so.
    Engines(Vec<(String, EngineState)>),
}

/// A job that was put in.
#[derive(Clone, Debug)]
pub(crate) struct QueuedJob {
    pub(crate) job: ScheduledJob,
    pub(crate) state: JobState,
    pub(crate) origin: JobOrigin,
}

/// The part of a job's record that the scheduler does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JobOrigin {
    pub(crate) stage: Stage,
    /// The lock is the job's directory, which no file names.
    pub(crate) has_own_lock: bool,
    /// Hash of the stamp of the job's file: another one is another text.
    pub(crate) version: u64,
}

/// The end of a job whose key another one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DependencyEnd {
    pub(crate) key: String,
    pub(crate) by: JobId,
    pub(crate) settled: SettledAs,
}

/// A job that has ended, as far as others may wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndedJob {
    pub(crate) id: JobId,
    pub(crate) key: Option<String>,
    pub(crate) deps: Vec<String>,
    pub(crate) settled: SettledAs,
}

/// A job as its record shows it.
#[derive(Clone, Debug)]
pub(crate) struct ReadJob {
    pub(crate) job: ScheduledJob,
    pub(crate) origin: JobOrigin,
    /// Jobs that have ended are not in the queue; these have keys that the job waits for.
    pub(crate) ends: Vec<DependencyEnd>,
}
