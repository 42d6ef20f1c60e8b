//! A job's own commits on top of a target that has dropped what the job started from: amended,
//! reset or rebased. What it dropped stays dropped, so no old commit becomes an ancestor of the new
//! ones.

use super::error::Result;
use super::merge_trees::MergedTree;
use super::repository::{CommitId, nonsense};
use super::wip::JobBranch;

/// The commits, or the paths in conflict.
type Replayed = std::result::Result<CommitId, Vec<String>>;

/// A commit that may have markers of conflicts in its files.
pub(super) struct MarkedCommit {
    pub(super) commit: CommitId,
    /// The commits that the markers name: the job's side, and the other one.
    pub(super) sides: [CommitId; 2],
    /// The paths in conflict.
    pub(super) conflicts: Vec<String>,
}

/// From so many commits on they become one.
const MOST: usize = 200;

/// A commit of the job's, with who made it and when.
struct ReplayedCommit {
    commit: CommitId,
    author: [String; 3],
    message: String,
}

/// Commits that are made again elsewhere.
pub(super) struct CommitReplay<'a> {
    /// The commit whose attributes hold.
    pub(super) attributes: &'a CommitId,
    /// The commit on top of which they go.
    pub(super) onto: &'a CommitId,
    /// The commit before the first.
    pub(super) base: &'a CommitId,
    /// The last one.
    pub(super) tip: &'a CommitId,
    /// The text where they become one.
    pub(super) message: &'a str,
}

impl JobBranch {
    /// The commits from the base to the tip, one after the other; as one, where they are not in a
    /// row.
    pub(super) fn replayed(&self, replay: &CommitReplay<'_>) -> Result<Replayed> {
        let Some(originals) = self.in_a_row(replay.base, replay.tip)? else {
            return self.squashed(replay);
        };
        let mut on_top = replay.onto.clone();
        let mut before = replay.base.clone();
        for ReplayedCommit { commit, author, message } in originals {
            match self.applied(replay.attributes, &on_top, &before, &commit)? {
                // Together they may go where one alone does not.
                Err(_) => return self.squashed(&CommitReplay { message: &message, ..*replay }),
                Ok(tree) if tree == self.tree(&on_top)? => {}
                Ok(tree) => {
                    let call = || {
                        let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"];
                        let call = self.repo.call("commit-tree");
                        names
                            .iter()
                            .zip(&author)
                            .fold(call, |call, (name, value)| call.env(name, value))
                    };
                    on_top = self.repo.commit_tree_by(call, &tree, &[on_top], &message)?;
                }
            }
            before = commit;
        }
        Ok(Ok(on_top))
    }

    /// All of it as one commit.
    pub(super) fn squashed(&self, replay: &CommitReplay<'_>) -> Result<Replayed> {
        let CommitReplay { attributes, onto, base, tip, message } = *replay;
        Ok(match self.applied(attributes, onto, base, tip)? {
            Err(paths) => Err(paths),
            Ok(tree) if tree == self.tree(onto)? => Ok(onto.clone()),
            Ok(tree) => Ok(self.repo.commit_tree(&tree, std::slice::from_ref(onto), message)?),
        })
    }

    /// All of it as one commit, with markers in files in conflict. These name the commits that the
    /// answer has: the job's side and the other one.
    pub(super) fn squashed_with_markers(&self, replay: &CommitReplay<'_>) -> Result<MarkedCommit> {
        let CommitReplay { attributes, onto, base, tip, message } = *replay;
        let (own, other) = (self.child(base, tip)?, self.child(base, onto)?);
        let MergedTree { tree, conflicts } = self.merge_with_markers(attributes, &own, &other)?;
        let commit = self.repo.commit_tree(&tree, std::slice::from_ref(onto), message)?;
        Ok(MarkedCommit { commit, sides: [own, other], conflicts })
    }

    /// The tree of a commit with what another one changed since a third. Git before 2.40 finds the
    /// third only by the history, so both get one for the moment.
    fn applied(
        &self,
        target: &CommitId,
        on_top: &CommitId,
        before: &CommitId,
        commit: &CommitId,
    ) -> Result<std::result::Result<String, Vec<String>>> {
        self.merge_trees(target, &self.child(before, on_top)?, &self.child(before, commit)?)
    }

    /// The files of a commit on top of another one.
    fn child(&self, before: &CommitId, commit: &CommitId) -> Result<CommitId> {
        let tree = self.tree(commit)?;
        self.repo.commit_tree(&tree, std::slice::from_ref(before), "aq: for a merge")
    }

    /// The commits after the base, oldest first; `None` where one has several parents, or there are
    /// too many.
    fn in_a_row(&self, base: &CommitId, tip: &CommitId) -> Result<Option<Vec<ReplayedCommit>>> {
        let call =
            self.repo.call("log").args(["--reverse", "--topo-order", "-z", "--no-show-signature"]);
        let call = call.arg("--format=%H%n%P%n%an%n%ae%n%aI%n%B");
        let output = call.args([format!("^{base}"), tip.to_string()]).slow().run()?;
        let mut originals = Vec::new();
        let mut before = base.clone();
        for entry in output.fields() {
            let mut lines = entry.splitn(6, '\n');
            let mut line = || lines.next().map(str::to_owned);
            let fields = (line(), line(), line(), line(), line(), line());
            let (Some(id), Some(parents), Some(name), Some(mail), Some(date), Some(message)) =
                fields
            else {
                return Err(nonsense(entry.as_bytes()));
            };
            let commit = CommitId::parse(&id).ok_or_else(|| nonsense(id.as_bytes()))?;
            if parents != before.as_str() || originals.len() >= MOST {
                return Ok(None);
            }
            before = commit.clone();
            originals.push(ReplayedCommit { commit, author: [name, mail, date], message });
        }
        Ok(Some(originals))
    }
}
