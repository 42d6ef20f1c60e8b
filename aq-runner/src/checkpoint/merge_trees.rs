//! Merging two commits in objects only, by the attributes of the branch that they are merged into.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use tempfile::TempDir;

use super::error::{HeadState, Result};
use super::files;
use super::git::GitCommand;
use super::repository::CommitId;
use super::wip::JobBranch;

/// A tree that has the changes of two commits.
#[derive(Debug)]
pub(super) struct MergedTree {
    pub(super) tree: String,
    /// Paths in conflict.
    pub(super) conflicts: Vec<String>,
}

impl JobBranch {
    /// The tree that has the changes of two commits, or the paths in conflict. Attributes are those
    /// of the target, and so are the drivers that they name.
    pub(super) fn merge_trees(
        &self,
        target: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<std::result::Result<String, Vec<String>>> {
        let MergedTree { tree, conflicts } = self.merge_with_markers(target, ours, theirs)?;
        Ok(if conflicts.is_empty() { Ok(tree) } else { Err(conflicts) })
    }

    /// The same, where a tree has markers in files in conflict. These name both commits.
    pub(super) fn merge_with_markers(
        &self,
        target: &CommitId,
        ours: &CommitId,
        theirs: &CommitId,
    ) -> Result<MergedTree> {
        let merged = |call: GitCommand| {
            let call = call.args(["--write-tree", "-z", "--name-only", "--no-messages"]);
            call.args([ours.as_str(), theirs.as_str()]).slow().output()
        };
        let from = format!("--attr-source={target}");
        let mut output = merged(self.repo.call_with(&[&from], "merge-tree"))?;
        if output.errors().contains("unknown option") {
            // Git before 2.41 looks into the files of a checkout, so it gets one with nothing else.
            let dir = self.attributes_of(target)?;
            let call = self.repo.git().call(dir.path(), "merge-tree");
            let call = call.env("GIT_DIR", self.repo.common_dir());
            output = merged(call.env("GIT_WORK_TREE", dir.path()))?;
        }
        let mut fields = output.fields();
        match (output.code(), fields.next()) {
            (Some(0), Some(tree)) => Ok(MergedTree { tree, conflicts: Vec::new() }),
            (Some(1), Some(tree)) => Ok(MergedTree { tree, conflicts: fields.collect() }),
            _ => Err(output.failure()),
        }
    }

    /// A directory with the attributes' files of a commit.
    fn attributes_of(&self, commit: &CommitId) -> Result<TempDir> {
        let there = self.notes.dir();
        let dir = tempfile::tempdir_in(there).at("create in", there)?;
        let call = self.repo.call("ls-tree").args(["-r", "-z", "--full-tree", "--name-only"]);
        let list = call.arg(commit.as_str()).slow().run()?.stdout;
        for path in list.split(|&byte| byte == 0).map(|path| Path::new(OsStr::from_bytes(path))) {
            let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !is_plain || path.file_name() != Some(OsStr::new(".gitattributes")) {
                continue;
            }
            let mut object = OsString::from(format!("{commit}:"));
            object.push(path);
            let text = self.repo.call("cat-file").arg("blob").arg(object).run()?.stdout;
            let file = dir.path().join(path);
            let parent = file.parent().unwrap_or(dir.path());
            std::fs::create_dir_all(parent).at("create", parent)?;
            files::put(&file, &text)?;
        }
        Ok(dir)
    }
}
