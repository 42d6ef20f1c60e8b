//! Waiting jobs that fail without an attempt.

use aq_caps::HostRequirement;
use aq_manifest::{Outcome, Stage};
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Ends a waiting job that this host will never run.
#[derive(Clone, Copy, Debug)]
pub struct RefuseJob<'a> {
    /// The cause.
    pub cause: RefusalCause<'a>,
    /// The cause for people.
    pub message: &'a str,
}

/// The cause for which a job fails without an attempt.
#[derive(Clone, Copy, Debug)]
pub enum RefusalCause<'a> {
    /// Its file, or its profile, cannot be used.
    InvalidManifest,
    /// The host lacks these.
    MissingCapabilities(&'a [HostRequirement]),
    /// None of its engines is installed.
    NoEngine,
}

impl JobStep for RefuseJob<'_> {
    const NAME: StepName = StepName::Refuse;
    const FROM: &'static [Stage] = &[Stage::Inbox];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let outcome = match self.cause {
            RefusalCause::InvalidManifest => Outcome::InvalidManifest,
            RefusalCause::MissingCapabilities(_) => Outcome::CapabilityMismatch,
            RefusalCause::NoEngine => Outcome::NoEngine,
        };
        let mut update = RecordUpdate::new()
            .set(RecordKey::Result, outcome)
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::Message, self.message);
        if let RefusalCause::MissingCapabilities(missing) = self.cause {
            update = update.set_list(RecordKey::Missing, missing);
        }
        // A file that was dropped in and never read.
        if !row.content().has(RecordKey::AddedAt) {
            update = update.set(RecordKey::AddedAt, now);
        }
        Ok(StepWrites::to(Stage::Failed, update))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::lab::{NOW, decide, stages_of, written};

    #[test]
    fn refused_jobs_say_what_is_missing() {
        let missing = ["gpu>=2".parse().unwrap()];
        let cause = RefusalCause::MissingCapabilities(&missing);
        let refuse = RefuseJob { cause, message: "this host lacks gpu>=2" };
        let (stage, record) = decide(&refuse, Stage::Inbox, "");
        assert_eq!((stage, record.get(RecordKey::AddedAt)), (Some(Stage::Failed), Some(NOW)));
        assert_eq!(record.list(RecordKey::Missing), ["gpu>=2"]);
        assert_eq!(record.get(RecordKey::Result), Some("capability_mismatch"));
        let added = "added_at=2026-01-01T00:00:00Z\n";
        let invalid = RefuseJob { cause: RefusalCause::InvalidManifest, message: "x" };
        let (_, record) = decide(&invalid, Stage::Inbox, added);
        assert_eq!(record.get(RecordKey::AddedAt), Some("2026-01-01T00:00:00Z"));
        assert!(!record.has(RecordKey::Missing));
    }

    #[test]
    fn causes_choose_the_result() {
        for (cause, result) in [
            (RefusalCause::InvalidManifest, "invalid_manifest"),
            (RefusalCause::NoEngine, "no_engine"),
        ] {
            let refuse = RefuseJob { cause, message: "m" };
            let text = format!(
                "result={result}\nended_at=1970-01-01T00:01:40Z\nmessage=m\n\
                 added_at=1970-01-01T00:01:40Z\nmoved_to=failed\n"
            );
            assert_eq!(written(&refuse, Stage::Inbox, ""), Ok((Some(Stage::Failed), text)));
            assert_eq!(stages_of(&refuse), [Stage::Inbox]);
        }
    }
}
