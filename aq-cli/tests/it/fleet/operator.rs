//! `aq fleet`: what an operator asks, and how it is answered.

use aq_fleet::protocol::FleetJobId;
use aq_manifest::Stage;
use serde_json::{Value, json};

use super::lab::{Fleet, Host};
use super::proxy::Proxy;
use crate::sandbox::wait_for;

const MISSING: i32 = 3;
const REFUSED: i32 = 4;
const ENVIRONMENT: i32 = 5;

/// The words of a command that ends with this code.
fn fails(host: &Host, args: &[&str], code: i32) -> String {
    let (found, said) = host.code(args);
    assert_eq!(found, code, "{args:?}: {said}");
    said
}

fn names(jobs: &Value) -> Vec<&str> {
    jobs["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect()
}

#[test]
fn jobs_are_listed_with_the_host_of_their_logs() {
    let fleet = Fleet::new();
    let (mut one, two) = (fleet.host("one"), fleet.host("two"));
    one.start();
    let bad = fleet.submit("bad", "idempotency-key: bad-key", "echo of-the-log; exit 3");
    fleet.wait_for(bad, Stage::Failed);
    let good = fleet.submit("good", "", "true");
    fleet.wait_for(good, Stage::Shipped);
    fleet.submit("waits", "capabilities: [nobody-has]", "true");
    let listed = |args: &[&str]| two.json(&[&["fleet", "jobs", "--json"], args].concat());
    assert_eq!(names(&listed(&[])), ["waits"]);
    assert_eq!(names(&listed(&["--all"])), ["bad", "good", "waits"]);
    assert_eq!(names(&listed(&["--state", "failed", "--state", "shipped"])), ["bad", "good"]);
    assert_eq!(names(&listed(&["--all", "--host", "one"])), ["bad", "good"]);
    assert_eq!(names(&listed(&["--all", "--host", "two"])), [] as [&str; 0]);
    let shape = listed(&["--state", "failed"]);
    assert_eq!((&shape["version"], &shape["jobs"][0]["logs"]["host"]), (&json!(2), &json!("one")));
    let said = two.ok(&["fleet", "jobs", "--all"]);
    let line = said.lines().find(|line| line.starts_with("bad ")).unwrap();
    assert!(line.contains("failed") && line.contains("one") && line.contains("crash"), "{said}");
    assert!(said.contains("`aq logs JOB` on the job's host"), "{said}");
    // As it says.
    assert!(one.ok(&["logs", "bad"]).contains("of-the-log"));
    assert!(two.ok(&["fleet", "jobs", "--state", "review"]).contains("no such jobs"));
    let wrong = fails(&two, &["fleet", "jobs", "--state", "quarantine"], 2);
    assert!(wrong.contains("inbox, building"), "{wrong}");

    // Put back by its key, it goes on.
    assert_eq!(two.ok(&["fleet", "requeue", "bad-key"]), "bad is in inbox now\n");
    fleet.wait_until(bad, "fail again", |view| {
        view.grants.len() == 2 && view.job.stage == Stage::Failed
    });
}

#[test]
fn wishes_are_done_or_say_why_not() {
    let fleet = Fleet::new();
    let mut host = fleet.host("one");
    host.start();
    let on = fleet.out("on");
    let long = fleet.submit("long", "", &format!("echo on >{}; sleep 1000", on.display()));
    fleet.wait_for_line("on", "on");
    let waits = fleet.submit("waits", "capabilities: [nobody-has]", "true");
    let said = host.ok(&["fleet", "cancel", "long", &waits.to_string()]);
    assert_eq!(said, "long is to be stopped; one is told so\nwaits is in failed now\n");
    fleet.wait_for(long, Stage::Failed);
    host.wait_for_stage("long", "failed");

    let id = uuid_of_nobody();
    let unknown = fails(&host, &["fleet", "cancel", "nothing", &id.to_string()], MISSING);
    assert!(unknown.contains("there is no job of this key or name"), "{unknown}");
    assert!(unknown.contains(&format!("there is no job {id}")), "{unknown}");
    assert_eq!(unknown.matches("`aq fleet jobs --all` lists the jobs").count(), 2, "{unknown}");
    let good = fleet.submit("good", "", "true");
    fleet.wait_for(good, Stage::Shipped);
    for verb in ["cancel", "requeue"] {
        let refused = fails(&host, &["fleet", verb, "good"], REFUSED);
        assert!(refused.contains("good") && refused.contains("shipped"), "{refused}");
    }
    // The fleet may have two of a name; a key is one's own.
    for front in ["idempotency-key: a", "idempotency-key: b"] {
        fleet.submit("twin", &format!("{front}\ncapabilities: [nobody-has]"), "true");
    }
    let many = fails(&host, &["fleet", "cancel", "twin"], 2);
    assert!(many.contains("say which by its key or id"), "{many}");
    assert_eq!(host.ok(&["fleet", "cancel", "b"]), "twin is in failed now\n");
}

fn uuid_of_nobody() -> FleetJobId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

#[test]
fn a_host_is_drained_and_taken_back() {
    let fleet = Fleet::new();
    let mut host = fleet.host("one");
    let unknown = fails(&host, &["fleet", "drain", "one"], MISSING);
    assert!(unknown.contains("there is no factory one"), "{unknown}");
    assert!(unknown.contains("`aq fleet-status` lists the hosts"), "{unknown}");
    host.start();
    wait_for("the host", || host.code(&["fleet", "drain", "one"]).0 == 0);
    let said = host.ok(&["fleet", "drain", "one"]);
    assert!(said.starts_with("one takes no more jobs;"), "{said}");
    wait_for("the word", || host.ok(&["fleet-status"]).contains("drains"));
    let job = fleet.submit("job", "", "true");
    assert_eq!(host.ok(&["fleet", "drain", "one", "--off"]), "one takes jobs again\n");
    fleet.wait_for(job, Stage::Shipped);
}

#[test]
fn events_are_shown_and_followed() {
    let fleet = Fleet::new();
    let host = fleet.host("one");
    fleet.submit("first", "", "true");
    let said = host.ok(&["fleet", "events"]);
    let words: Vec<&str> = said.split_whitespace().skip(1).collect();
    assert_eq!(words, ["submitted", "first", "inbox"]);
    let lines = |said: String| -> Vec<Value> {
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let events = lines(host.ok(&["fleet", "events", "--since", "1h", "--json"]));
    assert_eq!((&events[0]["kind"], &events[0]["version"]), (&json!("submitted"), &json!(2)));
    let last = events[0]["id"].to_string();
    assert_eq!(host.ok(&["fleet", "events", "--after", &last]), "");
    // What happens while somebody follows, as it happens.
    let said = host.path("followed");
    let mut follow =
        super::lab::tied(&host.aq(&["fleet", "events", "-f", "--after", &last, "--json"]));
    let mut follow = follow.stdout(std::fs::File::create(&said).unwrap()).spawn().unwrap();
    fleet.submit("second", "", "true");
    wait_for("the second job", || super::lab::read(&said).contains("\"name\":\"second\""));
    crate::sandbox::kill_child(&mut follow);
}

#[test]
fn hostile_texts_do_nothing_to_a_terminal() {
    let fleet = Fleet::new();
    let proxy = Proxy::to(fleet.coordinator.address());
    let mut host = fleet.host("one");
    host.ask(proxy.address());
    fleet.submit("job", "", "true");
    proxy.meddle(|_, body| {
        Some(
            body.replace("\"key\":", "\"key\":\"\\u001b[2J\",\"other\":")
                .replace("no job", "no \\u001b[2Jjob"),
        )
    });
    let id = uuid_of_nobody().to_string();
    for args in [
        &["fleet", "jobs"] as &[&str],
        &["fleet", "jobs", "--json"],
        &["fleet", "events"],
        &["fleet", "events", "--json"],
        &["fleet", "cancel", &id],
    ] {
        let (_, said) = host.code(args);
        assert!(!said.contains('\u{1b}') && !said.contains("\\u001b"), "{args:?}: {said:?}");
    }
}

#[test]
fn a_coordinator_that_is_away_or_old_is_told() {
    let mut fleet = Fleet::new();
    let mut host = fleet.host("one");
    let address = fleet.coordinator.address();
    // There it knows no path, as an old one does not know this one.
    host.set("AQ_FLEET_URL", format!("http://{address}/old"));
    let old = fails(&host, &["fleet", "events"], ENVIRONMENT);
    assert!(old.contains("the coordinator is older than this aq"), "{old}");
    host.ask(address);
    host.set("AQ_FLEET_TOKEN", "another-token-of-nobody");
    let refused = fails(&host, &["fleet", "events"], ENVIRONMENT);
    assert!(refused.contains("401"), "{refused}");
    fleet.coordinator.kill();
    let away = fails(&host, &["fleet", "jobs"], ENVIRONMENT);
    assert!(away.contains("the coordinator cannot be reached"), "{away}");
    host.set("AQ_FLEET_URL", "");
    let unset = fails(&host, &["fleet", "jobs"], 2);
    assert!(unset.contains("AQ_FLEET_URL is not set"), "{unset}");
}
