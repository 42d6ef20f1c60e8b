//! The queue in memory, as the scheduler sees it, and how it is read from disk.

pub(crate) mod change;
pub(crate) mod folder_identity;
pub(crate) mod model;
pub(crate) mod reading;
pub(crate) mod train;
