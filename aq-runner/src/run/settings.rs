//! The settings of one process: the queue's `config.yaml` and the environment that it was started
//! with, read once at the edge and passed on as data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aq_tracker::{OwnTrackers, StatusMap};
use serde::{Deserialize, Deserializer};

use crate::engine::{EngineChange, EngineConfig, EngineConfigError, EngineRegistry};
use crate::store::{QueueDir, ScratchPlaces, StoreError, read_saved, read_text, replace_durably};

use super::environment::ProcessEnvironment;
use super::host::ProbedProgram;
use super::room_config::{RoomConfig, bytes};
use super::sandbox_config::SandboxConfig;
use super::ship_config::{MergeConfig, PrConfig, ShipSections, ShipSettings, check_remote};
use super::version_answers::recall_versions;

/// The value of `worktrees` in the config for a directory next to the user's checkout.
pub(crate) const BESIDE: &str = "beside";

/// The most that a log takes, in MiB: more than agents print who are well, and less than a disk
/// has.
const LOG_LIMIT_MB: u64 = 1024;

/// `config.yaml` of a queue. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct QueueConfig {
    /// Jobs that run at once, unless `aq run --max` says otherwise. Default 1.
    pub max: Option<u32>,
    /// Start nothing while this many jobs wait in review/.
    pub max_review: Option<u32>,
    /// New engines, and changes to built-in ones.
    pub engines: BTreeMap<String, EngineChange>,
    /// Engine classes: name to engines in order.
    pub classes: BTreeMap<String, Vec<String>>,
    /// More tools to look for on this host.
    pub tools: Vec<ProbedProgram>,
    /// More capability tokens of this host.
    pub capabilities: Vec<String>,
    /// Variables that agents do not get; `*` means any letters.
    pub env_deny: Vec<String>,
    /// Where jobs' checkouts are made: a directory, or `beside` the user's checkout. Default: in
    /// the queue, or below `AQ_HOME`.
    pub worktrees: Option<String>,
    /// Time that an engine may go on after its final event, in seconds or as `60s`. Default 60 s.
    pub result_grace: Option<String>,
    /// The longest that an engine may wait in its slot before it tries a vendor again that refused
    /// it. Default 2 minutes.
    pub longest_wait: Option<String>,
    /// Time between SIGTERM and SIGKILL. Default 5 s.
    pub kill_grace: Option<String>,
    /// The most that a job's log takes, in MiB; `0` is no limit. Default 1024.
    pub log_limit_mb: Option<u64>,
    /// The directory that is tried first for `TMPDIR`s of jobs, as it is written: `~` is the home.
    #[serde(deserialize_with = "directory")]
    pub tmp: Option<PathBuf>,
    /// Room that has to be free, and how long shipped jobs keep theirs.
    pub room: RoomConfig,
    /// The way in which jobs are shipped that name none: `accept`, `merge` or `pr`.
    pub ship: Option<String>,
    /// Merges of jobs into their target.
    pub merge: MergeConfig,
    /// Tries that the train gives a job after its first one. Default 2.
    pub train_retries: Option<u32>,
    /// Pull requests.
    pub pr: PrConfig,
    /// Boxes around what jobs run.
    pub sandbox: SandboxConfig,
    /// This host in a fleet.
    pub fleet: FleetConfig,
    /// The settings of trackers.
    pub tracker: TrackerConfig,
}

/// The fleet in a queue's config.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct FleetConfig {
    /// The git remote, by name or address, to which the work of fleet jobs is pushed, so that
    /// another host can go on with it.
    pub push_wip: Option<String>,
    /// The git remote, by name or address, at which the targets of fleet jobs are: they are merged
    /// with what is there, and pushed.
    pub push_target: Option<String>,
    /// Interval at which an agent's work is pushed while it works. Default 60 s.
    pub push_every: Option<String>,
}

/// The `tracker` section of `config.yaml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct TrackerConfig {
    /// Folder to status, in place of the defaults; an empty status is not sent.
    pub status: BTreeMap<String, String>,
}

/// Reason why a queue's settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// The file has an error.
    #[error("{}{place}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// `:line:column` in it, or nothing when it is the file as a whole.
        place: String,
        /// The problem.
        problem: String,
    },
    /// The engines section has an error.
    #[error("{}: {problem}", path.display())]
    Engines {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: EngineConfigError,
    },
}

/// Everything that applies.
#[derive(Debug)]
pub struct QueueSettings {
    /// The queue's file.
    pub config: QueueConfig,
    /// The engines of this host.
    pub engines: EngineRegistry,
    /// The environment.
    pub environment: ProcessEnvironment,
    /// [`QueueConfig::result_grace`], read.
    pub result_grace: Duration,
    /// [`QueueConfig::longest_wait`], read.
    pub longest_wait: Duration,
    /// [`QueueConfig::kill_grace`], read.
    pub kill_grace: Duration,
    /// [`QueueConfig::log_limit_mb`] in bytes.
    pub log_limit: u64,
    /// Places for `TMPDIR`s of jobs.
    pub scratch: ScratchPlaces,
    /// `tracker.status` of the config, read.
    pub statuses: StatusMap,
    /// Trackers that the program brings along; none when the settings are loaded.
    pub trackers: OwnTrackers,
    /// `fleet.push-every` of the config, read.
    pub push_every: Duration,
    /// The ways in which jobs are shipped.
    pub shipping: ShipSettings,
    /// `room.free` of the config, in bytes.
    pub room_mark: Option<u64>,
    /// `room.keep` of the config, read.
    pub room_keep: Option<Duration>,
    /// The text that [`Self::config`] was read from.
    text: String,
}

impl QueueSettings {
    /// Reads the queue's config; a missing file is all defaults.
    ///
    /// # Errors
    /// Names the file and the place.
    pub fn load(
        queue: &QueueDir,
        mut environment: ProcessEnvironment,
    ) -> Result<Self, SettingsError> {
        let settings = Self::of_file(&queue.config(), &mut environment)?;
        recall_versions(queue, &settings.engines);
        Ok(settings)
    }

    /// As [`Self::load`], but while the file has an error what a run loop last read in good order
    /// applies. Answers the error then.
    ///
    /// # Errors
    /// When the file has an error, and no loop has read a better one.
    pub fn load_or_last(
        queue: &QueueDir,
        mut environment: ProcessEnvironment,
    ) -> Result<(Self, Option<SettingsError>), SettingsError> {
        let problem = match Self::of_file(&queue.config(), &mut environment) {
            Ok(settings) => {
                recall_versions(queue, &settings.engines);
                return Ok((settings, None));
            }
            Err(problem) => problem,
        };
        let path = queue.last_config();
        let last = read_text(&path).ok();
        match last.and_then(|text| Self::of_text(&path, text, &mut environment).ok()) {
            Some(settings) => {
                recall_versions(queue, &settings.engines);
                Ok((settings, Some(problem)))
            }
            None => Err(problem),
        }
    }

    /// Keeps the config's text for [`Self::load_or_last`]: the workers of a loop begin with what
    /// the loop has, also while a person is in the middle of a change. Only the loop may do this.
    pub(crate) fn keep(&self, queue: &QueueDir) -> Result<(), StoreError> {
        let path = queue.last_config();
        if read_text(&path).is_ok_and(|kept| kept == self.text) {
            return Ok(());
        }
        replace_durably(&path, &queue.state().join("tmp/.last-config"), self.text.as_bytes())
    }

    /// The settings where there is no queue: the defaults.
    ///
    /// # Errors
    /// When the environment's own settings cannot be used.
    pub fn without_queue(mut environment: ProcessEnvironment) -> Result<Self, SettingsError> {
        Self::of_file(Path::new(""), &mut environment)
    }

    fn of_file(path: &Path, environment: &mut ProcessEnvironment) -> Result<Self, SettingsError> {
        let text = match read_saved(path) {
            Ok(text) => text,
            Err(e) if e.is_not_found() => String::new(),
            Err(e) => {
                return Err(SettingsError::Unreadable {
                    path: path.to_owned(),
                    problem: e.to_string(),
                });
            }
        };
        Self::of_text(path, text, environment)
    }

    /// Takes the environment when all is well, and only then.
    fn of_text(
        path: &Path,
        text: String,
        environment: &mut ProcessEnvironment,
    ) -> Result<Self, SettingsError> {
        let config = parse_config(path, &text)?;
        let whole = |problem: String| SettingsError::Invalid {
            path: path.to_owned(),
            place: String::new(),
            problem,
        };
        if config.max == Some(0) {
            return Err(whole("max: 0 would run nothing; write 1 or more".to_owned()));
        }
        let duration = |key: &str, text: &Option<String>, default: u64| {
            let Some(text) = text else { return Ok(Duration::from_secs(default)) };
            aq_manifest::parse_duration(text).map_err(|e| whole(format!("{key}: {text:?}: {e}")))
        };
        let result_grace = duration("result-grace", &config.result_grace, 60)?;
        let longest_wait = duration("longest-wait", &config.longest_wait, 120)?;
        let kill_grace = duration("kill-grace", &config.kill_grace, 5)?;
        let log_limit = match config.log_limit_mb.unwrap_or(LOG_LIMIT_MB) {
            0 => u64::MAX,
            mb => mb.saturating_mul(1 << 20),
        };
        if let Some(dir) = config.worktrees.as_deref().filter(|dir| *dir != BESIDE)
            && !Path::new(dir).is_absolute()
            && !dir.starts_with("~/")
        {
            let words = "expected an absolute directory, one that begins with `~/`, or `beside`";
            return Err(whole(format!("worktrees: {dir:?}: {words}")));
        }
        let push_every = duration("fleet.push-every", &config.fleet.push_every, 60)?;
        let FleetConfig { push_wip, push_target, .. } = &config.fleet;
        for (key, remote) in [("fleet.push-wip", push_wip), ("fleet.push-target", push_target)] {
            remote.iter().try_for_each(|remote| check_remote(key, remote)).map_err(whole)?;
        }
        config.sandbox.check().map_err(whole)?;
        let shipping = ShipSettings::read(ShipSections {
            ship: config.ship.as_deref(),
            merge: &config.merge,
            train_retries: config.train_retries,
            pr: &config.pr,
        });
        let shipping = shipping.map_err(whole)?;
        let room_mark = match &config.room.free {
            None => None,
            Some(text) => Some(bytes(text).ok_or_else(|| {
                whole(format!("room.free: {text:?} is no size, such as `500m`, `5g` or `1t`"))
            })?),
        };
        let room_keep = config.room.keep.as_ref();
        let room_keep = room_keep.map(|_| duration("room.keep", &config.room.keep, 0));
        let room_keep = room_keep.transpose()?;
        let engines =
            EngineConfig { engines: config.engines.clone(), classes: config.classes.clone() };
        let engines = EngineRegistry::new(&engines, &|name| environment.get(name))
            .map_err(|problem| SettingsError::Engines { path: path.to_owned(), problem })?;
        let statuses = StatusMap::with(&config.tracker.status)
            .map_err(|e| whole(format!("tracker.status: {e}")))?;
        let tmp = match &config.tmp {
            None => None,
            Some(tmp) => Some(
                in_home(tmp, environment)
                    .ok_or_else(|| whole("tmp: begins with `~`, and HOME is not set".to_owned()))?,
            ),
        };
        Ok(Self {
            config,
            engines,
            scratch: scratch_places(tmp, environment),
            environment: std::mem::take(environment),
            result_grace,
            longest_wait,
            kill_grace,
            log_limit,
            push_every,
            shipping,
            room_mark,
            room_keep,
            statuses,
            trackers: OwnTrackers::default(),
            text,
        })
    }
}

/// Places for `TMPDIR`s of a queue's jobs, as far as its settings can be read: what a dead worker
/// left is removed whatever somebody has written into the file since.
pub(crate) fn scratch_of(queue: &QueueDir, environment: &ProcessEnvironment) -> ScratchPlaces {
    match QueueSettings::load_or_last(queue, environment.clone()) {
        Ok((settings, _)) => settings.scratch,
        Err(_) => scratch_places(None, environment),
    }
}

fn scratch_places(tmp: Option<PathBuf>, environment: &ProcessEnvironment) -> ScratchPlaces {
    let aq_home = environment.aq_home().filter(|home| home.is_absolute());
    ScratchPlaces::new(tmp, aq_home, environment.path("HOME"))
}

/// A path with `~` replaced; `None` without a home.
fn in_home(path: &Path, environment: &ProcessEnvironment) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(below) => Some(environment.path("HOME")?.join(below)),
        Err(_) => Some(path.to_owned()),
    }
}

/// An absolute directory, or one in the home.
fn directory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::from(String::deserialize(from)?);
    if path.is_absolute() || path.starts_with("~") {
        return Ok(Some(path));
    }
    let shown = path.display();
    Err(serde::de::Error::custom(format_args!(
        "tmp: {shown:?} is no absolute directory, such as /scratch/me or ~/tmp"
    )))
}

fn parse_config(path: &Path, text: &str) -> Result<QueueConfig, SettingsError> {
    if text.trim().is_empty() {
        return Ok(QueueConfig::default());
    }
    serde_yaml::from_str(text).map_err(|e| invalid(path, &e))
}

/// The error in our words, with the place as editors know it.
fn invalid(path: &Path, error: &serde_yaml::Error) -> SettingsError {
    let place =
        error.location().map_or(String::new(), |at| format!(":{}:{}", at.line(), at.column()));
    let text = error.without_snippet().to_string();
    // The library ends its message in the place, and has Rust's words for types.
    let message = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    let problem = match message {
        text if text.starts_with("duplicate mapping key: ") => {
            let key = text.trim_start_matches("duplicate mapping key: ");
            let key = key.split(", set ").next().unwrap_or_default();
            format!("the key `{key}` is given twice; keep one of them")
        }
        "invalid u32" | "invalid u64" => "expected a whole number, 0 or more".to_owned(),
        "expected sequence start" => "expected a list, such as `[a, b]`".to_owned(),
        "expected mapping start" => "expected keys with values, such as `key: value`".to_owned(),
        other => other.to_owned(),
    };
    SettingsError::Invalid { path: path.to_owned(), place, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(config: &str) -> Result<QueueSettings, String> {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        std::fs::write(queue.config(), config).unwrap();
        let shown = queue.root().display().to_string();
        QueueSettings::load(&queue, ProcessEnvironment::default())
            .map_err(|e| e.to_string().replace(&shown, "Q"))
    }

    #[test]
    fn empty_settings_are_defaults() {
        let settings = load("\n").unwrap();
        assert_eq!(settings.config.max, None);
        assert_eq!(settings.result_grace, Duration::from_secs(60));
        assert_eq!(settings.kill_grace, Duration::from_secs(5));
        assert_eq!(settings.log_limit, 1 << 30);
        assert_eq!(load("log-limit-mb: 0").unwrap().log_limit, u64::MAX);
    }

    #[test]
    fn room_is_read_as_sizes_and_times() {
        let settings = load("room: {free: 5g, keep: 30d}").unwrap();
        assert_eq!(settings.room_mark, Some(5_000_000_000));
        assert_eq!(settings.room_keep, Some(Duration::from_secs(30 * 24 * 3600)));
        assert_eq!(load("").unwrap().room_mark, None);
        let error = load("room: {free: much}").unwrap_err();
        assert!(error.contains("room.free: \"much\" is no size, such as `500m`"), "{error}");
        assert!(load("room: {keep: x}").unwrap_err().contains("room.keep"));
        assert!(load("room: {keeps: 3d}").unwrap_err().contains("keeps"));
    }

    #[test]
    fn what_the_file_says_applies() {
        let settings = load("max: 3\nkill-grace: 2s\nenv-deny: [AWS_*]\n");
        let settings = settings.unwrap();
        assert_eq!(settings.config.max, Some(3));
        assert_eq!(settings.kill_grace, Duration::from_secs(2));
        assert_eq!(settings.config.env_deny, ["AWS_*"]);
    }

    #[test]
    fn last_good_settings_apply() {
        let dir = tempfile::tempdir().unwrap();
        let queue = QueueDir::init(&dir.path().join("q")).unwrap();
        let write = |text: &str| std::fs::write(queue.config(), text).unwrap();
        let variables = [("A".into(), "b".into())];
        let load =
            || QueueSettings::load_or_last(&queue, ProcessEnvironment::new(variables.clone()));
        write("max: two");
        load().unwrap_err();
        write("max: 2");
        let (settings, problem) = load().unwrap();
        assert!(problem.is_none());
        settings.keep(&queue).unwrap();
        write("classes: {a: [b]}");
        let (settings, problem) = load().unwrap();
        assert_eq!(settings.config.max, Some(2));
        assert_eq!(settings.environment.get("A"), Some("b".into()));
        let problem = problem.unwrap().to_string();
        assert!(problem.contains("no engine is called \"b\""), "{problem}");
        // A correct file counts at once, and no file is all defaults.
        write("max: 3");
        assert_eq!(load().unwrap().0.config.max, Some(3));
        std::fs::remove_file(queue.config()).unwrap();
        let (settings, problem) = load().unwrap();
        assert!(settings.config.max.is_none() && problem.is_none());
        settings.keep(&queue).unwrap();
        write("max: two");
        assert_eq!(load().unwrap().0.config.max, None);
    }

    #[test]
    fn errors_name_the_place_and_what_was_expected() {
        for (config, want) in [
            ("max: two\n", "Q/config.yaml:1:6: expected a whole number"),
            ("max: 1\nmax: 2\n", "Q/config.yaml:2:1: the key `max` is given twice"),
            ("log-limit-mb: -3\n", "Q/config.yaml:1:15: expected a whole number"),
            ("\nmaxx: 2\n", "Q/config.yaml:2:1: unknown field `maxx`, expected one of max, "),
            ("env-deny: A\n", "Q/config.yaml:1:11: expected a list"),
            ("engines: 3\n", "Q/config.yaml:1:10: expected keys with values"),
            ("tools: [{name: x}]\n", "Q/config.yaml:1:10: missing field `command`"),
            ("max: 0\n", "Q/config.yaml: max: 0 would run nothing; write 1 or more"),
            (
                "tracker: {status: {done: x}}\n",
                "Q/config.yaml: tracker.status: \"done\" is no folder",
            ),
            ("result-grace: soon\n", "Q/config.yaml: result-grace: \"soon\": "),
            ("max: 2\ntmp: tmp/x\n", "Q/config.yaml:2:6: tmp: \"tmp/x\" is no absolute directory"),
            ("tmp: ~/x\n", "Q/config.yaml: tmp: begins with `~`, and HOME is not set"),
            ("classes: {a: [b]}\n", "Q/config.yaml: classes.a: no engine is called \"b\""),
        ] {
            let error = load(config).unwrap_err();
            assert!(error.starts_with(want), "{config:?}: {error}");
        }
    }

    #[test]
    fn remotes_are_checked_alike() {
        for key in ["fleet.push-wip", "fleet.push-target", "pr.remote"] {
            for remote in ["", "-x"] {
                let said = load(&format!("{}: {remote:?}}}\n", key.replace('.', ": {")));
                assert!(said.unwrap_err().contains(&format!("{key}: a remote is not")));
            }
        }
    }
}
