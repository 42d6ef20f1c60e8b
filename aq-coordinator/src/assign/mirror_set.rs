//! All worlds in memory, kept up to date from the store.

use std::collections::HashMap;

use super::queue_mirror::QueueMirror;
use crate::ledger::{FleetJob as Row, JobNamespace};
use crate::store::{ChangeCursor, ChangedRows, CoordinatorStore, StoreError};

#[derive(Debug)]
pub(super) struct MirrorSet {
    fleet: QueueMirror,
    shadows: HashMap<JobNamespace, QueueMirror>,
    cursor: ChangeCursor,
    graph: u64,
}

impl MirrorSet {
    pub(super) fn new() -> Self {
        let (cursor, shadows) = (ChangeCursor::default(), HashMap::new());
        Self { fleet: QueueMirror::new(), shadows, cursor, graph: 0 }
    }

    /// The fleet's own jobs.
    pub(super) fn fleet(&mut self) -> &mut QueueMirror {
        &mut self.fleet
    }

    /// `None` for a world in which no job was ever seen.
    pub(super) fn of(&mut self, world: &JobNamespace) -> Option<&mut QueueMirror> {
        match world {
            JobNamespace::Fleet => Some(&mut self.fleet),
            shadow => self.shadows.get_mut(shadow),
        }
    }

    /// The version of the dependency graph that is known.
    pub(super) fn graph(&self) -> u64 {
        self.graph
    }

    /// Reads what has changed. `true`: something that matters to the fleet's own jobs has.
    pub(super) async fn refresh(
        &mut self,
        store: &dyn CoordinatorStore,
    ) -> Result<bool, StoreError> {
        let changes = store.changes(self.cursor).await?;
        Ok(self.follow(changes))
    }

    fn follow(&mut self, changes: ChangedRows) -> bool {
        if changes.reset {
            *self = Self::new();
        }
        (self.cursor, self.graph) = (changes.cursor, changes.graph);
        let mut by_world: HashMap<JobNamespace, Vec<Row>> = HashMap::new();
        for row in changes.jobs {
            by_world.entry(row.world.clone()).or_default().push(row);
        }
        let mut moved = changes.reset;
        for (world, rows) in by_world {
            match world {
                JobNamespace::Fleet => moved |= self.fleet.follow(&rows),
                shadow => {
                    self.shadows.entry(shadow).or_insert_with(QueueMirror::new).follow(&rows);
                }
            }
        }
        moved
    }
}
