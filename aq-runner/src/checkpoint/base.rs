//! The commit that a job's own work is on top of, and what it is made of.

use std::path::Path;

use super::error::{CheckpointError, HeadState, Result};
use super::files;
use super::notes::WorkOrigin;
use super::repository::{CheckoutHead, CommitId, GitRepository};
use super::wip::{CheckpointJob, MergeTarget};

/// The most that is read of a ground's file, in bytes: a job has at most 1,000 deps.
const MAX_LEN: u64 = 1 << 20;
/// The text of the commit from which a job starts in a repository that has none.
pub(super) const EMPTY_START: &str = "aq: the empty start of a repository";

/// Work of another job at the moment when it became a part of a base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepTip {
    /// The other job.
    pub job: String,
    /// The newest commit of its work then.
    pub tip: CommitId,
}

/// A base, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkBase {
    /// The commit of the target.
    pub target: CommitId,
    /// The work of other jobs in it that the target did not have, in the order of their merge.
    pub deps: Vec<DepTip>,
    /// The commit that has all of it.
    pub base: CommitId,
}

/// The start of a job's work.
#[derive(Clone, Debug)]
pub enum StartPoint {
    /// The target, with the work of these jobs that it does not have yet.
    Deps(Vec<CheckpointJob>),
    /// This branch, tag or commit.
    Revision(String),
}

impl Default for StartPoint {
    fn default() -> Self {
        Self::Deps(Vec::new())
    }
}

impl WorkBase {
    /// The target alone.
    pub(super) fn bare(target: CommitId) -> Self {
        Self { base: target.clone(), target, deps: Vec::new() }
    }

    /// Reads the file of a ground; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = files::read_up_to(path, MAX_LEN).at("read", path)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = Self::parse(&text);
        parsed.map(Some).ok_or_else(|| CheckpointError::Nonsense {
            source_name: path.display().to_string(),
            answer: text,
            expected: "lines of `target`, `dep` and `base` with the names of commits",
        })
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut target, mut deps, mut base) = (None, Vec::new(), None);
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["target", commit] => target = Some(CommitId::parse(commit)?),
                ["dep", job, tip] => {
                    deps.push(DepTip { job: job.to_owned(), tip: CommitId::parse(tip)? });
                }
                ["base", commit] => base = Some(CommitId::parse(commit)?),
                _ => return None,
            }
        }
        Some(Self { target: target?, deps, base: base? })
    }

    /// The text of its file, whose last line has no newline.
    pub(super) fn text(&self) -> String {
        let deps = self.deps.iter().map(|dep| format!("dep {} {}\n", dep.job, dep.tip));
        format!("target {}\n{}base {}", self.target, deps.collect::<String>(), self.base)
    }
}

/// The commit of the target, or an empty one where there is none yet, and the branch that it is of.
pub(super) fn first_base(
    repo: &GitRepository,
    target: &MergeTarget,
    branch: &str,
) -> Result<(CommitId, WorkOrigin)> {
    let here = WorkOrigin::of(repo.head());
    let wanted = match target {
        MergeTarget::Noted(name) | MergeTarget::Named(name) if here.full() != name => name,
        _ => return Ok((head_commit(repo)?, here)),
    };
    match (repo.commit(wanted)?, target) {
        (Some(commit), _) => Ok((commit, WorkOrigin::Branch(wanted.clone()))),
        (None, MergeTarget::Named(_)) => Err(CheckpointError::NoSuchTarget {
            branch: branch.to_owned(),
            target: wanted.replacen("refs/heads/", "", 1),
        }),
        (None, _) => Ok((head_commit(repo)?, here)),
    }
}

fn head_commit(repo: &GitRepository) -> Result<CommitId> {
    match repo.head() {
        CheckoutHead::Branch(_, commit) | CheckoutHead::Detached(commit) => Ok(commit.clone()),
        CheckoutHead::Unborn(_) => {
            let call =
                repo.call("hash-object").args(["-w", "-t", "tree"]).arg(Path::new("/dev/null"));
            // The same for all jobs, which have to be merged with one another.
            let call_by = || {
                ["AUTHOR", "COMMITTER"].iter().fold(repo.call("commit-tree"), |call, role| {
                    call.env(&format!("GIT_{role}_NAME"), "aq")
                        .env(&format!("GIT_{role}_EMAIL"), "aq@localhost")
                        .env(&format!("GIT_{role}_DATE"), "1970-01-01T00:00:00Z")
                })
            };
            repo.commit_tree_by(call_by, &call.line()?, &[], EMPTY_START)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: &str) -> CommitId {
        CommitId::parse(&digit.repeat(40)).unwrap()
    }

    #[test]
    fn grounds_are_read_as_written() {
        let deps = vec![
            DepTip { job: "schema".to_owned(), tip: commit("1") },
            DepTip { job: "seed.2".to_owned(), tip: commit("2") },
        ];
        let ground = WorkBase { target: commit("3"), deps, base: commit("4") };
        assert_eq!(WorkBase::parse(&ground.text()), Some(ground));
        let bare = WorkBase::bare(commit("5"));
        assert_eq!(WorkBase::parse(&bare.text()), Some(bare));
    }

    #[test]
    fn torn_grounds_are_refused() {
        let line = |name: &str| format!("{name} {}\n", "1".repeat(40));
        for text in [
            String::new(),
            line("target"),
            line("base"),
            line("target") + "base 12",
            line("target") + "dep a\n" + &line("base"),
            line("target") + &line("base") + "more",
        ] {
            assert_eq!(WorkBase::parse(&text), None, "{text}");
        }
    }
}
