//! The launch of a waiting job, which takes its slot.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{DEPS_CONFLICT_KEYS, HOST_LACK_KEYS, JobRow, RecordKey, RecordUpdate, WORKER_KEYS};

/// Results of the last attempt, which are none of the next one.
const LAST_RESULTS: &[RecordKey] = &[
    RecordKey::Result,
    RecordKey::Exit,
    RecordKey::Message,
    RecordKey::EndedAt,
    RecordKey::NextEligible,
];

/// Takes a slot for a waiting job, before its worker exists. A launch whose worker never began is
/// written again with the same attempt.
#[derive(Clone, Copy, Debug)]
pub struct LaunchJob<'a> {
    /// The engine that the plan has chosen.
    pub engine: &'a str,
}

impl JobStep for LaunchJob<'_> {
    const NAME: StepName = StepName::Launch;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        if row.is_held() {
            return Err(StepRefusal::Held { step: Self::NAME });
        }
        let attempt = row.attempts().unwrap_or(0).saturating_add(1);
        let update = RecordUpdate::new()
            .clear(WORKER_KEYS)
            .clear(LAST_RESULTS)
            .clear(HOST_LACK_KEYS)
            .clear(DEPS_CONFLICT_KEYS)
            .set(RecordKey::Attempt, attempt)
            .set(RecordKey::Engine, self.engine)
            .set(RecordKey::LaunchedAt, now);
        Ok(StepWrites::to(Stage::Building, update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::lab::{AT_WORK, decide, refusal, stages_of, written};

    #[test]
    fn launch_begins_the_next_attempt() {
        let launch = LaunchJob { engine: "shell" };
        let (stage, record) = decide(&launch, Stage::Inbox, "attempts=2\nattempt=2\nexit=1\n");
        assert_eq!((stage, record.count(RecordKey::Attempt)), (Some(Stage::Building), 3));
        assert_eq!((record.count(RecordKey::Attempts), record.has(RecordKey::Exit)), (2, false));
        // Its worker never began.
        let (_, record) = decide(&launch, Stage::Inbox, "attempts=2\nattempt=3\n");
        assert_eq!(record.count(RecordKey::Attempt), 3);
    }

    #[test]
    fn launches_forget_the_last_attempt() {
        let last = "result=crash\nexit=1\nmessage=m\nended_at=1970-01-01T00:00:01Z\n\
                    next_eligible=1970-01-01T00:00:02Z\nhost_lacks=room\n\
                    host_lacks_detail=d\nhost_tries=2\nsession_id=s\n";
        let text = "pid=\npidstart=\nboot=\nstep=\nresult=\nexit=\nmessage=\nended_at=\n\
                    next_eligible=\nhost_lacks=\nhost_lacks_detail=\nattempt=3\nengine=shell\n\
                    launched_at=1970-01-01T00:01:40Z\nmoved_to=building\n";
        let launch = LaunchJob { engine: "shell" };
        let done = written(&launch, Stage::Inbox, &format!("{AT_WORK}{last}"));
        assert_eq!(done, Ok((Some(Stage::Building), text.to_owned())));
        assert_eq!(stages_of(&launch), [Stage::Inbox]);
    }

    #[test]
    fn held_jobs_are_not_launched() {
        let launch = LaunchJob { engine: "shell" };
        let held = StepRefusal::Held { step: StepName::Launch };
        assert_eq!(refusal(&launch, Stage::Inbox, "held=1\n"), held);
        assert_eq!(decide(&launch, Stage::Inbox, "held=1\nheld=\n").0, Some(Stage::Building));
    }
}
