//! Telling trackers what becomes of the fleet's jobs (docs/trackers.md and docs/fleet.md), beside
//! the API and never in its way: a task for each kind of tracker reads the feed, and a thread of
//! its own talks.

mod settings;
mod talk;
mod task;

pub use settings::TrackerSettings;
pub(crate) use task::start;
