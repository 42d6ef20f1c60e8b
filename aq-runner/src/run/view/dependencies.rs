//! Which job waits for which: the dependencies of many jobs as a graph.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use aq_ledger::RecordKey;
use aq_manifest::{DepsMode, JobId, Stage};

use crate::store::{JobRecord, QueueDir, Result, holder};

/// Jobs and keys, and who waits for what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DependencyView {
    /// What waits, or is waited for; nothing is in it twice.
    pub nodes: Vec<DependencyNode>,
    /// Who waits for what.
    pub edges: Vec<DependencyEdge>,
}

/// One job, or a key without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DependencyNode {
    /// A job.
    Job {
        /// Its id.
        id: JobId,
        /// Its folder.
        stage: Stage,
    },
    /// A key that no job holds: text from a job file.
    Missing(String),
}

/// One dependency; its ends are places in [`DependencyView::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyEdge {
    /// What is waited for.
    pub from: usize,
    /// What waits.
    pub to: usize,
    /// How far `from` must come.
    pub mode: DepsMode,
}

/// The dependencies of these jobs and of all that they wait for, in the order of the jobs. Jobs
/// that wait for nothing, and for which none of the others waits, are left out.
///
/// # Errors
/// When the index of keys, or the record of a job that is waited for, cannot be read.
pub fn dependencies<'a>(
    queue: &QueueDir,
    jobs: impl IntoIterator<Item = &'a JobRecord>,
) -> Result<DependencyView> {
    let mut found = DependencyView::default();
    let mut places: HashMap<DependencyNode, usize> = HashMap::new();
    let mut holders: HashMap<String, DependencyNode> = HashMap::new();
    let given: Vec<&JobRecord> = jobs.into_iter().collect();
    let mut read: BTreeSet<JobId> = given.iter().map(|record| record.id.clone()).collect();
    let stages: BTreeMap<&JobId, Stage> =
        given.iter().map(|record| (&record.id, record.stage)).collect();
    let mut further: VecDeque<JobRecord> = VecDeque::new();
    let mut given = given.into_iter();
    loop {
        let own;
        let record = match given.next() {
            Some(record) => record,
            None => match further.pop_front() {
                Some(record) => {
                    own = record;
                    &own
                }
                None => return Ok(found),
            },
        };
        let deps: BTreeSet<String> = record.meta.list(RecordKey::Deps).into_iter().collect();
        for key in deps {
            let from = match holders.get(&key) {
                Some(node) => node.clone(),
                None => {
                    let node = node(queue, &key, &stages)?;
                    holders.insert(key, node.clone());
                    node
                }
            };
            if let DependencyNode::Job { id, stage } = &from
                && read.insert(id.clone())
            {
                further.push_back(JobRecord::read(queue, *stage, id.clone())?);
            }
            let to = DependencyNode::Job { id: record.id.clone(), stage: record.stage };
            let mut place = |node: DependencyNode| {
                *places.entry(node).or_insert_with_key(|node| {
                    found.nodes.push(node.clone());
                    found.nodes.len() - 1
                })
            };
            let (from, to) = (place(from), place(to));
            let mode = record.unchecked().deps_mode().unwrap_or_default();
            found.edges.push(DependencyEdge { from, to, mode });
        }
    }
}

/// What a key means. A job that was given is where its caller saw it, wherever it is by now.
fn node(queue: &QueueDir, key: &str, given: &BTreeMap<&JobId, Stage>) -> Result<DependencyNode> {
    Ok(match holder(queue, key)? {
        Some(holder) => {
            let stage = given.get(&holder.id).copied().unwrap_or(holder.stage);
            DependencyNode::Job { id: holder.id, stage }
        }
        None => DependencyNode::Missing(key.to_owned()),
    })
}

impl std::hash::Hash for DependencyNode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        // The stage of a job differs in no two nodes of one graph.
        match self {
            Self::Job { id, .. } => id.as_str().hash(state),
            Self::Missing(key) => key.hash(state),
        }
    }
}

impl DependencyView {
    /// The place of a job.
    pub fn place(&self, job: &JobId) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| matches!(node, DependencyNode::Job { id, .. } if id == job))
    }

    /// The nodes that one is connected with: all that it waits for, and all that waits for it, over
    /// however many others, and itself; in order.
    pub fn around(&self, node: usize) -> BTreeSet<usize> {
        let mut all = self.reach(node, |edge| (edge.to, edge.from));
        all.extend(self.reach(node, |edge| (edge.from, edge.to)));
        all
    }

    /// What can be reached when each edge leads from the first to the second of what `way` answers.
    fn reach(
        &self,
        start: usize,
        way: impl Fn(&DependencyEdge) -> (usize, usize),
    ) -> BTreeSet<usize> {
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            let (here, there) = way(edge);
            next[here].push(there);
        }
        let mut reached = BTreeSet::from([start]);
        let mut open = vec![start];
        while let Some(here) = open.pop() {
            open.extend(next[here].iter().copied().filter(|&there| reached.insert(there)));
        }
        reached
    }

    /// The nodes in groups that no edge connects, in the order of their first nodes.
    pub fn groups(&self) -> Vec<BTreeSet<usize>> {
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            next[edge.from].push(edge.to);
            next[edge.to].push(edge.from);
        }
        let mut seen = vec![false; self.nodes.len()];
        let mut groups = Vec::new();
        for start in 0..self.nodes.len() {
            let mut open = vec![start];
            let mut group = BTreeSet::new();
            while let Some(here) = open.pop() {
                if !std::mem::replace(&mut seen[here], true) {
                    group.insert(here);
                    open.extend(&next[here]);
                }
            }
            if !group.is_empty() {
                groups.push(group);
            }
        }
        groups
    }

    /// What is left of it with these nodes alone.
    #[must_use]
    pub fn only(&self, kept: &BTreeSet<usize>) -> Self {
        let places: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        let nodes = kept.iter().map(|&old| self.nodes[old].clone()).collect();
        let edges = self.edges.iter().filter_map(|edge| {
            let (from, to) = (*places.get(&edge.from)?, *places.get(&edge.to)?);
            Some(DependencyEdge { from, to, ..*edge })
        });
        Self { nodes, edges: edges.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{TestQueue, id};

    fn job(key: &str, front: &str) -> String {
        format!("---\nidempotency-key: {key}\nengine: shell\nlock: none\n{front}\n---\ntrue\n")
    }

    fn names(found: &DependencyView) -> Vec<String> {
        let name = |node: &DependencyNode| match node {
            DependencyNode::Job { id, stage } => format!("{id} {stage}"),
            DependencyNode::Missing(key) => format!("? {key}"),
        };
        found.nodes.iter().map(name).collect()
    }

    fn records(queue: &TestQueue, names: &[&str]) -> Vec<JobRecord> {
        let read = |name: &&str| {
            let stage = queue.find(&id(name)).unwrap();
            JobRecord::read(queue, stage, id(name)).unwrap()
        };
        names.iter().map(read).collect()
    }

    fn queue() -> TestQueue {
        let queue = TestQueue::new();
        queue
            .add(&[
                ("first", &job("k1", "")),
                ("second", &job("k2", "deps: [k1]")),
                ("third", &job("k3", "deps: [k2, gone]\ndeps-mode: soft")),
                ("alone", &job("k4", "")),
                ("other", &job("k5", "deps: [missing]")),
            ])
            .unwrap();
        queue
    }

    #[test]
    fn what_is_waited_for_is_found_wherever_it_lies() {
        let queue = queue();
        queue.shift("first", Stage::Inbox, Stage::Shipped);
        let found = dependencies(&queue, &records(&queue, &["third", "alone"])).unwrap();
        assert_eq!(names(&found), ["? gone", "third inbox", "second inbox", "first shipped"]);
        assert_eq!(
            found.edges,
            [
                DependencyEdge { from: 0, to: 1, mode: DepsMode::Soft },
                DependencyEdge { from: 2, to: 1, mode: DepsMode::Soft },
                DependencyEdge { from: 3, to: 2, mode: DepsMode::Hard },
            ]
        );
    }

    #[test]
    fn the_graph_falls_apart_into_groups_and_surroundings() {
        let queue = queue();
        let all = records(&queue, &["first", "second", "third", "alone", "other"]);
        let found = dependencies(&queue, &all).unwrap();
        assert_eq!(found.groups().len(), 2);
        let around = found.only(&found.around(found.place(&id("second")).unwrap()));
        assert_eq!(names(&around), ["first inbox", "second inbox", "third inbox"]);
        assert_eq!(around.edges.len(), 2);
        assert_eq!(found.place(&id("alone")), None);
        let alone = found.only(&found.around(found.place(&id("first")).unwrap()));
        assert_eq!(alone.nodes.len(), 3);
    }

    #[test]
    fn a_circle_that_came_by_hand_ends() {
        let queue = TestQueue::new();
        for (name, key, dep) in [("a", "ka", "kb"), ("b", "kb", "ka")] {
            queue.add(&[(name, &job(key, ""))]).unwrap();
            let meta = queue.meta(&id(name));
            let text = std::fs::read_to_string(&meta).unwrap() + &format!("deps={dep}\n");
            std::fs::write(meta, text).unwrap();
        }
        let found = dependencies(&queue, &records(&queue, &["a"])).unwrap();
        assert_eq!((found.nodes.len(), found.edges.len()), (2, 2));
        assert_eq!(found.around(0).len(), 2);
    }
}
