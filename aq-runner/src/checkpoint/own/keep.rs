//! The commit that keeps all that a job's checkout borrows from being pruned, at
//! `refs/aq/base/<job>`. Jobs that see the same refs share it.

use std::path::Path;

use super::super::error::Result;
use super::super::files;
use super::super::repository::{CommitId, nonsense};
use super::super::wip::{BRANCHES, JobBranch};
use super::tips::{RefTips, digest, keeper, remembered};

/// Where the refs are that keep.
const KEPT: &str = "refs/aq/base/";
/// The commits that were made before, by what they keep. No job id starts with a dot.
const KEEPERS: &str = ".keepers";
/// So many are remembered: one for each repository that a queue works in, as it was last.
const REMEMBERED: usize = 16;

impl JobBranch {
    /// Makes the ref that keeps what is borrowed, and with it the job's branch at its base. Answers
    /// the commit that keeps.
    pub(super) fn keep(&self, tips: &RefTips, with_branch: bool) -> Result<CommitId> {
        self.keep_by(tips, &|keeper| self.make_refs(keeper, with_branch))
    }

    /// The same where a train keeps what its checkout borrows.
    pub(super) fn keep_for_train(&self, tips: &RefTips, name: &str) -> Result<CommitId> {
        self.keep_by(tips, &|keeper| {
            let call = self.repo.call("update-ref").args(["-m", "aq: a train"]);
            call.args([&train_ref(name), keeper.as_str()]).run().map(drop)
        })
    }

    fn keep_by(
        &self,
        tips: &RefTips,
        make_refs: &dyn Fn(&CommitId) -> Result<()>,
    ) -> Result<CommitId> {
        let mut commits = tips.commits();
        if !commits.contains(&self.base().as_str()) {
            commits.push(self.base().as_str());
        }
        let digest = digest(&commits);
        let file = self.notes.dir().join(KEEPERS);
        let lines = files::read(&file).ok().flatten().unwrap_or_default();
        let known = lines.lines().find_map(|line| remembered(line, &digest));
        if let Some(known) = &known
            && make_refs(known).is_ok()
        {
            return Ok(known.clone());
        }
        let call = self.repo.call("hash-object").args(["-w", "-t", "tree"]);
        let tree = call.arg(Path::new("/dev/null")).line()?;
        let call = self.repo.call("hash-object").args(["-w", "-t", "commit", "--stdin"]);
        let made = call.text(keeper(&tree, &commits).as_bytes())?.line()?;
        let made = CommitId::parse(&made).ok_or_else(|| nonsense(made.as_bytes()))?;
        make_refs(&made)?;
        if known.is_none() {
            let others = lines.lines().take(REMEMBERED - 1).map(str::to_owned);
            let lines: Vec<String> =
                std::iter::once(format!("{digest} {made}")).chain(others).collect();
            // What is not remembered is made again.
            let _ = files::put(&file, (lines.join("\n") + "\n").as_bytes());
        }
        Ok(made)
    }

    /// Makes both refs at once, or none.
    fn make_refs(&self, keeper: &CommitId, with_branch: bool) -> Result<()> {
        let mut text = format!("update {} {keeper}\n", self.kept_ref());
        if with_branch {
            text += &format!("create {} {}\n", self.branch_ref(), self.base());
        }
        let call = self.repo.call("update-ref").args(["-m", "aq: start", "--stdin"]);
        call.text(text.as_bytes())?.run().map(drop)
    }

    /// Lets go of what was kept for the job's checkout.
    pub(in super::super) fn let_go(&self) -> Result<()> {
        self.repo.call("update-ref").args(["-d", &self.kept_ref()]).run().map(drop)
    }

    /// The ref that keeps what the job's checkout borrows.
    pub(in super::super) fn kept_ref(&self) -> String {
        self.branch_ref().replacen(BRANCHES, KEPT, 1)
    }
}

/// The ref that keeps what the checkout of a train borrows, by the name of its place.
pub(super) fn train_ref(name: &str) -> String {
    format!("refs/aq/train/{name}")
}
