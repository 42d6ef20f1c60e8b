//! Words of a person for a job's agent, and putting the job back with them.
//!
//! The words are on disk before the job moves (`store/feedback_file.rs` has the steps), so a reply
//! that is killed is made again without saying anything twice.

use aq_ledger::steps::{ResumeFrom, ResumeJob, StepWrites};
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::feedback::{WordsProblem, words_text};
use crate::store::{FeedbackFile, HeldJob, QueueDir, StoreError};

use crate::run::at_work::is_at_work;
use crate::run::feedback::random_word;
use crate::run::operator::actions::take;
use crate::run::stop::StopRequest;

/// The outcome of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyOutcome {
    /// The job is back in the inbox, and its next attempt gets them.
    PutBack,
    /// The job waits already, and its next attempt gets them.
    Waits,
    /// The job runs: the attempt after this one gets them, if there is one.
    Runs,
}

/// Words that are not passed on. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// It is where no attempt follows, or the queue's files cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The words.
    #[error(transparent)]
    Words(#[from] WordsProblem),
}

/// Passes words on to a job's agent. A job that has ended goes on with them in the same session;
/// one that runs or waits gets them with its next attempt. Durable when this returns.
///
/// # Errors
/// [`StoreError::WrongStage`] for a job that will not run again.
pub fn reply(queue: &QueueDir, id: &JobId, words: &str) -> Result<ReplyOutcome, ReplyError> {
    let section = words_text(words)?;
    let mut job = match take(queue, id) {
        Ok(job) => job,
        Err(StoreError::Busy(_)) if is_at_work(queue, id) => {
            add(queue, id, &section)?;
            return Ok(ReplyOutcome::Runs);
        }
        Err(e) => return Err(e.into()),
    };
    match job.stage() {
        Stage::Inbox | Stage::Building => {
            add(queue, id, &section)?;
            let is_lost = job.stage() == Stage::Building;
            Ok(if is_lost { ReplyOutcome::Runs } else { ReplyOutcome::Waits })
        }
        _ => {
            put_back_with(queue, &mut job, ResumeFrom::Reply, &section)?;
            Ok(ReplyOutcome::PutBack)
        }
    }
}

/// Turns finished work down and has the same session mend it.
///
/// # Errors
/// [`StoreError::WrongStage`] when it is in neither review/ nor testing/.
pub fn reject_and_requeue(queue: &QueueDir, id: &JobId, why: &str) -> Result<(), ReplyError> {
    let section = words_text(why)?;
    let mut job = take(queue, id)?;
    Ok(put_back_with(queue, &mut job, ResumeFrom::Reject, &section)?)
}

/// Puts a failed job back that goes on where it ended: with its session and its feedback.
///
/// # Errors
/// [`StoreError::WrongStage`] when it is not in failed/, or in quarantine/ without `force`.
pub fn resume(queue: &QueueDir, id: &JobId, force: bool) -> Result<(), StoreError> {
    let mut job = take(queue, id)?;
    let step = ResumeJob { from: ResumeFrom::Requeue { force } };
    let step = job.decide(&step, Timestamp::now())?;
    put_back(queue, &mut job, &step)
}

fn put_back_with(
    queue: &QueueDir,
    job: &mut HeldJob,
    from: ResumeFrom,
    section: &str,
) -> Result<(), StoreError> {
    // First the question: words that are on disk are sent.
    let step = job.decide(&ResumeJob { from }, Timestamp::now())?;
    add(queue, job.id(), section)?;
    put_back(queue, job, &step)
}

fn put_back(queue: &QueueDir, job: &mut HeldJob, step: &StepWrites) -> Result<(), StoreError> {
    StopRequest::of(queue, job.id()).withdraw();
    job.apply(step)
}

fn add(queue: &QueueDir, id: &JobId, section: &str) -> Result<(), StoreError> {
    FeedbackFile::of(queue, id).add_words(random_word(), section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};
    use aq_ledger::RecordKey;

    fn waiting(queue: &TestQueue) -> String {
        FeedbackFile::of(queue, &id("a")).read().unwrap().waiting.words
    }

    #[test]
    fn finished_work_goes_back_with_its_session() {
        for stage in [Stage::Review, Stage::Testing, Stage::Failed] {
            let queue = TestQueue::new();
            queue.place("a", stage, "x");
            let meta = "attempts=3\nattempt=3\nsession_id=s\nsession_engine=e\nresult=crash\n";
            std::fs::write(queue.meta(&id("a")), meta).unwrap();
            assert_eq!(reply(&queue, &id("a"), "Use tabs.").unwrap(), ReplyOutcome::PutBack);
            assert!(queue.has(Stage::Inbox, &id("a")), "{stage}");
            let record = queue.record("a");
            assert_eq!(
                (record.get(RecordKey::SessionId), record.get(RecordKey::Result)),
                (Some("s"), None)
            );
            assert_eq!(record.count(RecordKey::Attempts), 0, "retry counts anew");
            assert!(waiting(&queue).contains("Use tabs."));
            assert_eq!(reply(&queue, &id("a"), "Use tabs.").unwrap(), ReplyOutcome::Waits);
            assert_eq!(waiting(&queue).matches("Use tabs.").count(), 1);
        }
    }

    #[test]
    fn what_will_not_run_is_refused() {
        let queue = TestQueue::new();
        for (name, stage) in [("a", Stage::Shipped), ("b", Stage::Quarantine)] {
            queue.place(name, stage, "x");
            let refused = reply(&queue, &id(name), "Use tabs.").unwrap_err();
            assert!(matches!(refused, ReplyError::Store(StoreError::WrongStage { .. })));
        }
        assert_eq!(waiting(&queue), "");
        queue.place("c", Stage::Failed, "x");
        assert!(matches!(reply(&queue, &id("c"), " "), Err(ReplyError::Words(_))));
        assert!(queue.has(Stage::Failed, &id("c")));
    }

    #[test]
    fn resumed_job_keeps_its_feedback() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Failed, "x");
        FeedbackFile::of(&queue, &id("a")).put_failure("1".to_owned(), "no\n".to_owned()).unwrap();
        resume(&queue, &id("a"), false).unwrap();
        let state = FeedbackFile::of(&queue, &id("a")).read().unwrap();
        assert_eq!(state.waiting.failure, "no\n");
        queue.shift("a", Stage::Inbox, Stage::Failed);
        crate::run::requeue(&queue, &id("a"), false).unwrap();
        let state = FeedbackFile::of(&queue, &id("a")).read().unwrap();
        assert_eq!(state, Default::default());
    }
}
