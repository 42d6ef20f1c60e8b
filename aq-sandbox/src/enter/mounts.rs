//! The file systems as the inside sees them.
//!
//! Everything becomes read-only, in a mount namespace that only the box has. What is to be written
//! was taken aside before, as a mount of its own, and comes back to its place; what is hidden or
//! private is covered. A rule about a path within another's comes after it, so the nearest holds.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
};

use super::own_places::{RunEntries, cover, make_devices};
use super::{EnterError, Step};
use crate::layers;
use crate::os::set_mount_flags;
use crate::plan::{BoxPlan, TMP, VAR_TMP};
use crate::policy::{PathAccess, PathReach, PathRule, reach};

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NO_RIGHTS: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// A mount taken aside.
struct TakenMount {
    rule: PathRule,
    mount: OwnedFd,
}

/// Makes the view of the inside, but for `/proc`. Returns what this system did not give.
pub(super) fn make(plan: &BoxPlan) -> Result<Vec<String>, EnterError> {
    let mut lacks = Vec::new();
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step(|| "keep mounts to itself".to_owned())?;
    let empty = plan.dir.join("empty");
    fs::write(&empty, "").step(|| format!("write {}", empty.display()))?;
    let taken = take_aside(plan)?;
    let sockets = sockets_in_sight(plan);
    let covers = sockets.iter().map(|path| Ok((path.clone(), aside(&empty)?)));
    let covers = covers.collect::<io::Result<Vec<_>>>().step(|| "take a file aside".to_owned())?;
    let hidden = plan.rules.iter().filter(|rule| rule.access == PathAccess::Hidden);
    let files: Vec<_> = hidden.filter(|rule| !rule.path.is_dir()).collect();
    let files = files.iter().map(|rule| Ok((rule.path.clone(), aside(&empty)?)));
    let files = files.collect::<io::Result<Vec<_>>>().step(|| "take a file aside".to_owned())?;
    let home = match &plan.home {
        Some(home) => match layers::stack(home) {
            Ok(mount) => Some((home.home.clone(), mount, mounts_below(&home.home)?)),
            Err(error) => {
                lacks.push(format!("no layer over {}: {error}", home.home.display()));
                None
            }
        },
        None => None,
    };
    let places = [(TMP, "/tmp"), (VAR_TMP, "/var/tmp")].map(|(name, place)| {
        let own = plan.dir.join(name);
        fs::create_dir_all(&own)?;
        Ok((Path::new(place), aside(&own)?))
    });
    let places = places.into_iter().collect::<io::Result<Vec<_>>>();
    let places = places.step(|| "make temporary directories".to_owned())?;
    let devices = plan.dir.join("dev");
    // Aside, before everything loses its devices.
    let made = make_devices(&devices).and_then(|()| aside(&devices));
    let devices = made.step(|| "make devices".to_owned())?;
    let run = RunEntries::read();

    let flags = READ_ONLY | NO_RIGHTS;
    set_mount_flags(Path::new("/"), flags, true).step(|| "make / read-only".to_owned())?;
    attach(&devices, Path::new("/dev"), libc::MOUNT_ATTR_NOSUID)?;
    set_mount_flags(Path::new("/dev"), READ_ONLY, false).step(|| "shut /dev".to_owned())?;
    for (place, own) in &places {
        if fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
            attach(own, place, NO_RIGHTS)?;
        }
    }
    run.cover()?;
    if let Some((path, mount, below)) = home {
        make_place(&path)?;
        attach(&mount, &path, NO_RIGHTS)?;
        for (path, mount) in below {
            attach(&mount, &path, READ_ONLY | NO_RIGHTS)?;
        }
    }
    apply_rules(plan, &taken, &files)?;
    for (path, cover) in covers {
        // It may have gone with what was covered meanwhile.
        if path.exists() {
            attach(&cover, &path, READ_ONLY)?;
        }
    }
    Ok(lacks)
}

/// Takes what has a rule aside, as it is.
fn take_aside(plan: &BoxPlan) -> Result<Vec<TakenMount>, EnterError> {
    let seen = plan.rules.iter().filter(|rule| rule.access != PathAccess::Hidden);
    let taken = seen.map(|rule| {
        let mount = aside(&rule.path).step(|| format!("take {} aside", rule.path.display()))?;
        Ok(TakenMount { rule: rule.clone(), mount })
    });
    taken.collect()
}

/// A copy of the mounts at and below a path, which is nowhere yet.
fn aside(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    Ok(open_tree(CWD, path, flags)?)
}

/// Puts a mount at its place.
fn attach(mount: &OwnedFd, path: &Path, flags: u64) -> Result<(), EnterError> {
    let nowhere = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mount.as_fd(), "", CWD, path, nowhere)
        .step(|| format!("mount {}", path.display()))?;
    set_mount_flags(path, flags, true).step(|| format!("bound {}", path.display()))
}

/// Puts the rules into effect, those about paths that contain others first.
fn apply_rules(
    plan: &BoxPlan,
    taken: &[TakenMount],
    files: &[(PathBuf, OwnedFd)],
) -> Result<(), EnterError> {
    let mut covered = Vec::new();
    for rule in &plan.rules {
        let path = &rule.path;
        if rule.access != PathAccess::Hidden {
            make_place(path)?;
        }
        if let Some(taken) = taken.iter().find(|taken| taken.rule == *rule) {
            let is_read = rule.access == PathAccess::Read;
            attach(&taken.mount, path, if is_read { READ_ONLY | NO_RIGHTS } else { NO_RIGHTS })?;
        } else if let Some((_, empty)) = files.iter().find(|(file, _)| file == path) {
            if path.exists() {
                attach(empty, path, READ_ONLY | NO_RIGHTS)?;
            }
        } else if path.is_dir() {
            let has_way_in = plan.rules.iter().any(|other| {
                other.path != *path
                    && other.path.starts_with(path)
                    && other.access != PathAccess::Hidden
            });
            // What is shut to its owner is open to nobody: nobody has a right left by then.
            let mode = if has_way_in { "mode=0111" } else { "mode=0000" };
            cover(path, &format!("{mode},size=64k"))?;
            covered.push(path);
        }
    }
    for path in covered {
        set_mount_flags(path, READ_ONLY, false).step(|| format!("shut {}", path.display()))?;
    }
    Ok(())
}

/// Makes the place of a mount where it was covered by something that is private or hidden.
fn make_place(path: &Path) -> Result<(), EnterError> {
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    fs::create_dir_all(path).step(|| format!("make a place for {}", path.display()))
}

/// The mounts below a directory, which a layer over it does not show.
fn mounts_below(dir: &Path) -> Result<Vec<(PathBuf, OwnedFd)>, EnterError> {
    let table = fs::read_to_string("/proc/self/mountinfo").step(|| "list mounts".to_owned())?;
    let mut below: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|path| PathBuf::from(unescaped(path)))
        .filter(|path| path != dir && path.starts_with(dir))
        .collect();
    below.sort();
    let mut found: Vec<(PathBuf, OwnedFd)> = Vec::new();
    for path in below {
        // A copy of a mount has those below it.
        if !found.iter().any(|(upper, _)| path.starts_with(upper)) {
            let mount = aside(&path).step(|| format!("take {} aside", path.display()))?;
            found.push((path, mount));
        }
    }
    Ok(found)
}

/// A path of the table of mounts, in which white space is written as octal numbers.
fn unescaped(path: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(path.to_owned(), |path, (code, text)| path.replace(code, text))
}

/// Sockets of other programs that nothing else covers. A read-only mount lets a call to them pass.
fn sockets_in_sight(plan: &BoxPlan) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let home = plan.home.as_ref().map(|layers| layers.home.as_path());
    let paths = table.lines().filter_map(|line| line.split_once(" /")).map(|(_, path)| path);
    let mut found: Vec<PathBuf> = paths
        .map(|path| Path::new("/").join(path))
        .filter_map(|path| path.canonicalize().ok())
        .filter(|path| path.metadata().is_ok_and(|found| found.file_type().is_socket()))
        .filter(|path| {
            let reach = reach(&plan.rules, home, path);
            matches!(reach, PathReach::Open | PathReach::Ruled(PathAccess::Read))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Makes the whole tree read-only, as a box does.
pub(crate) fn shut_everything() -> io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    set_mount_flags(Path::new("/"), READ_ONLY | NO_RIGHTS, true)
}
