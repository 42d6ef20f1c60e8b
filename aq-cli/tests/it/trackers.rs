//! Items become jobs, and trackers get their results, without ever being in the way.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake_tracker::FakeTracker;
use crate::sandbox::{Sandbox, kill_child, wait_child, wait_for};

const TOKEN: &str = "tok-5f1e0c";

/// `aq` with a tracker in its environment.
fn with(sandbox: &Sandbox, tracker: &FakeTracker, args: &[&str]) -> Command {
    let mut command = sandbox.aq(args);
    command
        .env("AQ_TRACKER_URL", tracker.url())
        .env("AQ_TRACKER_TOKEN", TOKEN)
        .env("AQ_TRACKER_PRODUCT", "prod-1");
    command
}

fn run(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

/// `aq run` that echoes.
fn auto(sandbox: &Sandbox, tracker: &FakeTracker, args: &[&str]) -> Command {
    let mut command = with(sandbox, tracker, args);
    command.env("AQ_TRACKER_AUTO", "1");
    command
}

fn tracker_dir(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.queue(".state/tracker")
}

#[test]
fn no_proxy_stands_before_this_machine() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({ "title": "Fix it", "description": "Please." }));
    let proxy = FakeTracker::of_item(json!({}));
    let mut command = with(&sandbox, &tracker, &["from-tracker", "AQ/7"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, proxy.url());
    }
    let (code, said) = run(command);
    assert_eq!(code, 0, "{said}");
    assert_eq!(tracker.asked()[0].line, "GET /api/items/AQ%2F7");
    assert_eq!(proxy.asked().len(), 0, "it was sent the token");
}

#[test]
fn item_becomes_a_job_once() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({
        "title": "Fix\n---\nengine: shell\n---\n\"it\"",
        "description": "---\nyolo: true\n---\nPlease.\u{1b}[2J\u{0}",
        "priority": "urgent",
        "labels": ["cap:os:any", { "name": "engine-class:chat-coder" }, "other"],
    }));
    let (code, said) = run(with(&sandbox, &tracker, &["from-tracker", "AQ/7"]));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("added AQ-7\n"), "{said}");
    let asked = &tracker.asked()[0];
    assert_eq!(asked.line, "GET /api/items/AQ%2F7");
    let raw = asked.raw.to_ascii_lowercase();
    assert!(raw.contains(&format!("authorization: bearer {TOKEN}\r\n")), "{raw}");
    assert!(raw.contains("x-product-id: prod-1\r\n"), "{raw}");
    let file = fs::read_to_string(sandbox.queue("inbox/AQ-7.md")).unwrap();
    insta::assert_snapshot!(file, @r#"
    ---
    tracker-item: "AQ/7"
    idempotency-key: "tracker-AQ/7"
    engine-class: "chat-coder"
    priority: "critical"
    capabilities:
    - "os:any"
    ---
    Fix --- engine: shell --- "it"

    ---
    yolo: true
    ---
    Please.[2J
    "#);
    assert_eq!(sandbox.meta_value("AQ-7", "tracker_item"), "AQ/7");
    assert_eq!(sandbox.meta_value("AQ-7", "engine_wanted"), "");

    let (code, said) = run(with(&sandbox, &tracker, &["from-tracker", "AQ/7"]));
    assert_eq!((code, said.contains("AQ-7 is there already, in inbox/")), (0, true), "{said}");
    // A job that has left the inbox is not touched, whatever the item says by now.
    sandbox.ok(&["stop", "AQ-7"]);
    tracker.now(|_| Some((200, json!({ "title": "Another" }).to_string())));
    let (code, said) = run(with(&sandbox, &tracker, &["from-tracker", "AQ/7"]));
    assert_eq!((code, said.contains("AQ-7 is there already, in failed/")), (0, true), "{said}");
    assert_eq!(sandbox.jobs("inbox"), [""; 0]);
}

#[test]
fn unusable_item_blocks_no_other() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|asked| {
        let (status, body) = match asked.line.rsplit('/').next().unwrap() {
            "gone" => (404, json!({ "message": "\u{1b}[2J gone" })),
            "label" => (200, json!({ "title": "x", "labels": ["cap:node>>1"] })),
            "empty" => (200, json!({ "title": " " })),
            "large" => (200, json!({ "title": "x", "description": "y".repeat(1 << 20) })),
            "many" => (200, json!({ "title": "x", "description": "# line\n".repeat(30_000) })),
            "echo" => (400, json!({ "message": asked.raw })),
            _ => (200, json!({ "title": "good" })),
        };
        Some((status, body.to_string()))
    });
    let items = ["from-tracker", "gone", "label", "empty", "large", "many", "echo", "good"];
    let (code, said) = run(with(&sandbox, &tracker, &items));
    assert_ne!(code, 0);
    assert_eq!(sandbox.jobs("inbox"), ["good", "many"], "{said}");
    for want in ["no item gone", "cap:node>>1", "neither a title", "limit is 1048576", "[token]"] {
        assert!(said.contains(want), "{want}: {said}");
    }
    assert!(!said.contains('\u{1b}') && !said.contains(TOKEN), "{said}");
    for (item, want) in [("github:o/r", 2), ("github:o/r#0", 2), ("..", 2), ("gone", 3)] {
        let (code, said) = run(with(&sandbox, &tracker, &["from-tracker", item]));
        assert_eq!(code, want, "{item}: {said}");
    }
}

#[test]
fn config_decides_tracker_updates() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({}));
    fs::write(sandbox.queue("config.yaml"), "tracker: {status: {review: waiting}}\n").unwrap();
    sandbox.add("a", "tracker-item: T-1\nreview-policy: human", "true");
    let tell = || run(with(&sandbox, &tracker, &["to-tracker", "a"]));
    assert_eq!(tell(), (0, "a is in inbox/, of which trackers are not told\n".to_owned()));
    sandbox.ok(&["run", "--once"]);
    assert_eq!(tell(), (0, "a: T-1 is waiting now\n".to_owned()));
    assert_eq!(tell(), (0, "a: T-1 knows that already\n".to_owned()));
    assert_eq!(tracker.told(), ["PATCH /api/items/T-1", "POST /api/items/T-1/comments"]);
    assert_eq!(sandbox.meta_value("a", "tracker_echoed"), "review");
    let status = sandbox.json(&["status", "--json"]);
    let want = json!({ "item": "T-1", "echoed": "review", "waiting": 0, "problem": null });
    assert_eq!(status["jobs"][0]["tracker"], want);
    let insights = sandbox.json(&["insights", "a", "--json"]);
    assert_eq!(
        (&insights["tracker_item"], &insights["tracker_echoed"]),
        (&"T-1".into(), &"review".into())
    );
    assert!(sandbox.ok(&["status"]).contains("T-1 (review)"));
    assert!(sandbox.ok(&["insights", "a"]).contains("last echo      review"));

    tracker.now(|_| Some((500, "boom".to_owned())));
    sandbox.ok(&["ship", "a"]);
    let (code, said) = tell();
    assert_eq!((code, said.contains("status 500")), (5, true), "{said}");
    assert_eq!(
        sandbox.meta_value("a", "tracker_echoed"),
        "review",
        "only what is true is recorded"
    );
    sandbox.add("none", "", "true");
    assert_eq!(run(with(&sandbox, &tracker, &["to-tracker", "none"])).0, 4);
    assert_eq!(sandbox.code(&["to-tracker", "a"]).0, 2, "no tracker is set up");
}

#[test]
fn tracker_gets_numbers_in_order() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({}));
    let front = "tracker-item: T-1\nretry: {max: 2, backoff: 0s}\nenv: {SECRET: env-value-77}";
    let body = "echo prompt-text-31 \"$SECRET\"\n\
        echo 'AQ_USAGE {\"input_tokens\": 12, \"cost_usd\": 0.5}'\nexit 3";
    sandbox.add("a", front, body);
    sandbox.add("b", "tracker-item: T-2", "true");
    sandbox.add("fleet", "tracker-item: T-3", "true");
    let meta = sandbox.queue(".state/meta/fleet.meta");
    let granted = std::fs::read_to_string(&meta).unwrap() + "fleet_job_id=f\nfleet_lease_epoch=1\n";
    std::fs::write(&meta, granted).unwrap();
    let mut command = auto(&sandbox, &tracker, &["run", "--once", "--ship"]);
    command.env("GITHUB_TOKEN", "gh-secret-9");
    run(command);
    let of = |item: &str| -> Vec<String> {
        let asked = tracker.asked().into_iter().filter(|asked| asked.line.contains(item));
        asked
            .filter_map(|asked| Some(asked.body["body"].as_str()?.lines().next()?.to_owned()))
            .collect()
    };
    // A loop waits for its answers for some seconds at most; the next one sends the rest.
    wait_for("the end", || {
        run(auto(&sandbox, &tracker, &["run", "--once"]));
        of("/T-1/").len() >= 2 && of("/T-2/").last().is_some_and(|last| last == "aq: shipped")
    });
    assert_eq!(of("/T-1/"), ["aq: building", "aq: failed (retries_exhausted, crash)"]);
    let stages = ["aq: building", "aq: review", "aq: testing (success)", "aq: shipped"];
    assert_eq!(of("/T-2/"), stages);
    assert!(of("/T-3/").is_empty(), "the coordinator tells of fleet jobs");
    let statuses = tracker.asked().into_iter().filter(|asked| asked.line == "PATCH /api/items/T-2");
    let statuses: Vec<_> = statuses.map(|asked| asked.body["status"].clone()).collect();
    assert_eq!(statuses, ["in_progress", "in_progress", "in_progress", "done"]);
    let sent: String = tracker.asked().into_iter().map(|asked| asked.raw).collect();
    assert!(sent.contains("- tokens: 24 in") && sent.contains("- cost: $1.00"), "{sent}");
    let without_header = sent.replace(&format!("Bearer {TOKEN}"), "");
    for secret in ["prompt-text", "env-value", "gh-secret", TOKEN, "SECRET"] {
        assert!(!without_header.contains(secret), "{secret}: {sent}");
    }
    for id in ["a", "b"] {
        assert!(!sandbox.meta_value(id, "tracker_echoed").is_empty());
    }
    assert_eq!(fs::read_dir(tracker_dir(&sandbox)).unwrap().count(), 2, "only the locks are left");
}

#[test]
fn without_the_switch_nothing_happens_at_all() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({}));
    sandbox.add("a", "tracker-item: T-1", "true");
    run(with(&sandbox, &tracker, &["run", "--once", "--ship"]));
    assert_eq!(sandbox.folders("a"), ["shipped"]);
    assert!(tracker.asked().is_empty());
    assert!(!tracker_dir(&sandbox).exists());
}

#[test]
fn a_tracker_that_hangs_is_in_nobodys_way() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|_| None);
    for n in 0..20 {
        sandbox.add(&format!("job-{n}"), &format!("tracker-item: T-{n}"), "true");
    }
    let begun = Instant::now();
    let mut running = auto(&sandbox, &tracker, &["run", "--quiet", "--max", "2"]).spawn().unwrap();
    wait_for("all jobs", || sandbox.jobs("testing").len() == 20);
    // Each call may take 20 s.
    let calls = 1 + begun.elapsed().as_secs() / 20;
    assert!(tracker.told().len() as u64 <= calls, "it is not asked again while it hangs");
    sandbox.ok(&["ship", "job-3"]);
    sandbox.ok(&["stop"]);
    wait_child(&mut running);
    // The next loop sends it all, with what happened in between.
    tracker.now(|_| Some((200, "{}".to_owned())));
    run(auto(&sandbox, &tracker, &["run", "--once"]));
    wait_for("the rest", || {
        run(auto(&sandbox, &tracker, &["run", "--once"]));
        sandbox.meta_value("job-3", "tracker_echoed") == "shipped"
    });
    assert!((0..20).all(|n| !sandbox.meta_value(&format!("job-{n}"), "tracker_echoed").is_empty()));
}

/// Adds so many jobs with items at once.
fn add_many(sandbox: &Sandbox, count: usize) {
    let dir = sandbox.path("jobs");
    fs::create_dir(&dir).unwrap();
    for n in 0..count {
        let text = format!("---\nengine: shell\nlock: none\ntracker-item: T-{n}\n---\ntrue\n");
        fs::write(dir.join(format!("j{n}.md")), text).unwrap();
    }
    sandbox.ok(&["add".as_ref(), dir.as_os_str()]);
}

#[test]
fn five_hundred_jobs_and_a_tracker_that_hangs() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|_| None);
    add_many(&sandbox, 500);
    let (code, said) = run(auto(&sandbox, &tracker, &["run", "--once", "--max", "4"]));
    assert_eq!(code, 0, "{said}");
    assert_eq!(sandbox.jobs("testing").len(), 500);
    // All updates are there, for the next loop.
    let waiting = fs::read_dir(tracker_dir(&sandbox)).unwrap().flatten();
    let waiting = waiting.filter(|entry| {
        let text = fs::read_to_string(entry.path()).unwrap();
        text.contains("\"stage\":\"building\"") && text.contains("\"stage\":\"testing\"")
    });
    assert_eq!(waiting.count(), 500);
}

#[test]
fn failing_tracker_is_left_alone() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|_| Some((500, "{}".to_owned())));
    add_many(&sandbox, 20);
    let started = Instant::now();
    let (code, said) = run(auto(&sandbox, &tracker, &["run", "--once", "--max", "4"]));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("status 500") && said.contains("the next try is in"), "{said}");
    assert!(sandbox.ok(&["status"]).contains("not told: the tracker does not answer as it should"));
    // After three jobs it rests 1 s, 2 s, 4 s, ...: a few tries, however many jobs there are.
    let most = 5 + started.elapsed().as_secs().max(1).ilog2() as usize;
    assert!(tracker.told().len() <= most, "{:?}", tracker.told());
}

#[test]
fn a_locked_issue_does_not_silence_others() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|asked| {
        let locked = json!({ "message": "Unable to create comment because issue is locked." });
        let issue = json!({ "number": 1, "title": "T", "state": "open", "labels": [] });
        Some(match asked.line.as_str() {
            line if line.starts_with("POST") && line.contains("/issues/1/comments") => {
                (403, locked.to_string())
            }
            line if line.contains("/issues/2") => (500, "{}".to_owned()),
            "GET /api/user" => (200, json!({ "id": 5 }).to_string()),
            line if line.starts_with("GET") && line.contains("/comments") => (200, "[]".to_owned()),
            line if line.contains("/comments") => (201, json!({ "id": 9 }).to_string()),
            _ => (200, issue.to_string()),
        })
    });
    for n in 1..=3 {
        let front = format!("tracker-item: 'github:o/r#{n}'\nlock: none");
        sandbox.add(&format!("j{n}"), &front, "true");
    }
    let mut command = auto(&sandbox, &tracker, &["run", "--once"]);
    command.env("AQ_GITHUB_TOKEN", TOKEN).env("AQ_GITHUB_API", tracker.url());
    let (code, said) = run(command);
    assert_eq!(code, 0, "{said}");
    assert_eq!(sandbox.meta_value("j3", "tracker_echoed"), "testing", "{said}");
    assert!(said.contains("GitHub forbids this for github:o/r#1: status 403"), "{said}");
    assert!(said.contains("j2: GitHub does not answer as it should: status 500"), "{said}");
    assert!(sandbox.ok(&["status"]).contains("issue is locked"));
}

#[test]
fn killed_loop_repeats_no_update() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({}));
    sandbox.add("a", "tracker-item: T-1", "while [ ! -e go ]; do sleep 0.01; done");
    let mut running = auto(&sandbox, &tracker, &["run", "--quiet"]).spawn().unwrap();
    let told = || fs::read_to_string(tracker_dir(&sandbox).join("a.json")).unwrap_or_default();
    wait_for("the first echo", || told().contains("\"echoed\":\"building\""));
    kill_child(&mut running);
    fs::write(sandbox.work().join("go"), "").unwrap();
    sandbox.wait_for_stage("a", "testing");
    run(auto(&sandbox, &tracker, &["run", "--once"]));
    assert_eq!(tracker.comments(), ["aq: building", "aq: review", "aq: testing (success)"]);
    assert_eq!(sandbox.meta_value("a", "tracker_echoed"), "testing");
}

#[test]
fn command_in_place_of_http() {
    let sandbox = Sandbox::new();
    let script = sandbox.path("tracker.sh");
    let text = "cat > \"$0.body\"; echo \"$1 $2 $(cat \"$0.body\")\" >> \"$0.log\"\n\
                case \"$1\" in GET) echo '{\"title\": \"From a command\"}';; esac\necho 200\n";
    fs::write(&script, text).unwrap();
    let aq = |args: &[&str]| {
        let mut command = sandbox.aq(args);
        command.env("AQ_TRACKER_API_CMD", format!("sh '{}'", script.display()));
        run(command)
    };
    let (code, said) = aq(&["from-tracker", "a'b$(touch hacked)"]);
    assert_eq!(code, 0, "{said}");
    assert!(!sandbox.work().join("hacked").exists());
    let id = sandbox.jobs("inbox").pop().unwrap();
    sandbox.ok(&["stop", &id]);
    assert_eq!(aq(&["to-tracker", &id]).0, 0);
    let log = fs::read_to_string(sandbox.path("tracker.sh.log")).unwrap();
    insta::assert_snapshot!(log, @r#"
    GET /items/a%27b%24%28touch%20hacked%29 
    PATCH /items/a%27b%24%28touch%20hacked%29 {"status":"wont_fix"}
    POST /items/a%27b%24%28touch%20hacked%29/comments {"body":"aq: failed (stopped)"}
    "#);
}

#[test]
fn redirect_does_not_get_token() {
    let sandbox = Sandbox::new();
    let thief = FakeTracker::of_item(json!({ "title": "x" }));
    let target = thief.url();
    let tracker = FakeTracker::new(move |_| Some((302, format!("{target}/items/T-1"))));
    let begun = Instant::now();
    let (code, said) = run(with(&sandbox, &tracker, &["from-tracker", "T-1"]));
    assert_eq!(code, 5, "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(thief.asked().is_empty());
}

#[test]
fn issues_on_github_become_jobs_and_have_one_comment() {
    let sandbox = Sandbox::new();
    let tracker = FakeTracker::new(|asked| {
        let issue = json!({ "number": 7, "title": "Seven", "state": "open", "labels": [] });
        let body = match asked.line.as_str() {
            line if line.starts_with("GET /api/repos/o/r/issues?") => json!([issue]),
            "GET /api/repos/o/r/issues/7" => issue,
            "GET /api/repos/o/r/issues/7/comments?per_page=50" => json!([]),
            "GET /api/user" => json!({ "id": 5 }),
            "POST /api/repos/o/r/issues/7/comments" => json!({ "id": 99 }),
            _ => json!({}),
        };
        Some((200, body.to_string()))
    });
    let aq = |args: &[&str]| {
        let mut command = sandbox.aq(args);
        command.env("AQ_GITHUB_API", tracker.url()).env("GITHUB_TOKEN", TOKEN);
        // Where nobody has installed an agent.
        command.env("AQ_TRACKER_AUTO", "1").env("PATH", "/usr/bin:/bin");
        run(command)
    };
    let (code, said) = aq(&["from-tracker", "github:o/r", "--label", "agent", "--json"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(sandbox.jobs("inbox"), ["r-7"]);
    assert_eq!(sandbox.meta_value("r-7", "idempotency_key"), "tracker-github:o/r#7");
    let asked = &tracker.asked()[0];
    assert!(asked.line.ends_with("&labels=agent"), "{}", asked.line);
    assert!(asked.raw.contains(&format!("Bearer {TOKEN}")) && asked.raw.contains("2022-11-28"));
    // It fails, as no agent is installed here.
    let (_, said) = aq(&["run", "--once"]);
    assert_eq!(sandbox.meta_value("r-7", "tracker_comment"), "99", "{said}\n{:?}", tracker.told());
    sandbox.ok(&["requeue", "r-7"]);
    sandbox.ok(&["stop", "r-7"]);
    assert!(aq(&["to-tracker", "r-7"]).1.contains("knows that already"));
    let status = sandbox.json(&["status", "--json"]);
    let echoed = status["jobs"].as_array().unwrap().iter().map(|job| &job["tracker"]["echoed"]);
    assert!(echoed.into_iter().all(|stage| stage == "failed"), "{status}");
    let told = tracker.told().into_iter().filter(|line| line.contains("/issues/7"));
    let told: Vec<String> = told.collect();
    assert_eq!(
        told,
        [
            "POST /api/repos/o/r/issues/7/comments",
            "PATCH /api/repos/o/r/issues/7",
            "POST /api/repos/o/r/issues/7/labels",
        ]
    );
    let (code, said) = aq(&["from-tracker", "github:o/r"]);
    assert_eq!((code, said.contains("names no issue")), (2, true), "{said}");
}

#[test]
fn coordinator_tells_of_fleets_jobs() {
    let mut sandbox = Sandbox::new();
    let tracker = FakeTracker::of_item(json!({}));
    let fleet_token = "fleet-token-0123456789abcdef0123";
    sandbox.set("AQ_FLEET_TOKEN", fleet_token);
    let database = format!("sqlite:{}", sandbox.path("fleet.db").display());
    let args = ["coordinator", "--listen", "127.0.0.1:0", "--database", &database];
    let mut command = auto(&sandbox, &tracker, &args);
    command.args(["--lease", "10s", "--heartbeat", "1s"]).stdout(Stdio::piped());
    let mut coordinator = command.stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(coordinator.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    for (name, value) in [("AQ_FLEET", "1"), ("AQ_FLEET_URL", &url), ("AQ_FACTORY_ID", "one")] {
        sandbox.set(name, value);
    }

    let front = "tracker-item: T-1\nenv: {SECRET: env-value-77}\nlock: none";
    let go = sandbox.path("go");
    let body = format!(
        "echo prompt-text-31 \"$SECRET\"\nwhile [ ! -e '{}' ]; do sleep 0.01; done\necho 'AQ_USAGE \
         {{\"input_tokens\": 12, \"cost_usd\": 0.5}}'",
        go.display()
    );
    let job = sandbox.write("a", front, &body);
    sandbox.ok(&["submit".as_ref(), job.as_os_str()]);
    // The host has a tracker too, and leaves the fleet's jobs to the coordinator.
    let other = FakeTracker::of_item(json!({}));
    let mut running = auto(&sandbox, &other, &["run", "--quiet", "--ship"]).spawn().unwrap();
    wait_for("the first echo", || tracker.comments() == ["aq: building"]);
    kill_child(&mut running);
    fs::write(go, "").unwrap();
    let mut running = auto(&sandbox, &other, &["run", "--quiet", "--ship"]).spawn().unwrap();
    wait_for("the last echo", || tracker.comments().last().is_some_and(|c| c == "aq: shipped"));
    kill_child(&mut running);
    kill_child(&mut coordinator);

    let want = ["aq: building", "aq: review", "aq: testing (success)", "aq: shipped"];
    assert_eq!(tracker.comments(), want, "one with each status");
    let statuses = tracker.asked().into_iter().filter(|asked| asked.line == "PATCH /api/items/T-1");
    let statuses: Vec<_> = statuses.map(|asked| asked.body["status"].clone()).collect();
    assert_eq!(statuses, ["in_progress", "in_progress", "in_progress", "done"]);
    assert!(other.asked().is_empty());
    let sent: String = tracker.asked().into_iter().map(|asked| asked.raw).collect();
    assert!(sent.contains("- tokens: 12 in") && sent.contains("- cost: $0.50"), "{sent}");
    let without_header = sent.replace(&format!("Bearer {TOKEN}"), "");
    for secret in ["prompt-text", "env-value", "SECRET", fleet_token, TOKEN] {
        assert!(!without_header.contains(secret), "{secret}: {sent}");
    }
}
