//! Reading of many jobs for a look at the queue: each for itself, so that two threads can do it.

use std::time::{Duration, SystemTime};

use aq_ledger::{JobRow, RecordKey};
use aq_manifest::{JobId, ReviewPolicy, Stage};
use aq_scheduler::{JobState, ScheduledJob};
use jiff::Timestamp;

use crate::run::at_work::is_running;
use crate::run::queue::change::DependencyEnd;
use crate::run::queue::model::QueueModel;
use crate::run::queue::reading::{dependency_ends, resting_state, seen_from_outside};
use crate::run::settings::QueueSettings;
use crate::run::view::job_view::{JobActivity, JobView};
use crate::store::{JobRecord, QueueDir, RecordReader, Result};

/// Minutes without a new line in its log after which a running job counts as stalled.
const STALL_MINUTES: u64 = 10;

/// Jobs that are read by more than one thread.
const MANY: usize = 500;

/// The surroundings that all jobs of a look share.
#[derive(Clone, Copy)]
pub(super) struct ReadContext<'a> {
    pub(super) queue: &'a QueueDir,
    pub(super) settings: &'a QueueSettings,
    /// The queue in memory, before the jobs are in it.
    pub(super) model: &'a QueueModel,
    /// Tools that were not asked what they are.
    pub(super) unasked: &'a [String],
    pub(super) now: Timestamp,
}

/// A job that was read.
pub(super) struct ReadView {
    /// The part of the table that it belongs to.
    pub(super) place: u8,
    pub(super) view: JobView,
    /// The same job for the scheduler, when it is in its queue.
    pub(super) queued: Option<(ScheduledJob, JobState, Vec<DependencyEnd>)>,
}

impl ReadContext<'_> {
    /// Reads jobs; many of them on two threads.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn read_all(self, mut jobs: Vec<(Stage, JobId)>) -> Result<Vec<ReadView>> {
        let read = |jobs: Vec<(Stage, JobId)>| -> Result<Vec<ReadView>> {
            let mut reader = RecordReader::open(self.queue)?;
            let view = |(stage, id)| Ok(self.view(reader.read(stage, id)?));
            jobs.into_iter().map(view).collect()
        };
        if jobs.len() < MANY {
            return read(jobs);
        }
        let half = jobs.split_off(jobs.len() / 2);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| read(half));
            let mut views = read(jobs)?;
            views.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            Ok(views)
        })
    }

    fn view(self, record: JobRecord) -> ReadView {
        let running = is_running(&record);
        let fault = record.fault(self.queue).filter(|_| !running);
        // Its values decide only where it has no fault.
        let row = record.unchecked();
        let state = match (running, &fault) {
            (true, _) => Some(self.model.running(row.engine().unwrap_or_default())),
            (false, Some(_)) => None,
            (false, None) => resting_state(row, self.now),
        };
        let queued = state.map(|state| {
            let (job, state) = seen_from_outside(self.settings, self.unasked, row, state);
            let ends = dependency_ends(self.queue, &job.deps);
            (job, state, ends)
        });
        let activity = match fault {
            _ if running => self.running_activity(&record),
            Some(fault) => JobActivity::Unusable(Box::new(fault)),
            None => resting_activity(row),
        };
        let place = place(&record, running);
        ReadView { place, view: JobView::new(self.queue, record, activity), queued }
    }

    fn running_activity(self, record: &JobRecord) -> JobActivity {
        let stall = stall_limit(self.settings);
        let silent = self
            .queue
            .log(&record.id)
            .metadata()
            .and_then(|about| about.modified())
            .ok()
            .and_then(|written| SystemTime::now().duration_since(written).ok());
        JobActivity::Running {
            since: record
                .meta
                .time(RecordKey::VerifiedAt)
                .filter(|_| record.stage == Stage::Testing)
                .or(record.meta.time(RecordKey::StartedAt))
                .or(record.meta.time(RecordKey::LaunchedAt)),
            stalled: silent.filter(|&silent| silent >= stall),
            verifying: record.stage == Stage::Review,
        }
    }
}

fn resting_activity(row: JobRow<'_>) -> JobActivity {
    match row.stage {
        Stage::Building => JobActivity::Lost,
        Stage::Inbox if row.source().is_none() => JobActivity::Unread,
        Stage::Inbox => JobActivity::Waiting(None),
        // Its worker died in `verify`, which is still to be run.
        Stage::Review if row.review_policy().unwrap_or_default() == ReviewPolicy::Auto => {
            JobActivity::Waiting(None)
        }
        _ => JobActivity::Resting,
    }
}

/// The part of the table that a job belongs to.
fn place(record: &JobRecord, running: bool) -> u8 {
    match record.stage {
        _ if running => 0,
        Stage::Building => 1,
        Stage::Inbox => 2,
        Stage::Review => 3,
        _ => 4,
    }
}

fn stall_limit(settings: &QueueSettings) -> Duration {
    let minutes = settings
        .environment
        .get("AGENT_QUEUE_STALL_MIN")
        .and_then(|value| value.to_str()?.trim().parse::<f64>().ok())
        .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
    minutes.unwrap_or(Duration::from_secs(STALL_MINUTES * 60))
}
