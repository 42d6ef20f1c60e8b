//! Where and as whom `aq` was called: everything that commands take from the process around them.

mod queues;

use std::cell::{Cell, OnceCell};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::run::place::QueuePlace;
use aq_runner::run::{Environment, Settings};
use aq_runner::store::QueueDir;

use crate::exit::Failure;

/// The caller's surroundings.
#[derive(Debug)]
pub(crate) struct Here {
    named: Option<PathBuf>,
    pub(crate) environment: Environment,
    /// The queue that is meant, once it was looked for.
    place: OnceCell<QueuePlace>,
    /// The notices about the queue were printed.
    is_noticed: Cell<bool>,
}

impl Here {
    pub(crate) fn new(named: Option<PathBuf>, environment: Environment) -> Self {
        Self { named, environment, place: OnceCell::new(), is_noticed: Cell::new(false) }
    }

    /// The working directory.
    pub(crate) fn cwd(&self) -> Result<PathBuf, Failure> {
        std::env::current_dir().map_err(|e| Failure::io("find the current directory", &e))
    }

    /// The user's home.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.environment.path("HOME")
    }

    /// Where this user's own data is: `$XDG_DATA_HOME/aq`, else `~/.local/share/aq`.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        let data_home = self.environment.path("XDG_DATA_HOME").filter(|dir| dir.is_absolute());
        let data_home = data_home.or_else(|| Some(self.home()?.join(".local/share")));
        data_home.map(|dir| dir.join("aq")).ok_or_else(|| {
            Failure::usage("HOME is not set, so there is no data directory; use --database")
        })
    }

    /// The queue's settings.
    pub(crate) fn settings(&self, queue: &QueueDir) -> Result<Settings, Failure> {
        Settings::load(queue, self.environment.clone()).map_err(Failure::usage)
    }

    /// The queue's settings for one who only looks: while the file has an error, those of the last
    /// loop, and a warning that says so.
    pub(crate) fn settings_or_last(
        &self,
        queue: &QueueDir,
    ) -> Result<(Settings, Option<String>), Failure> {
        let loaded = Settings::load_or_last(queue, self.environment.clone());
        let (settings, problem) = loaded.map_err(Failure::usage)?;
        Ok((settings, problem.map(|e| format!("warning: the old settings apply: {e}"))))
    }

    /// The settings of a queue that need not be there.
    pub(crate) fn settings_if_any(&self, queue: Option<&QueueDir>) -> Result<Settings, Failure> {
        match queue {
            Some(queue) => self.settings(queue),
            None => Settings::without_queue(self.environment.clone()).map_err(Failure::usage),
        }
    }

    /// This program, to be started as a worker.
    pub(crate) fn program(&self) -> Result<PathBuf, Failure> {
        std::env::current_exe().map_err(|e| Failure::io("find this program's own file", &e))
    }
}

/// Where to listen, from an argument.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:7331 or [::1]:0")
}

/// A job's id from an argument; `NAME.md` and a path to it do as well.
pub(crate) fn job_id(text: &str) -> Result<JobId, Failure> {
    let name = Path::new(text).file_name().and_then(|name| name.to_str()).unwrap_or(text);
    let stem = name.strip_suffix(".md").unwrap_or(name);
    JobId::new(stem).map_err(|e| Failure::usage(format_args!("{text:?} is no job's name: {e}")))
}
