//! Places for the `TMPDIR`s of jobs: the directories that are tried, and what one must be.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, fstatvfs, mkdirat, open, openat};
use rustix::io::Errno;

use crate::disk::user;

/// The longest `TMPDIR`, in bytes: the path of a Unix socket has room for 107 (103 on some
/// systems), and tools put names of 60 and more into it.
const LONGEST: usize = 40;

/// The least room, in bytes and in files. With less even a small build fails for a reason that is
/// not its own.
const ROOM: u64 = 64 << 20;
const ROOM_FILES: u64 = 1_000;

/// Signs of a checkout: tools that look upwards from a `TMPDIR` would take it for
/// theirs.
const REPOSITORIES: [&str; 3] = [".git", ".jj", ".hg"];

/// Directories in which everybody may write, in this order: the first outlives a start of the
/// machine and is on a disk, the other one may be in memory.
const SYSTEM: [&str; 2] = ["/var/tmp", "/tmp"];

/// The directories that are tried for the `TMPDIR` of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScratchPlaces {
    configured: Option<PathBuf>,
    aq_home: Option<PathBuf>,
    home: Option<PathBuf>,
    system: Vec<PathBuf>,
}

impl ScratchPlaces {
    /// Takes `tmp` of a queue's config, an absolute path, and `AQ_HOME` and `HOME` of the
    /// environment.
    pub fn new(
        configured: Option<PathBuf>,
        aq_home: Option<PathBuf>,
        home: Option<PathBuf>,
    ) -> Self {
        Self { configured, aq_home, home, system: SYSTEM.map(PathBuf::from).into() }
    }

    /// The same with other directories in the place of the system's.
    #[cfg(test)]
    pub(super) fn with_system(self, system: &[&Path]) -> Self {
        Self { system: system.iter().map(|&dir| dir.to_owned()).collect(), ..self }
    }

    /// The candidates in the order in which they are tried.
    pub(super) fn candidates(&self) -> Vec<PlaceCandidate> {
        let one = |dir: &PathBuf, origin| PlaceCandidate { dir: dir.clone(), origin };
        let configured = self.configured.iter().map(|dir| one(dir, PlaceOrigin::Config));
        let own = self.aq_home.iter().map(|dir| one(&dir.join("t"), PlaceOrigin::Own));
        let system = self.system.iter().map(|dir| one(dir, PlaceOrigin::System));
        configured.chain(own).chain(system).collect()
    }

    /// Answers whether `root` is the user's home.
    fn is_home(&self, root: &Path) -> bool {
        self.home
            .as_ref()
            .is_some_and(|home| home == root || home.canonicalize().is_ok_and(|home| home == root))
    }
}

/// The one who named a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceOrigin {
    /// `tmp` of the queue's config.
    Config,
    /// aq's own directory of this user, which is made when it is missing.
    Own,
    /// The system: everybody writes there.
    System,
}

/// A directory that may do.
#[derive(Clone, Debug)]
pub(super) struct PlaceCandidate {
    pub(super) dir: PathBuf,
    pub(super) origin: PlaceOrigin,
}

/// A directory of this user's alone, in which `TMPDIR`s of jobs are.
#[derive(Debug)]
pub(super) struct ScratchPlace {
    pub(super) dir: OwnedFd,
    /// Without links.
    pub(super) path: PathBuf,
}

/// Reason for which a candidate does not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceMisfit {
    #[error("cannot {0} it: {1}")]
    Refused(&'static str, io::Error),
    #[error("its part {} begins with a dot", .0.display())]
    Dotted(OsString),
    #[error("a TMPDIR in it has {0} characters, and sockets need {LONGEST} or less")]
    Long(usize),
    #[error("it belongs to another user ({0})")]
    Foreign(u32),
    #[error("others can write in it (`chmod go-w` ends that)")]
    Open,
    #[error("it is inside the repository {}", root.display())]
    Repository { root: PathBuf, is_home: bool },
    #[error("its file system does not allow executing (noexec)")]
    NoExecution,
    #[error("{free} MiB are free, and a job should have {}", ROOM >> 20)]
    NoRoom { free: u64 },
    #[error("{0} more files can be made, and a job should have {ROOM_FILES}")]
    NoFiles(u64),
    #[error("its file system keeps no locks on directories: {0}")]
    NoLocks(io::Error),
    #[error("another process is at work in {}", .0.display())]
    InUse(PathBuf),
    #[error("what an earlier attempt left cannot be removed: {0}")]
    Stuck(io::Error),
}

impl PlaceCandidate {
    /// The directory for jobs here, made when it is missing.
    pub(super) fn open(
        &self,
        places: &ScratchPlaces,
        name: usize,
        in_home: bool,
    ) -> Result<ScratchPlace, PlaceMisfit> {
        let user = user();
        if self.origin == PlaceOrigin::Own && self.dir.as_os_str().len() + 1 + name <= LONGEST {
            // What is made is nobody else's business; a directory that is there keeps its mode.
            make_private(&self.dir).map_err(|e| PlaceMisfit::Refused("make", e))?;
        }
        let dir = open_any(&self.dir).map_err(|e| PlaceMisfit::Refused("open", e.into()))?;
        let mut place = ScratchPlace { path: real_path(&dir, &self.dir)?, dir };
        if self.is_shared(&place.dir, user)? {
            let own = shared_name(user);
            place.path.push(&own);
            // The length first: nothing is made where nothing would be put.
            place.fits_sockets(name)?;
            place.dir = own_directory(&place.dir, &own, user)?;
        }
        place.fits_sockets(name)?;
        place.has_no_dots()?;
        place.is_outside(places, in_home)?;
        place.has_room()?;
        Ok(place)
    }

    /// Directories of this user's that are there, in which a job may have left something.
    pub(super) fn existing(&self) -> Vec<ScratchPlace> {
        let user = user();
        let below = self.dir.join(shared_name(user));
        let dirs = match self.origin {
            PlaceOrigin::Config => vec![self.dir.clone(), below],
            PlaceOrigin::Own => vec![self.dir.clone()],
            PlaceOrigin::System => vec![below],
        };
        let open = |path: PathBuf| {
            let dir = open_any(&path).ok()?;
            (fstat(&dir).ok()?.st_uid == user).then_some(ScratchPlace { dir, path })
        };
        dirs.into_iter().filter_map(open).collect()
    }

    /// Answers whether others write here too, so that this user needs a directory of his own in it.
    fn is_shared(&self, dir: &OwnedFd, user: u32) -> Result<bool, PlaceMisfit> {
        let found = fstat(dir).map_err(|e| PlaceMisfit::Refused("look at", e.into()))?;
        let mode = Mode::from_raw_mode(found.st_mode);
        if !mode.intersects(Mode::WGRP | Mode::WOTH) {
            return match found.st_uid == user {
                true => Ok(self.origin == PlaceOrigin::System),
                false => Err(PlaceMisfit::Foreign(found.st_uid)),
            };
        }
        // In a sticky directory nobody but its owner takes another's away.
        let is_trusted = found.st_uid == 0 || found.st_uid == user;
        match (is_trusted, mode.contains(Mode::SVTX)) {
            (true, true) => Ok(true),
            (true, false) => Err(PlaceMisfit::Open),
            (false, _) => Err(PlaceMisfit::Foreign(found.st_uid)),
        }
    }
}

impl ScratchPlace {
    fn fits_sockets(&self, name: usize) -> Result<(), PlaceMisfit> {
        let len = self.path.as_os_str().as_bytes().len() + 1 + name;
        if len > LONGEST { Err(PlaceMisfit::Long(len)) } else { Ok(()) }
    }

    /// Many tools pass over what begins with a dot, and some remove it.
    fn has_no_dots(&self) -> Result<(), PlaceMisfit> {
        let mut parts = self.path.iter();
        match parts.find(|part| part.as_bytes().starts_with(b".")) {
            Some(part) => Err(PlaceMisfit::Dotted(part.to_owned())),
            None => Ok(()),
        }
    }

    fn is_outside(&self, places: &ScratchPlaces, in_home: bool) -> Result<(), PlaceMisfit> {
        for dir in self.path.ancestors() {
            let is_one = |name| dir.join(name).symlink_metadata().is_ok();
            if REPOSITORIES.into_iter().any(is_one) {
                let is_home = places.is_home(dir);
                if !(is_home && in_home) {
                    return Err(PlaceMisfit::Repository { root: dir.to_owned(), is_home });
                }
            }
        }
        Ok(())
    }

    fn has_room(&self) -> Result<(), PlaceMisfit> {
        let found = fstatvfs(&self.dir).map_err(|e| PlaceMisfit::Refused("look at", e.into()))?;
        #[cfg(target_os = "linux")]
        if found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
            return Err(PlaceMisfit::NoExecution);
        }
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free < ROOM {
            return Err(PlaceMisfit::NoRoom { free: free >> 20 });
        }
        // Without a count of files there is no limit but room.
        if found.f_files > 0 && found.f_favail < ROOM_FILES {
            return Err(PlaceMisfit::NoFiles(found.f_favail));
        }
        Ok(())
    }
}

/// The directory that the jobs of a user share where everybody writes.
fn shared_name(user: u32) -> String {
    format!("aq-{user}")
}

fn open_any(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A directory of this user's alone in one where others write: one that another user has made
/// under its name is not taken, and no link followed.
fn own_directory(parent: &OwnedFd, name: &str, user: u32) -> Result<OwnedFd, PlaceMisfit> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(parent, name, flags, Mode::empty());
    let opened = match open() {
        Err(Errno::NOENT) => match mkdirat(parent, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(e) => return Err(PlaceMisfit::Refused("make a directory in", e.into())),
        },
        other => other,
    };
    let dir = opened.map_err(|e| {
        let is_foreign = |found: rustix::fs::Stat| found.st_uid != user;
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if is_foreign(found) => PlaceMisfit::Foreign(found.st_uid),
            _ => PlaceMisfit::Refused("open the directory of this user in", e.into()),
        }
    })?;
    let found = fstat(&dir).map_err(|e| PlaceMisfit::Refused("look at", e.into()))?;
    if found.st_uid != user {
        return Err(PlaceMisfit::Foreign(found.st_uid));
    }
    if Mode::from_raw_mode(found.st_mode) != Mode::RWXU {
        fchmod(&dir, Mode::RWXU).map_err(|e| PlaceMisfit::Refused("make private", e.into()))?;
    }
    Ok(dir)
}

fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The path of an open directory without links: what is above it counts, not how it was named.
fn real_path(dir: &OwnedFd, named: &Path) -> Result<PathBuf, PlaceMisfit> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()));
    let path = path.or_else(|_| named.canonicalize());
    path.map_err(|e| PlaceMisfit::Refused("find the path of", e))
}
