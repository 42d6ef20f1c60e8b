//! A program that was built without some of its features names them where they are asked for.
//! `cargo nextest run -p aq-cli --no-default-features left_out readme` tries it.

use crate::sandbox::Sandbox;

/// Fails unless `aq` refuses these words and names the feature that it lacks.
fn assert_refused(sandbox: &Sandbox, feature: &str, words: &[&str]) {
    let (code, output) = sandbox.code(words);
    let named = format!("built without the feature `{feature}`");
    assert!(code == 2 && output.contains(&named), "{words:?}: {code}: {output}");
}

#[cfg(not(feature = "coordinator"))]
#[test]
fn coordinator_is_named() {
    let sandbox = Sandbox::new();
    for words in [&["coordinator"][..], &["coordinator", "--listen", "127.0.0.1:0"]] {
        assert_refused(&sandbox, "coordinator", words);
    }
    assert!(!sandbox.ok(&["--help"]).contains("coordinator  "));
}

#[cfg(not(feature = "dashboard"))]
#[test]
fn dashboard_is_named() {
    let sandbox = Sandbox::new();
    for words in [&["dashboard"][..], &["dashboard", "--public", "--help"]] {
        assert_refused(&sandbox, "dashboard", words);
    }
    assert!(!sandbox.ok(&["--help"]).contains("dashboard  "));
}

#[cfg(not(feature = "fleet"))]
#[test]
fn fleet_is_named() {
    let mut sandbox = Sandbox::new();
    sandbox.set("AQ_FLEET", "1");
    sandbox.set("AQ_FLEET_URL", "http://127.0.0.1:1");
    sandbox.set("AQ_FLEET_TOKEN", "a-token-of-some-length");
    let job = sandbox.write("job", "", "true");
    let job = job.to_str().unwrap();
    for words in [&["submit", job][..], &["fleet", "jobs"], &["fleet-status"], &["run", "--once"]] {
        assert_refused(&sandbox, "fleet", words);
    }
}

#[cfg(not(feature = "trackers"))]
#[test]
fn trackers_are_named() {
    let mut sandbox = Sandbox::new();
    sandbox.set("GITHUB_TOKEN", "a-token");
    assert_refused(&sandbox, "trackers", &["from-tracker", "github:owner/name#1"]);
    sandbox.set("AQ_TRACKER_URL", "http://127.0.0.1:1");
    assert_refused(&sandbox, "trackers", &["from-tracker", "item-1"]);
}
