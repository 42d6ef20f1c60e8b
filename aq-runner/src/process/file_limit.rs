//! The limit on the size of files, under which a write that is too long ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, getrlimit};
use signal_hook::{consts, flag};

/// Lets writes beyond the limit fail instead of ending this process. What it starts is ended as
/// ever: a handler does not outlive an `exec`.
///
/// # Errors
/// When the system refuses the handler.
pub fn survive_file_limit() -> io::Result<()> {
    flag::register(consts::SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Answers whether there is such a limit for this process and its children.
pub fn has_file_limit() -> bool {
    getrlimit(Resource::Fsize).current.is_some()
}
