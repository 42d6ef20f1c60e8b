//! The values that each key takes and refuses.

use std::time::Duration;

use aq_manifest::{FailureClass, Manifest, ParsedJobFile, RetryBackoff, RetryPolicy, parse};

fn keys(yaml: &str) -> Manifest {
    let source = format!("---\n{yaml}\n---\n");
    let parsed = parse(&source);
    assert!(parsed.diagnostics.is_empty(), "{yaml}: {:?}", parsed.diagnostics);
    parsed.manifest
}

/// The text under the mark of each finding, and its message.
fn findings<'a>(parsed: &'a ParsedJobFile<'_>, source: &'a str) -> Vec<(&'a str, &'a str)> {
    parsed.diagnostics.iter().map(|d| (&source[d.span.clone()], d.message.as_str())).collect()
}

#[test]
fn plain_file_has_defaults() {
    for source in ["", "Fix it.\n", "---\n---\nFix it.\n", "---\n# nothing\n\n---\n"] {
        let parsed = parse(source);
        assert_eq!(parsed.manifest, Manifest::default(), "{source:?}");
        assert_eq!(parsed.diagnostics, [], "{source:?}");
    }
}

#[test]
fn a_legacy_file_says_exactly_its_three_keys() {
    let given = keys("engine: claude\ncwd: ~/src/app\nyolo: true");
    let expected = Manifest {
        engine: Some("claude".into()),
        cwd: Some("~/src/app".into()),
        yolo: Some(true),
        ..Manifest::default()
    };
    assert_eq!(given, expected);
}

#[test]
fn unambiguous_text_is_kept() {
    assert_eq!(keys("verify: true").verify.as_deref(), Some("true"));
    assert_eq!(keys("idempotency-key: 0012").idempotency_key.as_deref(), Some("0012"));
    assert_eq!(keys("tracker-item: 17").tracker_item.as_deref(), Some("17"));
    assert_eq!(keys("deps: [1.0, yes]").deps.unwrap(), ["1.0", "yes"]);
    assert_eq!(keys("args: [--max, 3]").args.unwrap(), ["--max", "3"]);
    assert_eq!(keys("env: {PORT: 8080, DEBUG: true}").env.unwrap()["PORT"], "8080");
    assert_eq!(keys("lock: none").lock.as_deref(), Some("none"));
}

#[test]
fn one_name_is_a_list_of_one() {
    assert_eq!(keys("prefers-engine: codex").prefers_engine.unwrap(), ["codex"]);
    assert_eq!(
        keys("prefers-engine: [codex, claude]").prefers_engine.unwrap(),
        ["codex", "claude"]
    );
}

#[test]
fn retry_has_defaults_for_what_it_does_not_say() {
    let seconds = Duration::from_secs;
    let growing = |initial, factor, max| RetryBackoff {
        initial: seconds(initial),
        factor,
        max: seconds(max),
    };
    for (yaml, backoff) in [
        ("{max: 3}", growing(30, 1.0, 30)),
        ("{max: 3, backoff: 2m}", growing(120, 1.0, 120)),
        ("{max: 3, backoff: 0s}", growing(0, 1.0, 0)),
        ("{max: 3, backoff: {initial: 10s}}", growing(10, 2.0, 3600)),
        ("{max: 3, backoff: {initial: 2h}}", growing(7200, 2.0, 7200)),
        ("{max: 3, backoff: {initial: 1s, factor: 1.5, max: 1m}}", growing(1, 1.5, 60)),
    ] {
        let expected = RetryPolicy { max: 3, backoff, on: FailureClass::ALL.to_vec() };
        assert_eq!(keys(&format!("retry: {yaml}")).retry, Some(expected), "{yaml}");
    }
    let on = keys("retry: {max: 2, on: [timeout, crash]}").retry.unwrap().on;
    assert_eq!(on, [FailureClass::Timeout, FailureClass::Crash]);
}

#[test]
fn requirements_and_budgets_are_read() {
    let given =
        keys("capabilities: ['node>=20', \"!docker\", a | b]\nbudget: {usd: 2.5, turns: 9}");
    let printed: Vec<String> =
        given.capabilities.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(printed, ["node>=20", "!docker", "a | b"]);
    let budget = given.budget.unwrap();
    assert_eq!((budget.usd, budget.tokens, budget.turns), (Some(2.5), None, Some(9)));
}

#[test]
fn yaml_styles_mean_the_same() {
    let flow = keys("deps: [a, b]\nverify: \"cargo test\"\nsetup: make");
    let block = keys("deps:\n- a\n- 'b'\nverify: >-\n  cargo\n  test\nsetup: |-\n  make");
    assert_eq!(flow, block);
    let windows = keys("deps:\r\n- a\r\n- 'b'\r\nverify: |-\r\n  cargo\r\n  test");
    assert_eq!(windows.verify.as_deref(), Some("cargo\ntest"));
    assert_eq!(keys("lock: &l x\nmodel: *l").model.as_deref(), Some("x"));
    let long = keys("verify: |\n  make\n  make test\n");
    assert_eq!(long.verify.as_deref(), Some("make\nmake test\n"));
}

#[test]
fn bad_values_are_refused_at_their_place() {
    for (yaml, marked, message) in [
        ("engine: 5", "5", "expected a name, found the number `5`"),
        ("engine: [claude]", "[claude]", "expected a name, found a list"),
        ("engine: ../claude", "../claude", "is not a name"),
        ("engine:", "", "expected a name, found nothing"),
        ("profile: ../x", "../x", "is not a profile's name"),
        ("yolo: maybe", "maybe", "expected `true` or `false`, found `maybe`"),
        ("yolo: \"true\"", "\"true\"", "found text in quotes"),
        ("timeout: 90", "", "the last number has no unit"),
        ("timeout: 5x", "x", "the unit is not one of"),
        ("timeout: '5x'", "x", "the unit is not one of"),
        ("timeout: 0s", "0s", "is zero"),
        ("timeout: {}", "{}", "expected a duration such as `45m`, found a map"),
        ("priority: urgent", "urgent", "`urgent` is not a known priority"),
        ("priority: 1", "1", "`1` is not a known priority"),
        ("deps: 5", "5", "expected a list, found the number `5`"),
        ("deps: ['']", "''", "the text is empty"),
        ("deps: [\"a\\tb\"]", "\"a\\tb\"", "control character"),
        ("deps: [[a]]", "[a]", "expected text, found a list"),
        ("retry: 3", "3", "expected a map, found the number `3`"),
        ("retry: {}", "{}", "does not say how often"),
        ("retry: {max: 0}", "0", "out of range"),
        ("retry: {max: 1001}", "1001", "out of range"),
        ("retry: {max: -1}", "-1", "expected a whole number"),
        ("retry: {max: '3'}", "'3'", "expected a whole number, not negative, found text in quotes"),
        ("retry: {max: 3, on: [crsh]}", "crsh", "not a known failure class"),
        ("retry: {max: 3, backoff: {}}", "{}", "has no `initial` pause"),
        ("retry: {max: 3, backoff: {initial: 9s, max: 1s}}", "1s", "is too short"),
        ("retry: {max: 3, backoff: {initial: 9s, factor: .5}}", ".5", "out of range"),
        ("budget: {usd: -1}", "-1", "is negative"),
        ("budget: {usd: .nan}", ".nan", "expected a number"),
        ("budget: {tokens: 1.5}", "1.5", "expected a whole number"),
        ("env: [A]", "[A]", "expected a map of names to values"),
        ("env: {1A: x}", "1A", "not the name of a variable"),
        ("env: {AQ_TOKEN: x}", "AQ_TOKEN", "cannot be set by a job"),
        ("env: {A: }", "", "expected text, found nothing"),
        ("allowed-scope: ['a[']", "'a['", "is no glob"),
        ("artifacts: ['a**b']", "'a**b'", "has a `**` beside other characters"),
        ("expect: {leave-out: ['/vendor']}", "'/vendor'", "leaves the repository"),
        ("artifacts: [/tmp/x]", "/tmp/x", "leaves the repository"),
        ("capabilities: ['node>>20']", ">", "not an operator"),
        ("capabilities: [!docker]", "!docker", "is a YAML tag"),
        ("verify: ''", "''", "is an empty command"),
        ("verify: \"a\\0b\"", "\"a\\0b\"", "NUL"),
        ("cwd: 5", "5", "expected text, found the number `5`"),
        ("fleet-lease-epoch: x", "x", "expected a whole number"),
        ("engine: a\nengine: b", "engine", "the key `engine` is given twice"),
        ("env: {A: 1, A: 2}", "A", "the key `A` is given twice"),
        ("idempotency-key: k\ndeps: [a, k]", "k", "this job's own key"),
        ("deps: [a, k]\nidempotency-key: k", "k", "this job's own key"),
        ("- engine", "- engine", "keys are expected here"),
        ("just text", "just text", "keys are expected here"),
        ("<<: {engine: a}", "<<", "merge keys"),
        ("? [a]\n: b", "[a]", "a key must be plain text"),
    ] {
        let source = format!("---\n{yaml}\n---\n");
        let parsed = parse(&source);
        let found = findings(&parsed, &source);
        assert!(parsed.has_errors(), "{yaml}");
        let [(at, text)] = found[..] else { panic!("{yaml}: {found:?}") };
        assert_eq!(at, marked, "{yaml}: {text}");
        assert!(text.contains(message), "{yaml}: {text}");
    }
}

#[test]
fn good_keys_survive_errors() {
    let source = "---\nengine: A\ntimeout: 1\nyolo: 2\nmodel: m\ndeps: [[], {}]\n---\nbody";
    let parsed = parse(source);
    assert_eq!(parsed.diagnostics.len(), 5, "{:?}", parsed.diagnostics);
    let expected = Manifest { model: Some("m".into()), ..Manifest::default() };
    assert_eq!((parsed.manifest, parsed.body), (expected, "body"));
}

#[test]
fn what_is_probably_not_meant_is_warned_about() {
    for (source, marked, message) in [
        ("---\ntimout: 3\n---\n", "timout", "unknown key `timout`"),
        ("---\nretry: {max: 2, delay: 3s}\n---\n", "delay", "`retry`: unknown key `delay`"),
        ("---\ndeps: [a, b, a]\n---\n", "a", "is listed twice"),
        ("---\nenv: {A: 'x${B}'}\n---\n", "'x${B}'", "keeps its `${`"),
        ("\n---\nengine: a\n---\n", "---", "does not start on the first line"),
    ] {
        let parsed = parse(source);
        let found = findings(&parsed, source);
        assert!(!parsed.has_errors(), "{source}: {found:?}");
        let [(at, text)] = found[..] else { panic!("{source}: {found:?}") };
        assert_eq!(at, marked, "{source}");
        assert!(text.contains(message), "{source}: {text}");
    }
}

#[test]
fn messages_never_repeat_values_of_the_environment() {
    let long = "s3cret".repeat(20_000);
    let map = |value: &str| format!("{{API_KEY: {value}}}");
    for env in [
        "s3cret".to_owned(),
        "[API_KEY=s3cret]".to_owned(),
        map("'s3cret${X}'"),
        map("[s3cret]"),
        map("{s3cret: s3cret}"),
        map(&long),
    ] {
        let source = format!("---\nenv: {env}\n---\n");
        let found = parse(&source).diagnostics;
        assert_eq!(found.len(), 1, "{env:.20}");
        assert!(found[0].message.starts_with("`env"), "{}", found[0].message);
        assert!(!format!("{}{:?}", found[0].message, found[0].help).contains("s3cret"));
    }
}

#[test]
fn unknown_keys_are_kept() {
    let parsed = parse("---\nx-team: web\nengine: claude\nnotes: {a: [b]}\n---\n");
    assert_eq!(parsed.unknown, ["x-team", "notes"]);
    assert_eq!(parsed.manifest.engine.as_deref(), Some("claude"));
}

#[test]
fn line_ends_and_a_byte_order_mark_change_nothing() {
    let unix = "---\nengine: claude\ndeps:\n- a\nverify: |\n  x\n  y\n---\n";
    let dos = format!("\u{feff}{}", unix.replace('\n', "\r\n"));
    assert_eq!(parse(&dos).manifest, parse(unix).manifest);
    assert_eq!(parse(&dos).diagnostics, []);
}
