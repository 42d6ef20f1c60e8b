//! Trackers that a program brings along.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::TrackerError;
use crate::item_id::ItemId;
use crate::kind::TrackerKind;
use crate::tracker::Tracker;

type MakeTracker = Arc<dyn Fn() -> Result<Box<dyn Tracker>, TrackerError> + Send + Sync>;

/// Trackers of a program's own, beside the built-in ones or in their place.
#[derive(Clone, Default)]
pub struct OwnTrackers {
    makers: BTreeMap<TrackerKind, MakeTracker>,
}

impl fmt::Debug for OwnTrackers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.makers.keys()).finish()
    }
}

impl OwnTrackers {
    /// Adds a tracker: of [`TrackerKind::Named`] for items `NAME:...`, of another kind in place of
    /// the built-in one. `make` is called by each thread that needs it, and again after an error.
    #[must_use]
    pub fn with(
        mut self,
        kind: TrackerKind,
        make: impl Fn() -> Result<Box<dyn Tracker>, TrackerError> + Send + Sync + 'static,
    ) -> Self {
        self.makers.insert(kind, Arc::new(make));
        self
    }

    /// The tracker that has an item.
    pub(crate) fn kind(&self, id: &ItemId) -> TrackerKind {
        let named = |kind: &TrackerKind| match (kind, id) {
            (TrackerKind::Named(name), ItemId::Item(text)) => {
                text.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(':'))
            }
            _ => false,
        };
        self.makers.keys().copied().find(named).unwrap_or_else(|| id.kind())
    }

    /// Makes the tracker of a kind; `None` when the program brings none.
    pub(crate) fn make(&self, kind: TrackerKind) -> Option<Result<Box<dyn Tracker>, TrackerError>> {
        self.makers.get(&kind).map(|make| make())
    }
}
