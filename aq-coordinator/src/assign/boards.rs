//! All worlds in memory, kept up to date from the store.

use std::collections::HashMap;

use super::board::Board;
use crate::ledger::{Job as Row, World};
use crate::store::{Changes, Cursor, Store, StoreError};

#[derive(Debug)]
pub(super) struct Boards {
    fleet: Board,
    shadows: HashMap<World, Board>,
    cursor: Cursor,
    graph: u64,
}

impl Boards {
    pub(super) fn new() -> Self {
        let (cursor, shadows) = (Cursor::default(), HashMap::new());
        Self { fleet: Board::new(), shadows, cursor, graph: 0 }
    }

    /// The fleet's own jobs.
    pub(super) fn fleet(&mut self) -> &mut Board {
        &mut self.fleet
    }

    /// `None` for a world in which no job was ever seen.
    pub(super) fn of(&mut self, world: &World) -> Option<&mut Board> {
        match world {
            World::Fleet => Some(&mut self.fleet),
            shadow => self.shadows.get_mut(shadow),
        }
    }

    /// The version of the dependency graph that is known.
    pub(super) fn graph(&self) -> u64 {
        self.graph
    }

    /// Reads what has changed. `true`: something that matters to the fleet's own jobs has.
    pub(super) async fn refresh(&mut self, store: &dyn Store) -> Result<bool, StoreError> {
        let changes = store.changes(self.cursor).await?;
        Ok(self.follow(changes))
    }

    fn follow(&mut self, changes: Changes) -> bool {
        if changes.reset {
            *self = Self::new();
        }
        (self.cursor, self.graph) = (changes.cursor, changes.graph);
        let mut by_world: HashMap<World, Vec<Row>> = HashMap::new();
        for row in changes.jobs {
            by_world.entry(row.world.clone()).or_default().push(row);
        }
        let mut moved = changes.reset;
        for (world, rows) in by_world {
            match world {
                World::Fleet => moved |= self.fleet.follow(&rows),
                shadow => {
                    self.shadows.entry(shadow).or_insert_with(Board::new).follow(&rows);
                }
            }
        }
        moved
    }
}
