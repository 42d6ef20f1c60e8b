//! The engines as this host has them: which are installed, which rest, and whether they work.

pub(crate) mod availability;
pub(crate) mod check;
pub(crate) mod phase;
pub(crate) mod pitfalls;
pub(crate) mod preflight;
pub(crate) mod sightings;
pub(crate) mod versions;
