//! Cycles: found before they close, and named.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;

use petgraph::Direction;
use petgraph::visit::{
    Dfs, GraphBase, IntoNeighbors, IntoNeighborsDirected, NodeFiltered, Reversed,
};

use super::{DependencyGraph, DependentSlot};
use crate::arena::{ArenaIndex, JobIx, KeyIx, SlotSet};

/// Keys of which each waits for the next; the first is also the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DependencyCycle(pub Vec<String>);

impl fmt::Display for DependencyCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" -> "))
    }
}

/// Moves of labels that are needed before a job's edges go in.
#[derive(Debug)]
pub(crate) enum LabelShift {
    None,
    /// This key to above the label.
    Raise(KeyIx, i64),
    /// These keys to below the label.
    Lower(Vec<KeyIx>, i64),
}

impl DependencyGraph {
    /// Checks that a job of this key with these deps closes no cycle.
    ///
    /// Each key has a label smaller than those of all keys that wait for it. Most new jobs fit in
    /// as they are. Where one does not, a cycle can only lie between the labels of its key and of
    /// its deps; that region is searched from both ends in turn, and the end that has less to
    /// look at decides and is moved.
    pub(crate) fn check(
        &self,
        key: Option<&str>,
        deps: &[String],
    ) -> Result<LabelShift, DependencyCycle> {
        let Some(key) = key else { return Ok(LabelShift::None) };
        if deps.iter().any(|dep| dep == key) {
            return Err(DependencyCycle(vec![key.to_owned(), key.to_owned()]));
        }
        let Some(goal) = self.find(key) else { return Ok(LabelShift::None) };
        let label = |key: KeyIx| self.keys[key].label;
        let bottom = label(goal);
        let deps: Vec<KeyIx> = deps.iter().filter_map(|dep| self.find(dep)).collect();
        let high = deps.iter().copied().filter(|&dep| label(dep) >= bottom);
        let high: BTreeSet<KeyIx> = high.collect();
        let Some(top) = high.iter().copied().map(label).max() else { return Ok(LabelShift::None) };
        let region = NodeFiltered::from_fn(self, |key| (bottom..=top).contains(&label(key)));
        let mut waiting = Dfs::from_parts(vec![goal], SlotSet::<KeyIx>::default());
        let mut awaited =
            Dfs::from_parts(high.iter().copied().collect(), SlotSet::<KeyIx>::default());
        loop {
            match waiting.next(Reversed(&region)) {
                Some(key) if high.contains(&key) => return Err(self.shortest(goal, &deps)),
                Some(_) => {}
                None => return Ok(LabelShift::Raise(goal, top)),
            }
            match awaited.next(&region) {
                Some(key) if key == goal => return Err(self.shortest(goal, &deps)),
                Some(_) => {}
                None => return Ok(LabelShift::Lower(high.into_iter().collect(), bottom)),
            }
        }
    }

    /// Moves labels. Each moved key pushes those that it would overtake, the nearest first, so
    /// that each is moved once.
    pub(crate) fn shift(&mut self, shift: LabelShift) {
        let mut todo = BTreeMap::new();
        match shift {
            LabelShift::None => {}
            LabelShift::Raise(goal, above) => {
                todo.insert((self.keys[goal].label, goal), above + 1);
                while let Some(((_, key), label)) = todo.pop_first() {
                    for next in self.neighbors_directed(key, Direction::Incoming) {
                        if self.keys[next].label <= label {
                            let floor =
                                todo.entry((self.keys[next].label, next)).or_insert(i64::MIN);
                            *floor = (*floor).max(label + 1);
                        }
                    }
                    self.keys[key].label = label;
                }
            }
            LabelShift::Lower(deps, below) => {
                todo.extend(deps.into_iter().map(|dep| ((self.keys[dep].label, dep), below - 1)));
                while let Some(((_, key), label)) = todo.pop_last() {
                    for next in self.neighbors_directed(key, Direction::Outgoing) {
                        if self.keys[next].label >= label {
                            let ceiling =
                                todo.entry((self.keys[next].label, next)).or_insert(i64::MAX);
                            *ceiling = (*ceiling).min(label - 1);
                        }
                    }
                    self.keys[key].label = label;
                }
            }
        }
    }

    /// The shortest way from `goal` over one of `starts` back to `goal`.
    fn shortest(&self, goal: KeyIx, starts: &[KeyIx]) -> DependencyCycle {
        let mut towards: HashMap<KeyIx, KeyIx> = HashMap::new();
        let mut queue = VecDeque::new();
        for &start in starts {
            towards.entry(start).or_insert(goal);
            queue.push_back(start);
        }
        while let Some(at) = queue.pop_front() {
            for next in self.neighbors(at) {
                if next == goal {
                    let mut path = vec![goal];
                    let mut back = at;
                    while back != goal {
                        path.push(back);
                        back = towards[&back];
                    }
                    path.push(goal);
                    path.reverse();
                    return DependencyCycle(
                        path.iter().map(|&k| self.name(k).to_owned()).collect(),
                    );
                }
                towards.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    at
                });
            }
        }
        unreachable!("a search has found the way")
    }
}

impl GraphBase for DependencyGraph {
    type EdgeId = ();
    type NodeId = KeyIx;
}

impl<'a> IntoNeighbors for &'a DependencyGraph {
    type Neighbors = AdjacentKeys<'a>;

    /// The keys that `key` waits for.
    fn neighbors(self, key: KeyIx) -> AdjacentKeys<'a> {
        AdjacentKeys::Awaited { graph: self, holder: self.keys[key].holder, dep: 0 }
    }
}

impl<'a> IntoNeighborsDirected for &'a DependencyGraph {
    type NeighborsDirected = AdjacentKeys<'a>;

    fn neighbors_directed(self, key: KeyIx, direction: Direction) -> AdjacentKeys<'a> {
        match direction {
            Direction::Outgoing => self.neighbors(key),
            Direction::Incoming => {
                AdjacentKeys::Waiting { graph: self, dependents: self.keys[key].dependents.iter() }
            }
        }
    }
}

/// The keys next to a key.
pub(crate) enum AdjacentKeys<'a> {
    Awaited { graph: &'a DependencyGraph, holder: Option<JobIx>, dep: usize },
    Waiting { graph: &'a DependencyGraph, dependents: std::slice::Iter<'a, DependentSlot> },
}

impl Iterator for AdjacentKeys<'_> {
    type Item = KeyIx;

    fn next(&mut self) -> Option<KeyIx> {
        match self {
            Self::Awaited { graph, holder, dep } => loop {
                let job = &graph.jobs[(*holder)?.place()];
                if let Some(edge) = job.deps.get(*dep) {
                    *dep += 1;
                    return Some(edge.key);
                }
                *holder = job.next_holder;
                *dep = 0;
            },
            Self::Waiting { graph, dependents } => {
                dependents.find_map(|dependent| graph.key_of(dependent.job))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aq_manifest::DepsMode;
    use petgraph::algo::is_cyclic_directed;
    use petgraph::graph::DiGraph;
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn name(key: usize) -> String {
        key.to_string()
    }

    proptest! {
        /// Jobs come and go; each is refused exactly when petgraph sees a cycle in all edges
        /// together, and every label stays below those of the keys that wait.
        #[test]
        fn labels_hold_and_cycles_are_seen(
            steps in vec((0..12_usize, btree_set(0..12_usize, 0..4), any::<bool>()), 1..60),
        ) {
            let mut graph = DependencyGraph::default();
            let mut there: Vec<(usize, Vec<usize>)> = Vec::new();
            for (slot, (key, deps, leaves)) in steps.into_iter().enumerate() {
                let job = JobIx::from_place(slot);
                let own = name(key);
                let deps: Vec<usize> = deps.into_iter().collect();
                let names: Vec<String> = deps.iter().copied().map(name).collect();
                let mut all = DiGraph::<(), ()>::new();
                for (key, deps) in there.iter().chain([&(key, deps.clone())]) {
                    all.extend_with_edges(deps.iter().map(|&dep| (dep as u32, *key as u32)));
                }
                match graph.check(Some(&own), &names) {
                    Err(cycle) => prop_assert!(is_cyclic_directed(&all), "{cycle}"),
                    Ok(shift) => {
                        prop_assert!(!is_cyclic_directed(&all));
                        graph.add(job, Some(&own), &names, DepsMode::Hard, shift);
                        if leaves {
                            graph.remove(job);
                        } else {
                            there.push((key, deps));
                        }
                    }
                }
                for (key, deps) in &there {
                    let label = |key: usize| graph.keys[graph.by_name[name(key).as_str()]].label;
                    prop_assert!(deps.iter().all(|&dep| label(dep) < label(*key)));
                }
            }
        }
    }
}
