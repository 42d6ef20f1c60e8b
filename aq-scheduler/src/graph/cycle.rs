//! Cycles: found before they close, and named.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;

use petgraph::Direction;
use petgraph::visit::{Dfs, GraphBase, IntoNeighbors, IntoNeighborsDirected, Reversed};

use super::{Dependent, Graph};
use crate::arena::{JobIx, KeyIx, Slot};

/// Keys of which each waits for the next; the first is also the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle(pub Vec<String>);

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" -> "))
    }
}

impl Graph {
    /// The cycle that a job of this key with these deps would close: the shortest one.
    ///
    /// A new job can close one only when something already waits for its key. Then the search
    /// goes from both ends in turn, and the end that has less to look at decides.
    pub(crate) fn cycle(&self, key: Option<&str>, deps: &[String]) -> Option<Cycle> {
        let key = key?;
        if deps.iter().any(|dep| dep == key) {
            return Some(Cycle(vec![key.to_owned(), key.to_owned()]));
        }
        let goal = self.find(key)?;
        if self.keys[goal].dependents.is_empty() {
            return None;
        }
        let starts: Vec<KeyIx> = deps.iter().filter_map(|dep| self.find(dep)).collect();
        let targets: HashSet<KeyIx> = starts.iter().copied().collect();
        let mut up = Dfs::from_parts(starts.clone(), HashSet::<KeyIx>::new());
        let mut down = Dfs::from_parts(vec![goal], HashSet::<KeyIx>::new());
        loop {
            if up.next(self)? == goal || targets.contains(&down.next(Reversed(self))?) {
                return self.shortest(goal, &starts);
            }
        }
    }

    /// The shortest way from `goal` over one of `starts` back to `goal`.
    fn shortest(&self, goal: KeyIx, starts: &[KeyIx]) -> Option<Cycle> {
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
                    return Some(Cycle(path.iter().map(|&k| self.name(k).to_owned()).collect()));
                }
                towards.entry(next).or_insert_with(|| {
                    queue.push_back(next);
                    at
                });
            }
        }
        None
    }
}

impl GraphBase for Graph {
    type EdgeId = ();
    type NodeId = KeyIx;
}

impl<'a> IntoNeighbors for &'a Graph {
    type Neighbors = Neighbors<'a>;

    /// The keys that `key` waits for.
    fn neighbors(self, key: KeyIx) -> Neighbors<'a> {
        Neighbors::Awaited { graph: self, holder: self.keys[key].holder, dep: 0 }
    }
}

impl<'a> IntoNeighborsDirected for &'a Graph {
    type NeighborsDirected = Neighbors<'a>;

    fn neighbors_directed(self, key: KeyIx, direction: Direction) -> Neighbors<'a> {
        match direction {
            Direction::Outgoing => self.neighbors(key),
            Direction::Incoming => {
                Neighbors::Waiting { graph: self, dependents: self.keys[key].dependents.iter() }
            }
        }
    }
}

/// The keys next to a key.
pub(crate) enum Neighbors<'a> {
    Awaited { graph: &'a Graph, holder: Option<JobIx>, dep: usize },
    Waiting { graph: &'a Graph, dependents: std::slice::Iter<'a, Dependent> },
}

impl Iterator for Neighbors<'_> {
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
