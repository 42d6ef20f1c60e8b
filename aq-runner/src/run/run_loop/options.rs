//! Settings of one run loop that are not in the queue's config.

use std::path::PathBuf;

/// Options of a run loop.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Jobs at once.
    pub max: u32,
    /// Start nothing while this many jobs wait in review/.
    pub max_review: Option<u32>,
    /// Drain the queue and end.
    pub once: bool,
    /// Ship what reaches testing/.
    pub ship: bool,
    /// The program that is started as `PROGRAM worker QUEUE JOB` and calls
    /// [`crate::run::work_if_asked`], which also serves `PROGRAM acp ...`: a worker starts it so in
    /// front of agents of that protocol.
    pub worker: PathBuf,
    /// End on SIGTERM, SIGINT or SIGHUP. The loop takes them, and SIGXFSZ, from the process while
    /// it runs; handlers of before are in force again afterwards. Without this it touches no
    /// signal, and `aq stop` asks it by a file in place of a signal.
    pub take_signals: bool,
}

impl RunOptions {
    /// One job at a time until somebody ends the loop, and no signal taken.
    pub fn new(worker: PathBuf) -> Self {
        Self { max: 1, max_review: None, once: false, ship: false, worker, take_signals: false }
    }
}
