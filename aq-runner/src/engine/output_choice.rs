//! The choice of an engine's output: a format by its name, or a description.

use std::fmt;

use aq_manifest::nearest;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::builtin;
use super::description::OutputDescription;
use super::format::OutputFormat;

/// The choice of a reader for an engine's output, as `output` in config gives it: the name of a
/// format that aq knows, or a description of its events.
#[derive(Clone, Debug)]
pub struct OutputChoice(SettingChoice);

#[derive(Clone, Debug)]
enum SettingChoice {
    Named(String),
    Described(OutputFormat),
}

impl Default for OutputChoice {
    fn default() -> Self {
        Self::named("text")
    }
}

impl OutputChoice {
    /// The format of this name.
    pub fn named(name: &str) -> Self {
        Self(SettingChoice::Named(name.to_owned()))
    }

    /// The same for an engine of this name.
    ///
    /// # Errors
    /// No such format, or a description that cannot be used: the end of the key, and the problem.
    pub(super) fn named_for(&self, engine: &str) -> Result<Self, (String, String)> {
        match &self.0 {
            SettingChoice::Named(name) if builtin::is_format(name) => Ok(self.clone()),
            SettingChoice::Named(name) => {
                let known = builtin::format_names();
                let meant = nearest(name, known.iter().map(String::as_str));
                let meant =
                    meant.map_or(String::new(), |meant| format!(" (did you mean {meant}?)"));
                let problem = format!(
                    "{name:?} is none of {}{meant}, and no map that describes one",
                    known.join(", ")
                );
                Err((String::new(), problem))
            }
            SettingChoice::Described(format) => match format.problem() {
                Some((key, problem)) => Err((format!(".{key}"), problem.to_owned())),
                None => {
                    let output = OutputDescription::clone(format);
                    Ok(Self(SettingChoice::Described(OutputFormat::new(engine, output))))
                }
            },
        }
    }

    /// The format. One that aq brings along is read when it is first asked for.
    pub(super) fn format(&self) -> OutputFormat {
        match &self.0 {
            SettingChoice::Described(format) => format.clone(),
            SettingChoice::Named(name) => builtin::format(name)
                .unwrap_or_else(|| OutputFormat::new(name, OutputDescription::default())),
        }
    }
}

impl<'de> Deserialize<'de> for OutputChoice {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(ChoiceVisitor)
    }
}

struct ChoiceVisitor;

impl<'de> Visitor<'de> for ChoiceVisitor {
    type Value = OutputChoice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a format, or a map that describes one")
    }

    fn visit_str<E>(self, name: &str) -> Result<OutputChoice, E> {
        Ok(OutputChoice::named(name))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OutputChoice, A::Error> {
        let output = OutputDescription::deserialize(MapAccessDeserializer::new(map))?;
        Ok(OutputChoice(SettingChoice::Described(OutputFormat::new("", output))))
    }
}
