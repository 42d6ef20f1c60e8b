//! Layers over a directory: what is written goes to the upper one, and the lower one stays.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use crate::plan::HomeLayers;

/// Folders of the directory that is written to.
const UPPER: &str = "upper";
const WORK: &str = "work";

/// Puts the layers together, as a mount that is nowhere yet.
pub(crate) fn stack(layers: &HomeLayers) -> io::Result<OwnedFd> {
    let (upper, work) = (layers.top.join(UPPER), layers.top.join(WORK));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    let lower = layers.between.iter().chain([&layers.home]);
    let lower: Vec<PathBuf> = lower.map(|path| escaped(path)).collect();
    let lower: Vec<&[u8]> = lower.iter().map(|path| path.as_os_str().as_bytes()).collect();
    let opened = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(opened.as_fd(), "source", "aq")?;
    fsconfig_set_string(opened.as_fd(), "lowerdir", lower.join(&b":"[..]))?;
    fsconfig_set_string(opened.as_fd(), "upperdir", escaped(&upper))?;
    fsconfig_set_string(opened.as_fd(), "workdir", escaped(&work))?;
    // Its marks are those that a user may write.
    fsconfig_set_flag(opened.as_fd(), "userxattr")?;
    fsconfig_create(opened.as_fd())?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(opened.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
}

/// A path as the option of an overlay has it: `:` is between two of them there.
fn escaped(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_bytes().iter().flat_map(|&byte| match byte {
        b':' | b'\\' | b',' => vec![b'\\', byte],
        _ => vec![byte],
    });
    std::ffi::OsString::from_vec(bytes.collect()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colons_of_a_path_are_escaped() {
        assert_eq!(escaped(Path::new("/a:b\\c")), Path::new("/a\\:b\\\\c"));
    }
}
