//! Reasons and problems for programs: a code with fields, and a text for people beside it.

use std::path::Path;

use aq_fleet::protocol::{GivenReason, WaitReason};
use aq_ledger::{KeyName, RecordProblem};
use aq_runner::engine::MissingBinary;
use aq_runner::run::host::HostProblem;
use aq_runner::run::{FleetProblem, ReadinessGap};
use aq_runner::store::{AddWarning, InvalidJobFile, RecordFault};
use serde_json::{Map, Value, json};

use super::version::JsonVersion;

/// A reason or problem for an answer in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CodedReason {
    object: Map<String, Value>,
    text: String,
}

impl CodedReason {
    /// A problem of this code, with the fields of an object.
    pub(crate) fn new(code: &str, fields: Value, text: impl Into<String>) -> Self {
        let mut object = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let text = text.into();
        object.insert("code".to_owned(), code.into());
        object.insert("text".to_owned(), text.as_str().into());
        Self { object, text }
    }

    /// The text for people.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// As an answer of this version has it.
    pub(crate) fn shape(&self, version: JsonVersion) -> Value {
        match version {
            JsonVersion::V1 => self.text.as_str().into(),
            JsonVersion::V2 => self.object.clone().into(),
        }
    }
}

/// A path, which need not be text.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Several of them.
pub(super) fn shapes(
    version: JsonVersion,
    all: impl IntoIterator<Item = CodedReason>,
) -> Vec<Value> {
    all.into_iter().map(|one| one.shape(version)).collect()
}

impl From<&WaitReason> for CodedReason {
    fn from(reason: &WaitReason) -> Self {
        let text = reason.to_string();
        Self { object: reason.with_text(&text), text }
    }
}

impl From<&GivenReason> for CodedReason {
    fn from(given: &GivenReason) -> Self {
        let text = given.to_string();
        Self { object: given.reason.with_text(&text), text }
    }
}

impl From<&RecordFault> for CodedReason {
    fn from(fault: &RecordFault) -> Self {
        let (file, line) = (shown(&fault.path), fault.problem.line());
        let fields = match &fault.problem {
            RecordProblem::Value { key, value, expected, .. } => json!({
                "file": file, "line": line, "key": key.text(), "value": value, "expected": expected,
            }),
            RecordProblem::Newer { format, .. } => {
                json!({ "file": file, "line": line, "format": format })
            }
        };
        Self::new(fault.problem.code(), fields, fault.to_string())
    }
}

impl From<&HostProblem> for CodedReason {
    fn from(problem: &HostProblem) -> Self {
        let fields = match problem {
            HostProblem::BadToken { source_name, text, at, .. } => {
                json!({ "source": source_name, "token": text, "at": at })
            }
            HostProblem::Probe { tool, file, .. } | HostProblem::NoVersion { tool, file } => {
                json!({ "tool": tool, "file": shown(file) })
            }
            HostProblem::OtherProgram(missing) => missing_fields(missing),
            HostProblem::Cache { dir, .. } => json!({ "dir": shown(dir) }),
        };
        Self::new(problem.code(), fields, problem.to_string())
    }
}

impl From<&MissingBinary> for CodedReason {
    fn from(missing: &MissingBinary) -> Self {
        Self::new(missing.code(), missing_fields(missing), missing.to_string())
    }
}

fn missing_fields(missing: &MissingBinary) -> Value {
    match missing {
        MissingBinary::NotExecutable { named_by, path } => {
            json!({ "named_by": named_by, "path": shown(path) })
        }
        MissingBinary::NotOnPath { program, variable } => {
            json!({ "program": program, "variable": variable })
        }
        MissingBinary::OtherProgram { engine, path, answer, variable } => {
            json!({ "engine": engine, "path": shown(path), "answer": answer, "variable": variable })
        }
    }
}

impl From<&FleetProblem> for CodedReason {
    fn from(problem: &FleetProblem) -> Self {
        Self::new(problem.code, Value::Null, problem.text.as_str())
    }
}

impl From<&AddWarning> for CodedReason {
    fn from(warning: &AddWarning) -> Self {
        let jobs = json!({ "jobs": warning.jobs });
        Self::new(warning.kind.code(), jobs, warning.text.as_str())
    }
}

impl From<&InvalidJobFile> for CodedReason {
    fn from(invalid: &InvalidJobFile) -> Self {
        let fields = invalid.place.as_ref().map_or(Value::Null, |place| {
            let at = place.position;
            json!({ "file": place.file, "line": at.line, "column": at.column })
        });
        Self::new("invalid_manifest", fields, invalid.summary.as_str())
    }
}

impl From<&ReadinessGap> for CodedReason {
    fn from(gap: &ReadinessGap) -> Self {
        let mut object = match json!(gap) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let text = gap.to_string();
        object.insert("text".to_owned(), text.as_str().into());
        Self { object, text }
    }
}
