//! Work of deps that other hosts have done, and pushed.
//!
//! Objects are fetched and no ref is made: a moment later the base of the job has them.

use super::base::{DepTip, first_base};
use super::error::Result;
use super::lfs::fetch_contents;
use super::remote_target::{ancestry, fetch_objects, first_base_at, repository_of, tip_at};
use super::repository::{CommitId, GitRepository};
use super::wip::CheckpointJob;

/// Work of a dep as its host has reported it. All of it comes from that host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistantDep {
    /// The dep's job.
    pub job: String,
    /// Its branch at the remote: `aq/wip/<name>`.
    pub branch: String,
    /// The newest reported commit; else the branch's newest one counts.
    pub commit: Option<String>,
    /// The host and path of the address of its repository, where that is known.
    pub repository: Option<String>,
}

/// Result of the search for a dep's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DistantWork {
    /// It is here now.
    Here(DepTip),
    /// The target has it.
    InTarget,
    /// It is of another repository.
    OtherRepository,
    /// It cannot be had: there is no remote to fetch it from, or that has not got it.
    Missing,
}

/// Fetches the work of deps from a remote, for a job that is about to start for the first time. The
/// answers are in their order. Outside git all is of another repository.
///
/// # Errors
/// When git fails, or a remote cannot be reached.
pub fn fetch_deps(
    job: &CheckpointJob,
    remote: Option<&str>,
    deps: &[DistantDep],
) -> Result<Vec<DistantWork>> {
    let Some(repo) = job.repository()? else {
        return Ok(deps.iter().map(|_| DistantWork::OtherRepository).collect());
    };
    let (here, from) = first_base(&repo, &job.target, &job.branch())?;
    let target = first_base_at(&repo, job, &from)?.unwrap_or(here);
    let mut known = repositories_of(&repo)?;
    known.extend(remote.map(repository_of));
    deps.iter().map(|dep| fetch(&repo, remote, dep, (&target, &known))).collect()
}

fn fetch(
    repo: &GitRepository,
    remote: Option<&str>,
    dep: &DistantDep,
    (target, known): (&CommitId, &[String]),
) -> Result<DistantWork> {
    if dep.repository.as_ref().is_some_and(|one| !known.contains(one)) {
        return Ok(DistantWork::OtherRepository);
    }
    let told = dep.commit.as_deref().and_then(CommitId::parse);
    let in_target = |told: &CommitId| ancestry(repo, told, target);
    if told.as_ref().map(in_target).transpose()?.unwrap_or(false) {
        return Ok(DistantWork::InTarget);
    }
    let Some(remote) = remote else { return Ok(DistantWork::Missing) };
    let branch = format!("refs/heads/{}", dep.branch);
    let Some(tip) = tip_at(repo, remote, &branch)? else { return Ok(DistantWork::Missing) };
    fetch_objects(repo, remote, &branch)?;
    let told = told.unwrap_or_else(|| tip.clone());
    // Somebody may have put other work there since.
    if !ancestry(repo, &told, &tip)? {
        return Ok(DistantWork::Missing);
    }
    // One remote may have the branches of several repositories.
    let call = repo.call("merge-base").args([told.as_str(), target.as_str()]);
    if call.output()?.code() != Some(0) {
        return Ok(DistantWork::OtherRepository);
    }
    // What cannot be fetched is missed by the checkout, which says what it is.
    let _ = fetch_contents(repo, remote, &told, Some(target));
    Ok(DistantWork::Here(DepTip { job: dep.job.clone(), tip: told }))
}

/// The repositories that the remotes of one are.
fn repositories_of(repo: &GitRepository) -> Result<Vec<String>> {
    let call = repo.call("config").args(["--get-regexp", r"^remote\..*\.(push)?url$"]);
    let output = call.read_only().output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let addresses = text.lines().filter_map(|line| line.split_once(' '));
    Ok(addresses.map(|(_, address)| repository_of(address)).collect())
}
