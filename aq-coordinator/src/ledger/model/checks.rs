//! Every state is visited, and from every one every job can still end.

use std::collections::HashMap;

use stateright::{Checker, Model};

use super::fleet::ModelSize;
use super::state::{ModelFleet, ModelRow};

/// Seconds each.
const WORLDS: [ModelSize; 4] = [
    ModelSize { jobs: 1, room: 1, operator: true, restarts: true, rivals: true, restores: false },
    ModelSize { jobs: 1, room: 2, operator: false, restarts: false, rivals: true, restores: false },
    ModelSize { jobs: 2, room: 1, operator: false, restarts: true, rivals: false, restores: false },
    ModelSize { jobs: 1, room: 1, operator: false, restarts: false, rivals: true, restores: true },
];

/// Minutes each.
const LARGE: [ModelSize; 4] = [
    ModelSize { jobs: 1, room: 2, operator: true, restarts: true, rivals: true, restores: false },
    ModelSize { jobs: 2, room: 1, operator: false, restarts: false, rivals: true, restores: false },
    ModelSize {
        jobs: 2,
        room: 2,
        operator: false,
        restarts: false,
        rivals: false,
        restores: false,
    },
    ModelSize { jobs: 1, room: 2, operator: false, restarts: false, rivals: true, restores: true },
];

/// `AQ_MODEL=all` adds the large worlds.
fn worlds() -> Vec<ModelSize> {
    let mut worlds = WORLDS.to_vec();
    if std::env::var("AQ_MODEL").is_ok_and(|size| size == "all") {
        worlds.extend(LARGE);
    }
    worlds
}

#[test]
fn no_promise_is_broken_in_any_state() {
    for world in worlds() {
        let checker = world.clone().checker().threads(2).spawn_bfs().join();
        println!("{world:?}: {} states", checker.unique_state_count());
        checker.assert_properties();
        assert!(checker.unique_state_count() > 1000, "{world:?} is hardly a model");
    }
}

#[test]
fn from_every_state_every_job_can_still_end() {
    // Without a person, who could end everything, and who alone can where nobody knows what has
    // ended.
    for world in worlds().iter().filter(|world| !world.operator && !world.restores) {
        let (states, before) = explore(world);
        let is_end = |fleet: &ModelFleet| fleet.jobs.iter().all(ModelRow::is_over);
        let mut can_end: Vec<bool> = states.iter().map(is_end).collect();
        let mut todo: Vec<usize> = (0..states.len()).filter(|&at| can_end[at]).collect();
        assert!(!todo.is_empty(), "no state is an end");
        while let Some(at) = todo.pop() {
            for &earlier in &before[at] {
                if !can_end[earlier] {
                    can_end[earlier] = true;
                    todo.push(earlier);
                }
            }
        }
        let stuck = (0..states.len()).find(|&at| !can_end[at]);
        assert_eq!(stuck.map(|at| &states[at]), None, "of {} states", states.len());
    }
}

/// All states, and from where each can be reached in one step.
fn explore(world: &ModelSize) -> (Vec<ModelFleet>, Vec<Vec<usize>>) {
    let mut states = world.init_states();
    let mut known: HashMap<ModelFleet, usize> = states.iter().cloned().zip(0..).collect();
    let mut before = vec![Vec::new(); states.len()];
    let mut at = 0;
    while at < states.len() {
        let fleet = states[at].clone();
        for next in world.next_states(&fleet) {
            let to = *known.entry(next).or_insert_with_key(|next| {
                states.push(next.clone());
                before.push(Vec::new());
                states.len() - 1
            });
            before[to].push(at);
        }
        at += 1;
    }
    (states, before)
}
