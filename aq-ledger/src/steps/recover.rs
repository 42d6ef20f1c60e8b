//! Jobs whose worker is dead: the table in `aq-runner/src/store/transition.rs` as a function.

use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites, StopReason};
use crate::{JobRow, RecordContent, RecordKey, RecordUpdate, WORKER_KEYS};

/// Deaths in a row after which a job is held for what kills its workers.
pub const MAX_RECOVERIES: u32 = 10;

/// Sees to a job that no worker has any more. What its worker left running has been ended.
///
/// Two recoveries of one death write what one writes, because attempts are counted from the number
/// of the attempt.
#[derive(Clone, Debug, Default)]
pub struct RecoverJob {
    /// The wish that the job end, if there is one.
    pub stop: Option<StopReason>,
    /// The record of what was saved of the dead worker's changes.
    pub saved: RecordUpdate,
}

/// The state in which a dead worker has left its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadWorker {
    /// There is none: the job waits for a person, or its folder has no worker.
    None,
    /// It had written its last step: only the rename to this folder is missing.
    StepCutShort(Stage),
    /// It was launched and had not begun.
    NotBegun,
    /// It was at work.
    AtWork,
    /// It judged finished work.
    Verifying,
    /// It merged verified work into its target.
    Merging,
}

/// The end of a job whose worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryEnd {
    /// It goes again, and the attempt does not count: its worker had not begun.
    NotCounted,
    /// It goes again, and the attempt counts.
    Counted,
    /// The agent's work is accepted, and `verify` runs again.
    VerifyAgain,
    /// The work is verified, and is merged again.
    MergeAgain,
    /// Nobody wants it any more.
    Stopped(StopReason),
    /// Its workers die one after the other.
    KillsWorkers,
}

impl DeadWorker {
    /// Reads the state of a job that nobody is at work on.
    pub fn of(row: JobRow<'_>) -> Self {
        let has_worker = row.content().has(RecordKey::Pid);
        match row.stage {
            Stage::Building => match row.moved_to() {
                Some(to) if to != Stage::Building => Self::StepCutShort(to),
                // A record without a launch is not aq's own; what ran is counted.
                _ if has_worker || row.attempt().is_none() => Self::AtWork,
                _ => Self::NotBegun,
            },
            Stage::Review if has_worker => Self::Verifying,
            Stage::Testing if has_worker => Self::Merging,
            _ => Self::None,
        }
    }
}

/// The folder to which a job with several names belongs. Where the record names none of them, the
/// earliest in the order of a job's life is taken, so that no work counts as done which may not be.
///
/// # Panics
/// Without folders.
pub fn folder_of(content: &RecordContent, folders: &[Stage]) -> Stage {
    let told = content.parsed::<Stage>(RecordKey::MovedTo).filter(|told| folders.contains(told));
    told.or(folders.iter().min().copied()).expect("a job is somewhere")
}

impl RecoverJob {
    /// Decides what becomes of the job.
    ///
    /// A landing on record comes first: until it is known how far that came, nothing else is. Of
    /// one at a remote only another worker finds that out.
    pub fn end(&self, row: JobRow<'_>) -> Option<RecoveryEnd> {
        let worker = DeadWorker::of(row);
        if row.has_open_landing() {
            let is_merging = worker == DeadWorker::Merging && row.lands_at_remote();
            return is_merging.then_some(RecoveryEnd::MergeAgain);
        }
        Some(match (worker, self.stop) {
            (DeadWorker::None | DeadWorker::StepCutShort(_), _) => return None,
            (_, Some(reason)) => RecoveryEnd::Stopped(reason),
            (DeadWorker::NotBegun, None) => RecoveryEnd::NotCounted,
            _ if recoveries(row) >= MAX_RECOVERIES => RecoveryEnd::KillsWorkers,
            (DeadWorker::AtWork, None) => RecoveryEnd::Counted,
            (DeadWorker::Verifying, None) => RecoveryEnd::VerifyAgain,
            (DeadWorker::Merging, None) => RecoveryEnd::MergeAgain,
        })
    }
}

/// Times in a row that its worker died, with this one.
fn recoveries(row: JobRow<'_>) -> u32 {
    row.recoveries().unwrap_or(0).saturating_add(1)
}

impl JobStep for RecoverJob {
    const NAME: StepName = StepName::Recover;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let Some(end) = self.end(row) else {
            return Err(StepRefusal::NoDeadWorker { step: Self::NAME });
        };
        let mut update = RecordUpdate::new();
        if !matches!(end, RecoveryEnd::VerifyAgain | RecoveryEnd::MergeAgain) {
            update = update.set(RecordKey::EndedAt, now);
        }
        if end == RecoveryEnd::NotCounted {
            return Ok(StepWrites::to(Stage::Inbox, update.clear(WORKER_KEYS)));
        }
        if DeadWorker::of(row) == DeadWorker::AtWork {
            // From the number of the attempt, not one more than was counted.
            let next = row.attempts().unwrap_or(0).saturating_add(1);
            let attempt = row.attempt().unwrap_or(next);
            update = update.set(RecordKey::Attempt, attempt).set(RecordKey::Attempts, attempt);
        }
        update = update.set(RecordKey::Recoveries, recoveries(row));
        // The worker goes last: a record without one, and without the count, says that nobody ran
        // it.
        update = update.followed_by(self.saved.clone()).clear(WORKER_KEYS);
        Ok(match end {
            RecoveryEnd::NotCounted | RecoveryEnd::Counted => {
                StepWrites::to(Stage::Inbox, update.set(RecordKey::Message, "its worker died"))
            }
            RecoveryEnd::VerifyAgain | RecoveryEnd::MergeAgain => StepWrites::note(update),
            RecoveryEnd::Stopped(reason) => {
                let words = format!("{}; its worker was already dead", reason.message());
                let step = reason.end(update);
                step.with(RecordUpdate::new().set(RecordKey::Message, words))
            }
            RecoveryEnd::KillsWorkers => {
                let message = format!(
                    "its worker died {} times in a row; the job itself probably kills it",
                    recoveries(row)
                );
                let update = update
                    .set(RecordKey::Result, Outcome::Crash)
                    .set(RecordKey::FailureClass, Outcome::Crash);
                StepWrites::to(Stage::Failed, update.set(RecordKey::Message, message))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::lab::{decide, refusal, row, stages_of, written};

    const AT_WORK: &str = "attempt=3\nattempts=2\nmoved_to=building\npid=7\n";

    #[test]
    fn dead_workers_are_told_apart() {
        let read = |stage, text: &str| {
            let content = RecordContent::parse(text);
            DeadWorker::of(row(stage, &content))
        };
        assert_eq!(read(Stage::Building, AT_WORK), DeadWorker::AtWork);
        assert_eq!(read(Stage::Building, ""), DeadWorker::AtWork, "counted, whoever ran it");
        let launched = "attempt=1\nmoved_to=building\n";
        assert_eq!(read(Stage::Building, launched), DeadWorker::NotBegun);
        let cut = "attempt=1\npid=7\nmoved_to=failed\n";
        assert_eq!(read(Stage::Building, cut), DeadWorker::StepCutShort(Stage::Failed));
        assert_eq!(read(Stage::Review, "pid=7\n"), DeadWorker::Verifying);
        assert_eq!(read(Stage::Testing, "pid=7\n"), DeadWorker::Merging);
        for (stage, text) in [(Stage::Review, ""), (Stage::Inbox, AT_WORK), (Stage::Failed, cut)] {
            assert_eq!(read(stage, text), DeadWorker::None, "{stage}");
        }
    }

    #[test]
    fn attempts_are_counted_by_number() {
        let (stage, record) = decide(&RecoverJob::default(), Stage::Building, AT_WORK);
        assert_eq!((stage, record.count(RecordKey::Attempts)), (Some(Stage::Inbox), 3));
        assert_eq!((record.count(RecordKey::Recoveries), record.has(RecordKey::Pid)), (1, false));
        let (_, record) = decide(&RecoverJob::default(), Stage::Building, "attempts=4\npid=7\n");
        assert_eq!((record.count(RecordKey::Attempt), record.count(RecordKey::Attempts)), (5, 5));
        let (_, record) =
            decide(&RecoverJob::default(), Stage::Building, "attempt=1\nmoved_to=building\n");
        assert_eq!(record.count(RecordKey::Attempts), 0, "it had not begun");
    }

    #[test]
    fn tenth_death_is_the_last() {
        for (stage, again) in
            [(Stage::Building, Some(Stage::Inbox)), (Stage::Review, None), (Stage::Testing, None)]
        {
            let text = |deaths: u32| format!("{AT_WORK}recoveries={deaths}\n");
            assert_eq!(decide(&RecoverJob::default(), stage, &text(8)).0, again);
            let (end, record) = decide(&RecoverJob::default(), stage, &text(9));
            assert_eq!((end, record.get(RecordKey::Result)), (Some(Stage::Failed), Some("crash")));
            assert_eq!(record.get(RecordKey::FailureClass), Some("crash"));
            assert!(record.has(RecordKey::EndedAt));
            let message = record.get(RecordKey::Message).unwrap();
            assert!(message.starts_with("its worker died 10 times in a row;"), "{message}");
        }
    }

    #[test]
    fn wishes_come_first() {
        let text = format!("{AT_WORK}recoveries=20\n");
        let stop = |reason| RecoverJob { stop: Some(reason), ..RecoverJob::default() };
        for (reason, end, result) in [
            (StopReason::Person, Stage::Failed, "stopped"),
            (StopReason::Fenced, Stage::Quarantine, "fenced"),
        ] {
            for at in [Stage::Building, Stage::Review, Stage::Testing] {
                let (stage, record) = decide(&stop(reason), at, &text);
                assert_eq!((stage, record.get(RecordKey::Result)), (Some(end), Some(result)));
                let message = format!("{}; its worker was already dead", reason.message());
                assert_eq!(record.get(RecordKey::Message), Some(message.as_str()));
            }
        }
        let launched = "attempt=1\nmoved_to=building\n";
        assert_eq!(
            decide(&stop(StopReason::Person), Stage::Building, launched).0,
            Some(Stage::Failed)
        );
    }

    #[test]
    fn workers_are_forgotten_after_count() {
        let saved = RecordUpdate::new().set(RecordKey::CheckpointError, "e");
        let recover = RecoverJob { saved, ..RecoverJob::default() };
        let worker = "pid=\npidstart=\nboot=\nstep=\n";
        let before = format!("{AT_WORK}pidstart=8\nboot=b\nstep=git\nrecoveries=1\n");
        let ended = "ended_at=1970-01-01T00:01:40Z\n";
        let text = format!(
            "{ended}attempt=3\nattempts=3\nrecoveries=2\ncheckpoint_error=e\n{worker}\
             message=its worker died\nmoved_to=inbox\n"
        );
        assert_eq!(written(&recover, Stage::Building, &before), Ok((Some(Stage::Inbox), text)));
        let text = format!("recoveries=2\ncheckpoint_error=e\n{worker}");
        assert_eq!(written(&recover, Stage::Review, &before), Ok((None, text)));
        // A torn record may have a part of a worker, and none that has begun.
        let torn = "attempt=1\npidstart=8\nstep=git\nmoved_to=building\n";
        let text = format!("{ended}pidstart=\nstep=\nmoved_to=inbox\n");
        assert_eq!(written(&recover, Stage::Building, torn), Ok((Some(Stage::Inbox), text)));
        assert_eq!(stages_of(&recover), [Stage::Building]);
    }

    #[test]
    fn second_names_follow_the_record() {
        let kept = |text: &str| {
            folder_of(&RecordContent::parse(text), &[Stage::Failed, Stage::Inbox, Stage::Testing])
        };
        assert_eq!(kept("moved_to=failed\n"), Stage::Failed);
        assert_eq!(kept("moved_to=review\n"), Stage::Inbox);
        assert_eq!(kept(""), Stage::Inbox);
    }

    #[test]
    fn without_a_dead_worker_nothing_is_written() {
        let none = StepRefusal::NoDeadWorker { step: StepName::Recover };
        assert_eq!(refusal(&RecoverJob::default(), Stage::Review, ""), none);
        assert_eq!(refusal(&RecoverJob::default(), Stage::Building, "moved_to=inbox\n"), none);
    }
}
