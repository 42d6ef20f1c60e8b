//! What can go wrong with a job's branch.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::repository::CommitId;

/// A failure of this module. Messages name the thing and, where there is one, the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The git program did not start.
    #[error("cannot run git: {0}{mend}", mend = mend_of_git(.0))]
    NoGit(io::Error),
    /// Git refused.
    #[error("`git {command}` failed: {message}")]
    Git {
        /// Its subcommand.
        command: String,
        /// What it printed to standard error, or its exit status when it printed nothing.
        message: String,
    },
    /// Git did not end in time and was killed.
    #[error("`git {command}` did not end within {} s and was killed", limit.as_secs())]
    TimedOut {
        /// Its subcommand.
        command: String,
        /// The time that it had.
        limit: Duration,
    },
    /// Git was ended, because the job was stopped and git went on.
    #[error("`git {command}` was ended, because the job was stopped")]
    Stopped {
        /// Its subcommand.
        command: String,
    },
    /// Git printed more than is kept in memory.
    #[error("`git {command}` printed more than {limit} bytes")]
    TooMuchOutput {
        /// Its subcommand.
        command: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// Git, or a file beside the branch, said what makes no sense.
    #[error("{source_name} says {answer:?}, which is not {expected}")]
    Nonsense {
        /// Who said it.
        source_name: String,
        /// What it said.
        answer: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// A repository, or a branch in it, is there, and git takes it for none.
    #[error("{} is there, but git cannot read it; see what `git status` says there", .0.display())]
    Unreadable(PathBuf),
    /// A path that git prints in more than one line.
    #[error("{0:?} has a line break in its path, which git cannot tell from two paths; rename it")]
    LineBreak(PathBuf),
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The branch exists, and it is not of this job.
    #[error(
        "the branch {0} exists already and holds the work of another job; merge it, or delete it \
         with `git branch -D {0}`, or give this job another name"
    )]
    BranchTaken(String),
    /// A name is a branch or a folder of branches, and another branch makes it the wrong one.
    #[error(
        "git cannot have the branch {branch} beside the branch {other}; rename that one with \
         `git branch -m {other} NEW-NAME`"
    )]
    NameInTheWay {
        /// The job's branch.
        branch: String,
        /// The branch that is in its way.
        other: String,
    },
    /// `in-place` where there are no files.
    #[error("{} has no checkout to work in; use `isolation: worktree`", .0.display())]
    NoCheckout(PathBuf),
    /// The checkout has changes that are in no commit.
    #[error(
        "{} has changes that are not committed ({}); commit or stash them",
        root.display(), list(paths)
    )]
    Dirty {
        /// The checkout.
        root: PathBuf,
        /// Some of the paths.
        paths: Vec<String>,
    },
    /// A checkout has changes of its own in files that a merge touches.
    #[error(
        "{} has changes of its own in files that the merge touches ({}); commit, stash or move \
         them away",
        root.display(), list(paths)
    )]
    Overlap {
        /// The checkout.
        root: PathBuf,
        /// The paths, sorted.
        paths: Vec<String>,
    },
    /// Files of a checkout cannot be written that a merge touches.
    #[error(
        "{} has directories that cannot be written, with files that the merge touches ({}); \
         `chmod u+w` lets them follow",
        root.display(), list(paths)
    )]
    Protected {
        /// The checkout.
        root: PathBuf,
        /// The paths of the files, sorted.
        paths: Vec<String>,
    },
    /// A git command is at work in a checkout, or was killed there.
    #[error(
        "there is '{}': a git command is at work there, or was killed; when none is, remove it",
        .0.display()
    )]
    IndexLocked(PathBuf),
    /// A merge, rebase or bisection is going on in the checkout.
    #[error("{} is in the middle of a git operation ({what}); finish or abort it", root.display())]
    Unfinished {
        /// The checkout.
        root: PathBuf,
        /// The file of git's that says so.
        what: &'static str,
    },
    /// Another job works in the checkout.
    #[error("{} is on {branch}: another job works there", root.display())]
    OtherJob {
        /// The checkout.
        root: PathBuf,
        /// The other job's branch.
        branch: String,
    },
    /// One in-place job at a time works in a repository, and another one does, or did and was
    /// killed.
    #[error(
        "the in-place job {job} of {} {}", queue.display(),
        if *is_at_work { "is at work in this repository" } else {
            "has not given the checkout back; recovery of that queue does"
        }
    )]
    NotItsTurn {
        /// The common git directory.
        repository: PathBuf,
        /// The other job.
        job: String,
        /// Its queue.
        queue: PathBuf,
        /// True while its worker is there.
        is_at_work: bool,
    },
    /// The job has no branch any more, or not yet.
    #[error(
        "there is no branch {0}: it was cleaned away, since all of it was merged, \
         or somebody deleted it, or the job has not come that far. A deleted branch's commits are \
         among those that `git fsck --lost-found` lists"
    )]
    NoBranch(String),
    /// The job started from no branch, or it is gone.
    #[error(
        "{branch} started from {origin}, which is no branch to merge into; run `git merge \
        {branch}` where you want it"
    )]
    NoTarget {
        /// The job's branch.
        branch: String,
        /// What it started from.
        origin: String,
    },
    /// The commit that the job is to start from is not there.
    #[error(
        "there is no branch, tag or commit {base:?} to start {branch} from; make it, or correct \
         `base` in the job"
    )]
    NoSuchBase {
        /// The job's branch.
        branch: String,
        /// The branch, tag or commit.
        base: String,
    },
    /// The work of a job's deps does not go together, or not with the target.
    #[error(
        "the work of {dep} does not go with the target and the deps before it: {}",
        list(paths)
    )]
    DepsConflict {
        /// The first dep that does not go with the rest.
        dep: String,
        /// The paths in conflict.
        paths: Vec<String>,
    },
    /// The branch that the job names is not there.
    #[error(
        "there is no branch {target} to start {branch} from; make it, or correct `target` in the \
        job"
    )]
    NoSuchTarget {
        /// The job's branch.
        branch: String,
        /// The branch that it is to be merged into.
        target: String,
    },
    /// The branch from which the job started is not there any more.
    #[error(
        "the branch {into}, from which {branch} started, is gone; make it again, from where the \
         job started with `git branch {into} {base}`, or run `git merge {branch}` where you want \
         the work"
    )]
    TargetGone {
        /// The job's branch.
        branch: String,
        /// The branch into which it was to go.
        into: String,
        /// The commit from which the job started.
        base: CommitId,
    },
    /// The branch into which to merge has several checkouts.
    #[error("{0} is checked out in several places; leave it in all but one")]
    ManyCheckouts(String),
    /// Another merge into the branch goes on.
    #[error(
        "another merge into {into} goes on in {}{}", repository.display(),
        if holder.is_empty() { String::new() } else { format!(": that of {holder}") }
    )]
    MergeGoesOn {
        /// The common git directory.
        repository: PathBuf,
        /// The branch.
        into: String,
        /// The job that is merged, and its queue; empty when nobody knows.
        holder: String,
    },
    /// Somebody else moved the branch while a merge was made.
    #[error("{0} was moved meanwhile, so the merge has to be made again")]
    TargetMoved(String),
    /// The target's remote cannot be reached, or refuses what is asked of it.
    #[error("cannot {verb} {branch} {} {remote}: {message}", preposition(verb))]
    TargetRemote {
        /// The request: `fetch` or `push`.
        verb: &'static str,
        /// The branch.
        branch: String,
        /// The remote, without a password.
        remote: String,
        /// Git's words.
        message: String,
    },
    /// The job's changes do not go without the work of another job that may not go along.
    #[error(
        "the work of {job} builds on that of {dep}, which is not shipped, and does not go without \
         (conflicts: {}); ship {dep} first",
        list(paths)
    )]
    DepUnshipped {
        /// The job.
        job: String,
        /// The other job.
        dep: String,
        /// The paths in conflict.
        paths: Vec<String>,
    },
    /// The merge does not come out clean.
    #[error(
        "{branch} does not merge cleanly into {into} (conflicts: {}); nothing was changed. \
         Merge it by hand with `git merge {branch}`",
        list(paths)
    )]
    Conflict {
        /// The job's branch.
        branch: String,
        /// The branch into which it was to go.
        into: String,
        /// The paths in conflict.
        paths: Vec<String>,
    },
    /// Markers of a conflict are in files of the branch.
    #[error("{branch} still has markers of conflicts in {}; mend them first", list(paths))]
    Unresolved {
        /// The job's branch.
        branch: String,
        /// The files.
        paths: Vec<String>,
    },
    /// The job's branch cannot be moved now.
    #[error(
        "{0} was moved by somebody else, or is checked out; its work cannot be put on a new base"
    )]
    BranchHeld(String),
    /// The job's directory is a link out of its worktree.
    #[error("{} leads out of the job's worktree", .0.display())]
    LeavesWorktree(PathBuf),
    /// The repository has contents for git-lfs, and that is not there.
    #[error(
        "{} has files of Git LFS, and git-lfs is not there to upload them; install it", .0.display()
    )]
    NoLfs(PathBuf),
    /// A pointer of git-lfs leads nowhere.
    #[error(
        "{path} is a pointer of Git LFS to {oid}, which is neither here nor at the remote; commit \
         the file's content, with git-lfs installed"
    )]
    NoContent {
        /// The file.
        path: String,
        /// The name of the content.
        oid: String,
    },
    /// An artifact glob is no glob.
    #[error(transparent)]
    Glob(#[from] aq_manifest::GlobError),
    /// More artifacts than are kept.
    #[error("the artifacts exceed {0}; write narrower globs")]
    TooManyArtifacts(&'static str),
}

impl CheckpointError {
    /// Distinguishes a commit of which git cannot make files, for what is in it or missing, from
    /// other failures: a full disk, a git that was killed.
    pub fn is_failed_checkout(&self) -> bool {
        let Self::Git { command, message } = self else { return false };
        let others = ["No space left on device", "Disk quota exceeded", "killed by signal"];
        command == "read-tree" && !others.iter().any(|why| message.contains(why))
    }
}

/// The mend of a git that did not start, when it is not there.
fn mend_of_git(error: &io::Error) -> &'static str {
    let is_missing = error.kind() == io::ErrorKind::NotFound;
    if is_missing { "; install git (2.38 or newer) or put it on the PATH" } else { "" }
}

fn preposition(verb: &str) -> &'static str {
    if verb == "push" { "to" } else { "from" }
}

/// The shorthand of this module.
pub(super) type Result<T, E = CheckpointError> = std::result::Result<T, E>;

/// The first few of the paths.
pub(super) fn list(paths: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut text = paths.iter().take(SHOWN).map(|path| format!("{path:?}")).collect::<Vec<_>>();
    if paths.len() > SHOWN {
        text.push(format!("and {} more", paths.len() - SHOWN));
    }
    text.join(", ")
}

/// Adds the action and the path to an I/O error.
pub(super) trait HeadState<T> {
    /// `action` is an infinitive: "read", "rename".
    fn at(self, action: &'static str, path: &Path) -> Result<T>;
}

impl<T> HeadState<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| CheckpointError::Io { action, path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_checkouts_are_told_from_other_failures() {
        for (command, message, is_it) in [
            ("read-tree", "fatal: a.bin: smudge filter lfs failed", true),
            ("read-tree", "error: unable to write file a: No space left on device", false),
            ("read-tree", "it was killed by signal 9", false),
            ("update-ref", "fatal: cannot lock ref", false),
        ] {
            let error = CheckpointError::Git { command: command.into(), message: message.into() };
            assert_eq!(error.is_failed_checkout(), is_it, "{error}");
        }
    }
}
