//! Last sightings of engines, in a file of the queue. One that was there before is missing for a
//! while; of one that nobody has ever seen the jobs fail. The run loop notes there what it misses,
//! for those who look at the queue with another PATH.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aq_manifest::JobSpec;
use aq_scheduler::{HostLack, SeenBy};
use serde::{Deserialize, Serialize};

use crate::engine::MissingBinary;
use crate::store::{FileLock, QueueDir, Result, read_text, replace};

use crate::run::environment::ProcessEnvironment;
use crate::run::settings::QueueSettings;

/// The engines that were seen, by name.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct EngineSightings(BTreeMap<String, EngineSighting>);

#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct EngineSighting {
    path: String,
    by_add: bool,
    /// The loop does not find it: at this file, or on its PATH when this is empty.
    #[serde(default)]
    missed: Option<String>,
}

impl EngineSightings {
    /// Those of a queue. A file that cannot be read says nothing, and is written anew.
    pub(crate) fn read(queue: &QueueDir) -> Self {
        let text = read_text(&queue.engine_sightings()).ok();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Answers whether an engine is missed when it is not there.
    pub(crate) fn has(&self, settings: &QueueSettings, engine: &str) -> bool {
        self.0.contains_key(engine) || settings.engines.system_program(engine).is_some()
    }

    /// The lack of an engine that is not there, when it was before or another program has its name.
    pub(crate) fn lack(
        &self,
        settings: &QueueSettings,
        engine: &str,
        missing: &MissingBinary,
    ) -> Option<HostLack> {
        if let Some(program) = settings.engines.system_program(engine) {
            return Some(HostLack::Program { program: program.to_owned() });
        }
        let expected_at = match missing {
            MissingBinary::NotExecutable { path, .. } => Some(path.as_path()),
            MissingBinary::NotOnPath { .. } => None,
            MissingBinary::OtherProgram { engine, path, answer, variable } => {
                let home = settings.environment.path("HOME");
                return Some(HostLack::OtherProgram {
                    engine: engine.clone(),
                    path: shown(path, home.as_deref()),
                    answer: answer.clone(),
                    variable: variable.clone(),
                });
            }
        };
        self.seen(settings, engine, expected_at)
    }

    /// The engines that the run loop has missed when it looked last.
    pub(crate) fn missed_by_loop(&self, settings: &QueueSettings) -> Vec<(String, HostLack)> {
        let missed = self.0.iter().filter_map(|(name, seen)| {
            let expected_at = seen.missed.as_deref()?;
            // Who sees another program there knows more than that.
            let here = settings.engines.binary(name);
            if matches!(here, Some(Err(MissingBinary::OtherProgram { .. }))) {
                return None;
            }
            let expected_at =
                Some(Path::new(expected_at)).filter(|path| !path.as_os_str().is_empty());
            Some((name.clone(), self.seen(settings, name, expected_at)?))
        });
        missed.collect()
    }

    fn seen(
        &self,
        settings: &QueueSettings,
        engine: &str,
        expected_at: Option<&Path>,
    ) -> Option<HostLack> {
        let seen = self.0.get(engine)?;
        let home = settings.environment.path("HOME");
        let expected_at = expected_at.map(|path| shown(path, home.as_deref()));
        Some(HostLack::Engine {
            engine: engine.to_owned(),
            expected_at,
            seen_at: shown(Path::new(&seen.path), home.as_deref()),
            seen_by: if seen.by_add { SeenBy::Add } else { SeenBy::RunLoop },
        })
    }

    /// Notes which of these engines are there now. Answers whether that is news.
    fn update(&mut self, settings: &QueueSettings, engines: &BTreeSet<String>, by: SeenBy) -> bool {
        let mut is_news = false;
        for name in engines {
            let missed = match settings.engines.binary(name) {
                None => continue,
                Some(Ok(path)) => {
                    let path = path.to_string_lossy().into_owned();
                    if self.0.get(name).is_none_or(|known| known.path != path) {
                        let (by_add, missed) = (by == SeenBy::Add, None);
                        self.0.insert(name.clone(), EngineSighting { path, by_add, missed });
                        is_news = true;
                    }
                    None
                }
                Some(Err(MissingBinary::NotOnPath { .. })) => Some(String::new()),
                Some(Err(
                    MissingBinary::NotExecutable { path, .. }
                    | MissingBinary::OtherProgram { path, .. },
                )) => Some(path.to_string_lossy().into_owned()),
            };
            if by == SeenBy::RunLoop
                && let Some(known) = self.0.get_mut(name)
                && known.missed != missed
            {
                known.missed = missed;
                is_news = true;
            }
        }
        is_news
    }
}

/// Notes which of the engines that jobs may use somebody has who adds them, before the jobs are in:
/// a loop that does not find them is not to fail a job meanwhile. No job is refused because this
/// cannot be written.
pub(crate) fn note_engines_of_add(
    queue: &QueueDir,
    environment: &ProcessEnvironment,
    jobs: &[&JobSpec],
) {
    let Ok(settings) = QueueSettings::load(queue, environment.clone()) else { return };
    let wishes: BTreeSet<_> =
        jobs.iter().map(|job| (&job.engine, &job.engine_class, &job.prefers_engine)).collect();
    let candidates = wishes.into_iter().filter_map(|(engine, class, prefers)| {
        settings.engines.candidates(engine.as_deref(), class, prefers).ok()
    });
    let mut engines: BTreeSet<String> = candidates.flatten().collect();
    // A program of the system is missed wherever it is not.
    engines.retain(|name| settings.engines.system_program(name).is_none());
    if !engines.is_empty() {
        let _ = note_some(queue, &settings, &engines, SeenBy::Add);
    }
}

/// Notes which engines are there.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn note_engines(queue: &QueueDir, settings: &QueueSettings, by: SeenBy) -> Result<()> {
    note_some(queue, settings, &settings.engines.names().map(str::to_owned).collect(), by)
}

fn note_some(
    queue: &QueueDir,
    settings: &QueueSettings,
    engines: &BTreeSet<String>,
    by: SeenBy,
) -> Result<()> {
    // Almost always there is no news, and then no lock is taken.
    if !EngineSightings::read(queue).update(settings, engines, by) {
        return Ok(());
    }
    let _one_at_a_time = FileLock::engines(queue)?;
    let mut known = EngineSightings::read(queue);
    if !known.update(settings, engines, by) {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&known).unwrap_or_default();
    replace(&queue.engine_sightings(), text.as_bytes())
}

/// A path with `~` for the home, as people write it.
fn shown(path: &Path, home: Option<&Path>) -> String {
    let below = home.and_then(|home| path.strip_prefix(home).ok());
    below
        .map_or_else(|| path.to_owned(), |below| PathBuf::from("~").join(below))
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store::testing::TestQueue;

    fn settings(queue: &QueueDir, home: &Path, path: &str) -> QueueSettings {
        let variables = [("HOME", home.as_os_str().to_owned()), ("PATH", path.into())];
        let variables = variables.map(|(name, value)| (name.into(), value));
        QueueSettings::load(queue, ProcessEnvironment::new(variables)).unwrap()
    }

    fn lack(queue: &QueueDir, settings: &QueueSettings, engine: &str) -> Option<String> {
        let missing = settings.engines.binary(engine)?.err()?;
        let lack = EngineSightings::read(queue).lack(settings, engine, &missing);
        lack.map(|lack| lack.to_string())
    }

    #[test]
    fn an_engine_is_missed_once_it_was_seen() {
        let queue = TestQueue::new();
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("claude"), "").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(bin.join("claude"), mode).unwrap();
        let (rich, poor) = (
            settings(&queue, home.path(), bin.to_str().unwrap()),
            settings(&queue, home.path(), ""),
        );
        assert_eq!(lack(&queue, &poor, "claude"), None, "nobody has seen it");
        note_engines(&queue, &poor, SeenBy::RunLoop).unwrap();
        note_engines(&queue, &rich, SeenBy::Add).unwrap();
        // What others do not find is not forgotten.
        note_engines(&queue, &poor, SeenBy::RunLoop).unwrap();
        let why = "engine claude is not on the loop's PATH; aq add found it at ~/bin/claude";
        assert_eq!(lack(&queue, &poor, "claude").as_deref(), Some(why));
        assert_eq!(lack(&queue, &poor, "codex"), None);
        // Those who would find it themselves see this, too.
        let missed = EngineSightings::read(&queue).missed_by_loop(&rich);
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].1.to_string(), why);
        assert_eq!(lack(&queue, &rich, "claude"), None, "it is there");
        std::fs::write(queue.engine_sightings(), "no json").unwrap();
        assert_eq!(lack(&queue, &poor, "claude"), None);
        note_engines(&queue, &rich, SeenBy::RunLoop).unwrap();
        assert_eq!(EngineSightings::read(&queue).missed_by_loop(&rich), []);
        let why = "engine claude is not on the loop's PATH; it was at ~/bin/claude before";
        assert_eq!(lack(&queue, &poor, "claude").as_deref(), Some(why));
    }
}
