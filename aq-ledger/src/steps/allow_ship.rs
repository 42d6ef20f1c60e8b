//! Jobs that the coordinator lets ship.

use aq_manifest::Stage;
use jiff::Timestamp;

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordKey, RecordUpdate};

/// Notes that the coordinator lets a job ship: it counts as shipped there, and no other host gets
/// it. From then on the job goes into its target, whatever that takes.
#[derive(Clone, Copy, Debug)]
pub struct AllowShip;

impl JobStep for AllowShip {
    const NAME: StepName = StepName::AllowShip;
    const FROM: &'static [Stage] = &[Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Sound;

    fn write(&self, row: JobRow<'_>, _: Timestamp) -> Result<StepWrites, StepRefusal> {
        if !row.has_lease() {
            return Err(StepRefusal::NoLease { step: Self::NAME });
        }
        Ok(StepWrites::note(RecordUpdate::new().set(RecordKey::FleetShips, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lab::{LEASE, refusal, written};
    use super::*;

    #[test]
    fn answers_belong_to_a_lease() {
        let noted = written(&AllowShip, Stage::Testing, LEASE);
        assert_eq!(noted, Ok((None, "fleet_ships=1\n".to_owned())));
        let none = StepRefusal::NoLease { step: StepName::AllowShip };
        assert_eq!(refusal(&AllowShip, Stage::Testing, ""), none);
        assert_eq!(AllowShip::FROM, [Stage::Testing]);
    }
}
