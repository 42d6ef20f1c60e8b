//! A job's own commits on top of a target that has dropped what the job started from: amended,
//! reset or rebased. What it dropped stays dropped, so no old commit becomes an ancestor of the new
//! ones.

use super::error::Result;
use super::repository::{CommitId, nonsense};
use super::wip::Wip;

/// The commits, or the paths in conflict.
type Replayed = std::result::Result<CommitId, Vec<String>>;

/// From so many commits on they become one.
const MOST: usize = 200;

/// A commit of the job's, with who made it and when.
struct Original {
    commit: CommitId,
    author: [String; 3],
    message: String,
}

impl Wip {
    /// The commits from the base to the tip, one after the other on top of the target; as one,
    /// where they are not in a row.
    pub(super) fn replayed(
        &self,
        target: &CommitId,
        tip: &CommitId,
        message: &str,
    ) -> Result<Replayed> {
        let Some(originals) = self.in_a_row(tip)? else {
            return self.squashed(target, tip, message);
        };
        let mut on_top = target.clone();
        let mut before = self.base().clone();
        for Original { commit, author, message } in originals {
            match self.applied(target, &on_top, &before, &commit)? {
                // Together they may go where one alone does not.
                Err(_) => return self.squashed(target, tip, &message),
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

    fn squashed(&self, target: &CommitId, tip: &CommitId, message: &str) -> Result<Replayed> {
        Ok(match self.applied(target, target, self.base(), tip)? {
            Err(paths) => Err(paths),
            Ok(tree) if tree == self.tree(target)? => Ok(target.clone()),
            Ok(tree) => Ok(self.repo.commit_tree(&tree, std::slice::from_ref(target), message)?),
        })
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
        let child = |commit: &CommitId| {
            let tree = self.tree(commit)?;
            self.repo.commit_tree(&tree, std::slice::from_ref(before), "aq: for a merge")
        };
        self.merge_trees(target, &child(on_top)?, &child(commit)?)
    }

    /// The commits after the base, oldest first; `None` where one has several parents, or there are
    /// too many.
    fn in_a_row(&self, tip: &CommitId) -> Result<Option<Vec<Original>>> {
        let call =
            self.repo.call("log").args(["--reverse", "--topo-order", "-z", "--no-show-signature"]);
        let call = call.arg("--format=%H%n%P%n%an%n%ae%n%aI%n%B");
        let output = call.args([format!("^{}", self.base()), tip.to_string()]).slow().run()?;
        let mut originals = Vec::new();
        let mut before = self.base().clone();
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
            originals.push(Original { commit, author: [name, mail, date], message });
        }
        Ok(Some(originals))
    }
}
