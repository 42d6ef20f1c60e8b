//! What both databases do alike with what goes in and out.

use aq_fleet::protocol::{
    EventValue, Fields, Identifier, JobEvent, ShadowAgreement, ShadowVerdict,
};

use super::columns::{count, json};
use super::{JobPage, StoreError};
use crate::ledger::FleetJob;

/// A host's text without what PostgreSQL cannot keep.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The fields of an event as the feed has them: with the host's time, unless it sent another `at`.
pub(crate) fn fields_of(event: &JobEvent) -> Fields {
    let mut fields = event.fields.clone();
    let at = EventValue::Word(Identifier::lossy(&event.at.to_string()));
    fields.entry(Identifier::lossy("at")).or_insert(at);
    fields
}

/// The counts of verdicts, by their words in JSON.
pub(crate) fn tally(told: &[(String, i64)]) -> Result<Option<ShadowAgreement>, StoreError> {
    let mut tally = ShadowAgreement::default();
    for (verdict, told) in told {
        let place = match json("verdict", verdict)? {
            ShadowVerdict::Agree => &mut tally.agree,
            ShadowVerdict::Diverge => &mut tally.diverge,
            ShadowVerdict::CoordEmpty => &mut tally.coord_empty,
            ShadowVerdict::LocalEmpty => &mut tally.local_empty,
            ShadowVerdict::Error => &mut tally.error,
        };
        *place = count(*told);
    }
    Ok((!told.is_empty()).then_some(tally))
}

impl JobPage {
    /// A page that was asked for with a limit.
    pub(crate) fn of(jobs: Vec<FleetJob>, limit: u32) -> Self {
        let is_full = jobs.len() >= limit as usize;
        let next = jobs.last().filter(|_| is_full).map(|job| job.seq);
        Self { jobs, next }
    }
}
