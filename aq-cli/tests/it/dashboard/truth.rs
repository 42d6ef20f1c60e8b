//! Pages say what is so, in the words of the command line.

use std::fs;

use super::server::Server;
use crate::sandbox::Sandbox;

/// The card of a job on the board.
fn card(server: &Server, id: &str) -> String {
    let page = server.page("/");
    let card =
        page.split("<a class=\"card").find(|card| card.contains(&format!("data-job=\"{id}\"")));
    card.unwrap_or_else(|| panic!("{id} is not on the board"))
        .split("</a>")
        .next()
        .unwrap()
        .to_owned()
}

/// Adds lines to the record of a job.
fn record(sandbox: &Sandbox, id: &str, lines: &str) {
    let file = sandbox.queue(&format!(".state/meta/{id}.meta"));
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + lines).unwrap();
}

#[test]
fn colours_say_how_it_went() {
    let sandbox = Sandbox::new();
    sandbox.add("checked", "verify: 'true'", "true");
    sandbox.add("unchecked", "", "true");
    sandbox.add("refused", "review-policy: human", "true");
    sandbox.add("failing", "retry: {max: 1}", "exit 3");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    sandbox.ok(&["reject", "refused", "--reason", "no"]);
    let server = Server::start(&sandbox);
    for (id, class, words) in [
        ("checked", " verified\"", "verified"),
        ("unchecked", " unverified\"", "not verified"),
        ("refused", " failed\"", "rejected: no"),
        ("failing", " failed\"", "crash"),
    ] {
        let card = card(&server, id);
        assert!(card.starts_with(class) && card.contains(words), "{id}: {card}");
    }
    for (id, class, attempt) in [
        ("checked", "is-good", "<span class=\"good\">success"),
        ("unchecked", "is-unverified", "<span class=\"good\">success"),
        ("refused", "is-bad", "<span class=\"bad\">rejected"),
        ("failing", "is-bad", "<span class=\"bad\">"),
    ] {
        let page = server.page(&format!("/jobs/{id}"));
        assert!(page.contains(&format!("class=\"stage {class}\"")), "{id}: {page}");
        assert!(page.contains(attempt), "{id}: {page}");
    }
    sandbox.ok(&["ship", "unchecked"]);
    assert!(card(&server, "unchecked").starts_with(" shipped unverified\""));
}

#[test]
fn costs_and_attempts_are_those_of_all() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "retry: {max: 1}", "test -e there || { touch there; exit 1; }");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet"]).0, 1);
    sandbox.ok(&["requeue", "a"]);
    sandbox.ok(&["run", "--once", "--quiet"]);
    let more = "cost_usd=0.5\ntotal_cost_usd=1234.5\nduration_s=1.25\ntotal_duration_s=3.456\n";
    record(&sandbox, "a", more);
    record(&sandbox, "a", "files_changed=1\nlines_added=2\nlines_deleted=0\n");
    let server = Server::start(&sandbox);
    assert!(card(&server, "a").contains("$1,234.50"), "{}", card(&server, "a"));
    let page = server.page("/jobs/a");
    for shown in [
        "<strong>#1</strong>",
        "<strong>#2</strong>",
        "$1,234.50",
        "<dd>3.5s</dd>",
        ">1 file<",
        "1 attempt, pause",
        "<time class=\"ago\"",
    ] {
        assert_eq!(page.matches(shown).count(), 1, "{shown}: {page}");
    }
}

#[test]
fn what_clean_has_put_away_is_said() {
    let sandbox = Sandbox::new();
    sandbox.add("good", "", "echo hello");
    sandbox.add("bad", "retry: {max: 1}", "exit 1");
    assert_eq!(sandbox.code(&["run", "--once", "--quiet", "--ship"]).0, 1);
    sandbox.ok(&["clean", "--keep", "0"]);
    let server = Server::start(&sandbox);
    assert!(card(&server, "bad").contains("its record is put away"));
    let away = "<code>aq clean</code> has put its record away";
    for id in ["good", "bad"] {
        let page = server.page(&format!("/jobs/{id}"));
        assert!(page.contains(away) && !page.contains("not tried yet"), "{page}");
        // Numbers are kept.
        assert!(page.contains("<dt>Attempts</dt><dd>1</dd>"), "{page}");
        assert!(page.contains("<dt>Engine</dt><dd>shell</dd>"), "{page}");
        assert!(server.page(&format!("/jobs/{id}?view=record")).contains(away));
    }
    let (_, said) = sandbox.code(&["logs", "good"]);
    let said = said.trim().trim_start_matches("error: ").replace('`', "");
    let log = server.page("/jobs/good?view=log").replace("<code>", "").replace("</code>", "");
    assert!(said.contains("has put the log of good away") && log.contains(&said), "{said}: {log}");
    fs::remove_dir_all(sandbox.queue(".archive")).unwrap();
    let log = server.page("/jobs/good?view=log");
    assert!(
        log.contains("has put the log of good away") && !log.contains("printed nothing"),
        "{log}"
    );
}

#[test]
fn paths_that_no_file_can_have_are_not_found() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "true");
    sandbox.ok(&["run", "--once", "--quiet"]);
    fs::create_dir_all(sandbox.queue("artifacts/a")).unwrap();
    let server = Server::start(&sandbox);
    let long = "x".repeat(5_000);
    for path in [
        "/jobs/a/artifact?path=a%00b",
        "/jobs/a/artifact?path=%00/b",
        "/jobs/a%00b",
        "/board/%00",
        "/assets/%00",
        "/graph?job=%00",
        &format!("/jobs/a/artifact?path={long}"),
        &format!("/jobs/{long}"),
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}

#[test]
fn legend_says_what_dependencies_mean() {
    let sandbox = Sandbox::new();
    sandbox.add("first", "idempotency-key: k", "true");
    sandbox.add("second", "deps: [k]\ndeps-mode: soft", "true");
    let page = Server::start(&sandbox).page("/graph");
    for words in ["must be shipped (hard)", "must be shipped or in testing (soft)"] {
        assert!(page.contains(words), "{page}");
    }
}
