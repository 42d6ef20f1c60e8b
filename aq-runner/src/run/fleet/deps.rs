//! The deps of a fleet's job: a job of this queue, or work that another host has pushed.

use aq_fleet::protocol::{BranchName, CommitId, FactoryId, FleetJobId, GrantedDep, LeaseGrant};
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::{JobId, parse};

use crate::checkpoint::DistantDep;
use crate::run::start_point::record;
use crate::store::{QueueDir, StoreError};

/// Stands for what is not known, or not there.
const NONE: &str = "-";
/// Stands for work that only its own host has.
const BEHIND: &str = "behind";

/// A dep, as its grant has named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FleetDep {
    /// Its job at the coordinator; `None` where that has not said which.
    id: Option<FleetJobId>,
    /// The name of that.
    pub(crate) name: JobId,
    /// The host that has done it.
    pub(crate) host: Option<FactoryId>,
    /// Its work.
    pub(crate) work: DepWork,
}

/// The work of a dep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DepWork {
    /// It is in no branch of a job, or in its target, or of another directory.
    None,
    /// It can be fetched.
    Pushed(DistantDep),
    /// Only its host has it.
    Behind,
}

/// The deps of a grant, for the record of its job.
pub(super) fn noted_deps(grant: &LeaseGrant) -> Vec<String> {
    let named = grant.deps.iter().map(noted).collect::<Vec<_>>();
    if !named.is_empty() {
        return named;
    }
    // A coordinator of version 0.1 says nothing of them: a key may be the name of its job, and that
    // of its branch.
    let keys = parse(&grant.manifest).manifest.deps.unwrap_or_default();
    let names = keys.iter().filter_map(|key| key.parse::<JobId>().ok());
    names.map(|name| format!("{NONE} {name} {NONE} aq/wip/{name} {NONE} {NONE}")).collect()
}

fn noted(dep: &GrantedDep) -> String {
    let host = dep.host.as_ref().map_or(NONE.to_owned(), ToString::to_string);
    let work = match &dep.checkpoint {
        Some(at) => {
            let repository = at.repository.as_deref().unwrap_or(NONE);
            format!(" {} {} {repository}", at.branch, at.commit)
        }
        None if dep.stays_behind => format!(" {BEHIND}"),
        None => String::new(),
    };
    format!("{} {} {host}{work}", dep.job_id, dep.name)
}

/// Reads the deps of a job out of its record. Nonsense is left out.
pub(crate) fn fleet_deps(meta: &RecordContent) -> Vec<FleetDep> {
    meta.list(RecordKey::FleetDeps).iter().filter_map(|text| read(text)).collect()
}

fn read(text: &str) -> Option<FleetDep> {
    let mut words = text.splitn(6, ' ');
    let (id, name, host) = (words.next()?, words.next()?, words.next()?);
    let name: JobId = name.parse().ok()?;
    let work = match (words.next(), words.next()) {
        (None, _) => DepWork::None,
        (Some(BEHIND), _) => DepWork::Behind,
        (Some(branch), commit) => {
            let branch: BranchName = branch.parse().ok()?;
            let commit = commit.filter(|commit| *commit != NONE);
            let commit: Option<CommitId> = commit.map(str::parse).transpose().ok()?;
            let repository = words.next().filter(|one| *one != NONE).map(str::to_owned);
            DepWork::Pushed(DistantDep {
                job: name.to_string(),
                branch: branch.to_string(),
                commit: commit.map(|commit| commit.to_string()),
                repository,
            })
        }
    };
    Some(FleetDep { id: id.parse().ok(), name, host: host.parse().ok(), work })
}

impl FleetDep {
    /// The record of its job, where that was done by this queue.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(crate) fn record_here(
        &self,
        queue: &QueueDir,
    ) -> Result<Option<RecordContent>, StoreError> {
        let (Some(id), Some(stage)) = (self.id, queue.find(&self.name)) else { return Ok(None) };
        let record = record(queue, stage, &self.name)?;
        let is_it = record.get(RecordKey::FleetJobId) == Some(id.to_string().as_str());
        Ok(is_it.then_some(record))
    }

    /// Tests for one of which the coordinator has said nothing: it may have no work at all.
    pub(crate) fn is_guessed(&self) -> bool {
        self.id.is_none()
    }

    /// The host that has done it, for people.
    pub(crate) fn shown_host(&self) -> String {
        self.host.as_ref().map_or_else(|| "another".to_owned(), ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use aq_fleet::protocol::{Epoch, PushedCheckpoint};

    use super::*;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn dep(name: &str, checkpoint: Option<PushedCheckpoint>, stays_behind: bool) -> GrantedDep {
        let (job_id, name, host) =
            (ID.parse().unwrap(), name.parse().unwrap(), "mill".parse().ok());
        GrantedDep { job_id, name, host, checkpoint, stays_behind }
    }

    fn granted(deps: Vec<GrantedDep>, manifest: &str) -> Vec<FleetDep> {
        let grant = LeaseGrant {
            job_id: ID.parse().unwrap(),
            key: "k".to_owned(),
            name: None,
            epoch: Epoch(1),
            lease_ms: 1,
            manifest: manifest.to_owned(),
            checkpoint: None,
            deps,
        };
        noted_deps(&grant).iter().map(|text| read(text).expect(text)).collect()
    }

    #[test]
    fn deps_are_read_as_noted() {
        let at = PushedCheckpoint {
            branch: "aq/wip/b".parse().unwrap(),
            commit: COMMIT.parse().unwrap(),
            remote: "origin".to_owned(),
            repository: Some("/a b".to_owned()),
            failure: None,
        };
        let deps = vec![dep("a", None, false), dep("b", Some(at), false), dep("c", None, true)];
        let deps = granted(deps, "---\ndeps: [x]\n---\nx\n");
        assert_eq!(deps.iter().map(FleetDep::shown_host).collect::<Vec<_>>(), ["mill"; 3]);
        assert_eq!((&deps[0].work, &deps[2].work), (&DepWork::None, &DepWork::Behind));
        let DepWork::Pushed(work) = &deps[1].work else { panic!("{deps:?}") };
        assert_eq!((&*work.branch, work.commit.as_deref()), ("aq/wip/b", Some(COMMIT)));
        assert_eq!(work.repository.as_deref(), Some("/a b"));
    }

    #[test]
    fn older_coordinators_name_no_deps() {
        let deps = granted(Vec::new(), "---\ndeps: [x, a key]\n---\nx\n");
        let names: Vec<_> = deps.iter().map(|dep| dep.name.to_string()).collect();
        assert_eq!(names, ["x"]);
        let DepWork::Pushed(work) = &deps[0].work else { panic!("{deps:?}") };
        assert_eq!((&*work.branch, work.commit.as_deref()), ("aq/wip/x", None));
        assert!(deps[0].is_guessed());
    }
}
