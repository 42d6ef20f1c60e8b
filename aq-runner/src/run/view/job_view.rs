//! One job as a look at the queue shows it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aq_ledger::RecordKey;
use aq_manifest::Stage;
use aq_scheduler::WaitReason;
use jiff::Timestamp;

use crate::checkpoint::LeftOut;
use crate::insights::JobNumbers;
use crate::store::{JobRecord, QueueDir, RecordFault, SpentLine};

use crate::run::left_out::recorded_left_out;
use crate::run::place::shell_word;
use crate::run::view::history::{of_line, of_record};
use crate::run::view::tracker_view::{TrackerView, tracker_view};

/// One job.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its folder and record.
    pub record: JobRecord,
    /// Its doing at this moment.
    pub activity: JobActivity,
    /// The item that it came from.
    pub tracker: Option<TrackerView>,
    /// A problem of the place of its work, for a person to mend.
    pub work_problem: Option<WorkProblem>,
    /// Its log has something in it.
    pub has_log: bool,
    /// Its numbers; `None` when nothing is known of them.
    pub numbers: Option<JobNumbers>,
}

impl JobView {
    pub(crate) fn new(queue: &QueueDir, record: JobRecord, activity: JobActivity) -> Self {
        let tracker = tracker_view(queue, &record.id, &record.meta);
        let work_problem = WorkProblem::of(queue, &record, &activity);
        // Asked only where that is said.
        let has_log = record.stage.is_final()
            && queue.log(&record.id).metadata().is_ok_and(|log| log.len() > 0);
        let numbers = of_record(&record);
        Self { record, activity, tracker, work_problem, has_log, numbers }
    }

    /// Takes the numbers of a job whose record was put away.
    pub(crate) fn put_away(&mut self, line: &SpentLine) {
        if self.record.meta.is_empty() {
            self.numbers = Some(of_line(line));
        }
    }

    /// As [`crate::run::QueueOverview::distrust`], of one job.
    pub fn distrust(&mut self, queue: &Path) {
        if matches!(self.activity, JobActivity::Waiting(_) | JobActivity::Unread) {
            let reason = WaitReason::Untrusted { queue: shell_word(queue) };
            self.activity = JobActivity::Waiting(Some(reason));
        }
    }

    /// The number of attempts, a running one included.
    pub fn tries(&self) -> u32 {
        let ended = self.record.attempts();
        match self.activity {
            JobActivity::Running { .. } => ended.max(self.record.meta.count(RecordKey::Attempt)),
            _ => ended,
        }
    }

    /// The number of attempts that it may have, in all.
    pub fn max_tries(&self) -> u32 {
        self.record.meta.count(RecordKey::RetryMax).max(1)
    }

    /// US dollars over all its attempts, where they are known.
    pub fn cost_usd(&self) -> Option<f64> {
        self.numbers.as_ref()?.cost_usd
    }
}

/// The doing of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum JobActivity {
    /// It is to be run, or in review/ to be verified, and does not for this reason; `None`: it is
    /// next.
    Waiting(Option<WaitReason>),
    /// In the inbox, and its file has changed since the loop last read it, or was never read.
    Unread,
    /// A worker is at work on it.
    Running {
        /// When the attempt began.
        since: Option<Timestamp>,
        /// The time for which its log has not grown, when that is suspiciously long.
        stalled: Option<Duration>,
        /// `verify` is what runs.
        verifying: bool,
    },
    /// Its worker is dead: the next turn of a loop, or `aq recover`, puts it back.
    Lost,
    /// It waits for a person, or has ended.
    Resting,
    /// Its record has a value that cannot be used, so nothing is done with it.
    Unusable(Box<RecordFault>),
}

/// A problem with the place where the work of a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkProblem {
    /// Changes could not be committed, and are where they were.
    NotSaved {
        /// Git's words.
        why: String,
        /// Their directory, as far as that is known.
        dir: Option<PathBuf>,
    },
    /// Its checkout is not where it was.
    CheckoutGone {
        /// Its recorded place.
        dir: PathBuf,
        /// The branch that has what was saved.
        branch: String,
    },
}

impl WorkProblem {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotSaved { .. } => "work_not_saved",
            Self::CheckoutGone { .. } => "checkout_gone",
        }
    }

    fn of(queue: &QueueDir, record: &JobRecord, activity: &JobActivity) -> Option<Self> {
        if matches!(activity, JobActivity::Running { .. } | JobActivity::Lost) {
            return None;
        }
        let meta = &record.meta;
        let checkout = meta.get(RecordKey::Checkout).map(PathBuf::from);
        let is_open = matches!(record.stage, Stage::Inbox | Stage::Review | Stage::Testing);
        if let Some(dir) = checkout.as_ref().filter(|_| is_open) {
            let inside = queue.work().join(record.id.as_str());
            // That it went while its agent was at work is reported already.
            let is_told = || recorded_left_out(meta).iter().any(LeftOut::is_gone);
            if !dir.is_dir() && !inside.is_dir() && !is_told() {
                let branch = meta.get(RecordKey::WipBranch).unwrap_or_default().to_owned();
                return Some(Self::CheckoutGone { dir: dir.clone(), branch });
            }
        }
        let why = meta.get(RecordKey::CheckpointError)?.to_owned();
        Some(Self::NotSaved { why, dir: checkout.or_else(|| record.cwd()) })
    }
}

impl fmt::Display for WorkProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSaved { why, .. } => write!(f, "not all of its work is committed: {why}"),
            Self::CheckoutGone { dir, .. } => {
                write!(f, "its checkout is gone from {}", dir.display())
            }
        }
    }
}
