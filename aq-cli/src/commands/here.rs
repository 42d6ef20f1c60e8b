//! Where and as whom `aq` was called: everything that commands take from the process around them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use aq_manifest::JobId;
use aq_runner::run::{Environment, Settings};
use aq_runner::store::{PROJECT_QUEUE, QueueDir, StoreError, locate};

use crate::exit::{Exit, Failure};
use crate::output;

/// The caller's surroundings.
#[derive(Debug)]
pub(crate) struct Here {
    named: Option<PathBuf>,
    pub(crate) environment: Environment,
}

impl Here {
    pub(crate) fn new(named: Option<PathBuf>, environment: Environment) -> Self {
        // An empty variable is as good as none.
        Self { named: named.or_else(|| environment.path("AQ_QUEUE")), environment }
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

    /// The directory of the queue that is meant, whether it is there or not.
    pub(crate) fn queue_path(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.named {
            return Ok(named.clone());
        }
        let data_home = self.environment.path("XDG_DATA_HOME");
        locate(&self.cwd()?, data_home.as_deref(), self.home().as_deref()).ok_or_else(|| {
            Failure::usage("no queue is named and HOME is not set; use --queue DIR or AQ_QUEUE")
        })
    }

    /// The queue, which must be there.
    pub(crate) fn queue(&self) -> Result<QueueDir, Failure> {
        match QueueDir::open(&self.queue_path()?) {
            Ok(queue) => Ok(self.with_profiles(queue)),
            Err(StoreError::NoQueue(_)) => Err(self.no_queue()),
            Err(e) => Err(e.into()),
        }
    }

    /// The queue, if it is there.
    pub(crate) fn queue_if_any(&self) -> Result<Option<QueueDir>, Failure> {
        match QueueDir::open(&self.queue_path()?) {
            Ok(queue) => Ok(Some(self.with_profiles(queue))),
            Err(StoreError::NoQueue(_) | StoreError::Incomplete { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The queue, made when it is not there; tells so, because it may be made where nobody looks.
    pub(crate) fn queue_or_new(&self) -> Result<QueueDir, Failure> {
        if let Some(queue) = self.queue_if_any()? {
            return Ok(queue);
        }
        let queue = QueueDir::init(&self.queue_path()?)?;
        output::warning(&format!("made a queue at {}", queue.root().display()));
        Ok(self.with_profiles(queue))
    }

    fn no_queue(&self) -> Failure {
        let path = self.queue_path().unwrap_or_default();
        let path = path.display();
        let message = match &self.named {
            Some(_) => format!("there is no queue at {path}; `aq init {path}` makes one"),
            None => format!(
                "there is no queue: no {PROJECT_QUEUE}/ here or above, and none at {path}; \
                 `aq init` makes one here, --queue names another"
            ),
        };
        Failure::new(Exit::NotFound, message)
    }

    /// Where `aq init` makes a queue: where it is told to, else the project's own.
    pub(crate) fn new_queue_path(&self, dir: Option<PathBuf>) -> Result<PathBuf, Failure> {
        match dir.or_else(|| self.named.clone()) {
            Some(dir) => Ok(dir),
            None => Ok(self.cwd()?.join(PROJECT_QUEUE)),
        }
    }

    fn with_profiles(&self, queue: QueueDir) -> QueueDir {
        match self.environment.profiles() {
            Some(profiles) => queue.with_profiles(profiles),
            None => queue,
        }
    }

    /// The folder of the profiles, whether there is a queue or not.
    pub(crate) fn profiles(&self) -> Result<PathBuf, Failure> {
        match self.environment.profiles() {
            Some(profiles) => Ok(profiles),
            None => Ok(self.queue_path()?.join("profiles")),
        }
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
