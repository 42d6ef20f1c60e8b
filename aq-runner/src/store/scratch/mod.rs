//! The `TMPDIR` of a job: outside of every checkout, short enough for sockets, of this user alone.
//!
//! Its name follows from the queue and the job, so that recovery finds what a dead worker left with
//! nothing on record. Its worker holds a lock on it, which ends with the worker: a directory that
//! is locked belongs to somebody who is alive, and is neither used nor removed. (The same lock
//! keeps `systemd-tmpfiles` from it.)
//!
//! Directories are used again: a few empty ones wait beside them. An inode that was deleted costs
//! those who make the next ones: ext4 without a journal does not give it out again for some
//! seconds, and looks at each such inode to see that. A short job spent a quarter of its time
//! there. So a job's directory, and the file that its prompt was in, pass to the next job of this
//! user; whatever else is in it is removed.

mod place;

use std::ffi::{CStr, CString, OsStr};
use std::fmt;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat, mkdirat, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

pub use place::ScratchPlaces;
use place::{PlaceMisfit, PlaceOrigin, ScratchPlace};

use crate::disk::{HostFault, empty_directory, remove_entry, remove_tree, user};

use super::queue_dir::QueueDir;

/// Empty directories that are kept in a place; about as many as jobs run at once.
const SPARES: u32 = 8;

/// Attempts to get a directory, while other processes take what was found.
const TRIES: u32 = 4;

/// The length of a directory's name: 40 bits of a digest.
const NAME: usize = 8;

/// Device and inode.
type DirIdentity = (u64, u64);

/// The `TMPDIR` of a job that runs.
#[derive(Debug)]
pub(crate) struct ScratchDir {
    place: ScratchPlace,
    name: CString,
    /// The directory, locked.
    dir: OwnedFd,
    identity: DirIdentity,
    path: PathBuf,
    /// The reason for which the place that the queue's config names was passed over.
    passed_over: Option<String>,
}

/// No candidate does; each with the reason.
#[derive(Debug)]
pub(crate) struct NoPlace(Vec<(PathBuf, PlaceOrigin, PlaceMisfit)>);

impl NoPlace {
    /// The fault of the host because of which no place does, if it is one.
    pub(crate) fn host_fault(&self) -> Option<HostFault> {
        self.0.iter().find_map(|(_, _, why)| match why {
            PlaceMisfit::Refused(_, source) | PlaceMisfit::Stuck(source) => {
                HostFault::of_error(source)
            }
            PlaceMisfit::NoRoom { .. } | PlaceMisfit::NoFiles(_) => Some(HostFault::NoRoom),
            _ => None,
        })
    }
}

impl fmt::Display for NoPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no place for its TMPDIR")?;
        for (n, (dir, origin, why)) in self.0.iter().enumerate() {
            let named = if *origin == PlaceOrigin::Config { " (`tmp` in config.yaml)" } else { "" };
            write!(f, "{}{}{named}: {why}", if n == 0 { ": " } else { "; " }, dir.display())?;
        }
        write!(
            f,
            "; mend one of these, or set `tmp` in config.yaml to a short path of your own that is \
             in no repository"
        )
    }
}

impl ScratchDir {
    /// Makes the job's directory in the first place that does, empty but for a file of one byte
    /// that [`Self::put_away`] may have kept.
    ///
    /// # Errors
    /// [`NoPlace`], when none does.
    pub(crate) fn make(
        places: &ScratchPlaces,
        queue: &QueueDir,
        id: &JobId,
    ) -> Result<Self, NoPlace> {
        let name = name_of(queue, id);
        let mut misfits = Vec::new();
        let mut in_home = Vec::new();
        for candidate in places.candidates() {
            let taken = candidate.open(places, NAME, false).and_then(|place| take(place, &name));
            match taken {
                Ok(scratch) => return Ok(scratch.instead_of(misfits.first())),
                Err(why) => {
                    if let PlaceMisfit::Repository { is_home: true, .. } = why {
                        in_home.push(candidate.clone());
                    }
                    misfits.push((candidate.dir, candidate.origin, why));
                }
            }
        }
        // A home that is a repository as a whole is better than nothing.
        for candidate in in_home {
            let taken = candidate.open(places, NAME, true).and_then(|place| take(place, &name));
            if let Ok(scratch) = taken {
                let first = misfits.first().filter(|(dir, ..)| *dir != candidate.dir);
                return Ok(scratch.instead_of(first));
            }
        }
        Err(NoPlace(misfits))
    }

    fn instead_of(self, first: Option<&(PathBuf, PlaceOrigin, PlaceMisfit)>) -> Self {
        let passed_over = first
            .filter(|(_, origin, _)| *origin == PlaceOrigin::Config)
            .map(|(dir, _, why)| format!("{}: {why}", dir.display()));
        Self { passed_over, ..self }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns, once, the reason for which the place that the queue's config names does not do.
    pub(crate) fn passed_over(&mut self) -> Option<String> {
        self.passed_over.take()
    }

    /// Removes what the job has left in it so far, but the file `keep` of one byte.
    ///
    /// # Errors
    /// Names what cannot be removed.
    pub(crate) fn empty(&self, keep: &str) -> io::Result<()> {
        fchmod(&self.dir, Mode::RWXU)?;
        let keep = CString::new(keep)?;
        let kept = blank(&self.dir, &keep).is_ok_and(|blank| blank).then_some(keep);
        empty_directory(&self.dir, kept.as_deref(), &self.path)
    }

    /// Takes the directory away with all that the job left in it, or keeps it empty for the next
    /// job. `keep` is the name of the file that is written for every job.
    ///
    /// # Errors
    /// Names what cannot be removed.
    pub(crate) fn put_away(self, keep: &str) -> io::Result<()> {
        self.empty(keep)?;
        if own_at(&self.place, &self.name)? != Some(self.identity) {
            // The job has moved it away.
            return remove_entry(&self.place.dir, &self.name, &self.path);
        }
        for n in 0..SPARES {
            match rename_new(&self.place.dir, &self.name, &spare(n)) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(_) => break,
            }
        }
        remove_entry(&self.place.dir, &self.name, &self.path)
    }
}

/// Removes what a dead worker of the job left, in whatever place that is, and answers what cannot
/// be removed.
pub(crate) fn remove_scratch(
    places: &ScratchPlaces,
    queue: &QueueDir,
    id: &JobId,
) -> Option<String> {
    let name = name_of(queue, id);
    let mut problem = None;
    for place in places.candidates().iter().flat_map(place::PlaceCandidate::existing) {
        match clear(&place, &name) {
            // Somebody who is alive has it: it is not this job's.
            Ok(()) | Err(PlaceMisfit::InUse(_)) => {}
            Err(PlaceMisfit::Stuck(e)) => problem = problem.or(Some(e.to_string())),
            Err(e) => {
                let path = place.path.join(OsStr::from_bytes(name.to_bytes()));
                problem = problem.or(Some(format!("{}: {e}", path.display())));
            }
        }
    }
    // Until 0.1 it was in the queue.
    match remove_tree(&queue.state().join(format!("tmp/{id}"))) {
        Ok(()) => problem,
        Err(e) => problem.or(Some(e.to_string())),
    }
}

/// The directories that are the job's `TMPDIR`, in whatever place: one, while it runs.
pub(crate) fn scratch_dirs(places: &ScratchPlaces, queue: &QueueDir, id: &JobId) -> Vec<PathBuf> {
    let name = name_of(queue, id);
    let name = OsStr::from_bytes(name.to_bytes());
    let places = places.candidates();
    let dirs = places.iter().flat_map(place::PlaceCandidate::existing);
    dirs.map(|place| place.path.join(name)).filter(|dir| dir.is_dir()).collect()
}

/// Removes the empty directories that versions until 0.1 kept in the queue.
pub(crate) fn remove_old_spares(queue: &QueueDir) {
    let entries = std::fs::read_dir(queue.state().join("tmp")).into_iter().flatten().flatten();
    let is_spare = |name: &OsStr| name.as_bytes().starts_with(b".spare-");
    for entry in entries.filter(|entry| is_spare(&entry.file_name())) {
        // One that stays is in nobody's way.
        let _ = remove_tree(&entry.path());
    }
}

/// Writes a private file in a `TMPDIR`, over one that an earlier job's prompt was in.
pub(crate) fn write_private(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    use io::Write;
    let flags = nix::libc::O_NOFOLLOW;
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).mode(mode).custom_flags(flags).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_len(content.len() as u64)?;
    file.write_all(content)
}

/// The name of a job's directory: of the queue's path and the job's id.
fn name_of(queue: &QueueDir, id: &JobId) -> CString {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = Sha256::new();
    hash.update(queue.root().as_os_str().as_bytes());
    hash.update([0]);
    hash.update(id.as_str());
    let bits = hash.finalize()[..NAME].iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let letter = |n: usize| LETTERS[(bits >> (5 * n)) as usize % LETTERS.len()];
    CString::new((0..NAME).map(letter).collect::<Vec<u8>>()).unwrap_or_default()
}

fn spare(n: u32) -> CString {
    CString::new(format!("spare-{n}")).unwrap_or_default()
}

/// Takes a spare directory for the job, or makes one.
fn take(place: ScratchPlace, name: &CStr) -> Result<ScratchDir, PlaceMisfit> {
    let path = place.path.join(OsStr::from_bytes(name.to_bytes()));
    for _ in 0..TRIES {
        let found = match take_spare(&place, name) {
            Some(dir) => Some(dir),
            None => match mkdirat(&place.dir, name, Mode::RWXU) {
                Ok(()) => lock(&place, name, &path).inspect_err(|_| {
                    // A place that keeps no locks keeps none of our directories either.
                    let _ = unlinkat(&place.dir, name, AtFlags::REMOVEDIR);
                })?,
                Err(Errno::EXIST) => {
                    clear(&place, name)?;
                    None
                }
                Err(e) => return Err(PlaceMisfit::Refused("make a directory in", e.into())),
            },
        };
        let Some(dir) = found else { continue };
        let look = |e: Errno| PlaceMisfit::Refused("look at", e.into());
        let identity = identity(&fstat(&dir).map_err(look)?);
        if own_at(&place, name).map_err(look)? == Some(identity) {
            let name = name.to_owned();
            return Ok(ScratchDir { place, name, dir, identity, path, passed_over: None });
        }
    }
    Err(PlaceMisfit::InUse(path))
}

/// A spare directory, locked, under the job's name. It may be another one by then that has the
/// name: the caller looks.
fn take_spare(place: &ScratchPlace, name: &CStr) -> Option<OwnedFd> {
    for n in 0..SPARES {
        let spare = spare(n);
        let Ok(dir) = open_directory(place, &spare) else { continue };
        if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_err() {
            continue;
        }
        match rename_new(&place.dir, &spare, name) {
            Ok(()) => return Some(dir),
            Err(Errno::EXIST) => return None,
            Err(_) => {}
        }
    }
    None
}

/// Opens and locks what has the job's name; `None` when it is gone.
fn lock(place: &ScratchPlace, name: &CStr, path: &Path) -> Result<Option<OwnedFd>, PlaceMisfit> {
    let dir = match open_directory(place, name) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(|e| PlaceMisfit::Refused("open a directory in", e.into()))?,
    };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(dir)),
        Err(Errno::WOULDBLOCK) => Err(PlaceMisfit::InUse(path.to_owned())),
        Err(e) => Err(PlaceMisfit::NoLocks(e.into())),
    }
}

/// Removes what has the job's name and is of this user and of nobody who is alive.
fn clear(place: &ScratchPlace, name: &CStr) -> Result<(), PlaceMisfit> {
    let path = place.path.join(OsStr::from_bytes(name.to_bytes()));
    let found = match statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other.map_err(|e| PlaceMisfit::Refused("look at", e.into()))?,
    };
    if found.st_uid != user() {
        return Err(PlaceMisfit::Foreign(found.st_uid));
    }
    // What cannot be opened, a file or a directory that a job has closed, has no lock either.
    let _lock = match lock(place, name, &path) {
        Err(PlaceMisfit::Refused(..)) => None,
        other => other?,
    };
    remove_entry(&place.dir, name, &path).map_err(PlaceMisfit::Stuck)
}

fn open_directory(place: &ScratchPlace, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&place.dir, name, flags, Mode::empty())
}

/// The directory of this name, if it is this user's.
fn own_at(place: &ScratchPlace, name: &CStr) -> Result<Option<DirIdentity>, Errno> {
    match statat(&place.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok((found.st_uid == user()).then(|| identity(&found))),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg_attr(
    target_os = "linux",
    expect(clippy::unnecessary_cast, reason = "other systems have narrower types")
)]
fn identity(found: &Stat) -> DirIdentity {
    (found.st_dev as u64, found.st_ino as u64)
}

/// Renames within a place, and never over something.
fn rename_new(dir: &OwnedFd, from: &CStr, to: &CStr) -> Result<(), Errno> {
    #[cfg(target_os = "linux")]
    match rustix::fs::renameat_with(dir, from, dir, to, rustix::fs::RenameFlags::NOREPLACE) {
        // Some network file systems do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => {}
        other => return other,
    }
    match statat(dir, to, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => renameat(dir, from, dir, to),
        Ok(_) => Err(Errno::EXIST),
        Err(e) => Err(e),
    }
}

/// Leaves one byte of a file, when it is one and has no second name.
fn blank(dir: &OwnedFd, name: &CStr) -> io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(dir, name, flags, Mode::empty())?);
    let about = file.metadata()?;
    if !about.is_file() || about.nlink() != 1 {
        return Ok(false);
    }
    // Not to nothing: ext4 takes that, and a write later, for the replacement of a file, and
    // writes it to the disk at once.
    file.set_len(1)?;
    // Not even its first byte is the next job's business.
    file.write_all_at(b"\n", 0)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
