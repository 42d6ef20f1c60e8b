//! The jobs that wait for nothing but a slot, an engine or their lock.
//!
//! Of the jobs that share a lock only the first of each class can go next, so only that one
//! is in its class's `heads`, and only while the lock is free. Taking a lock and giving it
//! back touch one job a class, however many wait. A job that needs a repository as well is
//! with those that have no lock: whether both are free is asked when it is its turn.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::arena::{Arena, ClassIx, JobIx, LockIx};
use crate::class::JobClasses;
use crate::rank::JobRank;

#[derive(Clone, Debug)]
struct LockUse {
    name: Arc<str>,
    /// Live jobs with this lock.
    users: u32,
    /// Running ones: one, unless something else than a plan started more.
    holders: Vec<JobIx>,
    ready: BTreeMap<ClassIx, BTreeSet<JobRank>>,
}

/// Every lock that a live job names.
#[derive(Clone, Debug, Default)]
pub(crate) struct LockTable {
    arena: Arena<LockIx, LockUse>,
    by_name: HashMap<Arc<str>, LockIx>,
}

impl LockTable {
    /// The lock of a new live job.
    pub(crate) fn enter(&mut self, name: &str) -> LockIx {
        if let Some(&ix) = self.by_name.get(name) {
            self.arena[ix].users += 1;
            return ix;
        }
        let name: Arc<str> = name.into();
        let ix = self.arena.insert(LockUse {
            name: Arc::clone(&name),
            users: 1,
            holders: Vec::new(),
            ready: BTreeMap::new(),
        });
        self.by_name.insert(name, ix);
        ix
    }

    /// A live job with this lock is gone.
    pub(crate) fn leave(&mut self, ix: LockIx) {
        let lock = &mut self.arena[ix];
        lock.users -= 1;
        if lock.users == 0 {
            self.by_name.remove(&lock.name);
            self.arena.remove(ix);
        }
    }

    /// The running job that holds the lock.
    pub(crate) fn holder(&self, ix: LockIx) -> Option<JobIx> {
        self.arena[ix].holders.first().copied()
    }

    pub(crate) fn take(&mut self, ix: LockIx, job: JobIx, classes: &mut JobClasses) {
        let lock = &mut self.arena[ix];
        lock.holders.push(job);
        if lock.holders.len() == 1 {
            for (&class, ready) in &lock.ready {
                if let Some(head) = ready.first() {
                    classes.get_mut(class).heads.remove(head);
                }
            }
        }
    }

    pub(crate) fn give_back(&mut self, ix: LockIx, job: JobIx, classes: &mut JobClasses) {
        let lock = &mut self.arena[ix];
        lock.holders.retain(|&holder| holder != job);
        if lock.holders.is_empty() {
            for (&class, ready) in &lock.ready {
                if let Some(head) = ready.first() {
                    classes.get_mut(class).heads.insert(head.clone());
                }
            }
        }
    }

    /// A job of `class` becomes ready.
    pub(crate) fn insert(
        &mut self,
        ix: LockIx,
        class: ClassIx,
        rank: JobRank,
        classes: &mut JobClasses,
    ) {
        let lock = &mut self.arena[ix];
        let ready = lock.ready.entry(class).or_default();
        let first = ready.first().is_none_or(|head| rank < *head);
        if first && lock.holders.is_empty() {
            let heads = &mut classes.get_mut(class).heads;
            if let Some(head) = ready.first() {
                heads.remove(head);
            }
            heads.insert(rank.clone());
        }
        ready.insert(rank);
    }

    /// A ready job of `class` is no longer so.
    pub(crate) fn remove(
        &mut self,
        ix: LockIx,
        class: ClassIx,
        rank: &JobRank,
        classes: &mut JobClasses,
    ) {
        let lock = &mut self.arena[ix];
        let Some(ready) = lock.ready.get_mut(&class) else { return };
        let was_first = ready.first() == Some(rank);
        ready.remove(rank);
        if was_first && lock.holders.is_empty() {
            let heads = &mut classes.get_mut(class).heads;
            heads.remove(rank);
            if let Some(head) = ready.first() {
                heads.insert(head.clone());
            }
        }
        if ready.is_empty() {
            lock.ready.remove(&class);
        }
    }
}
