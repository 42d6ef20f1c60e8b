//! Job, then profile, then default.

use aq_manifest::{
    JobSpec, KEYS, Manifest, ParsedProfile, Profile, ValueOrigin, parse, parse_profile, prompt,
    resolve,
};

/// A value for every key that a profile can give, none of them the default.
const ALL: &str = "\
engine: codex
engine-class: chat-coder
prefers-engine: [copilot]
cwd: /srv/app
yolo: true
lock: l
timeout: 1h30m
priority: critical
capabilities: ['node>=20']
deps-mode: soft
retry: {max: 2}
verify: make test
review-policy: human
isolation: in-place
target: main
base: deps
ship: accept
expect: {leave-out: [vendor/**]}
setup: npm ci
allowed-scope: ['src/**']
scope-policy: enforce
budget: {usd: 1}
artifacts: ['*.log']
expect-changes: true
feedback: off
model: m
args: [-v]
env: {A: b}
";

fn job(yaml: &str) -> Manifest {
    let source = format!("---\n{yaml}\n---\n");
    let parsed = parse(&source);
    assert_eq!(parsed.diagnostics, [], "{yaml}");
    parsed.manifest
}

fn profile(yaml: &str) -> Profile {
    let parsed = parse_profile("p", yaml);
    assert_eq!(parsed.diagnostics, [], "{yaml}");
    parsed.profile
}

#[test]
fn profile_gives_keys_but_identity() {
    let profile = profile(ALL);
    for key in KEYS {
        assert_eq!(profile.values.is_set(key.name), key.job_only.is_none(), "{}", key.name);
    }
}

#[test]
fn profile_values_apply_to_jobs() {
    let from_profile = resolve(&Manifest::default(), Some(&profile(ALL)));
    assert_eq!(from_profile, resolve(&job(ALL), None));
    assert_ne!(from_profile, JobSpec::default());
}

#[test]
fn each_value_of_a_job_wins_over_its_profile() {
    let profile = profile(ALL);
    for (line, origin) in [("priority: low", ValueOrigin::Job), ("", ValueOrigin::Profile)] {
        let job = job(line);
        let spec = resolve(&job, Some(&profile));
        let expected = if origin == ValueOrigin::Job { "low" } else { "critical" };
        assert_eq!(spec.priority.as_str(), expected);
        assert_eq!(ValueOrigin::of("priority", &job, Some(&profile)), origin);
        assert_eq!(spec.model.as_deref(), Some("m"));
    }
    assert_eq!(ValueOrigin::of("priority", &Manifest::default(), None), ValueOrigin::Default);
    // The job's own list means itself: lists are not joined.
    let spec = resolve(&job("capabilities: [git]"), Some(&profile));
    assert_eq!(spec.capabilities.len(), 1);
}

#[test]
fn written_defaults_change_nothing() {
    for key in KEYS {
        if let Some(default) = key.default {
            let spec = resolve(&job(&format!("{}: {default}", key.name)), None);
            assert_eq!(spec, JobSpec::default(), "{}", key.name);
        }
    }
}

#[test]
fn default_verify_is_the_verify_of_jobs_without_one() {
    let profile = profile("default-verify: make test");
    let verify = |yaml| resolve(&job(yaml), Some(&profile)).verify;
    assert_eq!(verify("").as_deref(), Some("make test"));
    assert_eq!(verify("verify: true").as_deref(), Some("true"));
}

#[test]
fn persona_goes_before_the_prompt() {
    let persona = profile("persona: |\n  You are careful.\n").persona;
    assert_eq!(prompt(persona.as_deref(), "Fix it.\n"), "You are careful.\n\nFix it.\n");
    assert_eq!(prompt(None, "Fix it.\n"), "Fix it.\n");
    assert_eq!(prompt(Some(" \n"), "Fix it.\n"), "Fix it.\n");
    let spec = resolve(&Manifest::default(), Some(&profile("persona: P")));
    assert_eq!(spec.persona.as_deref(), Some("P"));
}

#[test]
fn profiles_are_refused_what_belongs_to_one_job() {
    for (yaml, message) in [
        ("idempotency-key: k", "cannot give `idempotency-key`"),
        ("deps: [a]", "cannot give `deps`"),
        ("tracker-item: 1", "cannot give `tracker-item`"),
        ("fleet-job-id: x", "cannot give `fleet-job-id`"),
        ("fleet-lease-epoch: 1", "cannot give `fleet-lease-epoch`"),
        ("profile: other", "profiles do not build on one another"),
        ("verify: a\ndefault-verify: b", "mean the same here"),
        ("default-verify: a\nverify: b", "mean the same here"),
        ("persona: [a]", "expected text, found a list"),
        ("priority: x", "not a known priority"),
        ("persona: a\npersona: b", "given twice"),
        ("---\na: 1\n---\nb: 2", "second YAML document"),
    ] {
        let ParsedProfile { diagnostics, .. } = parse_profile("p", yaml);
        let [finding] = &diagnostics[..] else { panic!("{yaml}: {diagnostics:?}") };
        assert!(finding.message.contains(message), "{yaml}: {}", finding.message);
    }
}

#[test]
fn unknown_profile_keys_warn() {
    let parsed = parse_profile("p", "personna: x\n");
    assert_eq!(parsed.unknown, ["personna"]);
    assert!(!parsed.has_errors());
    assert_eq!(parsed.diagnostics[0].help.as_deref(), Some("did you mean `persona`?"));
}
