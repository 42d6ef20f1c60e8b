//! The written reference and the schema agree with the table of keys.

use std::collections::BTreeSet;
use std::path::Path;

use aq_manifest::{KEYS, ParsedJobFile, parse, parse_profile, schema};

#[expect(clippy::disallowed_methods, reason = "tests read the documentation")]
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The code blocks of a page in the given language.
fn examples(page: &str, language: &str) -> Vec<String> {
    let mut parts = page.split("\n```");
    let mut found = Vec::new();
    parts.next();
    while let (Some(block), _) = (parts.next(), parts.next()) {
        if let Some(text) = block.strip_prefix(&format!("{language}\n")) {
            found.push(text.to_owned());
        }
    }
    found
}

#[test]
fn the_reference_has_every_key_and_its_default() {
    let page = page("job-file.md");
    for key in KEYS {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", key.name)))
            .unwrap_or_else(|| panic!("docs/job-file.md has no row for `{}`", key.name));
        if let Some(default) = key.default {
            assert!(row.contains(&format!("| `{default}` |")), "default of `{}`: {row}", key.name);
        }
    }
    let keys = page.split("\n## ").find(|part| part.starts_with("Keys\n")).unwrap();
    let rows = keys.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, KEYS.len(), "docs/job-file.md has rows for keys that do not exist");
}

#[test]
fn examples_of_reference_are_good() {
    let page = page("job-file.md");
    let examples = examples(&page, "markdown");
    assert!(examples.len() >= 3);
    for source in examples {
        let ParsedJobFile { diagnostics, manifest, .. } = parse(&source);
        assert_eq!(diagnostics, [], "{source}");
        assert!(KEYS.iter().any(|key| manifest.is_set(key.name)), "{source}");
    }
}

#[test]
fn examples_of_profiles_are_good() {
    let page = page("profiles.md");
    let examples = examples(&page, "yaml");
    assert!(!examples.is_empty());
    for source in examples {
        assert_eq!(parse_profile("p", &source).diagnostics, [], "{source}");
    }
    for key in KEYS.iter().filter(|key| key.job_only.is_some()) {
        assert!(page.contains(&format!("`{}`", key.name)), "docs/profiles.md: `{}`", key.name);
    }
}

#[test]
fn the_schema_has_every_key_with_its_words() {
    let schema = schema();
    let keys: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), keys);
    for (name, property) in properties {
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
    }
    insta::assert_json_snapshot!(schema["properties"]["priority"], @r#"
    {
      "default": "medium",
      "description": "The order among jobs that could run; equal ones run oldest first.",
      "enum": [
        "low",
        "medium",
        "high",
        "critical"
      ]
    }
    "#);
    insta::assert_json_snapshot!(schema["properties"]["yolo"], @r#"
    {
      "default": false,
      "description": "Let the engine act without asking for permission.",
      "type": "boolean"
    }
    "#);
    insta::assert_json_snapshot!(schema["properties"]["retry"]["properties"]["on"], @r#"
    {
      "default": [
        "timeout",
        "verify_failed",
        "crash",
        "conflict"
      ],
      "description": "The failures that are tried again.",
      "oneOf": [
        {
          "enum": [
            "timeout",
            "verify_failed",
            "crash",
            "conflict"
          ]
        },
        {
          "items": {
            "enum": [
              "timeout",
              "verify_failed",
              "crash",
              "conflict"
            ]
          },
          "maxItems": 16,
          "type": "array"
        }
      ]
    }
    "#);
}
