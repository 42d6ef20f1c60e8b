//! Systems that have no boxes.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::probe::KernelFeatures;
use crate::spec::{BoxReport, BoxSpec, LaunchError};

/// Code with which a program ends that could not make its box.
pub const NO_BOX: i32 = 125;

/// Returns `None`: no program enters a box here.
pub fn enter_if_asked(_: impl IntoIterator<Item = OsString>) -> Option<i32> {
    None
}

/// Ends this process with the code that a shell has for a signal.
pub fn end_by(signal: i32) -> ! {
    std::process::exit(128 + signal)
}

/// The features of a system without boxes.
///
/// # Errors
/// Never.
pub fn try_kernel(_: &Path) -> Result<KernelFeatures, LaunchError> {
    Ok(KernelFeatures::none("sandboxes need Linux"))
}

/// A box that cannot be.
#[derive(Debug)]
pub struct BoxLaunch(Infallible);

impl BoxLaunch {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn prepare(_: BoxSpec, _: &Path) -> Result<Self, LaunchError> {
        Err(LaunchError::NoTrial("sandboxes need Linux".to_owned()))
    }

    /// Arguments that nobody gets.
    pub fn arguments(&self, _: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        match self.0 {}
    }

    /// A thread that nobody gets.
    ///
    /// # Errors
    /// Never.
    pub fn attend(self) -> io::Result<BoxAttendant> {
        match self.0 {}
    }
}

/// The thread of a box that cannot be.
#[derive(Debug)]
pub struct BoxAttendant(Infallible);

impl BoxAttendant {
    /// A report that nobody gets.
    pub fn finish(self) -> BoxReport {
        match self.0 {}
    }
}
