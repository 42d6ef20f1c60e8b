//! Settings of engines, and of repositories for them, that make unattended runs go wrong.
//!
//! What is known of an engine is data: files, keys in them, effects and mends. The texts come from
//! the caller, and strangers may have written them.

mod facts;
mod syntax;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::reason::short;
use facts::{ProgramDirectory, SettingsFacts, SettingsRule, UserPlace, facts};

/// The most pitfalls that are shown of one file.
const PITFALLS_MAX: usize = 30;

/// A setting that makes unattended runs go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnginePitfall {
    /// The file, the directory, or the variable.
    pub place: String,
    /// The key in the file, with dots; empty when it is the place as a whole.
    pub key: String,
    /// Effect on a job, with the program's name where it is needed.
    pub effect: String,
    /// Mend.
    pub mend: String,
}

/// A place to look at.
#[derive(Clone, Copy, Debug)]
enum PitfallPlace {
    Settings(&'static SettingsFacts),
    Directory(&'static ProgramDirectory),
}

/// A file or directory that an engine reads its settings from.
#[derive(Clone, Debug)]
pub struct SettingsPlace {
    /// Absolute.
    pub path: PathBuf,
    kind: PitfallPlace,
}

impl SettingsPlace {
    /// The endings of the files that count, when it is a directory.
    pub fn endings(&self) -> Option<&'static [String]> {
        match self.kind {
            PitfallPlace::Settings(_) => None,
            PitfallPlace::Directory(facts) => Some(&facts.endings),
        }
    }

    /// The pitfall of a directory in which such files are.
    pub fn of_directory(&self) -> Option<EnginePitfall> {
        let PitfallPlace::Directory(facts) = self.kind else { return None };
        Some(self.pitfall("", &facts.effect, &facts.mend))
    }

    /// A pitfall of a file that cannot be read, for this reason.
    pub fn of_unreadable(&self, why: &str) -> EnginePitfall {
        let effect = format!("it cannot be looked at: {why}");
        self.pitfall("", &effect, "check what the file is, its size and its mode")
    }

    /// The pitfalls in the text of a settings file.
    pub fn of_text(&self, text: &str) -> Vec<EnginePitfall> {
        let PitfallPlace::Settings(facts) = self.kind else { return Vec::new() };
        let settings = match facts.syntax.parse(text) {
            Ok(settings) => settings,
            Err(why) => {
                let broken = facts.broken.as_ref();
                let found = broken.map(|advice| {
                    let effect = format!("{} ({})", advice.effect, short(&why));
                    self.pitfall("", &effect, &advice.mend)
                });
                return found.into_iter().collect();
            }
        };
        let mut found = Vec::new();
        for rule in &facts.rules {
            let is_off =
                rule.unless.as_ref().is_some_and(|key| settings[key.as_str()] == Value::Bool(true));
            if is_off {
                continue;
            }
            let keys: Vec<&str> = rule.key.split('.').collect();
            visit(&settings, &keys, &mut Vec::new(), &mut |path, value| {
                if rule.applies(value) && found.len() < PITFALLS_MAX {
                    found.push(self.pitfall(&short(&path.join(".")), &rule.effect, &rule.mend));
                }
            });
        }
        found
    }

    fn pitfall(&self, key: &str, effect: &str, mend: &str) -> EnginePitfall {
        EnginePitfall {
            place: self.path.display().to_string(),
            key: key.to_owned(),
            effect: effect.to_owned(),
            mend: mend.to_owned(),
        }
    }
}

impl SettingsRule {
    fn applies(&self, value: &Value) -> bool {
        match &self.is {
            Some(values) => values.contains(value),
            None => match value {
                Value::Null | Value::Bool(false) => false,
                Value::String(text) => !text.is_empty() && text != "0",
                Value::Array(items) => !items.is_empty(),
                Value::Object(keys) => !keys.is_empty(),
                Value::Bool(true) | Value::Number(_) => true,
            },
        }
    }
}

/// Finds what a path of keys leads to; `*` is every key.
fn visit<'a>(
    value: &'a Value,
    keys: &[&str],
    path: &mut Vec<&'a str>,
    found: &mut dyn FnMut(&[&str], &Value),
) {
    let Some((key, rest)) = keys.split_first() else { return found(path, value) };
    for (name, below) in value.as_object().into_iter().flatten() {
        if *key == "*" || *key == name {
            path.push(name);
            visit(below, rest, path, found);
            path.pop();
        }
    }
}

impl UserPlace {
    fn path(&self, env: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let path = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let named = self.variable.as_deref().and_then(path);
        let dir = match (named, &self.home) {
            (Some(dir), _) => dir,
            (None, Some(below)) => path("HOME")?.join(below),
            (None, None) if self.file.starts_with('/') => PathBuf::new(),
            (None, None) => return None,
        };
        let path = if self.file.is_empty() { dir } else { dir.join(&self.file) };
        path.is_absolute().then_some(path)
    }
}

/// The places of settings of a built-in engine, the user's and those of a repository, whether they
/// are there or not.
pub(super) fn settings_places(
    engine: &str,
    env: &dyn Fn(&str) -> Option<OsString>,
    repository: Option<&Path>,
) -> Vec<SettingsPlace> {
    let mut places = Vec::new();
    let mut add = |user: &[UserPlace], below: &[String], kind: PitfallPlace| {
        let user = user.iter().filter_map(|place| place.path(env));
        let below = below.iter().filter_map(|file| Some(repository?.join(file)));
        places.extend(user.chain(below).map(|path| SettingsPlace { path, kind }));
    };
    let Some(facts) = facts(engine) else { return places };
    for facts in &facts.settings {
        add(&facts.user, &facts.repository, PitfallPlace::Settings(facts));
    }
    for facts in &facts.directories {
        add(&facts.user, &facts.repository, PitfallPlace::Directory(facts));
    }
    places
}

/// The pitfalls among variables that the engine would get.
pub(super) fn variable_pitfalls(
    engine: &str,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Vec<EnginePitfall> {
    let facts = facts(engine).map_or(&[][..], |facts| &facts.variables);
    let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty() && value != "0");
    let set = facts.iter().filter(|facts| is_set(&facts.name));
    let pitfall = |facts: &facts::VariableFacts| EnginePitfall {
        place: facts.name.clone(),
        key: String::new(),
        effect: facts.effect.clone(),
        mend: facts.mend.clone(),
    };
    set.map(pitfall).collect()
}

#[cfg(test)]
mod tests;
