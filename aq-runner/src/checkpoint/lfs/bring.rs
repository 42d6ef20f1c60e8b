//! Taking contents over that belong to commits of the agent's.

use super::super::error::Result;
use super::super::files;
use super::super::left::LeftOut;
use super::super::own::OwnRepository;
use super::super::repository::CommitId;
use super::super::wip::JobBranch;
use super::scan::LfsPlaces;
use super::store::LfsStore;

impl JobBranch {
    /// Copies the contents that commits of the agent's point to into the user's store, where they
    /// are not in it yet. A content that is in neither store is one of a remote; unless the agent
    /// has set a place of its own for contents: then it is left out.
    ///
    /// # Errors
    /// When one cannot be written. The agent's commits are then to stay where they are.
    pub(in super::super) fn bring_contents(
        &self,
        own: &OwnRepository,
        commit: &CommitId,
        tip: &CommitId,
    ) -> Result<Option<LeftOut>> {
        let LfsPlaces { user, usual } = self.repo.lfs_places()?;
        let from = LfsStore::at(own.dir().join(usual));
        let moved = self.moved_store(own)?;
        if from == user || (!from.is_there() && moved.is_none()) {
            return Ok(None);
        }
        let known = [tip.to_string(), self.base().to_string()];
        let mut missing = Vec::new();
        for found in self.repo.new_pointers(commit.as_str(), &known)? {
            if !user.has(&found.pointer) && !user.take(&found.pointer, &from)? {
                missing.push(found);
            }
        }
        let (Some(first), Some(moved)) = (missing.first(), moved) else { return Ok(None) };
        let others = match missing.len() - 1 {
            0 => String::new(),
            more => format!(", nor are those of {more} more"),
        };
        let why = format!(
            "its content for git-lfs is not in the repository{others}: the agent has set \
             `lfs.storage` to {moved:?}, and aq takes nothing from there"
        );
        Ok(Some(LeftOut::new(first.shown(), why)))
    }

    /// The place that the agent has set for contents. aq writes no such setting.
    fn moved_store(&self, own: &OwnRepository) -> Result<Option<String>> {
        // Nearly nobody does, and a run of git is saved.
        let text = files::read_bytes(&own.dir().join("config")).ok().flatten().unwrap_or_default();
        if !String::from_utf8_lossy(&text).to_ascii_lowercase().contains("storage") {
            return Ok(None);
        }
        let call = self.repo.call("config").arg("--no-includes").arg("--file");
        let call = call.arg(own.dir().join("config")).args(["-z", "--get", "lfs.storage"]);
        Ok(call.output()?.fields().next())
    }
}
