//! The values that apply to a job, key by key, with where each comes from: for people to read.

use std::fmt::Display;
use std::path::Path;

use aq_manifest::{JobSpec, KEYS, ValueOrigin, format_duration};

use super::job_file::{InvalidJobFile, understand};

/// One key of a job file and what applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveValue {
    /// The key, as a file writes it.
    pub key: &'static str,
    /// The meaning of the key, in a sentence.
    pub about: &'static str,
    /// The value that applies, as a file would write it, about; empty: nothing.
    pub value: String,
    /// Where it comes from.
    pub origin: ValueOrigin,
}

/// The values of a job's file and its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectiveValues<'a> {
    /// Every key, in the order of the reference. Of `env` only the names: its values may be
    /// secrets.
    pub values: Vec<EffectiveValue>,
    /// The text that the profile puts before the prompt.
    pub persona: Option<String>,
    /// The prompt, as the file has it.
    pub prompt: &'a str,
}

/// Returns the values that apply to a job, from the text of its file. `name` is the file's name in
/// messages.
///
/// # Errors
/// Every error in the file, or that of its profile.
pub fn effective_values<'a>(
    profiles: &Path,
    name: &str,
    source: &'a str,
) -> Result<EffectiveValues<'a>, InvalidJobFile> {
    let (manifest, profile, prompt, _) = understand(profiles, name, source, false)?;
    let spec = aq_manifest::resolve(&manifest, profile.as_ref());
    let one = |key: &aq_manifest::ManifestKey| EffectiveValue {
        key: key.name,
        about: key.about,
        value: value(&spec, key.name).unwrap_or_default(),
        origin: ValueOrigin::of(key.name, &manifest, profile.as_ref()),
    };
    let values = KEYS.iter().map(one).collect();
    Ok(EffectiveValues { values, persona: spec.persona, prompt })
}

/// `None`: there is no such key.
fn value(spec: &JobSpec, key: &str) -> Option<String> {
    let word = |word: &Option<String>| word.clone().unwrap_or_default();
    Some(match key {
        "engine" => word(&spec.engine),
        "engine-class" => spec.engine_class.clone(),
        "prefers-engine" => spec.prefers_engine.join(", "),
        "cwd" => word(&spec.cwd),
        "yolo" => spec.yolo.to_string(),
        "lock" => word(&spec.lock),
        "timeout" => shown(spec.timeout.map(format_duration)),
        "priority" => spec.priority.to_string(),
        "profile" => word(&spec.profile),
        "capabilities" => joined(&spec.capabilities),
        "idempotency-key" => word(&spec.idempotency_key),
        "deps" => spec.deps.join(", "),
        "deps-mode" => spec.deps_mode.to_string(),
        "retry" => spec.retry.as_ref().map_or(String::new(), retry),
        "verify" => word(&spec.verify),
        "review-policy" => spec.review_policy.to_string(),
        "isolation" => spec.isolation.to_string(),
        "target" => word(&spec.target),
        "base" => spec.base.clone().unwrap_or_else(|| "deps".to_owned()),
        "ship" => shown(spec.ship),
        "setup" => word(&spec.setup),
        "allowed-scope" => spec.allowed_scope.join(", "),
        "scope-policy" => spec.scope_policy.to_string(),
        "budget" => budget(&spec.budget),
        "artifacts" => spec.artifacts.join(", "),
        "tracker-item" => word(&spec.tracker_item),
        "expect-changes" => spec.expect_changes.to_string(),
        "expect" => spec.expect.leave_out.join(", "),
        "feedback" => spec.feedback.to_string(),
        "model" => word(&spec.model),
        "args" => spec.args.join(" "),
        "env" => spec.env.keys().cloned().collect::<Vec<_>>().join(", "),
        "fleet-job-id" => word(&spec.fleet_job_id),
        "fleet-lease-epoch" => shown(spec.fleet_lease_epoch),
        _ => return None,
    })
}

fn retry(retry: &aq_manifest::RetryPolicy) -> String {
    let (backoff, on) = (&retry.backoff, joined(&retry.on));
    let pause = format_duration(backoff.initial);
    let grows = if backoff.max > backoff.initial {
        format!(", times {} up to {}", backoff.factor, format_duration(backoff.max))
    } else {
        String::new()
    };
    let attempts = if retry.max == 1 { "attempt" } else { "attempts" };
    format!("{} {attempts}, pause {pause}{grows}, on {on}", retry.max)
}

fn budget(budget: &aq_manifest::JobBudget) -> String {
    let limits = [
        budget.usd.map(|usd| format!("usd: {usd}")),
        budget.tokens.map(|tokens| format!("tokens: {tokens}")),
        budget.turns.map(|turns| format!("turns: {turns}")),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn shown(value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn joined(values: &[impl Display]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_value() {
        for key in KEYS {
            assert!(value(&JobSpec::default(), key.name).is_some(), "{}", key.name);
        }
        assert_eq!(value(&JobSpec::default(), "other"), None);
    }

    #[test]
    fn each_value_says_where_it_comes_from() {
        let dir = tempfile::tempdir().unwrap();
        let profile = "priority: low\nretry: {max: 3, backoff: 10s}\npersona: Be careful.\n";
        std::fs::write(dir.path().join("p.yaml"), profile).unwrap();
        let source =
            "---\nprofile: p\nbudget: {usd: 2.5, turns: 9}\nenv: {TOKEN: secret}\n---\nDo it.\n";
        let EffectiveValues { values, persona, prompt } =
            effective_values(dir.path(), "a.md", source).unwrap();
        assert_eq!((prompt, persona.as_deref()), ("Do it.\n", Some("Be careful.")));
        let of = |key: &str| {
            let found = values.iter().find(|value| value.key == key).unwrap();
            (found.value.as_str(), found.origin)
        };
        assert_eq!(of("priority"), ("low", ValueOrigin::Profile));
        assert_eq!(of("budget"), ("usd: 2.5, turns: 9", ValueOrigin::Job));
        assert_eq!(of("deps-mode"), ("hard", ValueOrigin::Default));
        assert_eq!(of("env"), ("TOKEN", ValueOrigin::Job));
        assert!(of("retry").0.starts_with("3 attempts, pause 10s, on "), "{}", of("retry").0);
        let invalid = effective_values(dir.path(), "a.md", "---\nprofile: q\n---\n").unwrap_err();
        assert!(invalid.report.contains("a.md"), "{}", invalid.report);
    }
}
