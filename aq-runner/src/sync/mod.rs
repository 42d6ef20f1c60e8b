//! This host's messages to other machines, and its questions. Plain values go in and come out:
//! these modules know no queue, process, engine or branch, and they never decide what runs.

pub mod fleet;
pub(crate) mod tracker;
