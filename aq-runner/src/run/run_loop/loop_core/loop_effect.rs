//! Effects: all that the core of the run loop has done to the world.

use std::time::Duration;

use aq_manifest::JobId;
use aq_scheduler::{HostRejection, JobState, QueueCounts};

use crate::run::queue::change::QueueChange;
use crate::store::JobRecord;

use super::LoopSummary;

/// Something to do. Effects are done in their order, and the events of one are handled before the
/// next is done.
#[derive(Debug)]
pub(crate) enum LoopEffect {
    /// Look at a job: recover it when its worker is dead, take it in when it is new. Sends
    /// `JobLooked`, and `JobTouched` for one that it found on the way.
    Look(JobId),
    /// Ship a job of this host's own from testing/. Sends `JobLooked`.
    Ship(JobId),
    /// Start the worker that merges a job in testing/ into its target. Sends `MergeBegun`,
    /// `NotAsPlanned`, `JobBusy`, `RecordDamaged` or `JobTroubled`.
    Merge(JobId),
    /// Record the launch of a job and start its worker. Sends `Launched`, `NotAsPlanned`,
    /// `JobBusy`, `RecordDamaged` or `LaunchFailed`.
    Launch {
        /// The job.
        id: JobId,
        /// Its engine.
        engine: String,
    },
    /// Move a job to failed/ that this host can never run. Sends `JobRefused` and `NotAsPlanned`,
    /// or `JobBusy`, or `JobTroubled`.
    Reject(JobId, HostRejection),
    /// Move a job to failed/ whose dependencies go round in a circle, as these words say. Sends
    /// `JobRefused`, `JobBusy` or `JobTroubled`.
    Refuse(JobId, String),
    /// Have `JobFreed` sent when nobody holds the job. Sends `CannotWait` where that is impossible.
    AwaitFree(JobId),
    /// Read the record of a job whose worker has ended. Sends `RunRead`, unless it is gone.
    ReadRun(JobId),
    /// Look which engines are installed, and which rest. Sends `EnginesRead`.
    ReadEngines,
    /// Load the settings. Sends `EnginesRead`, and `JobTouched` for each job in inbox/.
    LoadSettings,
    /// List the folders. Sends `JobTouched` for each job that is not over.
    ListFolders,
    /// Look at what no event is sent for: requests to end, engines, room. Sends `EndAsked`,
    /// `EnginesRead` and `RoomRead` where there is news.
    CheckHost,
    /// Report to the listeners.
    Notify(LoopNotice),
    /// Ask the listeners what they still expect. Sends `ListenersAsked`.
    AskListeners,
    /// Report to the observer.
    LoopReport(LoopReport),
    /// Sleep until something happens, for this long at most. Sends what happened, then `Woken`.
    Sleep(Duration),
    /// Fail if the queue is not there any more: to have nothing to do is no end to be content with.
    ExpectQueue,
    /// End the loop. Nothing is done after this.
    End(LoopSummary),
}

/// A change that listeners hear of.
#[derive(Clone, Debug)]
pub(crate) enum LoopNotice {
    /// A job was looked at, started, or touched while its worker is at work.
    Job {
        /// The job.
        id: JobId,
        /// Its state before; `None` when it was not known.
        before: Option<JobState>,
        /// Its state now; `None` when it is not in the queue.
        after: Option<JobState>,
    },
    /// The queue in memory has changed. Only where a listener keeps a second one.
    Queue(QueueChange),
    /// A decision: this job is started. It comes before the change.
    Started(JobId),
    /// A decision: nothing more is started, until something happens.
    Idle,
    /// Any job may be in another folder than before, and those that are not over are looked at.
    FoldersChanged,
    /// A sleep is over, and a look at any job may be due.
    Woken,
    /// The clock was set back.
    ClockSetBack,
}

/// A message for the observer of the loop.
#[derive(Clone, Debug)]
pub(crate) enum LoopReport {
    /// A job was started.
    Started {
        /// The job.
        id: JobId,
        /// Its engine.
        engine: String,
    },
    /// A job that ran has come to rest.
    Ended(Box<JobRecord>),
    /// The merge of a job has ended, and it has left testing/.
    Merged(Box<JobRecord>),
    /// A job was moved to failed/ without having run.
    Refused {
        /// The job.
        id: JobId,
        /// The reason.
        why: String,
    },
    /// Something went wrong that the loop can go on with.
    Trouble(String),
    /// The loop is about to sleep.
    Idle(QueueCounts),
}
