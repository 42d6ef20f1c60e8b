//! Files that have the name of another job.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Begins the record of a file that was found under another job's name, and is in `quarantine/` now
/// under a name of its own.
#[derive(Clone, Copy, Debug)]
pub struct SetAside<'a> {
    /// The finding for people.
    pub message: &'a str,
}

impl JobStep for SetAside<'_> {
    const NAME: StepName = StepName::SetAside;
    const FROM: &'static [Stage] = &[Stage::Quarantine];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new().set(RecordKey::AddedAt, now);
        Ok(StepWrites::to(Stage::Quarantine, update.set(RecordKey::Message, self.message)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn records_begin_in_quarantine() {
        let aside = SetAside { message: "m" };
        let text = "added_at=1970-01-01T00:01:40Z\nmessage=m\nmoved_to=quarantine\n";
        let done = written(&aside, Stage::Quarantine, "");
        assert_eq!(done, Ok((Some(Stage::Quarantine), text.to_owned())));
        assert_eq!(stages_of(&aside), [Stage::Quarantine]);
    }
}
