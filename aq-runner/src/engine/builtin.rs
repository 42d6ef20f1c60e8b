//! The engines and output formats that aq brings along, each a file in `builtin/` in the language
//! of config.yaml.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::config::EngineChange;
use super::definition::EngineDefinition;
use super::description::OutputDescription;
use super::format::OutputFormat;
use super::identity::VersionCheck;
use super::output_choice::OutputChoice;

/// One built-in engine, or an output format alone, as the build script has put it together.
struct BuiltinEngine {
    name: &'static str,
    /// JSON of an [`EngineChange`], without a described output.
    definition: &'static str,
    /// JSON of an [`OutputDescription`], or `null`.
    output: &'static str,
}

const ENGINES: &[BuiltinEngine] = include!(concat!(env!("OUT_DIR"), "/builtin_engines.rs"));

/// Engines in the order in which a class tries them. The others come after them, by name.
const FIRST: [&str; 6] = ["devin", "claude", "codex", "gemini", "opencode", "copilot"];

/// Definition of an output format alone.
const NO_ENGINE: &str = "{}";

/// Output of any text, of which the exit code decides.
const TEXT: &str = "text";
/// The same of a program that has no vendor.
const EXIT_CODE: &str = "exit-code";

/// Names of the built-in engines, in the order in which a class tries them.
pub(super) fn names() -> Vec<&'static str> {
    let is_engine = |engine: &&BuiltinEngine| engine.definition != NO_ENGINE;
    let names = ENGINES.iter().filter(is_engine).map(|engine| engine.name);
    let others = names.filter(|name| !FIRST.contains(name));
    FIRST.into_iter().chain(others).collect()
}

/// Definition of a built-in engine.
pub(super) fn definition(name: &str) -> Option<EngineDefinition> {
    let engine = ENGINES.iter().find(|engine| engine.name == name)?;
    if engine.definition == NO_ENGINE {
        return None;
    }
    let change: EngineChange = serde_json::from_str(engine.definition)
        .unwrap_or_else(|error| unreachable!("the built-in engine {name}: {error}"));
    let mut base = EngineDefinition::named(name);
    // A program of the system is no other's.
    if !change.bin.as_ref().is_some_and(|bin| bin.starts_with('/')) {
        base.version = Some(VersionCheck::default());
    }
    if engine.output != "null" {
        base.output = OutputChoice::named(&format_name(engine.name));
    }
    let mut definition = change
        .apply(name, base)
        .unwrap_or_else(|error| unreachable!("the built-in engine {name}: {error}"));
    definition.program_from_config = false;
    Some(definition)
}

/// Names of the formats that `output` in config can name.
pub(super) fn format_names() -> Vec<String> {
    let named = ENGINES.iter().map(|engine| format_name(engine.name));
    let has_events = |name: &String| format(name).is_some_and(|format| format.has_events());
    let simple = [TEXT.to_owned(), EXIT_CODE.to_owned()];
    simple.into_iter().chain(named.filter(has_events)).collect()
}

/// Tests for the name of a format, without reading it.
pub(super) fn is_format(name: &str) -> bool {
    let described = |engine: &BuiltinEngine| {
        engine.output != "null" && name.strip_prefix("jsonl-") == Some(engine.name)
    };
    matches!(name, TEXT | EXIT_CODE) || ENGINES.iter().any(described)
}

/// The format of this name, read once.
pub(super) fn format(name: &str) -> Option<OutputFormat> {
    static READ: Mutex<BTreeMap<String, OutputFormat>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if !is_format(name) {
        return None;
    }
    if let Some(format) = read.get(name) {
        return Some(format.clone());
    }
    let output = match name {
        TEXT => OutputDescription::default(),
        EXIT_CODE => OutputDescription::without_vendor(),
        _ => {
            let engine = ENGINES.iter().find(|engine| format_name(engine.name) == name)?;
            serde_json::from_str(engine.output)
                .unwrap_or_else(|error| unreachable!("the output of {name}: {error}"))
        }
    };
    let format = OutputFormat::new(name, output);
    read.insert(name.to_owned(), format.clone());
    Some(format)
}

/// Name of the format of a built-in engine.
fn format_name(engine: &str) -> String {
    format!("jsonl-{engine}")
}

#[cfg(test)]
mod tests;
