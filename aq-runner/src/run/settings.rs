//! What applies to one process: the queue's `config.yaml` and the environment that it was
//! started with, read once at the edge and passed on as data.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::engine::{EngineChange, EngineConfig, EngineConfigError, Registry};
use crate::store::{QueueDir, read_text};

use super::host::Tool;

/// `config.yaml` of a queue. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// Jobs that run at once, unless `aq run --max` says otherwise. Default 1.
    pub max: Option<u32>,
    /// Start nothing while this many jobs wait in review/.
    pub max_review: Option<u32>,
    /// New engines, and changes to built-in ones.
    pub engines: BTreeMap<String, EngineChange>,
    /// Engine classes: name to engines in order.
    pub classes: BTreeMap<String, Vec<String>>,
    /// More tools to look for on this host.
    pub tools: Vec<Tool>,
    /// More capability tokens of this host.
    pub capabilities: Vec<String>,
    /// Variables that agents do not get; `*` stands for any letters.
    pub env_deny: Vec<String>,
    /// How long an engine may go on after its final event, in seconds or as `60s`. Default 60 s.
    pub result_grace: Option<String>,
    /// Time between SIGTERM and SIGKILL. Default 5 s.
    pub kill_grace: Option<String>,
}

/// Why a queue's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The file has an error.
    #[error("{}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        problem: String,
    },
    /// The engines section has an error.
    #[error(transparent)]
    Engines(#[from] EngineConfigError),
}

/// The environment of this process, as data.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Takes variables as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self { variables: variables.into_iter().collect() }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<OsString> {
        self.variables.get(OsStr::new(name)).cloned()
    }

    /// A variable that names a path and is not empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.variables.iter()
    }
}

/// Everything that applies.
#[derive(Debug)]
pub struct Settings {
    /// The queue's file.
    pub config: Config,
    /// The engines of this host.
    pub engines: Registry,
    /// The environment.
    pub environment: Environment,
    /// [`Config::result_grace`], read.
    pub result_grace: Duration,
    /// [`Config::kill_grace`], read.
    pub kill_grace: Duration,
}

impl Settings {
    /// Reads the queue's config; a missing file is all defaults.
    ///
    /// # Errors
    /// Names the file and the place.
    pub fn load(queue: &QueueDir, environment: Environment) -> Result<Self, SettingsError> {
        let path = queue.config();
        let config = read_config(&path)?;
        let duration = |key: &str, text: &Option<String>, default: u64| {
            let Some(text) = text else { return Ok(Duration::from_secs(default)) };
            aq_manifest::parse_duration(text).map_err(|e| SettingsError::Invalid {
                path: path.clone(),
                problem: format!("{key}: {text:?}: {e}"),
            })
        };
        let result_grace = duration("result-grace", &config.result_grace, 60)?;
        let kill_grace = duration("kill-grace", &config.kill_grace, 5)?;
        let engines =
            EngineConfig { engines: config.engines.clone(), classes: config.classes.clone() };
        let engines = Registry::new(&engines, &|name| environment.get(name))?;
        Ok(Self { config, engines, environment, result_grace, kill_grace })
    }
}

fn read_config(path: &Path) -> Result<Config, SettingsError> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(e) if e.is_not_found() => return Ok(Config::default()),
        Err(e) => {
            return Err(SettingsError::Unreadable {
                path: path.to_owned(),
                problem: e.to_string(),
            });
        }
    };
    if text.trim().is_empty() {
        return Ok(Config::default());
    }
    serde_yaml::from_str(&text)
        .map_err(|e| SettingsError::Invalid { path: path.to_owned(), problem: e.to_string() })
}
