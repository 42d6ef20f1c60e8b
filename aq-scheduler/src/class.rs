//! Placement classes: jobs with the same requirements and engines are placed alike, so what a
//! host can take is decided once a class, and a cool-down closes classes without touching jobs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aq_caps::HostRequirement;

use crate::arena::{Arena, ArenaIndex, ClassIx, EngineIx, JobIx};
use crate::rank::JobRank;

/// The identity of a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClassIdentity {
    pub(crate) requirements: Box<[HostRequirement]>,
    pub(crate) engines: Box<[EngineIx]>,
}

#[derive(Clone, Debug)]
pub(crate) struct JobClass {
    pub(crate) placement: Arc<ClassIdentity>,
    /// Distinguishes this class from an earlier one in the same slot.
    pub(crate) born: u64,
    /// Live jobs.
    users: u32,
    /// First of the waiting jobs; they are a list through `Entry::class_links`.
    pub(crate) waiting: Option<JobIx>,
    /// Ready jobs without a lock, and those that need more than that.
    pub(crate) unlocked: BTreeSet<JobRank>,
    /// Of each free lock the first ready job.
    pub(crate) heads: BTreeSet<JobRank>,
}

/// Every class that has a live job.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobClasses {
    arena: Arena<ClassIx, JobClass>,
    by_placement: HashMap<Arc<ClassIdentity>, ClassIx>,
    /// Where the latest job went: most jobs are like the one before them.
    latest: Option<ClassIx>,
    engines: Vec<Arc<str>>,
    engine_by_name: HashMap<Arc<str>, EngineIx>,
    births: u64,
}

impl JobClasses {
    /// The class of a new live job.
    pub(crate) fn enter(
        &mut self,
        requirements: Vec<HostRequirement>,
        engines: &[String],
    ) -> ClassIx {
        if let Some(ix) = self.latest
            && self.is_for(ix, &requirements, engines)
        {
            self.arena[ix].users += 1;
            return ix;
        }
        let ix = self.enter_other(requirements, engines);
        self.latest = Some(ix);
        ix
    }

    fn is_for(&self, ix: ClassIx, requirements: &[HostRequirement], engines: &[String]) -> bool {
        let placement = &self.arena[ix].placement;
        let names = placement.engines.iter().map(|&engine| self.engine_name(engine));
        *placement.requirements == *requirements && names.eq(engines.iter().map(String::as_str))
    }

    fn enter_other(&mut self, requirements: Vec<HostRequirement>, engines: &[String]) -> ClassIx {
        let engines = engines.iter().map(|name| self.engine(name)).collect();
        let placement = ClassIdentity { requirements: requirements.into(), engines };
        if let Some(&ix) = self.by_placement.get(&placement) {
            self.arena[ix].users += 1;
            return ix;
        }
        let placement = Arc::new(placement);
        self.births += 1;
        let ix = self.arena.insert(JobClass {
            placement: Arc::clone(&placement),
            born: self.births,
            users: 1,
            waiting: None,
            unlocked: BTreeSet::new(),
            heads: BTreeSet::new(),
        });
        self.by_placement.insert(placement, ix);
        ix
    }

    /// A live job of this class is gone.
    pub(crate) fn leave(&mut self, ix: ClassIx) {
        let class = &mut self.arena[ix];
        class.users -= 1;
        if class.users == 0 {
            self.by_placement.remove(&class.placement);
            self.arena.remove(ix);
            self.latest = self.latest.filter(|&latest| latest != ix);
        }
    }

    /// The slot of an engine's name. Engines are few, so it is kept for good.
    pub(crate) fn engine(&mut self, name: &str) -> EngineIx {
        if let Some(&ix) = self.engine_by_name.get(name) {
            return ix;
        }
        let ix = EngineIx::from_place(self.engines.len());
        let name: Arc<str> = name.into();
        self.engines.push(Arc::clone(&name));
        self.engine_by_name.insert(name, ix);
        ix
    }

    pub(crate) fn engine_name(&self, ix: EngineIx) -> &str {
        &self.engines[ix.place()]
    }

    pub(crate) fn get(&self, ix: ClassIx) -> &JobClass {
        &self.arena[ix]
    }

    pub(crate) fn get_mut(&mut self, ix: ClassIx) -> &mut JobClass {
        &mut self.arena[ix]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ClassIx, &JobClass)> {
        self.arena.iter()
    }
}
