//! Which host gets which job. One task decides: what asks at the same moment is planned together
//! and written in one transaction, and the store has the last word on each.

mod assign_request;
mod handle;
mod job_assigner;
mod mirror_set;
mod needs;
mod pending_claims;
mod queue_mirror;
mod share;

#[cfg(test)]
mod tests;

pub(crate) use assign_request::CycleCheck;
pub(crate) use handle::AssignHandle;
pub(crate) use needs::terms;
