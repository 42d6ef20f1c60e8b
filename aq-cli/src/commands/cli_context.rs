//! Where and as whom `aq` was called: everything that commands take from the process around them.

mod queues;

use std::cell::{Cell, OnceCell};
#[cfg(any(feature = "coordinator", feature = "dashboard"))]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::run::place::QueuePlace;
use aq_runner::run::{ProcessEnvironment, QueueSettings};
use aq_runner::store::QueueDir;

use crate::exit::CliFailure;

/// The caller's surroundings.
#[derive(Debug)]
pub(crate) struct CliContext {
    named: Option<PathBuf>,
    pub(crate) environment: ProcessEnvironment,
    /// The queue that is meant, once it was looked for.
    place: OnceCell<QueuePlace>,
    /// The notices about the queue were printed.
    is_noticed: Cell<bool>,
}

impl CliContext {
    pub(crate) fn new(named: Option<PathBuf>, environment: ProcessEnvironment) -> Self {
        Self { named, environment, place: OnceCell::new(), is_noticed: Cell::new(false) }
    }

    /// The working directory.
    pub(crate) fn cwd(&self) -> Result<PathBuf, CliFailure> {
        std::env::current_dir().map_err(|e| CliFailure::io("find the current directory", &e))
    }

    /// The user's home.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.environment.path("HOME")
    }

    /// The queue's settings.
    pub(crate) fn settings(&self, queue: &QueueDir) -> Result<QueueSettings, CliFailure> {
        QueueSettings::load(queue, self.environment.clone()).map_err(CliFailure::usage)
    }

    /// The queue's settings for one who only looks: while the file has an error, those of the last
    /// loop, and a warning that says so.
    pub(crate) fn settings_or_last(
        &self,
        queue: &QueueDir,
    ) -> Result<(QueueSettings, Option<String>), CliFailure> {
        let loaded = QueueSettings::load_or_last(queue, self.environment.clone());
        let (settings, problem) = loaded.map_err(CliFailure::usage)?;
        Ok((settings, problem.map(|e| format!("warning: the old settings apply: {e}"))))
    }

    /// The settings of a queue that need not be there.
    pub(crate) fn settings_if_any(
        &self,
        queue: Option<&QueueDir>,
    ) -> Result<QueueSettings, CliFailure> {
        match queue {
            Some(queue) => self.settings(queue),
            None => {
                QueueSettings::without_queue(self.environment.clone()).map_err(CliFailure::usage)
            }
        }
    }

    /// This program, to be started as a worker.
    pub(crate) fn program(&self) -> Result<PathBuf, CliFailure> {
        std::env::current_exe().map_err(|e| CliFailure::io("find this program's own file", &e))
    }
}

/// Where to listen, from an argument.
#[cfg(any(feature = "coordinator", feature = "dashboard"))]
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:7331 or [::1]:0")
}

/// A job's id from an argument; `NAME.md` and a path to it do as well.
pub(crate) fn job_id(text: &str) -> Result<JobId, CliFailure> {
    let name = Path::new(text).file_name().and_then(|name| name.to_str()).unwrap_or(text);
    let stem = name.strip_suffix(".md").unwrap_or(name);
    JobId::new(stem).map_err(|e| CliFailure::usage(format_args!("{text:?} is no job's name: {e}")))
}
