//! What a job's branch does not hold, on record: names and reasons, in two lists of one order.

use aq_manifest::ScopeSet;

use crate::checkpoint::LeftOut;
use crate::store::{Meta, Record};

/// The entries of a record.
pub(crate) fn left_out_record(left: &[LeftOut]) -> Record {
    let names: Vec<&str> = left.iter().map(|one| one.what.as_str()).collect();
    Record::new().set_list("left_out", &names).set_list("left_out_why", &whys(left))
}

/// The reasons, in the order of the names.
pub(crate) fn whys(left: &[LeftOut]) -> Vec<String> {
    left.iter().map(|one| one.why.clone()).collect()
}

/// What is left out by a record.
pub fn recorded_left_out(meta: &Meta) -> Vec<LeftOut> {
    let whys = meta.list("left_out_why");
    let whys = whys.into_iter().chain(std::iter::repeat(String::new()));
    meta.list("left_out").into_iter().zip(whys).map(|(what, why)| LeftOut { what, why }).collect()
}

/// Those that the job file does not expect to be left out.
pub(crate) fn unexpected(meta: &Meta, left: Vec<LeftOut>) -> Vec<LeftOut> {
    let globs = meta.list("leave_out");
    match ScopeSet::new(&globs) {
        Ok(expected) => left.into_iter().filter(|one| !expected.matches(&one.what)).collect(),
        Err(_) => left,
    }
}
