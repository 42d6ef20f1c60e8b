//! What a job's branch does not hold, on record: names and reasons, in two lists of one order.

use aq_ledger::{RecordContent, RecordKey, RecordUpdate};
use aq_manifest::ScopeSet;

use crate::checkpoint::LeftOut;

/// The entries of a record.
pub(crate) fn left_out_record(left: &[LeftOut]) -> RecordUpdate {
    let names: Vec<&str> = left.iter().map(|one| one.what.as_str()).collect();
    RecordUpdate::new()
        .set_list(RecordKey::LeftOut, &names)
        .set_list(RecordKey::LeftOutWhy, &whys(left))
}

/// The reasons, in the order of the names.
pub(crate) fn whys(left: &[LeftOut]) -> Vec<String> {
    left.iter().map(|one| one.why.clone()).collect()
}

/// What is left out by a record.
pub fn recorded_left_out(meta: &RecordContent) -> Vec<LeftOut> {
    let whys = meta.list(RecordKey::LeftOutWhy);
    let whys = whys.into_iter().chain(std::iter::repeat(String::new()));
    meta.list(RecordKey::LeftOut)
        .into_iter()
        .zip(whys)
        .map(|(what, why)| LeftOut { what, why })
        .collect()
}

/// Those that the job file does not expect to be left out.
pub(crate) fn unexpected(meta: &RecordContent, left: Vec<LeftOut>) -> Vec<LeftOut> {
    let globs = meta.list(RecordKey::LeaveOut);
    match ScopeSet::new(&globs) {
        Ok(expected) => left.into_iter().filter(|one| !expected.matches(&one.what)).collect(),
        Err(_) => left,
    }
}
