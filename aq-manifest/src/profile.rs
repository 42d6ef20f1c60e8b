//! Profiles: values that many jobs share, and a persona that goes before their prompts.

use crate::Diagnostic;
use crate::diagnostic::{Findings, quoted};
use crate::feedback_template::FeedbackTemplate;
use crate::front_matter::{bom_len, check_text, check_yaml_size};
use crate::keys::{KEYS, Manifest};
use crate::kinds::{CommandKind, TextKind, ValueKind};
use crate::parse::{has_errors, read_keys, report_unknown};
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// The keys that only profiles have.
const OWN_KEYS: [&str; 3] = ["persona", "default-verify", "feedback-template"];

/// The values that a file `profiles/<name>.yaml` gives to the jobs that name it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The file's stem.
    pub name: String,
    /// Text that goes before the prompt.
    pub persona: Option<String>,
    /// Text that explains to a further attempt why the last one failed.
    pub feedback_template: Option<FeedbackTemplate>,
    /// Values for the keys that a job does not give. `default-verify` is `verify` here.
    pub values: Manifest,
}

/// A profile that was read.
#[derive(Clone, Debug)]
pub struct ParsedProfile {
    /// Its values; one that has an error counts as not given.
    pub profile: Profile,
    /// Keys that nothing reads.
    pub unknown: Vec<String>,
    /// The findings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl ParsedProfile {
    /// Tests for an error, which refuses the profile and every job that names it.
    pub fn has_errors(&self) -> bool {
        has_errors(&self.diagnostics)
    }
}

/// Reads the profile `name` from the text of its file, which is YAML as a whole.
///
/// The bounds are those of [`parse`](crate::parse).
///
/// ```
/// let text = "persona: You test.\ndefault-verify: make test\n";
/// let parsed = aq_manifest::parse_profile("tester", text);
/// assert_eq!(parsed.profile.values.verify.as_deref(), Some("make test"));
/// ```
pub fn parse_profile(name: &str, source: &str) -> ParsedProfile {
    let mut findings = Findings::default();
    let mut profile = Profile { name: name.to_owned(), ..Profile::default() };
    let mut unknown = Vec::new();
    let start = bom_len(source);
    match check_text(source).and_then(|()| check_yaml_size(&(start..source.len()))) {
        Ok(()) => read_keys(&source[start..], start, &mut findings, |key, value, findings| {
            if !read_key(&mut profile, key, value, findings) {
                unknown.push(key.key_text().to_owned());
                report_unknown(key, findings, &OWN_KEYS);
            }
        }),
        Err(refusal) => findings.push(refusal),
    }
    ParsedProfile { profile, unknown, diagnostics: findings.into_sorted() }
}

/// Reads one key; `false` when there is no such key.
fn read_key(
    profile: &mut Profile,
    key: &YamlNode<'_>,
    value: &YamlNode<'_>,
    findings: &mut Findings,
) -> bool {
    let name = key.key_text();
    if let Some(reason) = KEYS.iter().find(|key| key.name == name).and_then(|key| key.job_only) {
        let message = format!("a profile cannot give {}: {reason}", quoted(name));
        let error = Diagnostic::error(key.span.clone(), message);
        findings.push(error.with_help("write it into the job file"));
        return true;
    }
    let is_verify = matches!(name, "verify" | "default-verify");
    if is_verify && profile.values.verify.is_some() {
        let message = "`verify` and `default-verify` mean the same here";
        findings.push(Diagnostic::error(key.span.clone(), message).with_help("keep one of them"));
        return true;
    }
    let mut reader = ValueReader::new(name, findings);
    match name {
        "persona" => profile.persona = TextKind::read(value, &mut reader),
        "feedback-template" => {
            profile.feedback_template = FeedbackTemplate::read(value, &mut reader);
        }
        "default-verify" => profile.values.verify = CommandKind::read(value, &mut reader),
        _ => return profile.values.read(name, value, &mut reader),
    }
    true
}
