//! What this host tells other machines, and asks of them. Plain values go in and come out: these
//! modules know no queue, process, engine or branch, and they never decide what runs.

pub mod fleet;
pub(crate) mod tracker;
