//! The trackers that get updates.

use std::sync::Arc;

use aq_tracker::{GitHubRepository, ItemId, Trackers};

/// The trackers that get updates of a fleet's jobs from its coordinator.
#[derive(Clone, Debug)]
pub struct TrackerSettings {
    pub(super) trackers: Arc<Trackers>,
    repositories: Arc<[GitHubRepository]>,
}

impl TrackerSettings {
    /// Those that an environment names, by the variables that a host has, too; `None` unless
    /// `AQ_TRACKER_AUTO=1`. Of GitHub, no repository gets any yet.
    pub fn new(get: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_on = get("AQ_TRACKER_AUTO").is_some_and(|value| value == "1");
        is_on.then(|| Self { trackers: Arc::new(Trackers::new(get)), repositories: Arc::new([]) })
    }

    /// Adds issues of these repositories. Whoever may submit a job names the issue that the
    /// coordinator's own token writes to.
    #[must_use]
    pub fn allow(self, repositories: Vec<GitHubRepository>) -> Self {
        Self { repositories: repositories.into(), ..self }
    }

    /// Tests for an item that may get updates. Items that are no issues are all of the one tracker
    /// that the environment names.
    pub(crate) fn covers(&self, item: &ItemId) -> bool {
        match item {
            ItemId::Item(_) => true,
            // For GitHub, `A/b` is `a/B`.
            ItemId::Issue { repository, .. } => self
                .repositories
                .iter()
                .any(|allowed| allowed.to_string().eq_ignore_ascii_case(&repository.to_string())),
        }
    }
}
