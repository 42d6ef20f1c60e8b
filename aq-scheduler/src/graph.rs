//! The dependency graph.
//!
//! Nodes are idempotency keys. A job waits for its deps' keys and may hold one itself. The
//! algorithms are petgraph's; the storage is not, because there the removal of an edge walks the
//! lists of both its ends, and a key that a hundred thousand jobs wait for would make each of
//! their ends cost that much. Here an edge knows its place at both ends.

mod cycle;

use std::collections::HashMap;
use std::sync::Arc;

use aq_manifest::DepsMode;

use crate::SettledAs;
use crate::arena::{Arena, ArenaIndex, JobIx, KeyIx};

pub use cycle::DependencyCycle;
pub(crate) use cycle::LabelShift;

/// Progress of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyProgress {
    #[default]
    Nothing,
    Testing,
    Shipped,
}

impl From<DepsMode> for KeyProgress {
    fn from(mode: DepsMode) -> Self {
        match mode {
            DepsMode::Soft => Self::Testing,
            DepsMode::Hard => Self::Shipped,
        }
    }
}

#[derive(Clone, Debug)]
struct KeyNode {
    name: Arc<str>,
    /// First of the jobs that hold this key; the others follow in `JobNode::next_holder`.
    holder: Option<JobIx>,
    dependents: Vec<DependentSlot>,
    /// Smaller than the labels of all keys that wait for this one; see `cycle`.
    label: i64,
    /// Holders in testing.
    testing: u32,
    settled: Option<SettledAs>,
}

impl KeyNode {
    fn level(&self) -> KeyProgress {
        match self.settled {
            Some(SettledAs::Shipped) => KeyProgress::Shipped,
            _ if self.testing > 0 => KeyProgress::Testing,
            _ => KeyProgress::Nothing,
        }
    }
}

/// One end of an edge: the job, and which of its deps it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DependentSlot {
    job: JobIx,
    dep: u32,
}

/// The other end: the key, and which of its dependents it is.
#[derive(Clone, Copy, Debug)]
struct DependencySlot {
    key: KeyIx,
    place: u32,
}

#[derive(Clone, Debug, Default)]
struct JobNode {
    key: Option<KeyIx>,
    next_holder: Option<JobIx>,
    deps: Box<[DependencySlot]>,
    needs: KeyProgress,
    unmet: u32,
}

/// The graph. Jobs are named by the slots that the queue gave them.
#[derive(Clone, Debug, Default)]
pub(crate) struct DependencyGraph {
    by_name: HashMap<Arc<str>, KeyIx>,
    keys: Arena<KeyIx, KeyNode>,
    jobs: Vec<JobNode>,
    lowest: i64,
    highest: i64,
}

/// The room between new labels.
const GAP: i64 = 1 << 20;

impl DependencyGraph {
    /// Adds a job that [`DependencyGraph::check`] let pass with this `shift`.
    pub(crate) fn add(
        &mut self,
        job: JobIx,
        key: Option<&str>,
        deps: &[String],
        mode: DepsMode,
        shift: LabelShift,
    ) {
        self.shift(shift);
        if self.jobs.len() <= job.place() {
            self.jobs.resize_with(job.place() + 1, JobNode::default);
        }
        let needs = KeyProgress::from(mode);
        let key = key.map(|name| self.intern(name));
        let mut next_holder = None;
        if let Some(key) = key {
            let node = &mut self.keys[key];
            next_holder = node.holder.replace(job);
            // A new job for a key that failed is a new chance for it.
            if node.settled != Some(SettledAs::Shipped) {
                node.settled = None;
            }
        }
        let mut edges: Vec<DependencySlot> = Vec::with_capacity(deps.len());
        let mut unmet = 0;
        for name in deps {
            let dep = self.intern_dep(name);
            let node = &mut self.keys[dep];
            let place = node.dependents.len() as u32;
            // All edges of this job are the last of their key's, so a repeated dep shows there.
            if node.dependents.last().is_some_and(|last| last.job == job) {
                continue;
            }
            node.dependents.push(DependentSlot { job, dep: edges.len() as u32 });
            edges.push(DependencySlot { key: dep, place });
            unmet += u32::from(node.level() < needs);
        }
        self.jobs[job.place()] = JobNode { key, next_holder, deps: edges.into(), needs, unmet };
    }

    /// Takes a job out, and forgets keys that nobody speaks of any more.
    pub(crate) fn remove(&mut self, job: JobIx) {
        let node = std::mem::take(&mut self.jobs[job.place()]);
        for dep in node.deps {
            let dependents = &mut self.keys[dep.key].dependents;
            dependents.swap_remove(dep.place as usize);
            if let Some(&moved) = dependents.get(dep.place as usize) {
                self.jobs[moved.job.place()].deps[moved.dep as usize].place = dep.place;
            }
            self.release(dep.key);
        }
        let Some(key) = node.key else { return };
        let before = self.holders(key).find(|&other| self.next_holder(other) == Some(job));
        match before {
            Some(before) => self.jobs[before.place()].next_holder = node.next_holder,
            None => self.keys[key].holder = node.next_holder,
        }
        self.release(key);
    }

    /// A job comes into testing or leaves it. Jobs whose deps are now met, or no longer, are
    /// added to `changed`.
    pub(crate) fn set_testing(&mut self, job: JobIx, testing: bool, changed: &mut Vec<JobIx>) {
        let Some(key) = self.jobs[job.place()].key else { return };
        self.update(key, changed, |node| {
            node.testing = if testing { node.testing + 1 } else { node.testing - 1 };
        });
    }

    /// The key of `job`, if it has one.
    pub(crate) fn key_of(&self, job: JobIx) -> Option<KeyIx> {
        self.jobs[job.place()].key
    }

    /// A job of this key ended. `Shipped` stays whatever else ends.
    pub(crate) fn settle(&mut self, key: KeyIx, settled: SettledAs, changed: &mut Vec<JobIx>) {
        self.update(key, changed, |node| {
            if node.settled != Some(SettledAs::Shipped) {
                node.settled = Some(settled);
            }
        });
    }

    /// Forgets how earlier jobs of this key ended.
    pub(crate) fn unsettle(&mut self, name: &str, changed: &mut Vec<JobIx>) {
        if let Some(&key) = self.by_name.get(name) {
            self.update(key, changed, |node| node.settled = None);
            self.release(key);
        }
    }

    /// Tests for a live job that waits for this key, or has waited and not ended.
    pub(crate) fn is_awaited(&self, name: &str) -> bool {
        self.find(name).is_some_and(|key| !self.keys[key].dependents.is_empty())
    }

    fn update(&mut self, key: KeyIx, changed: &mut Vec<JobIx>, f: impl FnOnce(&mut KeyNode)) {
        let node = &mut self.keys[key];
        let before = node.level();
        f(node);
        let after = node.level();
        if before == after {
            return;
        }
        for dependent in &node.dependents {
            let job = &mut self.jobs[dependent.job.place()];
            match (before >= job.needs, after >= job.needs) {
                (false, true) => {
                    job.unmet -= 1;
                    if job.unmet == 0 {
                        changed.push(dependent.job);
                    }
                }
                (true, false) => {
                    job.unmet += 1;
                    if job.unmet == 1 {
                        changed.push(dependent.job);
                    }
                }
                _ => {}
            }
        }
    }

    /// Number of deps of `job` that are not satisfied.
    pub(crate) fn unmet(&self, job: JobIx) -> u32 {
        self.jobs[job.place()].unmet
    }

    /// The deps of `job` that are not satisfied, in the order in which it lists them.
    pub(crate) fn unmet_deps(&self, job: JobIx) -> impl Iterator<Item = KeyIx> + '_ {
        let node = &self.jobs[job.place()];
        node.deps.iter().map(|dep| dep.key).filter(|&key| self.keys[key].level() < node.needs)
    }

    /// The live jobs that hold `key`.
    pub(crate) fn holders(&self, key: KeyIx) -> impl Iterator<Item = JobIx> + '_ {
        std::iter::successors(self.keys[key].holder, |&job| self.next_holder(job))
    }

    fn next_holder(&self, job: JobIx) -> Option<JobIx> {
        self.jobs[job.place()].next_holder
    }

    /// The jobs for which `key` has not come far enough, in no order that means anything.
    pub(crate) fn awaiting(&self, key: KeyIx) -> impl Iterator<Item = JobIx> + '_ {
        let node = &self.keys[key];
        let level = node.level();
        let dependents = node.dependents.iter().map(|dependent| dependent.job);
        // Every job needs more than nothing, so there is no need to look at each of them.
        dependents.filter(move |job| {
            level == KeyProgress::Nothing || level < self.jobs[job.place()].needs
        })
    }

    /// End of the earlier jobs of `key`.
    pub(crate) fn settled(&self, key: KeyIx) -> Option<SettledAs> {
        self.keys[key].settled
    }

    /// One more than the largest place of a key.
    pub(crate) fn key_places(&self) -> usize {
        self.keys.places()
    }

    pub(crate) fn name(&self, key: KeyIx) -> &str {
        &self.keys[key].name
    }

    pub(crate) fn find(&self, name: &str) -> Option<KeyIx> {
        self.by_name.get(name).copied()
    }

    /// The slot of a key, made if it is new: after all others, for nobody waits for it yet.
    pub(crate) fn intern(&mut self, name: &str) -> KeyIx {
        self.find(name).unwrap_or_else(|| {
            self.highest += GAP;
            self.make(name, self.highest)
        })
    }

    /// The slot of a dep's key, made if it is new: before all others, for it waits for none yet.
    fn intern_dep(&mut self, name: &str) -> KeyIx {
        self.find(name).unwrap_or_else(|| {
            self.lowest -= GAP;
            self.make(name, self.lowest)
        })
    }

    fn make(&mut self, name: &str, label: i64) -> KeyIx {
        let name: Arc<str> = name.into();
        let node = KeyNode {
            name: Arc::clone(&name),
            holder: None,
            dependents: Vec::new(),
            label,
            testing: 0,
            settled: None,
        };
        let key = self.keys.insert(node);
        self.by_name.insert(name, key);
        key
    }

    fn release(&mut self, key: KeyIx) {
        let node = &self.keys[key];
        if node.holder.is_none() && node.dependents.is_empty() && node.settled.is_none() {
            self.by_name.remove(&node.name);
            self.keys.remove(key);
        }
    }
}
