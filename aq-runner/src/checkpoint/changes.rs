//! What a job changed since its base.

use std::io::Write;

use super::error::{CheckpointError, HeadState, Result};
use super::git::{GitCommand, failure};
use super::repository::nonsense;
use super::wip::JobBranch;

/// The changes between a job's base and its branch. A renamed file is one that went and one that
/// came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchChanges {
    /// How many files differ.
    pub files_changed: u64,
    /// Lines that came; binary files have none.
    pub lines_added: u64,
    /// Lines that went; binary files have none.
    pub lines_deleted: u64,
    /// The paths, relative to the top of the repository, sorted. What is no UTF-8 in a name is
    /// replaced.
    pub paths: Vec<String>,
}

/// The most that a diff may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffBounds {
    /// Size of a file that is compared line by line, in bytes.
    pub largest_file: u64,
    /// Memory of git's own, in bytes. What it maps of packs does not count.
    pub memory: u64,
}

impl JobBranch {
    /// What changed, in numbers and by name. A branch that is gone has changed nothing.
    ///
    /// # Errors
    /// When git fails.
    pub fn changes(&self) -> Result<BranchChanges> {
        let tip = if self.is_held()? { None } else { self.loose_tip()? };
        if let Some(tip) = tip {
            if tip == *self.base() {
                return Ok(BranchChanges::default());
            }
            if let Some(known) = self.known_changes.between(self.base(), &tip) {
                return Ok(known);
            }
        }
        let call = self.repo.call("diff-tree").args(["-r", "-z", "--numstat", "--no-renames"]);
        let call = call.args(["--no-ext-diff", "--no-textconv", "--ignore-submodules=none"]);
        let output = call.args([self.base().as_str(), &self.work_name()?, "--"]).slow().output()?;
        if output.code() != Some(0) && self.tip()?.is_none() {
            return Ok(BranchChanges::default());
        }
        let output = output.success()?;
        let mut changes = BranchChanges::default();
        for field in output.fields() {
            let mut parts = field.splitn(3, '\t');
            let (Some(added), Some(deleted), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(nonsense(field.as_bytes()));
            };
            changes.files_changed += 1;
            // `-` for a binary file.
            changes.lines_added += added.parse::<u64>().unwrap_or(0);
            changes.lines_deleted += deleted.parse::<u64>().unwrap_or(0);
            changes.paths.push(path.to_owned());
        }
        Ok(changes)
    }

    /// Writes the changes as a patch, with colours or without.
    ///
    /// # Errors
    /// When the branch is gone, git fails, or `out` cannot be written.
    pub fn diff(&self, color: bool, out: &mut dyn Write) -> Result<()> {
        let color = if color { "--color=always" } else { "--color=never" };
        self.write_diff(self.repo.call("diff").arg(color), out)
    }

    /// Writes the changes as a patch without colours, at a cost that the bounds limit. A larger
    /// file is shown as if it were binary.
    ///
    /// # Errors
    /// As [`JobBranch::diff`], and when git needs more memory.
    pub fn bounded_diff(&self, bounds: DiffBounds, out: &mut dyn Write) -> Result<()> {
        let largest = format!("core.bigFileThreshold={}", bounds.largest_file);
        let call = self.repo.call_with(&["-c", &largest], "diff").arg("--color=never");
        self.write_diff(call.memory(bounds.memory), out)
    }

    fn write_diff(&self, call: GitCommand, out: &mut dyn Write) -> Result<()> {
        let Some(tip) = self.tip()? else {
            return Err(CheckpointError::NoBranch(self.branch().to_owned()));
        };
        let call = call.args(["--no-ext-diff", "--no-textconv"]);
        let mut call = call.args([self.base().as_str(), tip.as_str(), "--"]).read_only().slow();
        let mut write = |chunk: &[u8]| out.write_all(chunk).at("write", "the diff".as_ref());
        let (status, errors) = call.stream(&mut write)?;
        if status.success() { Ok(()) } else { Err(failure("diff", status, &errors)) }
    }
}
