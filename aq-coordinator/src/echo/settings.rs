//! Which trackers are told.

use std::sync::Arc;

use aq_tracker::Trackers;

/// The trackers that a coordinator tells of its fleet's jobs.
#[derive(Clone, Debug)]
pub struct Echoes {
    pub(super) trackers: Arc<Trackers>,
}

impl Echoes {
    /// Those that an environment names, by the variables that a host has, too; `None` unless
    /// `AQ_TRACKER_AUTO=1`.
    pub fn new(get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_on = get("AQ_TRACKER_AUTO").is_some_and(|value| value == "1");
        is_on.then(|| Self { trackers: Arc::new(Trackers::new(get)) })
    }
}
