//! Which status an item has while its job is in a folder.

use std::collections::BTreeMap;

use aq_manifest::Stage;

/// Longest status, in bytes.
const MAX_LEN: usize = 64;

/// The status for each folder (docs/trackers.md). A folder without one is not echoed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMap {
    statuses: BTreeMap<Stage, String>,
}

/// Reason why a status map cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusMapError {
    /// A key is no folder.
    #[error(
        "{0:?} is no folder; expected inbox, building, review, testing, shipped, failed or \
        quarantine"
    )]
    Stage(String),
    /// A status cannot be sent.
    #[error("the status for {0} has control characters or more than {MAX_LEN} bytes")]
    Status(Stage),
}

impl Default for StatusMap {
    fn default() -> Self {
        let statuses = [
            (Stage::Building, "in_progress"),
            (Stage::Review, "in_progress"),
            (Stage::Testing, "in_progress"),
            (Stage::Shipped, "done"),
            (Stage::Failed, "wont_fix"),
        ];
        Self { statuses: statuses.map(|(stage, status)| (stage, status.to_owned())).into() }
    }
}

impl StatusMap {
    /// The defaults with some of them replaced: folder to status. An empty status takes the folder
    /// out.
    ///
    /// # Errors
    /// A key that is no folder, or a status that no tracker can have.
    pub fn with<'a>(
        changes: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, StatusMapError> {
        let mut map = Self::default();
        for (stage, status) in changes {
            let stage: Stage = stage.parse().map_err(|_| StatusMapError::Stage(stage.clone()))?;
            if status.len() > MAX_LEN || status.chars().any(char::is_control) {
                return Err(StatusMapError::Status(stage));
            }
            match status.trim() {
                "" => map.statuses.remove(&stage),
                status => map.statuses.insert(stage, status.to_owned()),
            };
        }
        Ok(map)
    }

    /// The status for a folder; `None`: nothing is to be said of it.
    pub fn status(&self, stage: Stage) -> Option<&str> {
        self.statuses.get(&stage).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_config_says_replaces_defaults() {
        let changes = [("failed", "todo"), ("testing", ""), ("inbox", "queued")]
            .map(|(stage, status)| (stage.to_owned(), status.to_owned()));
        let map = StatusMap::with(changes.iter().map(|(stage, status)| (stage, status))).unwrap();
        let all = Stage::ALL.map(|stage| map.status(stage).unwrap_or("-"));
        assert_eq!(all, ["queued", "in_progress", "in_progress", "-", "done", "todo", "-"]);
        let wrong = ("done".to_owned(), "x".to_owned());
        assert!(StatusMap::with([(&wrong.0, &wrong.1)]).is_err());
        let wrong = ("failed".to_owned(), "x\ny".to_owned());
        assert!(StatusMap::with([(&wrong.0, &wrong.1)]).is_err());
    }
}
