//! How the value of each key is read, checked and described: one type for each kind of value.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use aq_caps::{Requirement, RequirementError};
use serde_json::{Value as Json, json};

use crate::reader::Reader;
use crate::words::Word;
use crate::yaml::{Node, Value};
use crate::{Backoff, Budget, FailureClass, JobId, Retry, ScopeSet};

/// Bytes of a shell command: Linux passes at most 128 KiB in one argument.
const MAX_COMMAND: usize = 64 << 10;
/// Bytes of a path, a lock or a model's name: the longest path of Linux.
const MAX_LINE: usize = 4096;
/// Bytes of a key, a requirement or a glob.
const MAX_WORD: usize = 256;
/// Bytes of an engine's name.
const MAX_NAME: usize = 64;
const MAX_DEPS: usize = 1000;
const MAX_ITEMS: usize = 256;
const MAX_ATTEMPTS: u64 = 1000;
const MAX_FACTOR: f64 = 100.0;
/// The longest pause when a growing backoff does not say.
const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(3600);
const DEFAULT_FACTOR: f64 = 2.0;

/// A kind of value.
pub(crate) trait Kind {
    type Value;

    /// Reads the value; `None` when it is wrong, which the reader has been told.
    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Self::Value>;

    /// The JSON Schema of what `read` takes.
    fn schema() -> Json;
}

/// An engine, or a class of them: `[a-z0-9][a-z0-9_-]*`.
pub(crate) struct Name;
/// Names, or one of them.
pub(crate) struct Names;
/// A profile: its file's stem, so the grammar is that of job ids.
pub(crate) struct ProfileName;
/// Text of one line.
pub(crate) struct Line;
/// A name that people choose: text without control characters.
pub(crate) struct Label;
/// A list of labels.
pub(crate) struct Labels;
/// Text of any form.
pub(crate) struct Text;
/// A list of texts.
pub(crate) struct Texts;
/// A shell command.
pub(crate) struct Command;
pub(crate) struct Bool;
/// A whole number, not negative.
pub(crate) struct Whole;
/// A duration of at least a second.
pub(crate) struct Pause;
/// One of the words of an enum.
pub(crate) struct Choice<W>(PhantomData<W>);
pub(crate) struct Requirements;
pub(crate) struct Globs;
pub(crate) struct RetryRule;
pub(crate) struct Limits;
pub(crate) struct Environment;

impl Kind for Name {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.text(node, "a name")?;
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.starts_with(letter)
            && text.chars().all(|c| letter(c) || matches!(c, '_' | '-'))
            && text.len() <= MAX_NAME;
        if !good {
            let help = format!(
                "a name has small letters, digits, `_` and `-`, at most {MAX_NAME} of them, and \
                 starts with a letter or digit"
            );
            reader.error(node, "is not a name", Some(help));
        }
        good.then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$", "maxLength": MAX_NAME})
    }
}

impl Kind for Names {
    type Value = Vec<String>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        match &node.value {
            Value::List(_) => reader.list::<Name>(node, MAX_ITEMS),
            _ => Name::read(node, reader).map(|name| vec![name]),
        }
    }

    fn schema() -> Json {
        json!({"oneOf": [Name::schema(), list_schema(&Name::schema(), MAX_ITEMS)]})
    }
}

impl Kind for ProfileName {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.text(node, "a profile's name")?;
        match JobId::new(text) {
            Ok(_) => Some(text.to_owned()),
            Err(_) => {
                let help = "a profile's name has letters, digits, `.`, `_` and `-`, at most 128 \
                            of them, and starts with a letter or digit";
                reader.error(node, "is not a profile's name", Some(help.into()));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"})
    }
}

impl Kind for Line {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.text(node, "text")?;
        reader.check_line(node, text, MAX_LINE).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_LINE})
    }
}

impl Kind for Label {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.any_scalar(node, "text")?;
        reader.check_line(node, text, MAX_WORD).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": MAX_WORD})
    }
}

impl Kind for Labels {
    type Value = Vec<String>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        reader.list::<Label>(node, MAX_DEPS)
    }

    fn schema() -> Json {
        list_schema(&Label::schema(), MAX_DEPS)
    }
}

impl Kind for Text {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.any_scalar(node, "text")?;
        reader.check_length(node, text, MAX_COMMAND).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "number", "boolean"], "maxLength": MAX_COMMAND})
    }
}

impl Kind for Texts {
    type Value = Vec<String>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        reader.list::<Text>(node, MAX_ITEMS)
    }

    fn schema() -> Json {
        list_schema(&Text::schema(), MAX_ITEMS)
    }
}

impl Kind for Command {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        // `true` and `false` are commands before they are booleans.
        let text = match reader.as_bool(node) {
            Some(value) => {
                if value {
                    "true"
                } else {
                    "false"
                }
            }
            None => reader.text(node, "a shell command")?,
        };
        if text.trim().is_empty() {
            let help = format!("remove `{}` to run nothing", reader.key());
            reader.error(node, "is an empty command", Some(help));
            return None;
        }
        reader.check_length(node, text, MAX_COMMAND).then(|| text.to_owned())
    }

    fn schema() -> Json {
        json!({"type": ["string", "boolean"], "minLength": 1, "maxLength": MAX_COMMAND})
    }
}

impl Kind for Bool {
    type Value = bool;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<bool> {
        let value = reader.as_bool(node);
        if value.is_none() {
            reader.wrong_type(node, "`true` or `false`", Some("without quotes".into()));
        }
        value
    }

    fn schema() -> Json {
        json!({"type": "boolean"})
    }
}

impl Kind for Whole {
    type Value = u64;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<u64> {
        let value = reader.plain(node).and_then(|text| text.parse().ok());
        if value.is_none() {
            reader.wrong_type(node, "a whole number, not negative", None);
        }
        value
    }

    fn schema() -> Json {
        json!({"type": "integer", "minimum": 0})
    }
}

impl Kind for Pause {
    type Value = Duration;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
        let duration = reader.duration(node)?;
        if duration.is_zero() {
            reader.error(node, "is zero", Some("write at least `1s`".into()));
            return None;
        }
        Some(duration)
    }

    fn schema() -> Json {
        duration_schema()
    }
}

impl<W: Word> Kind for Choice<W> {
    type Value = W;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<W> {
        let words = W::all().iter().map(|value| value.word());
        let Some(text) = reader.scalar(node) else {
            reader.wrong_type(node, &alternatives(words), None);
            return None;
        };
        let found = W::all().iter().copied().find(|value| value.word() == text);
        if found.is_none() {
            reader.unknown_word(node, text, W::WHAT, words);
        }
        found
    }

    fn schema() -> Json {
        json!({"enum": W::all().iter().map(|value| value.word()).collect::<Vec<_>>()})
    }
}

impl Kind for Requirements {
    type Value = Vec<Requirement>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<Requirement>> {
        reader.list::<OneRequirement>(node, MAX_ITEMS)
    }

    fn schema() -> Json {
        list_schema(&OneRequirement::schema(), MAX_ITEMS)
    }
}

struct OneRequirement;

impl Kind for OneRequirement {
    type Value = Requirement;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Requirement> {
        let text = reader.text(node, "a requirement")?;
        match text.parse() {
            Ok(requirement) => Some(requirement),
            Err(RequirementError { at, problem }) => {
                reader.error_within(node, at, &problem.to_string(), problem.mend());
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

impl Kind for Globs {
    type Value = Vec<String>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
        reader.list::<Glob>(node, MAX_ITEMS)
    }

    fn schema() -> Json {
        list_schema(&Glob::schema(), MAX_ITEMS)
    }
}

struct Glob;

impl Kind for Glob {
    type Value = String;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let text = reader.text(node, "a glob")?;
        if !reader.check_line(node, text, MAX_WORD) {
            return None;
        }
        match ScopeSet::new(&[text]) {
            Ok(_) => Some(text.to_owned()),
            Err(error) => {
                reader.error(node, &error.problem, Some(error.help.into()));
                None
            }
        }
    }

    fn schema() -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": MAX_WORD})
    }
}

impl Kind for RetryRule {
    type Value = Retry;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Retry> {
        let map = reader.fields(node, ["max", "backoff", "on"], "write `retry: {max: 3}`")?;
        let [max, backoff, on] = map;
        let backoff = backoff.map_or(Some(Backoff::default()), |node| read_backoff(node, reader));
        let on = on.map_or(Some(FailureClass::ALL.to_vec()), |node| match &node.value {
            Value::List(_) => reader.list::<Choice<FailureClass>>(node, MAX_ITEMS),
            _ => Choice::<FailureClass>::read(node, reader).map(|class| vec![class]),
        });
        let Some(max) = max else {
            let help = "add `max`, the number of attempts in all";
            reader.error(node, "does not say how often", Some(help.into()));
            return None;
        };
        let max = Whole::read(max, reader).and_then(|n| {
            let good = (1..=MAX_ATTEMPTS).contains(&n);
            if !good {
                let help =
                    format!("`max` is the number of attempts in all, from 1 to {MAX_ATTEMPTS}");
                reader.error(max, "is out of range", Some(help));
            }
            good.then(|| u32::try_from(n).ok()).flatten()
        })?;
        Some(Retry { max, backoff: backoff?, on: on? })
    }

    fn schema() -> Json {
        let class = Choice::<FailureClass>::schema();
        json!({
            "type": "object",
            "required": ["max"],
            "properties": {
                "max": {
                    "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS,
                    "description": "Attempts in all, the first one included."
                },
                "backoff": {
                    "description": "The pause before each further attempt.",
                    "default": "30s",
                    "oneOf": [duration_schema(), {
                        "type": "object",
                        "required": ["initial"],
                        "properties": {
                            "initial": duration_schema(),
                            "factor": {
                                "type": "number", "minimum": 1, "maximum": MAX_FACTOR,
                                "default": DEFAULT_FACTOR
                            },
                            "max": duration_schema()
                        }
                    }]
                },
                "on": {
                    "description": "The failures that are tried again.",
                    "default": Choice::<FailureClass>::schema()["enum"],
                    "oneOf": [&class, {"type": "array", "items": &class}]
                }
            }
        })
    }
}

fn read_backoff(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Backoff> {
    if !matches!(node.value, Value::Map(_)) {
        return reader.duration(node).map(Backoff::fixed);
    }
    let help = "write `backoff: {initial: 30s, factor: 2, max: 10m}`";
    let [initial, factor_node, max_node] =
        reader.fields(node, ["initial", "factor", "max"], help)?;
    let factor = factor_node.map_or(Some(DEFAULT_FACTOR), |node| {
        let factor = reader.number(node)?;
        let good = (1.0..=MAX_FACTOR).contains(&factor);
        if !good {
            reader.error(node, "is out of range", Some(format!("1 to {MAX_FACTOR}")));
        }
        good.then_some(factor)
    });
    let max = max_node.map_or(Some(None), |node| reader.duration(node).map(Some));
    let Some(initial) = initial else {
        reader.error(node, "has no `initial` pause", Some(help.into()));
        return None;
    };
    let initial = reader.duration(initial)?;
    let max = max?.unwrap_or(DEFAULT_MAX_BACKOFF.max(initial));
    if max < initial {
        let help = "`max` is the longest pause and cannot be below `initial`";
        reader.error(max_node.unwrap_or(node), "is too short", Some(help.into()));
        return None;
    }
    Some(Backoff { initial, factor: factor?, max })
}

impl Kind for Limits {
    type Value = Budget;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Budget> {
        let help = "write `budget: {usd: 2.5, tokens: 500000, turns: 40}`, any of the three";
        let [usd, tokens, turns] = reader.fields(node, ["usd", "tokens", "turns"], help)?;
        let usd = usd.map_or(Some(None), |node| {
            let usd = reader.number(node)?;
            if usd < 0.0 {
                reader.error(node, "is negative", Some("write 0 or more".into()));
            }
            (usd >= 0.0).then_some(Some(usd))
        });
        let tokens = tokens.map_or(Some(None), |node| Whole::read(node, reader).map(Some));
        let turns = turns.map_or(Some(None), |node| Whole::read(node, reader).map(Some));
        Some(Budget { usd: usd?, tokens: tokens?, turns: turns? })
    }

    fn schema() -> Json {
        let about = |text, schema: Json| {
            let mut schema = schema;
            schema["description"] = Json::from(text);
            schema
        };
        json!({
            "type": "object",
            "properties": {
                "usd": {"type": "number", "minimum": 0, "description": "US dollars."},
                "tokens": about(
                    "Input and output tokens together, cached ones not counted.", Whole::schema()
                ),
                "turns": about("Turns of the model.", Whole::schema())
            }
        })
    }
}

impl Kind for Environment {
    type Value = BTreeMap<String, String>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<BTreeMap<String, String>> {
        let Value::Map(entries) = &node.value else {
            let help = "write `env: {NAME: value}`";
            reader.wrong_type(node, "a map of names to values", Some(help.into()));
            return None;
        };
        if entries.len() > MAX_ITEMS {
            reader.error(node, &format!("has more than {MAX_ITEMS} entries"), None);
            return None;
        }
        let mut env = BTreeMap::new();
        let mut good = true;
        for (name_node, value_node) in entries {
            let name = read_variable(name_node, reader);
            let value = Text::read(value_node, reader);
            if let Some(value) = &value
                && value.contains("${")
                && reference(value).is_none()
            {
                let help = "only a value that is `${NAME}` as a whole is replaced";
                reader.warning(value_node, "keeps its `${` as it is", Some(help.into()));
            }
            match (name, value) {
                (Some(name), Some(value)) => {
                    env.insert(name, value);
                }
                _ => good = false,
            }
        }
        good.then_some(env)
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": {"pattern": "^(?!AQ_)[A-Za-z_][A-Za-z0-9_]*$"},
            "maxProperties": MAX_ITEMS,
            "additionalProperties": Text::schema()
        })
    }
}

fn read_variable(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let name = node.key_text();
    if !is_variable(name) || name.len() > MAX_WORD {
        let help = "a variable's name has letters, digits and `_`, and starts with no digit";
        reader.error(node, "is not the name of a variable", Some(help.into()));
        return None;
    }
    if name.starts_with("AQ_") {
        let help = "names that start with `AQ_` are set by aq itself";
        reader.error(node, "cannot be set by a job", Some(help.into()));
        return None;
    }
    Some(name.to_owned())
}

/// The variable that an `env` value names, when the value is `${NAME}`.
pub(crate) fn reference(value: &str) -> Option<&str> {
    value.strip_prefix("${")?.strip_suffix('}').filter(|name| is_variable(name))
}

fn is_variable(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// `a`, `b` or `c`.
pub(crate) fn alternatives<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

fn list_schema(item: &Json, most: usize) -> Json {
    json!({"type": "array", "items": item, "maxItems": most})
}

fn duration_schema() -> Json {
    json!({
        "type": "string",
        "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$",
        "examples": ["90s", "45m", "2h", "1d", "1h30m"]
    })
}
