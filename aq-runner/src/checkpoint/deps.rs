//! The first base of a job: its target, with the work of those jobs that it builds on.
//!
//! All is made in objects, which are on disk before a file names them. A kill leaves objects that
//! nothing names, and the next start makes the base again.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::base::{DepTip, StartPoint, WorkBase};
use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::own::{HELD, digest};
use super::repository::{CommitId, branch_at, git_dir_at, repository_at};
use super::wip::{BRANCHES, CheckpointJob, JobBranch, MergeTarget, WorkIsolation, branch_ref};

/// The most commits of a target that are searched for a dep's work.
const SEARCHED: usize = 64;

/// The most that is read of packed refs, in bytes.
const MAX_PACKED: u64 = 64 << 20;

impl JobBranch {
    /// The ground of a job that has not started yet, and whose ground is its target alone.
    pub(super) fn first_ground(&self, start: &StartPoint, fetched: &[DepTip]) -> Result<WorkBase> {
        match start {
            StartPoint::Deps(deps) => {
                let mut tips = self.tips_of(deps)?;
                tips.extend_from_slice(fetched);
                if tips.is_empty() { Ok(self.ground.clone()) } else { self.merged_deps(&tips) }
            }
            StartPoint::Revision(name) => {
                let is_option = name.starts_with('-');
                let found = if is_option { None } else { self.repo.commit(name)? };
                let base = found.ok_or_else(|| CheckpointError::NoSuchBase {
                    branch: self.branch().to_owned(),
                    base: name.clone(),
                })?;
                Ok(WorkBase { base, ..self.ground.clone() })
            }
        }
    }

    /// The ground of a target with these deps' work.
    pub(super) fn ground_on(&self, target: &CommitId, deps: &[DepTip]) -> Result<WorkBase> {
        let bare = self.on_ground(WorkBase::bare(target.clone()));
        if deps.is_empty() { Ok(bare.ground) } else { bare.merged_deps(deps) }
    }

    /// The work of those jobs that have any in this repository.
    pub(super) fn tips_of(&self, deps: &[CheckpointJob]) -> Result<Vec<DepTip>> {
        let mut tips = Vec::new();
        for dep in deps {
            let Some(wip) = self.beside(dep)? else { continue };
            if let Some(tip) = wip.tip()? {
                tips.push(DepTip { job: dep.name.clone(), tip });
            }
        }
        Ok(tips)
    }

    /// The branch of another job, if that works in the same repository.
    fn beside(&self, job: &CheckpointJob) -> Result<Option<Self>> {
        if job.name == self.name || !job.is_in(self.repo.common_dir())? {
            return Ok(None);
        }
        Self::open_in(job, self.repo.clone())
    }

    fn merged_deps(&self, tips: &[DepTip]) -> Result<WorkBase> {
        let maker = self.synced();
        let target = &self.ground.target;
        let heads = maker.independent(target, tips)?;
        let mut ground = self.ground.clone();
        for dep in tips.iter().filter(|dep| heads.contains(&dep.tip) && dep.tip != *target) {
            if ground.deps.iter().any(|known| known.tip == dep.tip) {
                continue;
            }
            if let Some(base) = maker.with_dep(&ground, dep, heads.contains(target))? {
                ground.base = base;
                ground.deps.push(dep.clone());
            }
        }
        Ok(ground)
    }

    /// Those commits that none of the others contains.
    fn independent(&self, target: &CommitId, tips: &[DepTip]) -> Result<Vec<CommitId>> {
        let call = self.repo.call("merge-base").arg("--independent").arg(target.as_str());
        let output = call.args(tips.iter().map(|dep| dep.tip.as_str())).slow().run()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(CommitId::parse).collect())
    }

    /// The commit that has the work of a dep, too; `None` when the base has it already.
    fn with_dep(
        &self,
        ground: &WorkBase,
        dep: &DepTip,
        target_stands_alone: bool,
    ) -> Result<Option<CommitId>> {
        let (target, base) = (&ground.target, &ground.base);
        if base == target
            && !target_stands_alone
            && self.fork(target, &dep.tip)?.as_ref() == Some(target)
        {
            return Ok(Some(dep.tip.clone()));
        }
        match self.merge_trees(target, base, &dep.tip)? {
            Ok(tree) if tree == self.tree(base)? => Ok(None),
            Ok(tree) => {
                let parents = [base.clone(), dep.tip.clone()];
                let message = format!("aq: the work of {}", dep.job);
                self.repo.commit_tree(&tree, &parents, &message).map(Some)
            }
            Err(paths) if self.has_had(target, &dep.tip, &paths)? => Ok(None),
            Err(paths) => Err(CheckpointError::DepsConflict { dep: dep.job.clone(), paths }),
        }
    }

    /// Tests whether the target has had a dep's work, and has changed those files since: it was
    /// squashed there and gone on from.
    fn has_had(&self, target: &CommitId, tip: &CommitId, paths: &[String]) -> Result<bool> {
        let Some(fork) = self.fork(target, tip)? else { return Ok(false) };
        let call = self.repo.call("rev-list").args(["--first-parent", "-n", &SEARCHED.to_string()]);
        let call = call.args([target.to_string(), format!("^{fork}"), "--".to_owned()]);
        let output = call.args(paths).env("GIT_LITERAL_PATHSPECS", "1").slow().run()?;
        for commit in String::from_utf8_lossy(&output.stdout).lines().filter_map(CommitId::parse) {
            let merged = self.merge_trees(target, &commit, tip)?;
            if merged.is_ok_and(|tree| self.tree(&commit).is_ok_and(|its| its == tree)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl CheckpointJob {
    /// A digest of where the branches are from which the job would start: those of its deps and its
    /// target, and what is checked out. No run of git is made, so a digest of other branches may
    /// change, too. `None` outside git, and for a job that builds on no other.
    pub fn start_mark(&self) -> Option<String> {
        let StartPoint::Deps(deps) = &self.start else { return None };
        if deps.is_empty() {
            return None;
        }
        let git_dir = git_dir_at(&self.cwd)?;
        let common_dir = repository_at(&self.cwd)?;
        let read = |path: &Path| files::read(path).ok().flatten();
        let stamp = |path: &Path| {
            let about = path.metadata().ok()?;
            Some(format!("{}.{} {}", about.mtime(), about.mtime_nsec(), about.len()))
        };
        let target = match &self.target {
            MergeTarget::Noted(name) | MergeTarget::Named(name) => Some(name.clone()),
            MergeTarget::Head => None,
        };
        let of_deps = deps.iter().flat_map(|dep| {
            let branch = branch_ref(&dep.name);
            [branch.replacen(BRANCHES, HELD, 1), branch]
        });
        let names = target.into_iter().chain(branch_at(&self.cwd)).chain(of_deps);
        let loose = names.map(|name| read(&common_dir.join(&name)).unwrap_or(name));
        let others = [
            read(&git_dir.join("HEAD")),
            stamp(&common_dir.join("packed-refs")),
            read(&common_dir.join("reftable/tables.list")),
        ];
        let all: Vec<String> = loose.chain(others.into_iter().flatten()).collect();
        Some(digest(&all.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Tests whether the job has started in the repository with this common directory.
    fn is_in(&self, common_dir: &Path) -> Result<bool> {
        if !files::is_there(&self.base_file)? {
            return Ok(false);
        }
        let known = match (repository_at(&self.cwd), &self.isolation) {
            (None, WorkIsolation::Own(place)) => place.common_dir()?,
            (found, _) => found,
        };
        let real = |dir: &Path| dir.canonicalize().at("open", dir);
        Ok(known.filter(|dir| dir.is_dir()).map(|dir| real(&dir)).transpose()?
            == Some(real(common_dir)?))
    }
}

/// The newest commit on the branch of a job, in the repository that a directory is in. Without a
/// run of git: `None` also where git keeps its refs in tables.
pub fn work_at(dir: &Path, job: &str) -> Option<CommitId> {
    let common_dir = repository_at(dir)?;
    let name = branch_ref(job);
    if let Some(text) = files::read(&common_dir.join(&name)).ok()? {
        return CommitId::parse(&text);
    }
    let packed = files::read_up_to(&common_dir.join("packed-refs"), MAX_PACKED).ok()??;
    let packed = String::from_utf8_lossy(&packed);
    let is_its = |line: &&str| line.split_once(' ').is_some_and(|(_, other)| other == name);
    CommitId::parse(packed.lines().find(is_its)?.split_once(' ')?.0)
}
