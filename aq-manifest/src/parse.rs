//! Reads a job file: every finding, not the first.

use std::collections::HashSet;
use std::ops::Range;

use crate::diagnostic::Findings;
use crate::front_matter::{bom_len, late_fence, split, unopened};
use crate::keys::{KEYS, Manifest};
use crate::reader::ValueReader;
use crate::yaml::{self, YamlNode, YamlValue};
use crate::{Diagnostic, Severity};

/// A job file that was read.
#[derive(Clone, Debug)]
pub struct ParsedJobFile<'a> {
    /// The values of the keys; one that has an error counts as not given.
    pub manifest: Manifest,
    /// The prompt, byte for byte.
    pub body: &'a str,
    /// Keys of the front matter that nothing reads, in the order of the file.
    pub unknown: Vec<String>,
    /// The place of the value of `profile`, for a caller that finds no such profile.
    pub profile_at: Option<Range<usize>>,
    /// The findings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl ParsedJobFile<'_> {
    /// Tests for an error, which refuses the file.
    pub fn has_errors(&self) -> bool {
        has_errors(&self.diagnostics)
    }
}

/// Tests for an error among findings.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|finding| finding.severity == Severity::Error)
}

/// Reads a job file.
///
/// The work and memory are bounded whatever the text is: see [`MAX_FILE_BYTES`].
///
/// [`MAX_FILE_BYTES`]: crate::MAX_FILE_BYTES
///
/// ```
/// let parsed = aq_manifest::parse("---\nengine: claude\ntimeout: 45m\n---\nFix the login.\n");
/// assert!(!parsed.has_errors());
/// assert_eq!(parsed.manifest.engine.as_deref(), Some("claude"));
/// assert_eq!(parsed.body, "Fix the login.\n");
/// ```
pub fn parse(source: &str) -> ParsedJobFile<'_> {
    let mut findings = Findings::default();
    let mut manifest = Manifest::default();
    let mut unknown = Vec::new();
    let mut profile_at = None;
    let mut dep_nodes = Vec::new();
    let body = match split(source) {
        Ok(split) => {
            if split.body == bom_len(source) {
                warn_of_late_fence(source, &mut findings);
                refuse_unopened(source, &mut findings);
            }
            let yaml = &source[split.yaml.clone()];
            read_keys(yaml, split.yaml.start, &mut findings, |key, value, findings| {
                let name = key.key_text();
                if !manifest.read(name, value, &mut ValueReader::new(name, findings)) {
                    unknown.push(name.to_owned());
                    report_unknown(key, findings, &[]);
                }
                match (name, &value.value) {
                    ("deps", YamlValue::List(items)) => dep_nodes.clone_from(items),
                    ("profile", _) => profile_at = Some(value.span.clone()),
                    _ => {}
                }
            });
            check_deps(&manifest, &dep_nodes, &mut findings);
            &source[split.body..]
        }
        Err(refusal) => {
            findings.push(refusal);
            ""
        }
    };
    ParsedJobFile { manifest, body, unknown, profile_at, diagnostics: findings.into_sorted() }
}

/// Reads a YAML map and hands out its entries.
pub(crate) fn read_keys<'a>(
    yaml: &'a str,
    base: usize,
    findings: &mut Findings,
    mut each: impl FnMut(&YamlNode<'a>, &YamlNode<'a>, &mut Findings),
) {
    let root = match yaml::read(yaml, base, findings) {
        Ok(Some(root)) => root,
        Ok(None) => return,
        Err(error) => return findings.push(error),
    };
    match &root.value {
        YamlValue::Map(entries) => {
            for (key, value) in entries {
                each(key, value, findings);
            }
        }
        YamlValue::Scalar(scalar) if scalar.plain && scalar.text.is_empty() => {}
        YamlValue::Scalar(_) | YamlValue::List(_) => {
            let error = Diagnostic::error(root.span, "keys are expected here");
            findings.push(error.with_help("write lines of `key: value`, such as `engine: claude`"));
        }
    }
}

/// Warns about a key that is in no table; `others` are known beside the table's.
pub(crate) fn report_unknown(key: &YamlNode<'_>, findings: &mut Findings, others: &[&str]) {
    if key.key_text() == "sandbox" {
        // Who asks for one and gets none is not safe.
        let error = Diagnostic::error(key.span.clone(), "jobs do not run in sandboxes yet");
        return findings.push(error.with_help("remove the key; nothing would hold the job"));
    }
    let mut known: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    known.extend(others);
    let meant = meant(key.key_text());
    ValueReader::new("", findings).unknown_key(key, &known, meant);
}

/// The key for a word that other programs, and people, have for it.
fn meant(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().replace('_', "-").as_str() {
        "depends-on" | "depends" | "dependencies" | "needs" | "after" | "requires-jobs" => "deps",
        "working-directory" | "workdir" | "working-dir" | "dir" | "directory" | "path" | "repo" => {
            "cwd"
        }
        "agent" | "tool" | "cli" | "provider" => "engine",
        "class" => "engine-class",
        "id" | "key" | "name" => "idempotency-key",
        "test" | "tests" | "check" | "command" | "validate" => "verify",
        "branch" | "base-branch" | "into" => "target",
        "auto-approve" | "dangerously-skip-permissions" | "full-auto" | "permissions" => "yolo",
        "tags" | "requires" | "requirements" | "caps" | "runs-on" => "capabilities",
        "retries" | "max-retries" | "attempts" | "max-attempts" => "retry",
        "files" | "paths" | "scope" | "allow" => "allowed-scope",
        "time-limit" | "deadline" | "max-time" | "max-duration" => "timeout",
        "cost" | "max-cost" | "max-tokens" | "max-turns" | "limit" | "limits" => "budget",
        "environment" => "env",
        "before" | "prepare" | "before-script" => "setup",
        "review" | "human" | "approval" => "review-policy",
        "mutex" | "concurrency" | "exclusive" => "lock",
        "worktree" | "in-place" => "isolation",
        "issue" | "ticket" => "tracker-item",
        "template" | "extends" | "role" => "profile",
        _ => return None,
    })
}

/// Checks `deps` beyond the single items, which are in `nodes`.
fn check_deps(manifest: &Manifest, nodes: &[YamlNode<'_>], findings: &mut Findings) {
    let mut seen = HashSet::new();
    for node in nodes {
        let YamlValue::Scalar(scalar) = &node.value else { continue };
        let mut reader = ValueReader::new("deps", findings);
        if manifest.idempotency_key.as_deref() == Some(&*scalar.text) {
            let help = "remove it: a job cannot wait for itself";
            reader.error(node, "is this job's own key", Some(help.into()));
        } else if !seen.insert(&*scalar.text) {
            reader.warning(node, "is listed twice", Some("keep one of them".into()));
        }
    }
}

fn warn_of_late_fence(source: &str, findings: &mut Findings) {
    if let Some(span) = late_fence(source) {
        findings.push(Diagnostic {
            severity: Severity::Warning,
            message: "the front matter does not start on the first line, so it is prompt".into(),
            span,
            help: Some("remove the empty lines above this".into()),
        });
    }
}

/// Keys that would all be prompt, and the job one with defaults.
fn refuse_unopened(source: &str, findings: &mut Findings) {
    let is_key = |name: &str| KEYS.iter().any(|key| key.name == name);
    if let Some(place) = unopened(source, is_key) {
        let error = Diagnostic::error(place, "the front matter lacks its opening `---`");
        findings.push(error.with_help("put a line of `---` above the first key"));
    }
}
