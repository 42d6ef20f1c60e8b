//! Reports of a fleet's job to its coordinator.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Takes the next number for a report, before it is sent: one with a number that was used before
/// counts for nothing.
#[derive(Clone, Copy, Debug)]
pub struct NumberReport;

impl JobStep for NumberReport {
    const NAME: StepName = StepName::NumberReport;
    const FROM: &'static [Stage] = &[Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        let number = row.fleet_reports().unwrap_or(0).saturating_add(1);
        Ok(StepWrites::note(RecordUpdate::new().set(RecordKey::FleetReports, number)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{stages_of, written};
    use super::*;

    #[test]
    fn numbers_go_on_from_one() {
        for (before, text) in [
            ("", "fleet_reports=1\n"),
            ("fleet_reports=1\nfleet_reports=7\n", "fleet_reports=8\n"),
            ("fleet_reports=x\n", "fleet_reports=1\n"),
        ] {
            let done = written(&NumberReport, Stage::Testing, before);
            assert_eq!(done, Ok((None, text.to_owned())));
        }
        assert_eq!(stages_of(&NumberReport), [Stage::Building, Stage::Review, Stage::Testing]);
    }
}
