//! Reports as a person sees them: one for each kind of error.

use aq_manifest::{parse, render};
use insta::assert_snapshot;

fn report(source: &str) -> String {
    render("job.md", source, &parse(source).diagnostics, false)
}

fn report_keys(yaml: &str) -> String {
    report(&format!("---\n{yaml}\n---\nDo it.\n"))
}

#[test]
fn an_unclosed_front_matter() {
    assert_snapshot!(report("---\nengine: claude\n\nDo it.\n"), @r"
    error: the front matter is not closed
     --> job.md:1:1
      |
    1 | ---
      | ^^^
      |
      = help: end it with a line of `---`; the prompt follows that line
    ");
}

#[test]
fn a_tab() {
    assert_snapshot!(report_keys("retry:\n\tmax: 3"), @r"
    error: a tab cannot indent YAML
     --> job.md:3:2
      |
    3 |  max: 3
      |  ^
      |
      = help: indent with spaces
    ");
}

#[test]
fn a_colon_in_text() {
    assert_snapshot!(report_keys("verify: echo done: yes"), @"
    error: a `:` cannot stand here
     --> job.md:2:18
      |
    2 | verify: echo done: yes
      |                  ^
      |
      = help: put text that holds `: ` in quotes; if it starts a key, end the text, quote or \
    bracket that stands before it
    ");
}

#[test]
fn an_unclosed_quote() {
    assert_snapshot!(report_keys("verify: \"make test\nengine: claude"), @r#"
    error: a quote is not closed
     --> job.md:2:9
      |
    2 | verify: "make test
      |         ^
      |
      = help: end the text with the quote that it starts with
    "#);
}

#[test]
fn a_forgotten_quote() {
    assert_snapshot!(report_keys("capabilities: [git, !docker]"), @r"
    error: `!docker` is a YAML tag; job files use none
     --> job.md:2:21
      |
    2 | capabilities: [git, !docker]
      |                     ^^^^^^^
      |
      = help: put text that starts with `!` in quotes
    ");
}

#[test]
fn a_wrong_type() {
    assert_snapshot!(report_keys("deps: other-job"), @r"
    error: `deps`: expected a list, found `other-job`
     --> job.md:2:7
      |
    2 | deps: other-job
      |       ^^^^^^^^^
      |
      = help: write `deps: [...]`, also for one
    ");
}

#[test]
fn a_boolean_of_old_yaml() {
    assert_snapshot!(report_keys("yolo: yes"), @r"
    error: `yolo`: expected `true` or `false`, found `yes`
     --> job.md:2:7
      |
    2 | yolo: yes
      |       ^^^
      |
      = help: write `true`
    ");
}

#[test]
fn a_key_without_a_value() {
    assert_snapshot!(report_keys("verify:\nengine: claude"), @r"
    error: `verify`: expected a shell command, found nothing
     --> job.md:2:7
      |
    2 | verify:
      |       ^
      |
      = help: give a value or remove the key
    ");
}

#[test]
fn an_unknown_value() {
    assert_snapshot!(report_keys("priority: hgh"), @r"
    error: `priority`: `hgh` is not a known priority
     --> job.md:2:11
      |
    2 | priority: hgh
      |           ^^^
      |
      = help: did you mean `high`? It can be `low`, `medium`, `high` or `critical`
    ");
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(report_keys("timout: 45m"), @r"
    warning: unknown key `timout`
     --> job.md:2:1
      |
    2 | timout: 45m
      | ^^^^^^
      |
      = help: did you mean `timeout`?
    ");
}

#[test]
fn a_sandbox_is_no_wish() {
    assert_snapshot!(report_keys("sandbox: strict"), @r"
    error: jobs do not run in sandboxes yet
     --> job.md:2:1
      |
    2 | sandbox: strict
      | ^^^^^^^
      |
      = help: remove the key; nothing would hold the job
    ");
}

#[test]
fn a_bad_requirement() {
    assert_snapshot!(report_keys("capabilities: [git, 'node>>20']"), @r"
    error: `capabilities`: in `node>>20`: `>>` is not an operator
     --> job.md:2:26
      |
    2 | capabilities: [git, 'node>>20']
      |                          ^
      |
      = help: write one of `= != > >= < <= ^ ~`
    ");
}

#[test]
fn a_bad_glob() {
    assert_snapshot!(report_keys("allowed-scope:\n- src/**\n- 'docs/[a'"), @r"
    error: `allowed-scope`: `docs/[a` is no glob: a `[` is not closed
     --> job.md:4:3
      |
    4 | - 'docs/[a'
      |   ^^^^^^^^^
      |
      = help: close every `[` and `{`, and put `\` before a character that is meant as it is
    ");
}

#[test]
fn a_bad_duration() {
    assert_snapshot!(report_keys("timeout: 1h30"), @r"
    error: `timeout`: in `1h30`: the last number has no unit
     --> job.md:2:14
      |
    2 | timeout: 1h30
      |              ^
      |
      = help: write a duration such as `90s`, `45m`, `2h`, `1d` or `1h30m`
    ");
}

#[test]
fn a_bad_retry() {
    assert_snapshot!(report_keys("retry: {max: 0, backoff: 5, on: [crash, timout]}"), @r"
    error: `retry`: `0` is out of range
     --> job.md:2:14
      |
    2 | retry: {max: 0, backoff: 5, on: [crash, timout]}
      |              ^
      |
      = help: `max` is the number of attempts in all, from 1 to 1000

    error: `retry`: in `5`: the last number has no unit
     --> job.md:2:27
      |
    2 | retry: {max: 0, backoff: 5, on: [crash, timout]}
      |                           ^
      |
      = help: write a duration such as `90s`, `45m`, `2h`, `1d` or `1h30m`

    error: `retry`: `timout` is not a known failure class
     --> job.md:2:41
      |
    2 | retry: {max: 0, backoff: 5, on: [crash, timout]}
      |                                         ^^^^^^
      |
      = help: did you mean `timeout`? It can be `timeout`, `verify_failed`, `crash` or `conflict`
    ");
}

#[test]
fn a_bad_variable() {
    assert_snapshot!(report_keys("env: {AQ_TOKEN: x, 2ND: y}"), @r"
    error: `env`: `AQ_TOKEN` cannot be set by a job
     --> job.md:2:7
      |
    2 | env: {AQ_TOKEN: x, 2ND: y}
      |       ^^^^^^^^
      |
      = help: names that start with `AQ_` are set by aq itself

    error: `env`: `2ND` is not the name of a variable
     --> job.md:2:20
      |
    2 | env: {AQ_TOKEN: x, 2ND: y}
      |                    ^^^
      |
      = help: a variable's name has letters, digits and `_`, and starts with no digit
    ");
}

#[test]
fn a_duplicate_key() {
    assert_snapshot!(report_keys("engine: claude\ncwd: .\nengine: codex"), @r"
    error: the key `engine` is given twice
     --> job.md:4:1
      |
    4 | engine: codex
      | ^^^^^^
      |
      = help: keep one of them
    ");
}

#[test]
fn a_dependency_on_itself() {
    assert_snapshot!(report_keys("idempotency-key: build\ndeps: [fetch, build]"), @r"
    error: `deps`: `build` is this job's own key
     --> job.md:3:15
      |
    3 | deps: [fetch, build]
      |               ^^^^^
      |
      = help: remove it: a job cannot wait for itself
    ");
}

#[test]
fn a_long_line() {
    assert_snapshot!(report_keys(&format!("args: [{}5, [6]]", "--verbose, ".repeat(40))), @r"
    error: `args`: expected text, found a list
     --> job.md:2:451
      |
    2 | ...rbose, --verbose, --verbose, --verbose, 5, [6]]
      |                                               ^^^
    ");
}

#[test]
fn wide_and_hidden_characters() {
    assert_snapshot!(report_keys("engine: 漢字\u{1b}[31m"), @r"
    error: the control character U+001B cannot stand here
     --> job.md:2:11
      |
    2 | engine: 漢字␛[31m
      |             ^
      |
      = help: remove it
    ");
}

#[test]
fn front_matter_below_blank_lines() {
    assert_snapshot!(report("\n\n---\nengine: claude\n---\n"), @r"
    warning: the front matter does not start on the first line, so it is prompt
     --> job.md:3:1
      |
    3 | ---
      | ^^^
      |
      = help: remove the empty lines above this
    ");
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let source = "---\npriority: x\n---\n";
    let findings = parse(source).diagnostics;
    assert!(render("job.md", source, &findings, true).contains("\u{1b}["));
    assert!(!render("job.md", source, &findings, false).contains('\u{1b}'));
}

#[test]
fn lock_that_is_a_switch() {
    for word in ["no", "off", "Off", "yes", "on", "true", "FALSE"] {
        let report = report_keys(&format!("lock: {word}"));
        assert!(report.contains("is a switch, not a lock's name"), "{word}: {report}");
        assert!(report.contains("write `none` for no lock"), "{word}: {report}");
    }
    assert_eq!(report_keys("lock: \"no\""), "");
    assert_eq!(report_keys("lock: none"), "");
}

#[test]
fn keys_without_an_opening_fence() {
    assert_snapshot!(report("engine: claude\nretry:\n  max: 3\n---\nDo it.\n"), @r"
    error: the front matter lacks its opening `---`
     --> job.md:1:1
      |
    1 | engine: claude
      | ^^^^^^
      |
      = help: put a line of `---` above the first key
    ");
}

#[test]
fn keys_by_words_of_others() {
    for (word, key) in [("depends_on", "deps"), ("workdir", "cwd"), ("retries", "retry")] {
        let report = report_keys(&format!("{word}: [x]"));
        assert!(report.contains(&format!("did you mean `{key}`?")), "{word}: {report}");
    }
}
