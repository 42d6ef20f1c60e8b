//! Sessions that engines name while they run.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Notes the session at once, so that a killed run can be resumed.
#[derive(Clone, Copy, Debug)]
pub struct NoteSession<'a> {
    /// The engine's name for it.
    pub session: &'a str,
    /// The engine.
    pub engine: &'a str,
    /// The id of the feedback that the session knows from now on.
    pub feedback: Option<&'a str>,
}

impl JobStep for NoteSession<'_> {
    const NAME: StepName = StepName::NoteSession;
    const FROM: &'static [Stage] = &[Stage::Building];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, _: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let update = RecordUpdate::new()
            .set(RecordKey::SessionId, self.session)
            .set(RecordKey::SessionEngine, self.engine)
            .set_some(RecordKey::SessionFeedback, self.feedback);
        Ok(StepWrites::note(update))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn sessions_keep_their_feedback() {
        let note = NoteSession { session: "s", engine: "codex", feedback: Some("f") };
        let text = "session_id=s\nsession_engine=codex\nsession_feedback=f\n";
        assert_eq!(written(&note, Stage::Building, ""), Ok((None, text.to_owned())));
        let resumed = NoteSession { feedback: None, ..note };
        let text = "session_id=s\nsession_engine=codex\n";
        assert_eq!(written(&resumed, Stage::Building, text), Ok((None, text.to_owned())));
        assert_eq!(stages_of(&note), [Stage::Building]);
    }
}
