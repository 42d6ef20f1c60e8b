//! Events: all that the core of the run loop learns of the world.

use std::ffi::c_int;

use aq_manifest::{JobId, Stage};
use aq_scheduler::{EngineState, HostLack, JobState};
use jiff::Timestamp;

use crate::run::queue::change::{EndedJob, ReadJob};
use crate::run::queue::train::TrainSeat;
use crate::store::JobRecord;

/// Something that has happened. `EventSource` sends what wakes the loop, the effects send their
/// results, and listeners send what they did to a job.
#[derive(Debug)]
pub(crate) enum LoopEvent {
    /// The file of a job appeared, changed or went. From the watch of the folders, from a listing
    /// of them, and from a listener that put a job in.
    JobTouched(JobId),
    /// Whoever held a job let go of it. From the thread of [`LoopEffect::AwaitFree`], or the
    /// listener's after [`Self::JobTaken`].
    ///
    /// [`LoopEffect::AwaitFree`]: super::LoopEffect::AwaitFree
    JobFreed(JobId),
    /// The worker of a job has ended. From the thread that waits for it.
    WorkerEnded(JobId),
    /// A folder is another directory than before. From the watch, or the sweep.
    FoldersReplaced,
    /// Something changed in the folders, and nobody knows what. From the watch, or the sweep.
    FoldersChanged,
    /// A profile or the settings changed. From the watch.
    SettingsChanged,
    /// The clock was set back. From the event source, after a sleep.
    ClockSetBack,
    /// A sleep is over and all that it ended with was sent before this. From the event source.
    Woken,
    /// A signal that ends the loop came.
    Signal(c_int),
    /// Somebody asked the loop to end. From the look at the host before each decision.
    EndAsked,
    /// The state of each engine. From [`LoopEffect::ReadEngines`](super::LoopEffect::ReadEngines),
    /// and from the look at the host when they have changed.
    EnginesRead(Vec<(String, EngineState)>),
    /// The lack of room, or that there is enough. From the look at the host when that has changed.
    RoomRead(Option<HostLack>),
    /// Everything that was sent is handled, and its effects are done: it is time to decide.
    AllHandled,
    /// There was nothing to start or to reject, and the listeners have heard so. From
    /// [`LoopEffect::AskListeners`](super::LoopEffect::AskListeners).
    ListenersAsked {
        /// None of them expects anything more to come.
        is_drained: bool,
        /// The next time at which one of them wants a look at a job.
        next: Option<Timestamp>,
    },
    /// A job was looked at. From [`LoopEffect::Look`](super::LoopEffect::Look) and
    /// [`LoopEffect::Ship`](super::LoopEffect::Ship).
    JobLooked(JobId, JobLook),
    /// The end of an adopted worker, or of another's hold on a job, cannot be waited for. From the
    /// effect that tried.
    CannotWait(JobId, JobTrouble),
    /// A job was started. From [`LoopEffect::Launch`](super::LoopEffect::Launch).
    Launched {
        /// The job.
        id: JobId,
        /// Its engine.
        engine: String,
    },
    /// The merge of a job has begun. From [`LoopEffect::Merge`](super::LoopEffect::Merge).
    MergeBegun(JobId),
    /// A job could not be started. From [`LoopEffect::Launch`](super::LoopEffect::Launch).
    LaunchFailed {
        /// The job.
        id: JobId,
        /// The engine that it was to run with.
        engine: String,
        /// The reason.
        trouble: JobTrouble,
    },
    /// A job is not as the plan saw it, or not there any more. From the effects of a plan.
    NotAsPlanned(JobId),
    /// A job was moved to failed/ without having run. From the effects that refuse or reject one.
    JobRefused {
        /// The job.
        id: JobId,
        /// The reason.
        why: String,
    },
    /// Another process holds a job that an effect or a listener needed.
    JobBusy(JobId),
    /// A thread of a listener is at work on a job, and [`Self::JobFreed`] comes when it is done.
    JobTaken(JobId),
    /// A listener took a job out of the queue.
    JobWithdrawn(JobId),
    /// The record of a job cannot be used, for the reason in these words. From any effect.
    RecordDamaged(JobId, String),
    /// Something went wrong with a job. From any effect, or a listener.
    JobTroubled(JobId, JobTrouble),
    /// The record of a job whose worker has ended. From
    /// [`LoopEffect::ReadRun`](super::LoopEffect::ReadRun).
    RunRead {
        /// The record.
        record: Box<JobRecord>,
        /// The state of the job where nobody works on it; `None` when only recovery can find out.
        state: Option<JobState>,
        /// The thing that it came back for the want of.
        lack: Option<RunLack>,
    },
}

/// The place and the record of a job at a look.
#[derive(Debug)]
pub(crate) enum JobLook {
    /// It is in no folder.
    Gone,
    /// It waits, or rests.
    Rests {
        /// The job.
        read: Box<ReadJob>,
        /// Its state.
        state: JobState,
        /// The thing that the host lacked when it was last tried.
        lack: Option<MetLack>,
    },
    /// A worker that this loop did not start is at work on it, and its end will be sent.
    Works {
        /// The job.
        read: Box<ReadJob>,
        /// Its engine.
        engine: String,
    },
    /// It has ended.
    Ended(EndedJob),
    /// It is in testing/ and may be shipped.
    Shippable,
    /// It is in testing/ and goes into its target by the train.
    InTrain {
        /// The job.
        read: Box<ReadJob>,
        /// Its place.
        seat: TrainSeat,
    },
    /// A worker that this loop did not start merges it, and its end will be sent.
    Merges {
        /// The job.
        read: Box<ReadJob>,
        /// Its place.
        seat: TrainSeat,
    },
    /// Its file may still be written, and is looked at again at this time.
    Unsettled(Timestamp),
    /// It was moved to failed/, for this reason.
    Refused(String),
    /// Another process holds it.
    Busy,
    /// Somebody moves it at this moment, which will be sent, or its state is unknown.
    Moving,
    /// Its record cannot be used, for the reason in these words.
    Damaged(String),
    /// Something went wrong.
    Troubled(JobTrouble),
}

/// Something that went wrong with a job.
#[derive(Clone, Debug)]
pub(crate) struct JobTrouble {
    /// The error in words.
    pub(crate) text: String,
    /// The lack of the host that it is.
    pub(crate) lack: Option<HostLack>,
    /// Somebody is at work on the job, which keeps its slot and its lock.
    pub(crate) is_held: bool,
    /// The folder that the job is in.
    pub(crate) place: Option<Stage>,
}

/// A lack of the host that is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetLack {
    pub(crate) lack: HostLack,
    /// The pause is short enough for a loop that drains the queue.
    pub(crate) is_worth_a_wait: bool,
}

/// The reason for which a job came back without having run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunLack {
    /// Its engine went away between the plan and the start.
    Engine,
    /// The host lacked this.
    Host(HostLack),
}
