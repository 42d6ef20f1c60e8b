//! Which engines rest or are out of use, in a file of the queue, so that it holds across restarts.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

use aq_scheduler::EngineState;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::{
    EngineAccount, EngineCooldowns, EngineError, EngineUse, RunVerdict, SeenWindows, UsageWindow,
};
use crate::store::{FileLock, QueueDir, Result, read_text, replace};

use crate::run::engines::sightings::EngineSightings;
use crate::run::settings::QueueSettings;

/// The engines of a queue, by its files.
#[derive(Debug)]
pub(crate) struct KnownEngines {
    cooldowns: EngineCooldowns,
    sightings: EngineSightings,
}

impl KnownEngines {
    pub(crate) fn read(queue: &QueueDir) -> Self {
        Self { cooldowns: read(queue), sightings: EngineSightings::read(queue) }
    }
}

/// The limits and faults that are known of the engines of a queue.
fn read(queue: &QueueDir) -> EngineCooldowns {
    // A file that cannot be read says nothing: the engines are asked again.
    read_text(&path(queue))
        .map_or_else(|_| EngineCooldowns::default(), |text| EngineCooldowns::from_text(&text))
}

/// The engines at one moment, to know when they have to be looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineSnapshot {
    written: Option<SystemTime>,
    /// The stamps of those that are out of use, or gone: another one ends that.
    out_of_use: Vec<(String, String)>,
}

impl EngineSnapshot {
    /// Looks at the engines.
    pub(crate) fn take(queue: &QueueDir, settings: &QueueSettings) -> Self {
        let written = changed(queue);
        let now = Timestamp::now();
        let is_out = |state: &EngineState| {
            matches!(state, EngineState::OutOfUse { .. } | EngineState::Absent { .. })
        };
        let known = KnownEngines::read(queue);
        // Where nothing is on file, an engine that was never here is nothing to look for again.
        let is_known = |name: &&str| written.is_some() || known.sightings.has(settings, name);
        let names = settings.engines.names().filter(is_known);
        let states = names.map(|name| (name.to_owned(), state(&known, settings, name, now)));
        let out = states.filter(|(_, state)| is_out(state));
        let stamped = out.map(|(name, _)| {
            let stamp = stamp(settings, &name);
            (name, stamp)
        });
        Self { written, out_of_use: stamped.collect() }
    }

    /// Whether nothing has changed since. Asked each time that the loop wakes, so that in a queue
    /// in which no engine is out of use this costs one system call.
    pub(crate) fn is_current(&self, queue: &QueueDir, settings: &QueueSettings) -> bool {
        let same = |(name, seen): &(String, String)| stamp(settings, name) == *seen;
        changed(queue) == self.written && self.out_of_use.iter().all(same)
    }
}

/// When the file was last written; `None` when there is none.
fn changed(queue: &QueueDir) -> Option<SystemTime> {
    path(queue).metadata().and_then(|about| about.modified()).ok()
}

/// The engine as the scheduler sees it.
pub(crate) fn state(
    known: &KnownEngines,
    settings: &QueueSettings,
    engine: &str,
    now: Timestamp,
) -> EngineState {
    match settings.engines.binary(engine) {
        Some(Ok(_)) => {}
        Some(Err(missing)) => {
            let lack = known.sightings.lack(settings, engine, &missing);
            return lack.map_or(EngineState::Missing, |lack| EngineState::Absent { lack });
        }
        None => return EngineState::Missing,
    }
    match known.cooldowns.state(&account(settings, engine), &stamp(settings, engine), now) {
        EngineUse::Ready => EngineState::READY,
        EngineUse::Probe => EngineState::Ready { limit: Some(1) },
        EngineUse::CoolingDown { until, .. } => EngineState::CoolingDown { until },
        EngineUse::OutOfUse { class, reason } => EngineState::OutOfUse {
            reason: format!("{class}: {reason}; then `aq engines --retry {engine}`"),
        },
    }
}

/// Notes that a run of the engine met a limit, or something that a person has to mend. Answers
/// what that means for the job, in words.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn note_fault(
    queue: &QueueDir,
    settings: &QueueSettings,
    engine: &str,
    verdict: &RunVerdict,
    error: &EngineError,
    now: Timestamp,
) -> Result<String> {
    let account = account(settings, engine);
    let why = verdict.why.as_deref().unwrap_or_default();
    let mut words = String::new();
    update(queue, |known| {
        words = if error.class.is_limit() {
            let reset = error.resets_at(now, &TimeZone::system());
            let until = known.limited(&account, error.class, why, reset, now);
            format!("{why}; the engine rests until {until:.0}")
        } else {
            known.broken(&account, error.class, why, &stamp(settings, engine), now);
            format!("{why}; the engine is out of use until that is mended")
        };
        true
    })?;
    Ok(words)
}

/// Notes that a run of the engine that began at `started` ended well.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn note_success(
    queue: &QueueDir,
    settings: &QueueSettings,
    engine: &str,
    started: Timestamp,
) -> Result<()> {
    // Almost always there is nothing to forget, and then no lock is taken.
    let account = account(settings, engine);
    if changed(queue).is_none() || !read(queue).has(&account) {
        return Ok(());
    }
    update(queue, |known| known.worked(&account, started, Timestamp::now()))
}

/// Notes what a run of the engine said of the windows of its account.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn note_windows(
    queue: &QueueDir,
    settings: &QueueSettings,
    engine: &str,
    windows: Vec<UsageWindow>,
) -> Result<()> {
    if windows.is_empty() {
        return Ok(());
    }
    let account = account(settings, engine);
    update(queue, |known| {
        known.saw_windows(&account, windows, Timestamp::now());
        true
    })
}

/// The windows of the engines' accounts that have not begun anew, by engine.
pub fn engine_windows(
    queue: &QueueDir,
    settings: &QueueSettings,
    now: Timestamp,
) -> BTreeMap<String, SeenWindows> {
    let known = read(queue);
    let of = |name: &str| {
        let seen = known.windows(&account(settings, name))?;
        let windows: Vec<UsageWindow> = seen.current(now).cloned().collect();
        let is_any = !windows.is_empty();
        is_any.then(|| (name.to_owned(), SeenWindows { seen: seen.seen, windows }))
    };
    settings.engines.names().filter_map(of).collect()
}

/// Says that an engine is to be used again, with all its accounts. Answers whether that changed
/// anything.
///
/// # Errors
/// When the file cannot be written.
pub fn retry_engine(queue: &QueueDir, engine: &str) -> Result<bool> {
    let mut changed = false;
    update(queue, |known| {
        changed = known.retry(engine);
        changed
    })?;
    Ok(changed)
}

/// The engines of a host that are installed and may not simply be used, with the reason.
pub fn resting_engines(
    queue: &QueueDir,
    settings: &QueueSettings,
    now: Timestamp,
) -> Vec<(String, EngineState)> {
    let is_there =
        |state: &EngineState| !matches!(state, EngineState::Missing | EngineState::Absent { .. });
    let known = KnownEngines::read(queue);
    let names = settings.engines.names();
    let states = names.map(|name| (name.to_owned(), state(&known, settings, name, now)));
    states.filter(|(_, state)| is_there(state) && *state != EngineState::READY).collect()
}

/// Reads, changes and writes the file, one process at a time.
fn update(queue: &QueueDir, change: impl FnOnce(&mut EngineCooldowns) -> bool) -> Result<()> {
    let _one_at_a_time = FileLock::engines(queue)?;
    let mut known = read(queue);
    if change(&mut known) {
        replace(&path(queue), known.to_text().as_bytes())?;
    }
    Ok(())
}

fn path(queue: &QueueDir) -> PathBuf {
    queue.engines()
}

fn account(settings: &QueueSettings, engine: &str) -> EngineAccount {
    settings.engines.account(engine, &|name| settings.environment.get(name))
}

/// Represents the binary and the config of an engine: when either changes, one that was out of use
/// is tried again.
fn stamp(settings: &QueueSettings, engine: &str) -> String {
    let of =
        |about: std::fs::Metadata| format!("{}:{}:{}", about.len(), about.mtime(), about.ino());
    let binary = settings.engines.installed(engine);
    let binary = binary.map(|path| (path.metadata().map_or(String::new(), of), path));
    let config = settings.config.engines.get(engine);
    format!("{binary:?} {config:?}")
}
