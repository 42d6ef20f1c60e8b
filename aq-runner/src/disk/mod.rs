//! Work on directory trees that somebody else has filled: an agent, a build, a tool that makes its
//! cache read-only. Errors that are faults of the host are recognized here, too. It knows no queue
//! and no job; every other room may use it.

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

#[cfg(test)]
mod tests;
