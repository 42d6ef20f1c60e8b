//! Workers that take up their job.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate, TRAIN_WAIT_KEYS};

/// Names the worker, so that recovery finds it when it dies.
#[derive(Clone, Copy, Debug)]
pub struct BeginAttempt<'a> {
    /// Its process id.
    pub pid: u32,
    /// Its start time, in clock ticks.
    pub start: u64,
    /// The boot id of its system.
    pub boot: &'a str,
}

impl JobStep for BeginAttempt<'_> {
    const NAME: StepName = StepName::Begin;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::Pid, self.pid)
            .set(RecordKey::Pidstart, self.start)
            .set(RecordKey::Boot, self.boot)
            .clear(&[RecordKey::Cgroup]);
        Ok(StepWrites::note(match row.stage {
            // The attempt is over: its work is merged.
            Stage::Testing => update.clear(TRAIN_WAIT_KEYS),
            _ => update.set(RecordKey::StartedAt, now),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn workers_name_themselves() {
        let begin = BeginAttempt { pid: 7, start: 8, boot: "b" };
        let text = "pid=7\npidstart=8\nboot=b\ncgroup=\nstarted_at=1970-01-01T00:01:40Z\n";
        let done = written(&begin, Stage::Building, "attempt=1\ncgroup=/old\n");
        assert_eq!(done, Ok((None, text.to_owned())));
        let waited = "cgroup=/old\ntrain_waits=x\n";
        let text = "pid=7\npidstart=8\nboot=b\ncgroup=\ntrain_waits=\n";
        assert_eq!(written(&begin, Stage::Testing, waited), Ok((None, text.to_owned())));
        assert_eq!(stages_of(&begin), [Stage::Building, Stage::Review, Stage::Testing]);
    }
}
