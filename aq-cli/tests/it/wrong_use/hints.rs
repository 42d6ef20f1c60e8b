//! Verbs and flags of other programs.

use super::{USAGE, wrong};
use crate::sandbox::Sandbox;

#[test]
fn verbs_of_other_programs() {
    let sandbox = Sandbox::new();
    for (verb, says) in [
        ("list", "`aq status`"),
        ("ps", "`aq status`"),
        ("queue", "`aq status`"),
        ("stat", "`aq status`"),
        ("show", "`aq why JOB`"),
        ("kill", "`aq stop JOB`"),
        ("abort", "`aq stop JOB`"),
        ("rm", "aq deletes no job"),
        ("delete", "aq deletes no job"),
        ("log", "`aq logs JOB`"),
        ("start", "`aq run`"),
        ("retry", "`aq requeue JOB`"),
        ("push", "`aq ship JOB`"),
        ("merge", "`aq ship JOB`"),
        ("config", "config.yaml"),
        ("new", "`aq add FILE`"),
        ("statsu", "did you mean `aq status`?"),
        ("chekc", "did you mean `aq check`?"),
        ("LS", "`aq status`"),
    ] {
        wrong(verb, &mut sandbox.aq(&[verb]), USAGE, &["hint: ", says]);
    }
    for typo in ["shpi", "stpo", "cleann", "requeu", "prommote", "rejcet"] {
        let (code, said) = sandbox.code(&[typo]);
        assert_eq!(code, USAGE, "{said}");
        assert!(!said.contains("hint: ") && !said.contains("similar"), "{typo}: {said}");
    }
}

#[test]
fn every_verb_is_listed_once() {
    let sandbox = Sandbox::new();
    let help = sandbox.ok(&["--help"]);
    let rest = help.split("The rest:").nth(1).unwrap();
    let others: Vec<&str> =
        rest.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(first).collect();
    assert!(others.contains(&"help") && others.contains(&"man"), "{help}");
    for page in [&["help"][..], &["-h"], &["status", "-h", "--help"]] {
        let listed = sandbox.ok(page).contains("First steps:");
        assert_eq!(listed, page.len() == 1, "{page:?}");
    }
    for verb in ["demo", "init", "add", "run", "status", "ship", "service", "doctor", "submit"] {
        let lines = help.lines().filter(|line| line.starts_with(&format!("  {verb} ")));
        assert_eq!(lines.count(), 1, "{verb}: {help}");
    }
}

fn first(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}
