//! Work on directory trees that somebody else has filled: an agent, a build, a tool that makes its
//! cache read-only. Errors that are faults of the host are recognized here, too. It knows no queue
//! and no job; every other room may use it.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

mod host_fault;
mod node;
mod remaining;
mod remove;

pub(crate) use host_fault::{HostFault, free_bytes};
pub(crate) use remove::{empty_directory, remove_entry, remove_tree};

/// The user that this process acts as, which stays the same.
pub(crate) fn user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| rustix::process::geteuid().as_raw())
}

/// Makes everything on the file system of `dir` durable: one call for many files.
#[cfg(target_os = "linux")]
pub(crate) fn sync_file_system(dir: &Path) -> io::Result<()> {
    Ok(nix::unistd::syncfs(std::fs::File::open(dir)?)?)
}

/// Makes everything durable: one call for many files.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_file_system(_dir: &Path) -> io::Result<()> {
    nix::unistd::sync();
    Ok(())
}

#[cfg(test)]
mod tests;
