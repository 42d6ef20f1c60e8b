//! The differences between operating systems, behind the same names.
//!
//! Linux is tested. The macOS file was written from its headers and never run.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub(super) use macos::*;

/// The system's facts about one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProcessStat {
    /// The parent's pid.
    pub(super) parent: i32,
    /// The process group.
    pub(super) group: i32,
    /// When it started, in the system's own unit; only ever compared for equality.
    pub(super) start: u64,
    /// It has ended and waits to be reaped.
    pub(super) zombie: bool,
}
