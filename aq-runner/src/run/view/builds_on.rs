//! The work that a job was begun on, and what became of it since.

use std::collections::BTreeSet;

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Outcome, Stage};

use crate::checkpoint::{CommitId, work_at};
use crate::run::start_point::record;
use crate::store::{JobRecord, QueueDir, StoreError, holder};

/// The base of a job that was begun on more than its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildsOn {
    /// The branch, tag or commit that the job names, or else its target's branch where that is
    /// known.
    pub start: Option<String>,
    /// The commit of it.
    pub commit: CommitId,
    /// The jobs whose work is in the base, too.
    pub deps: Vec<BuiltDep>,
}

/// Another job whose work is in a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltDep {
    /// The job.
    pub job: JobId,
    /// The newest commit of its work that is in the base.
    pub commit: CommitId,
    /// The change since; `None` when it is as it was.
    pub change: Option<DepChange>,
}

/// A change of a dep after the job that builds on it was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DepChange {
    /// It was put back, and is in this folder.
    Reopened(Stage),
    /// A person turned it down.
    Rejected,
    /// It has ended in this folder.
    Failed(Stage),
    /// Another job has its key, or it is in no folder any more.
    Replaced,
    /// Its branch is at this commit.
    Moved(CommitId),
}

impl DepChange {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Reopened(_) => "reopened",
            Self::Rejected => "rejected",
            Self::Failed(_) => "failed",
            Self::Replaced => "replaced",
            Self::Moved(_) => "moved",
        }
    }
}

/// The base of a job; `None` for one that has not begun, or began on its target alone.
///
/// # Errors
/// When a record, or the index of keys, cannot be read.
pub fn builds_on(queue: &QueueDir, job: &JobRecord) -> Result<Option<BuildsOn>, StoreError> {
    let meta = &job.meta;
    let commit = |key| meta.get(key).and_then(CommitId::parse);
    let deps = meta.list(RecordKey::WipDeps);
    let named = meta.get(RecordKey::Base);
    if deps.is_empty() && named.is_none() {
        return Ok(None);
    }
    let Some(target) = commit(RecordKey::WipTarget) else { return Ok(None) };
    if let Some(base) = named {
        let commit = commit(RecordKey::WipBase).unwrap_or(target);
        return Ok(Some(BuildsOn { start: Some(base.to_owned()), commit, deps: Vec::new() }));
    }
    let branch = meta.get(RecordKey::Target).or_else(|| meta.get(RecordKey::AddedOn));
    let start = branch.map(|name| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned());
    let mut holders = BTreeSet::new();
    for key in meta.list(RecordKey::Deps) {
        holders.extend(holder(queue, &key)?.map(|holder| holder.id));
    }
    let mut built = Vec::new();
    for dep in deps {
        let Some((id, tip)) = dep.split_once('@') else { continue };
        let (Ok(id), Some(commit)) = (id.parse::<JobId>(), CommitId::parse(tip)) else { continue };
        let change = change(queue, job, &id, &commit, holders.contains(&id))?;
        built.push(BuiltDep { job: id, commit, change });
    }
    Ok(Some(BuildsOn { start, commit: target, deps: built }))
}

fn change(
    queue: &QueueDir,
    job: &JobRecord,
    dep: &JobId,
    commit: &CommitId,
    has_key: bool,
) -> Result<Option<DepChange>, StoreError> {
    let Some(stage) = queue.find(dep) else { return Ok(Some(DepChange::Replaced)) };
    Ok(match stage {
        _ if !has_key => Some(DepChange::Replaced),
        Stage::Inbox | Stage::Building | Stage::Review => Some(DepChange::Reopened(stage)),
        Stage::Failed | Stage::Quarantine => {
            let result = record(queue, stage, dep)?.parsed::<Outcome>(RecordKey::Result);
            match result {
                Some(Outcome::Rejected) => Some(DepChange::Rejected),
                _ => Some(DepChange::Failed(stage)),
            }
        }
        Stage::Testing | Stage::Shipped => {
            let now = job.cwd().and_then(|dir| work_at(&dir, dep.as_str()));
            now.filter(|now| now != commit).map(DepChange::Moved)
        }
    })
}
