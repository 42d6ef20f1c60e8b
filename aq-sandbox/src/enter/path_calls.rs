//! Calls that make, change or remove files, and the way to see that the box refuses one.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{c_int, c_long};
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat, readlinkat};
use rustix::io::Errno;

use crate::os::{SystemCall, read_memory};
use crate::plan::BoxPlan;
use crate::policy::{PathAccess, PathReach, reach};
use crate::probe::BoxLevel;

/// A call with a path that it makes or removes.
pub(super) struct PathCall {
    pub(super) number: i64,
    /// The places among the arguments of a directory and a path in it. Without the first, a path
    /// begins in the current directory.
    paths: &'static [(Option<usize>, usize)],
    use_of: PathUse,
}

/// Use of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathUse {
    /// A file is changed, or made where there is none.
    Open { makes: bool },
    /// An entry is made where none is.
    Make,
    /// An entry is removed, or takes another's place.
    Remove,
}

/// Calls that open a file, each with the place of its flags.
#[cfg(target_arch = "x86_64")]
pub(super) const OPENING: &[(c_long, u8)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const OPENING: &[(c_long, u8)] = &[(libc::SYS_openat, 2)];

const fn call(
    number: c_long,
    paths: &'static [(Option<usize>, usize)],
    use_of: PathUse,
) -> PathCall {
    PathCall { number, paths, use_of }
}

/// Calls that change the entries of directories. Those that change only modes and times are too
/// many beside what they would show.
pub(super) const PATH_CALLS: &[PathCall] = &[
    call(libc::SYS_mkdirat, &[(Some(0), 1)], PathUse::Make),
    call(libc::SYS_symlinkat, &[(Some(1), 2)], PathUse::Make),
    call(libc::SYS_linkat, &[(Some(2), 3)], PathUse::Make),
    call(libc::SYS_unlinkat, &[(Some(0), 1)], PathUse::Remove),
    call(libc::SYS_renameat2, &[(Some(0), 1), (Some(2), 3)], PathUse::Remove),
    call(libc::SYS_truncate, &[(None, 0)], PathUse::Open { makes: false }),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_creat, &[(None, 0)], PathUse::Open { makes: true }),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_mkdir, &[(None, 0)], PathUse::Make),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_symlink, &[(None, 1)], PathUse::Make),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_link, &[(None, 1)], PathUse::Make),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_unlink, &[(None, 0)], PathUse::Remove),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_rmdir, &[(None, 0)], PathUse::Remove),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_rename, &[(None, 0), (None, 1)], PathUse::Remove),
    #[cfg(target_arch = "x86_64")]
    call(libc::SYS_renameat, &[(Some(0), 1), (Some(2), 3)], PathUse::Remove),
];

/// The longest path of a call.
const LONGEST: usize = 4096;

/// A path that a call is about to write, where the box refuses that. `proc` is the view of all
/// processes from outside. The call goes on in any case, and the kernel decides.
pub(super) fn refused_write(plan: &BoxPlan, proc: &OwnedFd, call: &SystemCall) -> Option<PathBuf> {
    let number = call.number;
    let flags_of = |at: u8| call.arguments[usize::from(at)] as c_int;
    let opened = OPENING.iter().find(|(known, _)| *known == number).map(|&(_, flags)| {
        let makes = flags_of(flags) & libc::O_CREAT != 0;
        let with_dir: &[(Option<usize>, usize)] =
            if number == libc::SYS_openat { &[(Some(0), 1)] } else { &[(None, 0)] };
        (with_dir, PathUse::Open { makes })
    });
    let (paths, use_of) = opened.or_else(|| {
        let found = PATH_CALLS.iter().find(|known| known.number == number)?;
        Some((found.paths, found.use_of))
    })?;
    paths.iter().find_map(|&(dir, path)| {
        let path = text(call.pid, call.arguments[path])?;
        let dir = dir.map_or(libc::AT_FDCWD, |at| call.arguments[at] as c_int);
        Place::new(proc, call.pid, dir, path)?.refused(plan, proc, use_of)
    })
}

/// The path at an address, up to its NUL.
fn text(pid: u32, address: u64) -> Option<PathBuf> {
    // A page that is not there may follow: what is read ends with a page.
    let to_page_end = 4096 - (address % 4096) as usize;
    let mut bytes = read_memory(pid, address, to_page_end);
    if !bytes.contains(&0) && bytes.len() == to_page_end {
        let next = address.checked_add(to_page_end as u64)?;
        bytes.extend(read_memory(pid, next, LONGEST - to_page_end.min(LONGEST)));
    }
    let end = bytes.iter().position(|&byte| byte == 0).filter(|&end| end > 0)?;
    Some(PathBuf::from(OsStr::from_bytes(&bytes[..end])))
}

/// A path and the directory in which it begins.
struct Place {
    dir: Option<OwnedFd>,
    path: PathBuf,
}

impl Place {
    fn new(proc: &OwnedFd, pid: u32, dir: c_int, path: PathBuf) -> Option<Self> {
        if path.is_absolute() {
            // Its own entries, which this process has none of.
            let is_of_itself = path.starts_with("/proc");
            return (!is_of_itself).then_some(Self { dir: None, path });
        }
        let link = match dir {
            libc::AT_FDCWD => format!("{pid}/cwd"),
            number => format!("{pid}/fd/{number}"),
        };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let dir = openat(proc, link, flags, Mode::empty()).ok()?;
        Some(Self { dir: Some(dir), path })
    }

    fn access(&self, path: &Path, access: Access) -> Result<(), Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        match &self.dir {
            Some(dir) => accessat(dir, path, access, AtFlags::empty()),
            None => accessat(CWD, path, access, AtFlags::empty()),
        }
    }

    /// The path, where it cannot be written for no other reason than the box.
    fn refused(&self, plan: &BoxPlan, proc: &OwnedFd, use_of: PathUse) -> Option<PathBuf> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let is_there = || self.access(&self.path, Access::EXISTS).is_ok();
        let target = match use_of {
            PathUse::Open { makes } => match (is_there(), makes) {
                (true, _) => &self.path,
                (false, true) => parent,
                (false, false) => return None,
            },
            PathUse::Make => (!is_there()).then_some(parent)?,
            PathUse::Remove => is_there().then_some(parent)?,
        };
        match (self.access(target, Access::WRITE_OK), plan.level) {
            // The user's rights come first: with this answer they would do.
            (Err(Errno::ROFS), _) => self.whole(proc),
            (Ok(()), BoxLevel::Landlock) => self.whole(proc).filter(|path| {
                let written = PathReach::Ruled(PathAccess::Write);
                !path.starts_with("/dev") && reach(&plan.rules, None, path) != written
            }),
            _ => None,
        }
    }

    fn whole(&self, proc: &OwnedFd) -> Option<PathBuf> {
        let Some(dir) = &self.dir else { return Some(self.path.clone()) };
        let dir = readlinkat(proc, format!("self/fd/{}", dir.as_raw_fd()), Vec::new());
        let dir = dir.ok()?.into_bytes();
        Some(Path::new(OsStr::from_bytes(&dir)).join(&self.path))
    }
}
