//! Facts about one open directory, and opening it up.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::stat::{FchmodatFlags, Mode as NixMode, fchmodat};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, statat};
use rustix::io::Errno;

/// Opens a directory itself, and never what a link in its place leads to.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The rights that an owner needs to empty a directory.
const OWNER: Mode = Mode::RWXU;

/// Facts about an open directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct DirectoryStat {
    /// Device and inode, which distinguish it from every other directory.
    pub(super) identity: (u64, u64),
    owner: u32,
    mode: u32,
    /// Set where a file system begins, if the kernel says so.
    pub(super) is_mount: bool,
}

impl DirectoryStat {
    /// Asks the kernel about an open directory.
    pub(super) fn of(dir: &OwnedFd) -> Result<Self, Errno> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{StatxAttributes, StatxFlags, makedev, statx};
            match statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS) {
                Ok(found) => {
                    let device = makedev(found.stx_dev_major, found.stx_dev_minor);
                    return Ok(Self {
                        identity: (device, found.stx_ino),
                        owner: found.stx_uid,
                        mode: u32::from(found.stx_mode),
                        is_mount: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
                    });
                }
                Err(Errno::NOSYS) => {}
                Err(e) => return Err(e),
            }
        }
        Self::of_any(dir)
    }

    fn of_any(dir: &OwnedFd) -> Result<Self, Errno> {
        let found = rustix::fs::fstat(dir)?;
        let identity = (found.st_dev as u64, found.st_ino as u64);
        let (owner, mode) = (found.st_uid, found.st_mode as u32);
        Ok(Self { identity, owner, mode, is_mount: false })
    }

    /// Gives the owner the rights that are missing, where this user is the owner.
    pub(super) fn open_up(&self, dir: &OwnedFd, user: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(self.mode as _);
        if self.owner != user || mode.contains(OWNER) {
            return Ok(());
        }
        fchmod(dir, mode | OWNER)
    }
}

/// Opens the directory `name`. One of this user's own that keeps even its owner out is opened up.
pub(super) fn open_directory(parent: impl AsFd, name: &CStr, user: u32) -> Result<OwnedFd, Errno> {
    let parent = parent.as_fd();
    match openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::ACCESS) => {}
        other => return other,
    }
    let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if found.st_uid != user || !FileType::from_raw_mode(found.st_mode).is_dir() {
        return Err(Errno::ACCESS);
    }
    // rustix does not do what older kernels lack; libc goes through /proc, and not through a link.
    fchmodat(parent, name, NixMode::S_IRWXU, FchmodatFlags::NoFollowSymlink)
        .map_err(|e| Errno::from_raw_os_error(e as i32))?;
    openat(parent, name, DIRECTORY, Mode::empty())
}

/// Opens the directory above an open one.
pub(super) fn open_parent(dir: &OwnedFd) -> Result<OwnedFd, Errno> {
    openat(dir, c"..", DIRECTORY, Mode::empty())
}
