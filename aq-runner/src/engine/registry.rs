//! All engines of this host.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use aq_manifest::env_reference;
use sha2::{Digest as _, Sha256};

use super::binary::{MissingBinary, SearchPlaces};
use super::builtin;
use super::candidates::{Classes, NoCandidates, NoSuchEngine, of_class};
use super::command::{
    CommandError, EngineCommand, EngineInvocation, build, can_resume, resumed_session, whole_prompt,
};
use super::config::{EngineConfig, EngineConfigError, classes};
use super::cooldowns::EngineAccount;
use super::definition::{EngineDefinition, PromptBy};
use super::identity::{VersionAnswer, VersionAnswers, VersionQuestion, first_line};
use super::login::{LoginPlaces, login_places};
use super::pitfalls::{EnginePitfall, SettingsPlace, settings_places, variable_pitfalls};
use super::records::EventReader;
use super::session::is_session_id;
use super::steps::StepLog;
use super::usage::{LeftBehind, RunTokens, SessionTotal, SettledUsage};
use super::verdict::{EndedBy, ProcessExit, RunVerdict};

/// The built-in engines with config's changes, and the engines that config adds.
#[derive(Debug)]
pub struct EngineRegistry {
    engines: BTreeMap<String, EngineEntry>,
    classes: Classes,
    places: SearchPlaces,
    /// The union over all engines.
    child_env: Vec<OsString>,
    answers: VersionAnswers,
}

#[derive(Debug)]
struct EngineEntry {
    definition: EngineDefinition,
    /// The value of `<NAME>_BIN`.
    bin: Option<OsString>,
    /// The built-in engine that it is like.
    like: Option<String>,
}

/// One engine, as `aq engines` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its name.
    pub name: String,
    /// The classes it is in; none means that only an explicit `engine` runs it.
    pub classes: Vec<String>,
    /// Its program, or why there is none.
    pub binary: Result<PathBuf, MissingBinary>,
    /// The environment variable that names another program.
    pub variable: String,
    /// The first line of what the program answers when it is asked for its version, when it was.
    pub answer: Option<String>,
    /// The versions that aq was tried with.
    pub tried: Vec<String>,
}

impl EngineRegistry {
    /// Puts config over the built-in engines. `env` is asked for PATH, HOME and `<NAME>_BIN`.
    ///
    /// # Errors
    /// A bad engine or class in config, with the key and what was expected.
    pub fn new(
        config: &EngineConfig,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, EngineConfigError> {
        let mut definitions = BTreeMap::new();
        for name in builtin::names() {
            definitions.extend(builtin::definition(name).map(|it| (name.to_owned(), it)));
        }
        for (name, change) in &config.engines {
            let base = change.base(name)?.or_else(|| definitions.remove(name));
            let base = base.unwrap_or_else(|| EngineDefinition::named(name));
            definitions.insert(name.clone(), change.apply(name, base)?);
        }
        let classes = classes(config, &definitions)?;
        let mut child_env: Vec<OsString> =
            definitions.values().flat_map(|engine| &engine.child_env).map(OsString::from).collect();
        child_env.sort();
        child_env.dedup();
        let bin = |name: &str| env(&variable(name)).filter(|value| !value.is_empty());
        let home = env("HOME");
        let engine = |(name, mut definition): (String, EngineDefinition)| {
            in_home(&mut definition.env, home.as_deref());
            let like = config.engines.get(&name).and_then(|change| change.like.clone());
            // The program of the engine that it is like is its own, unless it has another.
            let base = like.as_deref().filter(|_| !definition.program_from_config);
            let bin = bin(&name).or_else(|| base.and_then(bin));
            (name, EngineEntry { definition, bin, like })
        };
        Ok(Self {
            engines: definitions.into_iter().map(engine).collect(),
            classes,
            places: SearchPlaces { path: env("PATH"), home: env("HOME") },
            child_env,
            answers: VersionAnswers::default(),
        })
    }

    /// The engines that a job may run on, best first: the explicit one alone, else the members of
    /// its class, those in `prefers` first and in that order. A preferred engine that is not in the
    /// class (or does not exist) is passed over: `prefers-engine` orders, `engine-class` decides.
    /// Whether an engine is installed plays no part here.
    ///
    /// # Errors
    /// No engine, or no class, of that name.
    pub fn candidates(
        &self,
        engine: Option<&str>,
        class: &str,
        prefers: &[String],
    ) -> Result<Vec<String>, NoCandidates> {
        match engine {
            Some(name) => {
                self.engine(name)?;
                Ok(vec![name.to_owned()])
            }
            None => Ok(of_class(&self.classes, class, prefers)?),
        }
    }

    /// The engine's program, absolute, when it is there now: looked up anew at every call.
    pub fn installed(&self, name: &str) -> Option<PathBuf> {
        self.locate(name, self.engines.get(name)?).ok()
    }

    /// The engine's program, or why it is not there; `None` for no engine of that name.
    pub fn binary(&self, name: &str) -> Option<Result<PathBuf, MissingBinary>> {
        Some(self.locate(name, self.engines.get(name)?))
    }

    /// The program of the system that a built-in engine is, where nothing names another one.
    pub fn system_program(&self, name: &str) -> Option<&str> {
        let engine = self.engines.get(name).filter(|engine| engine.bin.is_none())?;
        let definition = &engine.definition;
        let is_of_system = !definition.program_from_config && definition.program.starts_with('/');
        is_of_system.then_some(definition.program.as_str())
    }

    /// Every engine's name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.engines.keys().map(String::as_str)
    }

    /// Every engine, sorted by name.
    pub fn info(&self) -> Vec<EngineInfo> {
        let info = |(name, engine): (&String, &EngineEntry)| EngineInfo {
            name: name.clone(),
            classes: self.classes_of(name),
            binary: self.locate(name, engine),
            variable: variable(name),
            answer: self.answer(name, engine).map(|answer| first_line(&answer)),
            tried: engine.definition.tried.clone(),
        };
        self.engines.iter().map(info).collect()
    }

    /// The programs to be asked for their versions: those that were found on PATH by an engine's
    /// name, or `all` that are there.
    pub fn version_questions(&self, all: bool) -> Vec<VersionQuestion> {
        let asked = self.engines.iter().filter(|(_, engine)| all || !engine.is_named_by_user());
        asked.filter_map(|(name, engine)| self.question(name, engine)).collect()
    }

    /// Takes in what a program has answered. From now on one that is another program than its name
    /// says is not installed.
    pub fn note_answer(&self, answer: VersionAnswer) {
        self.answers.note(answer);
    }

    fn question(&self, name: &str, engine: &EngineEntry) -> Option<VersionQuestion> {
        let args = engine.definition.version.as_ref()?.args.clone();
        let program = self.find(name, engine).ok()?;
        Some(VersionQuestion { program, args })
    }

    fn answer(&self, name: &str, engine: &EngineEntry) -> Option<String> {
        self.answers.of(&self.question(name, engine)?)
    }

    /// Tests for an engine that can go on with a session of its own.
    pub fn can_resume(&self, name: &str) -> bool {
        self.engines.get(name).is_some_and(|engine| can_resume(&engine.definition))
    }

    /// The session that a run of the engine goes on with, of one that may be its own.
    pub fn resumed<'a>(&self, name: &str, session: Option<&'a str>) -> Option<&'a str> {
        resumed_session(&self.engines.get(name)?.definition, session)
    }

    /// The whole prompt of a run, byte for byte as [`Self::command`] passes it on.
    ///
    /// # Errors
    /// No such engine.
    pub fn prompt(&self, name: &str, job: &EngineInvocation<'_>) -> Result<String, NoSuchEngine> {
        Ok(whole_prompt(&self.engine(name)?.definition, job))
    }

    /// Tests for an engine whose prompt is a script, which gets its feedback in a file.
    pub fn runs_scripts(&self, name: &str) -> bool {
        self.engines.get(name).is_some_and(|engine| engine.definition.prompt == PromptBy::Script)
    }

    /// Tests for an engine that prints records of its own, and no plain text.
    pub fn prints_records(&self, name: &str) -> bool {
        self.engines.get(name).is_some_and(|engine| engine.definition.output.format().has_events())
    }

    /// Tests for an engine of a vendor's of which nothing but its exit code says how a run went.
    pub fn is_judged_by_exit_code(&self, name: &str) -> bool {
        self.engines.get(name).is_some_and(|engine| {
            let format = engine.definition.output.format();
            !format.has_events() && !format.stderr_of_others
        })
    }

    /// Returns the command for a job on engine `name`.
    ///
    /// # Errors
    /// No such engine, its program is missing, or an argument that cannot be passed.
    pub fn command(
        &self,
        name: &str,
        job: &EngineInvocation<'_>,
    ) -> Result<EngineCommand, CommandError> {
        let engine = self.engine(name)?;
        let program = self.locate(name, engine)?;
        build(name, &engine.definition, program, job)
    }

    /// Variables that engines set for their own children, or that make one wait in its slot: of all
    /// engines, sorted, for no program of a job to inherit.
    pub fn child_env(&self) -> &[OsString] {
        &self.child_env
    }

    /// The reader of a run's output on engine `name`.
    ///
    /// # Errors
    /// No such engine.
    pub fn records(&self, name: &str) -> Result<EventReader, NoSuchEngine> {
        Ok(EventReader::new(name, self.engine(name)?.definition.output.format()))
    }

    /// As [`Self::records`], of a run of this command: one that works with other permissions than
    /// asked for is no success.
    ///
    /// # Errors
    /// No such engine.
    pub fn records_of(
        &self,
        name: &str,
        command: &EngineCommand,
    ) -> Result<EventReader, NoSuchEngine> {
        Ok(self.records(name)?.of_command(command))
    }

    /// Tests for an engine `name` whose output can be read as steps.
    pub fn has_steps(&self, name: &str) -> bool {
        self.engines
            .get(name)
            .is_some_and(|engine| engine.definition.output.format().steps.is_some())
    }

    /// A reader of a job's log that keeps the last `most` steps, on any of the engines.
    pub fn steps(&self, most: usize) -> StepLog {
        let readable = self.engines.iter().filter(|(name, _)| self.has_steps(name));
        let format = |(name, engine): (&String, &EngineEntry)| {
            (name.clone(), engine.definition.output.format())
        };
        StepLog::new(readable.map(format).collect(), most)
    }

    /// Returns the usage of a run on engine `name`, for meta, and the session's total to keep for
    /// its next run. `resumed` is the session that the run went on with, `previous` the last total
    /// that was kept. Reads what the engine left on disk when its output does not name numbers or
    /// model.
    pub fn usage(
        &self,
        name: &str,
        verdict: &RunVerdict,
        files: &LeftBehind<'_>,
        resumed: Option<&str>,
        previous: Option<&SessionTotal>,
    ) -> SettledUsage {
        let format = self.engines.get(name).map(|engine| engine.definition.output.format());
        let session = verdict.session_id.as_deref().or(resumed).filter(|id| is_session_id(id));
        let lacks = verdict.usage.lacks_records() || verdict.model.is_none();
        let env = |variable: &str| self.variable(name, variable, files.env);
        let files = LeftBehind { env: &env, ..*files };
        let on_disk =
            format.filter(|_| lacks).and_then(|format| format.left_behind(&files, session));
        verdict.usage.settle(on_disk, session, resumed, previous)
    }

    /// Reads the usage in the log of one run, for an engine that is known or any text. Totals of
    /// sessions count as they are.
    pub fn parse_usage(&self, name: &str, log: &str) -> RunTokens {
        let output = self.engines.get(name).map(|engine| engine.definition.output.clone());
        let format = output.unwrap_or_default().format();
        let mut records = EventReader::new(name, format);
        records.stdout(log.as_bytes());
        let verdict = records.verdict(ProcessExit::Code(0), EndedBy::Engine);
        verdict.usage.settle(None, None, None, None).run
    }

    /// The signs that somebody has signed in to an engine; `None` when they are not known.
    pub fn login_places(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<LoginPlaces> {
        let own = |variable: &str| self.variable(name, variable, env);
        login_places(&self.engines.get(name)?.definition, &own)
    }

    /// The places of the engine's settings: the user's, and those of a repository for it.
    pub fn settings_places(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<OsString>,
        repository: Option<&Path>,
    ) -> Vec<SettingsPlace> {
        let own = |variable: &str| self.variable(name, variable, env);
        settings_places(self.base(name), &own, repository)
    }

    /// The variables with which runs of the engine go wrong, of those that it would get.
    pub fn variable_pitfalls(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Vec<EnginePitfall> {
        let own = |variable: &str| self.variable(name, variable, env);
        variable_pitfalls(self.base(name), &own)
    }

    /// The built-in engine that an engine is, or is like.
    fn base<'a>(&'a self, name: &'a str) -> &'a str {
        self.engines.get(name).and_then(|engine| engine.like.as_deref()).unwrap_or(name)
    }

    /// Which account engine `name` works with in this environment: limits are counted by it. It is
    /// `default`, or a hash over the variables that choose an account; no secret can be read out of
    /// it.
    pub fn account(&self, name: &str, env: &dyn Fn(&str) -> Option<OsString>) -> EngineAccount {
        let variables = self.engines.get(name).map_or(&[][..], |e| &e.definition.account_env);
        let mut hash = Sha256::new();
        let mut is_default = true;
        for variable in variables {
            let value = self.variable(name, variable, env);
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                is_default = false;
                hash.update(variable);
                hash.update([0]);
                hash.update(value.as_encoded_bytes());
                hash.update([0]);
            }
        }
        let account = match is_default {
            true => "default".to_owned(),
            false => hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        EngineAccount { engine: name.to_owned(), account }
    }

    /// The value of a variable in the environment of the engine's program, as far as the job does
    /// not set it: the engine's own, else the user's.
    pub fn variable(
        &self,
        name: &str,
        variable: &str,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Option<OsString> {
        let own = self.engines.get(name).and_then(|engine| engine.definition.env.get(variable));
        match own {
            None => env(variable),
            Some(value) => match env_reference(value) {
                Some(reference) => env(reference),
                None => Some(value.into()),
            },
        }
    }

    fn engine(&self, name: &str) -> Result<&EngineEntry, NoSuchEngine> {
        self.engines.get(name).ok_or_else(|| NoSuchEngine {
            name: name.to_owned(),
            known: self.engines.keys().cloned().collect(),
        })
    }

    fn classes_of(&self, name: &str) -> Vec<String> {
        let holds = |(_, members): &(&String, &Vec<String>)| members.iter().any(|m| m == name);
        self.classes.iter().filter(holds).map(|(class, _)| class.clone()).collect()
    }

    /// The one place that decides whether an engine is installed.
    fn locate(&self, name: &str, engine: &EngineEntry) -> Result<PathBuf, MissingBinary> {
        let path = self.find(name, engine)?;
        let EngineDefinition { version, program, .. } = &engine.definition;
        if let Some(check) = version.as_ref().filter(|_| !engine.is_named_by_user())
            && let Some(answer) = self.answer(name, engine)
            && !check.accepts(&[name, program], &answer)
        {
            return Err(MissingBinary::OtherProgram {
                engine: name.to_owned(),
                path,
                answer: first_line(&answer),
                variable: variable(name),
            });
        }
        Ok(path)
    }

    fn find(&self, name: &str, engine: &EngineEntry) -> Result<PathBuf, MissingBinary> {
        let variable = variable(name);
        if let Some(bin) = &engine.bin {
            return self.places.find(bin, &variable, &variable);
        }
        let definition = &engine.definition;
        let named_by = match definition.program_from_config {
            true => format!("`bin` of engine {name} in config.yaml"),
            false => format!("engine {name}"),
        };
        self.places.find(definition.program.as_ref(), &named_by, &variable)
    }
}

impl EngineEntry {
    /// A program that somebody has named is believed.
    fn is_named_by_user(&self) -> bool {
        self.bin.is_some() || self.definition.program_from_config
    }
}

/// Puts the home directory in place of `~/` at the beginning of values.
fn in_home(env: &mut BTreeMap<String, String>, home: Option<&OsStr>) {
    let Some(home) = home.and_then(OsStr::to_str) else { return };
    for value in env.values_mut() {
        if let Some(below) = value.strip_prefix("~/") {
            *value = format!("{home}/{below}");
        }
    }
}

/// `<NAME>_BIN`: upper case, `_` for `-`.
fn variable(engine: &str) -> String {
    format!("{}_BIN", engine.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests;
