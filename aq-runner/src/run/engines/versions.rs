//! Asking the programs of engines for their versions, with the answers in a file of the queue: a
//! program that was asked is not asked again before it is another file.

use std::path::Path;
use std::time::Duration;

use aq_caps::ToolVersion;
use jiff::Timestamp;

use crate::engine::{EngineInfo, ProgramStamp, VersionAnswer, VersionQuestion};
use crate::store::{QueueDir, replace};

use crate::run::host::{ProbeError, ProbeOutput, ProbePolicy, find_version, run_all};
use crate::run::settings::QueueSettings;
use crate::run::version_answers::{ENTRIES_MAX, KnownAnswer, known_answers};

/// Time limit of one program: those that are JavaScript take seconds on a busy host.
const LIMIT: Duration = Duration::from_secs(10);

/// The choice of programs to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedPrograms {
    /// Those that were found on PATH, to know whether they are engines.
    OnPath,
    /// Those of them that were never asked, whatever they would say now: for one who has no time.
    New,
    /// All that are there, to know their versions.
    Installed,
}

/// Asks programs of engines for their versions, all at once, and lets the engines know. What was
/// asked before is not asked again, when there is a queue to remember it. With any policy but
/// [`ProbePolicy::CachedOnly`] this starts programs with arguments of the queue's config, so that
/// queue has to be trusted.
pub fn ask_engine_versions(
    queue: Option<&QueueDir>,
    settings: &QueueSettings,
    asked: AskedPrograms,
    policy: ProbePolicy,
) {
    if policy == ProbePolicy::CachedOnly {
        return;
    }
    let now = Timestamp::now();
    let mut questions = settings.engines.version_questions(asked == AskedPrograms::Installed);
    questions.sort_by(|a, b| (&a.program, &a.args).cmp(&(&b.program, &b.args)));
    questions.dedup();
    let mut known = queue.map(known_answers).unwrap_or_default();
    if policy == ProbePolicy::AsNeeded {
        let is_known = |question: &VersionQuestion| {
            known.iter().any(|known| match asked {
                AskedPrograms::New => known.is_of_same_file(question),
                AskedPrograms::OnPath | AskedPrograms::Installed => known.holds(question, now),
            })
        };
        questions.retain(|question| !is_known(question));
    }
    if questions.is_empty() {
        return;
    }
    let commands = questions.iter().map(|ask| (ask.program.clone(), ask.args.clone())).collect();
    let path = settings.environment.get("PATH").unwrap_or_default();
    for (question, answer) in questions.iter().zip(run_all(commands, &path, LIMIT)) {
        let is_old = |known: &KnownAnswer| known.is_of_same_file(question);
        let before = known.iter().find(|known| is_old(known)).map(|known| &known.answer.output);
        let output = match (answer, before) {
            // The same file answered before: a busy host does not lose what it knows.
            (Err(error), Some(before)) if error.may_pass() => before.clone(),
            (answer, _) => text_of(answer),
        };
        let Some(stamp) = ProgramStamp::of(&question.program) else { continue };
        let (program, args) = (question.program.clone(), question.args.clone());
        let answer = VersionAnswer { program, args, stamp, output };
        settings.engines.note_answer(answer.clone());
        known.retain(|known| !known.answer.is_to(question));
        known.push(KnownAnswer { answer, asked_at: now });
    }
    known.retain(|known| Path::new(&known.answer.program).exists());
    let from = known.len().saturating_sub(ENTRIES_MAX);
    if let Some(queue) = queue
        && let Ok(text) = serde_json::to_string_pretty(&known[from..])
    {
        // Without the file, the programs are asked again.
        let _ = replace(&queue.engine_versions(), text.as_bytes());
    }
}

/// A version of an engine that is newer than all that aq was tried with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntriedVersion {
    /// The one that is installed.
    pub installed: ToolVersion,
    /// The newest that aq was tried with.
    pub newest_tried: ToolVersion,
}

/// The version of an engine, as its program has answered.
pub fn engine_version(engine: &EngineInfo) -> Option<ToolVersion> {
    find_version(engine.answer.as_ref().filter(|_| engine.binary.is_ok())?)
}

/// The version of an engine, when it is newer than all that aq was tried with.
pub fn untried_version(engine: &EngineInfo) -> Option<UntriedVersion> {
    let installed = engine_version(engine)?;
    let newest_tried = engine.tried.iter().filter_map(|text| text.parse().ok()).max()?;
    (installed > newest_tried).then_some(UntriedVersion { installed, newest_tried })
}

/// A program that fails or says nothing proves nothing.
fn text_of(answer: Result<ProbeOutput, ProbeError>) -> String {
    let Ok(output) = answer else { return String::new() };
    let text = [output.stdout, output.stderr].into_iter().find(|text| !text.trim().is_empty());
    let mut text = text.unwrap_or_default();
    text.truncate(text.floor_char_boundary(2000));
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::engine::MissingBinary;
    use crate::run::ProcessEnvironment;
    use crate::store::testing::TestQueue;

    /// A directory of programs, and the settings of one who has it on PATH.
    struct ProgramsLab(tempfile::TempDir);

    impl ProgramsLab {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn put(&self, name: &str, script: &str) {
            let file = self.0.path().join(name);
            let dir = self.0.path().display();
            fs::write(&file, format!("#!/bin/sh\necho $0 >>{dir}/runs\n{script}\n")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }

        fn runs(&self) -> usize {
            let runs = fs::read_to_string(self.0.path().join("runs"));
            runs.unwrap_or_default().lines().count()
        }

        fn settings(&self, queue: &QueueDir, more: &[(&str, &str)]) -> QueueSettings {
            let path = format!("{}:/usr/bin:/bin", self.0.path().display());
            let variables = [("PATH", path.as_str())].into_iter().chain(more.iter().copied());
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            QueueSettings::load(queue, ProcessEnvironment::new(variables)).unwrap()
        }
    }

    fn ask(queue: &QueueDir, settings: &QueueSettings) {
        let policy = ProbePolicy::AsNeeded;
        ask_engine_versions(Some(queue), settings, AskedPrograms::OnPath, policy);
    }

    #[test]
    fn another_program_is_no_engine() {
        let (queue, programs) = (TestQueue::new(), ProgramsLab::new());
        programs.put("gemini", "echo goose version v3");
        programs.put("claude", "echo '2.1.332 (Claude Code)'");
        programs.put("opencode", "exit 3");
        programs.put("codex", "echo warning 1.2 >&2; echo codex-cli 0.171.0");
        let settings = programs.settings(&queue, &[]);
        assert!(settings.engines.installed("gemini").is_some(), "nobody has asked");
        ask(&queue, &settings);
        let error = settings.engines.binary("gemini").unwrap().unwrap_err();
        assert!(matches!(error, MissingBinary::OtherProgram { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("/gemini is not the engine gemini: asked for"), "{error}");
        assert!(error.contains("it says \"goose version v3\"; put the right"), "{error}");
        assert!(error.ends_with("GEMINI_BIN"), "{error}");
        for name in ["claude", "opencode", "codex"] {
            assert!(settings.engines.installed(name).is_some(), "{name}");
        }
        // Whoever comes next knows it, and asks nobody.
        let runs = programs.runs();
        let next = programs.settings(&queue, &[]);
        assert_eq!(next.engines.installed("gemini"), None);
        ask(&queue, &next);
        assert_eq!(programs.runs(), runs);
        let goose = programs.0.path().join("gemini");
        let named = programs.settings(&queue, &[("GEMINI_BIN", goose.to_str().unwrap())]);
        assert_eq!(named.engines.installed("gemini"), Some(goose), "it was named");
        programs.put("gemini", "echo 0.61.0");
        assert!(next.engines.installed("gemini").is_some(), "another file");
        ask(&queue, &next);
        assert!(next.engines.installed("gemini").is_some());
        assert_eq!(programs.runs(), runs + 1);
    }

    #[test]
    fn config_says_what_engine_answers() {
        let (queue, programs) = (TestQueue::new(), ProgramsLab::new());
        programs.put("gemini", "[ \"$1\" = -V ] && echo my own build");
        programs.put("codex", "echo something else");
        let config = "engines: {gemini: {version: {args: [-V], says: Own Build}}, \
                      codex: {version: {says: ''}}}";
        fs::write(queue.config(), config).unwrap();
        let settings = programs.settings(&queue, &[]);
        ask(&queue, &settings);
        assert!(settings.engines.installed("gemini").is_some());
        assert!(settings.engines.installed("codex").is_some());
        let change = config.replace("Own Build", "other");
        fs::write(queue.config(), change).unwrap();
        assert_eq!(programs.settings(&queue, &[]).engines.installed("gemini"), None);
    }

    #[test]
    fn versions_that_nobody_has_tried_are_told() {
        let (queue, programs) = (TestQueue::new(), ProgramsLab::new());
        for (answer, untried) in [
            ("2.1.332 (Claude Code)", None),
            ("2.1.100 (Claude Code)", None),
            ("2.2.0 (Claude Code)", Some("2.2.0 2.1.332")),
            ("Claude Code, at home", None),
        ] {
            programs.put("claude", &format!("echo '{answer}'"));
            let settings = programs.settings(&queue, &[]);
            ask(&queue, &settings);
            let info = settings.engines.info();
            let claude = info.iter().find(|engine| engine.name == "claude").unwrap();
            let told = untried_version(claude);
            let told = told.map(|found| format!("{} {}", found.installed, found.newest_tried));
            assert_eq!(told.as_deref(), untried, "{answer}");
        }
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let (queue, programs) = (TestQueue::new(), ProgramsLab::new());
        programs.put("gemini", "echo goose version v3");
        for text in ["", "[", "{}", "[{\"program\": 3}]"] {
            fs::write(queue.engine_versions(), text).unwrap();
            let settings = programs.settings(&queue, &[]);
            assert!(settings.engines.installed("gemini").is_some(), "{text}");
            ask(&queue, &settings);
            assert_eq!(settings.engines.installed("gemini"), None, "{text}");
        }
    }
}
