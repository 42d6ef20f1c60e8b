//! Taking commits of the agent's over into a repository of the user's, without reading anything of
//! the agent's repository but objects.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::super::error::{CheckpointError, HeadState, Result};
use super::super::git::{GitCommand, failure};
use super::super::repository::CommitId;
use super::super::wip::{JobBranch, WorkIsolation};
use super::refs::OwnRepository;
use super::repository::quoted;

/// From this many objects on they are kept in a pack, as git does with what it fetches.
const MANY: u32 = 100;
/// The start of a pack: four letters, its version, and how many objects it has.
const HEADER: usize = 12;

impl JobBranch {
    /// Takes over a commit and all that it leads to. Nothing is taken that is there already, or
    /// that the checkout has borrowed.
    ///
    /// # Errors
    /// When something is missing or damaged; then nothing of it is used.
    pub(in super::super) fn bring(
        &self,
        own: &OwnRepository,
        commit: &CommitId,
        tip: &CommitId,
    ) -> Result<()> {
        let keeper = match &self.isolation {
            WorkIsolation::Own(place) => place.keeper(),
            WorkIsolation::InPlace => None,
        };
        let known = [tip.clone(), self.base().clone()];
        if let Some(keeper) = keeper {
            let known = [&known[..], &[keeper]].concat();
            match self.bring_into(self.repo.common_dir(), &own.objects(), commit, &known) {
                // Somebody has removed the ref that kept it.
                Err(CheckpointError::Git { .. }) => {}
                brought => return brought,
            }
        }
        self.bring_into(self.repo.common_dir(), &own.objects(), commit, &known)
    }

    /// Takes a commit over into a repository, from objects elsewhere. It has the known ones.
    pub(in super::super) fn bring_into(
        &self,
        repository: &Path,
        objects: &Path,
        commit: &CommitId,
        known: &[CommitId],
    ) -> Result<()> {
        let there = self.notes.dir();
        let mut revisions = format!("{commit}\n");
        revisions.extend(known.iter().map(|known| format!("^{known}\n")));
        let call = |subcommand: &str| -> GitCommand {
            self.repo.git().call(repository, subcommand).env("GIT_DIR", repository).slow()
        };
        let mut pack = tempfile::tempfile_in(there).at("create a file in", there)?;
        let packs = call("pack-objects")
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(objects))
            .args(["-q", "--revs", "--thin", "--stdout", "--delta-base-offset"]);
        let mut write = |piece: &[u8]| pack.write_all(piece).at("write to a file in", there);
        let (status, errors) = packs.text(revisions.as_bytes())?.stream(&mut write)?;
        if !status.success() {
            return Err(failure("pack-objects", status, &errors));
        }
        let call = match count(&mut pack).at("read a file in", there)? {
            0 => return Ok(()),
            1..MANY => call("unpack-objects").args(["-q", "--strict"]),
            _ => call("index-pack").args(["--stdin", "--fix-thin", "--strict"]),
        };
        call.input(pack).run().map(drop)
    }
}

/// A further place to look for objects.
pub(in super::super) fn borrowed_from(objects: &Path) -> OsString {
    OsString::from_vec(quoted(objects.as_os_str().as_bytes()))
}

fn count(pack: &mut File) -> std::io::Result<u32> {
    let mut header = [0; HEADER];
    pack.rewind()?;
    pack.read_exact(&mut header)?;
    pack.rewind()?;
    let [.., a, b, c, d] = header;
    Ok(u32::from_be_bytes([a, b, c, d]))
}
