//! Which host gets which job. One task decides: what asks at the same moment is planned together
//! and written in one transaction, and the store has the last word on each.

mod ask;
mod board;
mod boards;
mod desk;
mod handle;
mod needs;
mod share;
mod waiting;

#[cfg(test)]
mod tests;

pub(crate) use ask::Checked;
pub(crate) use handle::Assign;
pub(crate) use needs::terms;
