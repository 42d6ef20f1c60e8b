//! Taking commits of the agent's over into the user's repository, without reading anything of the
//! agent's repository but objects.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::super::error::{At, CheckpointError, Result};
use super::super::git::failure;
use super::super::repository::CommitId;
use super::super::wip::{Isolation, Wip};
use super::refs::OwnRepository;
use super::repository::quoted;

/// From this many objects on they are kept in a pack, as git does with what it fetches.
const MANY: u32 = 100;
/// The start of a pack: four letters, its version, and how many objects it has.
const HEADER: usize = 12;

impl Wip {
    /// Takes over a commit and all that it leads to. Nothing is taken that is there already, or that the checkout
    /// has borrowed.
    ///
    /// # Errors
    /// When something is missing or damaged; then nothing of it is used.
    pub(in super::super) fn bring(
        &self,
        own: &OwnRepository,
        commit: &CommitId,
        tip: &CommitId,
    ) -> Result<()> {
        let there = self.notes.dir();
        let known = format!("{commit}\n^{tip}\n^{}\n", self.base);
        let keeper = match &self.isolation {
            Isolation::Own(place) => place.keeper(),
            Isolation::InPlace => None,
        };
        let mut pack = match keeper {
            Some(keeper) => match self.pack(own, &format!("{known}^{keeper}\n")) {
                // Somebody has removed the ref that kept it.
                Err(CheckpointError::Git { .. }) => self.pack(own, &known)?,
                packed => packed?,
            },
            None => self.pack(own, &known)?,
        };
        let objects = count(&mut pack).at("read a file in", there)?;
        if objects == 0 {
            return Ok(());
        }
        let call = match objects {
            ..MANY => self.repo.call("unpack-objects").args(["-q", "--strict"]),
            _ => self.repo.call("index-pack").args(["--stdin", "--fix-thin", "--strict"]),
        };
        call.input(pack).slow().run().map(drop)
    }

    /// Packs what these revisions lead to, out of both repositories.
    fn pack(&self, own: &OwnRepository, revisions: &str) -> Result<File> {
        let there = self.notes.dir();
        let mut pack = tempfile::tempfile_in(there).at("create a file in", there)?;
        let call = self.repo.call("pack-objects");
        let call = call.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", borrowed_from(own));
        let call = call.args(["-q", "--revs", "--thin", "--stdout", "--delta-base-offset"]);
        let mut call = call.text(revisions.as_bytes())?.slow();
        let mut write = |piece: &[u8]| pack.write_all(piece).at("write to a file in", there);
        let (status, errors) = call.stream(&mut write)?;
        if status.success() { Ok(pack) } else { Err(failure("pack-objects", status, &errors)) }
    }
}

/// The agent's objects, as a further place to look for some.
pub(super) fn borrowed_from(own: &OwnRepository) -> OsString {
    OsString::from_vec(quoted(own.objects().as_os_str().as_bytes()))
}

fn count(pack: &mut File) -> std::io::Result<u32> {
    let mut header = [0; HEADER];
    pack.rewind()?;
    pack.read_exact(&mut header)?;
    pack.rewind()?;
    let [.., a, b, c, d] = header;
    Ok(u32::from_be_bytes([a, b, c, d]))
}
