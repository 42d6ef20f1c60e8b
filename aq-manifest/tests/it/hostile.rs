//! Files made to hurt: each is refused soon, and nothing makes the parser panic.

use std::time::{Duration, Instant};

use aq_manifest::{MAX_FILE_BYTES, parse, parse_profile, render};
use proptest::prelude::*;

/// Milliseconds on a quiet machine; generous, because a busy one must not fail the test.
const SOON: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "a test of time needs a clock")]
fn timed<T>(work: impl Fn() -> T) -> (T, Duration) {
    // The best of three: a busy machine must not fail the test.
    let mut best = Duration::MAX;
    for _ in 0..2 {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed());
    }
    let start = Instant::now();
    let result = work();
    (result, best.min(start.elapsed()))
}

fn laughs() -> String {
    let mut yaml = String::from("a0: &a0 [lol, lol]\n");
    for n in 1..60 {
        yaml.push_str(&format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1));
    }
    yaml
}

/// YAML that is refused, and a word of the reason.
fn refused() -> Vec<(&'static str, String, &'static str)> {
    let quoted_text = format!("a: &a \"{}\\t\"\nb: [{}]", "x".repeat(100_000), "*a, ".repeat(500));
    vec![
        ("laughs", laughs(), "more than 5000 values"),
        ("repeated text", quoted_text, "longer than 1048576 bytes"),
        ("deep flow", "[".repeat(100_000), "nested more than 16 deep"),
        ("deep maps", "{a: ".repeat(60_000), "nested more than 16 deep"),
        ("deep block", "- ".repeat(100_000), "nested more than 16 deep"),
        ("deep indent", (0..600).map(|n| format!("{}a:\n", " ".repeat(n))).collect(), "nested"),
        ("many anchors", (0..20_000).map(|n| format!("- &a{n}\n")).collect(), "more than 5000"),
        ("many values", format!("deps: [{}]", "a,".repeat(100_000)), "more than 5000 values"),
        ("many keys", (0..20_000).map(|n| format!("k{n}: 1\n")).collect(), "more than 5000"),
        ("huge text", format!("verify: {}", "x".repeat(200_000)), "has 200000 bytes"),
        ("huge key", format!("{}: 1", "k".repeat(200_000)), "a `:` cannot stand here"),
        ("huge YAML", "x: y\n".repeat(100_000), "the limit is 262144"),
        ("alias in itself", "a: &a [*a]".into(), "inside of what it repeats"),
        ("unknown alias", "a: *b".into(), "repeats nothing"),
        ("merge", "x: &x {engine: a}\n<<: *x".into(), "merge keys"),
        ("tag", "engine: !!python/object:os.system x".into(), "is a YAML tag"),
        ("binary", "engine: !!binary aGk=".into(), "is a YAML tag"),
        ("directive", "%YAML 1.1\n".into(), "not YAML"),
        ("two documents", "a: 1\n...\nb: 2".into(), "second YAML document"),
        ("NUL", "a: \0".into(), "NUL"),
        ("escaped NUL", "a: \"\\0\"".into(), "NUL"),
    ]
}

#[test]
fn hostile_files_are_refused_soon() {
    for (name, yaml, reason) in refused() {
        let source = format!("---\n{yaml}\n---\n");
        let (parsed, took) = timed(|| parse(&source));
        let text: Vec<&str> = parsed.diagnostics.iter().map(|d| d.message.as_str()).collect();
        assert!(parsed.has_errors(), "{name}");
        assert!(text.iter().any(|text| text.contains(reason)), "{name}: {text:?}");
        assert!(took < SOON, "{name} took {took:?}");
        assert!(parse_profile("p", &yaml).has_errors(), "{name} as a profile");
    }
}

#[test]
fn one_mebibyte_is_refused() {
    let (parsed, took) = timed(|| parse(&"x".repeat(MAX_FILE_BYTES)).has_errors());
    assert!(parsed && took < SOON, "{took:?}");
    assert!(!parse(&"x".repeat(MAX_FILE_BYTES - 1)).has_errors());
}

#[test]
fn many_errors_are_reported_shortly() {
    let keys: String = (0..2000).map(|n| format!("k{n}: 1, ")).collect();
    let names: String = (0..250).map(|n| format!("{n}: 1, ")).collect();
    let source = format!("---\n{{{keys} env: {{{names}}}}}\n---\n");
    let (parsed, took) = timed(|| parse(&source));
    assert!(took < SOON, "{took:?}");
    assert!(parsed.has_errors());
    assert_eq!(parsed.unknown.len(), 2000);
    let report = render("job.md", &source, &parsed.diagnostics, false);
    assert!(report.len() < 64 << 10, "{}", report.len());
    assert!(report.lines().all(|line| line.chars().count() < 200));
}

#[test]
fn nothing_that_a_terminal_acts_on_is_shown_raw() {
    let bad = "\u{1b}[31m\u{7}\u{9b}2J\u{202e}\u{2066}\r\u{8}";
    for source in [
        format!("---\nengine: '{bad}'\n---\n"),
        format!("---\n{bad}: 1\n---\n"),
        "---\n\"\\e[31m\\a\\u202e\": 1\npriority: \"\\e[2J\\u009b\"\n---\n".to_owned(),
        format!("---\ncapabilities: ['a{bad}']\nallowed-scope: ['[{bad}']\n---\n"),
        format!("---\n{bad}"),
    ] {
        let parsed = parse(&source);
        assert!(!parsed.diagnostics.is_empty(), "{source:?}");
        let report = render(&format!("{bad}.md"), &source, &parsed.diagnostics, false);
        let harmless = |c: char| {
            c == '\n'
                || !(c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        };
        assert!(report.chars().all(harmless), "{report:?}");
    }
}

/// Pieces that front matter is made of, so that random texts come near to real ones.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("---\n".to_owned()),
        prop::sample::select(vec![
            "engine",
            "timeout",
            "retry",
            "deps",
            "env",
            "capabilities",
            "allowed-scope",
            "budget",
            "idempotency-key",
            "verify",
            "max",
            "backoff",
            "on",
            "usd",
            "initial",
            "é",
            "x",
        ])
        .prop_map(|key| format!("{key}: ")),
        prop::sample::select(vec![
            "\n",
            " ",
            "  ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            ": ",
            "'",
            "\"",
            "|\n",
            ">-\n",
            "&a ",
            "*a",
            "!x ",
            "# ",
            "\t",
            "\r\n",
            "\r",
            "\u{feff}",
            "node>=20",
            "a | b",
            "3",
            "1h",
            "~",
            "${A}",
            "\\",
            "\u{1b}[0m",
            "漢",
            "...",
            "? ",
            "%",
            "@",
            "<<: ",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn check(source: &str) {
    for (parsed, what) in
        [(parse(source).diagnostics, "job"), (parse_profile("p", source).diagnostics, "profile")]
    {
        for finding in &parsed {
            assert!(source.get(finding.span.clone()).is_some(), "{what}: {finding:?}");
            let report = render("job.md", source, std::slice::from_ref(finding), false);
            let place = format!("--> job.md:{}\n", finding.position(source));
            assert!(report.contains(&place), "{what}: {place} is not in\n{report}");
        }
        for colour in [false, true] {
            let report = render("job.md", source, &parsed, colour);
            assert_eq!(report.is_empty(), parsed.is_empty());
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(source in pieces()) {
        check(&source);
        check(&format!("---\n{source}\n---\n"));
    }

    #[test]
    fn no_characters_panic(source in any::<String>()) {
        check(&source);
        check(&format!("---\n{source}\n---\n"));
    }

    #[test]
    fn the_body_is_kept_byte_for_byte(body in any::<String>()) {
        prop_assume!(!body.contains('\0'));
        let source = format!("---\nengine: claude\n---\n{body}");
        prop_assert_eq!(parse(&source).body, body);
    }
}
