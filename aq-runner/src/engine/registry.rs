//! All engines of this host.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::binary::{MissingBinary, Places};
use super::builtin;
use super::candidates::{Classes, NoCandidates, NoSuchEngine, of_class};
use super::command::{CommandError, EngineCommand, Invocation, build};
use super::config::{EngineConfig, EngineConfigError, classes};
use super::definition::Definition;
use super::records::Records;

/// The built-in engines with config's changes, and the engines that config adds.
#[derive(Debug)]
pub struct Registry {
    engines: BTreeMap<String, Engine>,
    classes: Classes,
    places: Places,
    /// The union of what engines set for their own children.
    child_env: Vec<OsString>,
}

#[derive(Debug)]
struct Engine {
    definition: Definition,
    /// The value of `<NAME>_BIN`.
    bin: Option<OsString>,
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
}

impl Registry {
    /// Puts config over the built-in engines. `env` is asked for PATH, HOME and `<NAME>_BIN`.
    ///
    /// # Errors
    /// A bad engine or class in config, with the key and what was expected.
    pub fn new(
        config: &EngineConfig,
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, EngineConfigError> {
        let mut definitions = BTreeMap::new();
        for (name, definition) in builtin::engines() {
            definitions.insert(name.to_owned(), definition);
        }
        for (name, change) in &config.engines {
            let base = definitions.remove(name).unwrap_or_else(|| Definition::named(name));
            definitions.insert(name.clone(), change.apply(name, base)?);
        }
        let classes = classes(config, &definitions)?;
        let mut child_env: Vec<OsString> =
            definitions.values().flat_map(|engine| &engine.child_env).map(OsString::from).collect();
        child_env.sort();
        child_env.dedup();
        let engine = |(name, definition): (String, Definition)| {
            let bin = env(&variable(&name)).filter(|value| !value.is_empty());
            (name, Engine { definition, bin })
        };
        Ok(Self {
            engines: definitions.into_iter().map(engine).collect(),
            classes,
            places: Places { path: env("PATH"), home: env("HOME") },
            child_env,
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

    /// Every engine's name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.engines.keys().map(String::as_str)
    }

    /// Every engine, sorted by name.
    pub fn info(&self) -> Vec<EngineInfo> {
        let info = |(name, engine): (&String, &Engine)| EngineInfo {
            name: name.clone(),
            classes: self.classes_of(name),
            binary: self.locate(name, engine),
            variable: variable(name),
        };
        self.engines.iter().map(info).collect()
    }

    /// Whether the engine can go on with a session of its own.
    pub fn can_resume(&self, name: &str) -> bool {
        self.engines.get(name).is_some_and(|engine| !engine.definition.resume_args.is_empty())
    }

    /// What to start for a job on engine `name`.
    ///
    /// # Errors
    /// No such engine, its program is missing, or an argument that cannot be passed.
    pub fn command(&self, name: &str, job: &Invocation<'_>) -> Result<EngineCommand, CommandError> {
        let engine = self.engine(name)?;
        let program = self.locate(name, engine)?;
        build(name, &engine.definition, program, self.child_env.clone(), job)
    }

    /// The reader of a run's output on engine `name`.
    ///
    /// # Errors
    /// No such engine.
    pub fn records(&self, name: &str) -> Result<Records, NoSuchEngine> {
        Ok(Records::new(name, self.engine(name)?.definition.output))
    }

    fn engine(&self, name: &str) -> Result<&Engine, NoSuchEngine> {
        self.engines.get(name).ok_or_else(|| NoSuchEngine {
            name: name.to_owned(),
            known: self.engines.keys().cloned().collect(),
        })
    }

    fn classes_of(&self, name: &str) -> Vec<String> {
        let holds = |(_, members): &(&String, &Vec<String>)| members.iter().any(|m| m == name);
        self.classes.iter().filter(holds).map(|(class, _)| class.clone()).collect()
    }

    fn locate(&self, name: &str, engine: &Engine) -> Result<PathBuf, MissingBinary> {
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

/// `<NAME>_BIN`: upper case, `_` for `-`.
fn variable(engine: &str) -> String {
    format!("{}_BIN", engine.to_ascii_uppercase().replace('-', "_"))
}
