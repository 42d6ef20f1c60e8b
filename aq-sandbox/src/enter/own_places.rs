//! Places that are a box's own: `/dev`, `/run`, `/proc`.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, mount, mount_bind};

use super::{EnterError, Step};
use crate::os::set_mount_flags;

/// Devices that programs need.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The minimal `/dev`, at a place of the box's own.
pub(super) fn make_devices(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("tmpfs", dir, "tmpfs", flags, c"mode=0755,size=64k")?;
    for name in DEVICES {
        let place = dir.join(name);
        fs::write(&place, "")?;
        mount_bind(Path::new("/dev").join(name), &place)?;
    }
    for name in ["pts", "shm"] {
        fs::create_dir(dir.join(name))?;
    }
    mount("devpts", dir.join("pts"), "devpts", flags, c"newinstance,ptmxmode=0666,mode=0620")?;
    let flags = flags | MountFlags::NODEV;
    mount("tmpfs", dir.join("shm"), "tmpfs", flags, c"mode=1777,size=50%")?;
    let links = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (target, name) in links {
        std::os::unix::fs::symlink(target, dir.join(name))?;
    }
    Ok(())
}

/// The entries of `/run` that a program needs to find others, and that are no sockets.
pub(super) struct RunEntries {
    links: Vec<(PathBuf, PathBuf)>,
    resolver: Option<(PathBuf, Vec<u8>)>,
}

impl RunEntries {
    pub(super) fn read() -> Self {
        let entries = fs::read_dir("/run").into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| {
            let path = entry.path();
            fs::read_link(&path).ok().map(|target| (path, target))
        });
        // Where names are resolved is often written below /run.
        let resolver = fs::canonicalize("/etc/resolv.conf").ok();
        let resolver = resolver.filter(|path| path.starts_with("/run"));
        let resolver = resolver.and_then(|path| fs::read(&path).ok().map(|text| (path, text)));
        Self { links: links.collect(), resolver }
    }

    /// Makes `/run` anew.
    pub(super) fn cover(&self) -> Result<(), EnterError> {
        let run = Path::new("/run");
        if !run.is_dir() {
            return Ok(());
        }
        cover(run, "mode=0755,size=8m")?;
        for (path, target) in &self.links {
            let made = std::os::unix::fs::symlink(target, path);
            made.step(|| format!("make the link {}", path.display()))?;
        }
        if let Some((path, text)) = &self.resolver {
            let parent = path.parent().unwrap_or(run);
            let made = fs::create_dir_all(parent).and_then(|()| fs::write(path, text));
            made.step(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Files of `/proc` that are about the whole system.
const MASKED: [&str; 8] = [
    "sysrq-trigger",
    "kcore",
    "kmsg",
    "keys",
    "key-users",
    "timer_list",
    "sched_debug",
    "latency_stats",
];

/// Folders of `/proc` that are settings of the whole system.
const SETTINGS: [&str; 6] = ["sys", "irq", "bus", "fs", "acpi", "scsi"];

/// Mounts the view of the processes of the inside. To be called by one of them.
pub(super) fn show_processes() -> Result<(), EnterError> {
    mount_proc().step(|| "mount /proc".to_owned())?;
    for name in MASKED {
        let path = Path::new("/proc").join(name);
        if path.exists() {
            mount_bind("/dev/null", &path).step(|| format!("mask {}", path.display()))?;
        }
    }
    for name in SETTINGS {
        let path = Path::new("/proc").join(name);
        if path.is_dir() {
            let bound = mount_bind(&path, &path).map_err(io::Error::from);
            bound
                .and_then(|()| set_mount_flags(&path, libc::MOUNT_ATTR_RDONLY, false))
                .step(|| format!("keep {} as it is", path.display()))?;
        }
    }
    Ok(())
}

/// Mounts `/proc` alone.
pub(crate) fn mount_proc() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", "/proc", "proc", flags, None)?)
}

/// Covers a directory with an empty one.
pub(super) fn cover(path: &Path, options: &str) -> Result<(), EnterError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = CString::new(options).step(|| "read options".to_owned())?;
    mount("tmpfs", path, "tmpfs", flags, options.as_c_str())
        .step(|| format!("cover {}", path.display()))
}
