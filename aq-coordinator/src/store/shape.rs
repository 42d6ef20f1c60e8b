//! What both databases do alike with what goes in and out.

use aq_fleet::protocol::{Agreement, Event, EventValue, Fields, Verdict, Word};

use super::columns::{count, json};
use super::{JobPage, StoreError};
use crate::ledger::Job;

/// A host's text without what PostgreSQL cannot keep.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The fields of an event as the feed has them: with the host's time, unless it sent another `at`.
pub(crate) fn fields_of(event: &Event) -> Fields {
    let mut fields = event.fields.clone();
    let at = EventValue::Word(Word::lossy(&event.at.to_string()));
    fields.entry(Word::lossy("at")).or_insert(at);
    fields
}

/// The counts of verdicts, by their words in JSON.
pub(crate) fn tally(told: &[(String, i64)]) -> Result<Option<Agreement>, StoreError> {
    let mut tally = Agreement::default();
    for (verdict, told) in told {
        let place = match json("verdict", verdict)? {
            Verdict::Agree => &mut tally.agree,
            Verdict::Diverge => &mut tally.diverge,
            Verdict::CoordEmpty => &mut tally.coord_empty,
            Verdict::LocalEmpty => &mut tally.local_empty,
            Verdict::Error => &mut tally.error,
        };
        *place = count(*told);
    }
    Ok((!told.is_empty()).then_some(tally))
}

impl JobPage {
    /// A page that was asked for with a limit.
    pub(crate) fn of(jobs: Vec<Job>, limit: u32) -> Self {
        let is_full = jobs.len() >= limit as usize;
        let next = jobs.last().filter(|_| is_full).map(|job| job.seq);
        Self { jobs, next }
    }
}
