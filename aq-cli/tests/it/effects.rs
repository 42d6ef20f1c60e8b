//! The effects of a job's file, its profile and the environment on the run.

use std::fs;
use std::process::Stdio;

use crate::sandbox::{Sandbox, wait_child, wait_for};
use crate::told::told;

#[test]
fn job_then_profile_then_default() {
    let sandbox = Sandbox::new();
    let profile = "persona: |\n  echo persona speaks >> who\n  # a secret manner\n\
        default-verify: echo by-profile >> verified\nreview-policy: human\npriority: low\n";
    fs::write(sandbox.queue("profiles/p.yaml"), profile).unwrap();
    sandbox.add("inherits", "profile: p", "echo body >> who");
    sandbox.add(
        "decides",
        "profile: p\nreview-policy: auto\nverify: echo by-job >> verified",
        "true",
    );
    sandbox.add("plain", "", "true");
    assert_eq!(sandbox.meta_value("inherits", "priority"), "low");
    assert_eq!(sandbox.meta_value("plain", "priority"), "medium");
    let before = fs::read_to_string(sandbox.queue("inbox/inherits.md")).unwrap();
    sandbox.ok(&["run", "--once"]);

    assert_eq!(sandbox.folders("inherits"), ["review"]);
    assert_eq!(sandbox.folders("decides"), ["testing"]);
    let read = |name: &str| fs::read_to_string(sandbox.work().join(name)).unwrap();
    assert!(read("who").starts_with("persona speaks\n"), "{}", read("who"));
    assert!(read("who").contains("body\n"));
    assert_eq!(read("verified"), "by-job\n");
    sandbox.ok(&["promote", "inherits"]);
    assert_eq!(read("verified"), "by-job\nby-profile\n");
    // The file is as it was, and nobody but the engine saw the persona.
    assert_eq!(fs::read_to_string(sandbox.queue("testing/inherits.md")).unwrap(), before);
    let meta = fs::read_to_string(sandbox.queue(".state/meta/inherits.meta")).unwrap();
    for text in [sandbox.log("inherits"), meta] {
        assert!(!text.contains("secret manner") && !text.contains("persona"), "{text}");
    }
}

#[test]
fn profiles_can_lie_elsewhere() {
    let sandbox = Sandbox::new();
    let elsewhere = sandbox.path("profiles");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("p.yaml"), "default-verify: touch verified\n").unwrap();
    let job = sandbox.write("a", "profile: p", "true");
    let job = job.to_str().unwrap();
    assert_eq!(sandbox.code(&["add", job]).0, 2);
    for args in [&["check", job][..], &["add", job], &["run", "--once"]] {
        let told = told(sandbox.aq(args).env("AGENT_QUEUE_PROFILES", &elsewhere));
        assert_eq!(told.code, 0, "{args:?}: {}", told.err);
    }
    assert!(sandbox.work().join("verified").exists());
}

#[test]
fn tokens_and_denied_names_are_kept_from_agents() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("config.yaml"), "env-deny: [MY_*, PLAIN]\n").unwrap();
    sandbox.add("a", "verify: env > env-of-verify", "env > env-of-agent");
    let mut run = sandbox.aq(&["run", "--once"]);
    for name in ["AQ_FLEET_TOKEN", "AQ_TRACKER_TOKEN", "MY_SECRET", "PLAIN", "CLAUDECODE"] {
        run.env(name, "hidden");
    }
    assert_eq!(told(run.env("VISIBLE", "seen")).code, 0);
    for name in ["env-of-agent", "env-of-verify"] {
        let env = fs::read_to_string(sandbox.work().join(name)).unwrap();
        assert!(env.contains("VISIBLE=seen\n"), "{name}: {env}");
        assert!(env.contains("AQ_JOB_ID=a\n") && env.contains("AQ_ATTEMPT=1\n"), "{name}: {env}");
        let leaks = env.lines().filter(|line| line.ends_with("=hidden"));
        let leaks: Vec<&str> = leaks.filter(|line| !line.starts_with("CLAUDECODE")).collect();
        assert_eq!(leaks, [""; 0], "{name}");
    }
    let agent = fs::read_to_string(sandbox.work().join("env-of-agent")).unwrap();
    assert!(!agent.contains("CLAUDECODE"), "{agent}");
}

#[test]
fn tries_beyond_what_retry_allows_are_shown_without_it() {
    let sandbox = Sandbox::new();
    // The first two are interrupted, which `retry` does not limit.
    let body = "echo x >>tries; [ $(wc -l <tries) -gt 2 ] || sleep 100";
    sandbox.add("a", "retry: {max: 2}", body);
    for n in [2, 4] {
        let mut run = sandbox.start_loop(&[]);
        wait_for("the next try", || {
            fs::read(sandbox.work().join("tries")).is_ok_and(|tries| tries.len() == n)
        });
        sandbox.ok(&["stop", "--all"]);
        assert_eq!(wait_child(&mut run), 0);
    }
    sandbox.ok(&["run", "--once"]);
    let log = sandbox.log("a");
    for words in ["attempt 1 of 2, engine", "attempt 2 of 2, engine", "attempt 3, engine"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let status = sandbox.ok(&["status"]);
    let row = status.lines().find(|line| line.starts_with("a ")).unwrap();
    assert!(row.split_whitespace().any(|word| word == "3"), "{status}");
}

#[test]
fn the_demo_leaves_files_of_others_alone() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("mine");
    let arg = dir.to_str().unwrap();
    fs::create_dir(&dir).unwrap();
    sandbox.ok(&["demo", arg]);
    // Not even its own from before: somebody may have gone on with them.
    fs::write(dir.join("jobs/schema.md"), "mine\n").unwrap();
    let (code, said) = sandbox.code(&["demo", arg]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("is not empty") && said.contains("name a new directory"), "{said}");
    assert_eq!(fs::read_to_string(dir.join("jobs/schema.md")).unwrap(), "mine\n");
    assert!(!dir.join(".aq/inbox/schema.md").exists());
}

#[test]
fn wrong_settings_do_not_stop_loops() {
    let sandbox = Sandbox::new();
    let config = sandbox.queue("config.yaml");
    fs::write(&config, "env-deny: [PLAIN]\n").unwrap();
    let mut run = sandbox.aq(&["run", "--quiet"]);
    let mut run = run.env("PLAIN", "hidden").stderr(Stdio::null()).spawn().unwrap();
    sandbox.add("before", "", "true");
    sandbox.wait_for_stage("before", "testing");
    fs::write(&config, "env-deny: [\n").unwrap();
    sandbox.add("meanwhile", "", "echo ${PLAIN-nothing} >seen");
    sandbox.wait_for_stage("meanwhile", "testing");
    assert_eq!(fs::read_to_string(sandbox.work().join("seen")).unwrap(), "nothing\n");
    assert_eq!(sandbox.meta_value("meanwhile", "attempts"), "1");
    let words = "warning: the old settings apply: ";
    let log = sandbox.log("meanwhile");
    assert!(log.contains(words) && log.contains("config.yaml:"), "{log}");
    for args in [&["status"][..], &["status", "--json"], &["why", "meanwhile"]] {
        let told = told(&mut sandbox.aq(args));
        assert_eq!(told.code, 0, "{args:?}: {}", told.err);
        assert!(told.err.starts_with(words), "{args:?}: {}", told.err);
        assert!(told.out.contains("meanwhile"), "{args:?}: {}", told.out);
    }
    sandbox.ok(&["stop"]);
    assert_eq!(wait_child(&mut run), 0);
    let (code, said) = sandbox.code(&["run", "--once"]);
    assert_eq!(code, 2, "{said}");
    fs::write(&config, "").unwrap();
    assert_eq!(told(&mut sandbox.aq(&["status"])).err, "");
}

#[test]
fn files_dropped_in_by_hand_are_jobs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.queue("inbox/good.md"), "---\nengine: shell\n---\npwd > where\n").unwrap();
    fs::write(sandbox.queue("inbox/bad.md"), "---\nyolo: maybe\n---\nhi\n").unwrap();
    fs::write(sandbox.queue("inbox/my notes.md"), "no job\n").unwrap();
    assert_eq!(sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(sandbox.folders("good"), ["testing"]);
    // A relative directory, and none at all, is against the queue's parent.
    let parent = sandbox.path("");
    let there = fs::read_to_string(parent.join("where")).unwrap();
    assert_eq!(there.trim_end(), parent.to_str().unwrap().trim_end_matches('/'));
    assert_eq!(sandbox.folders("bad"), ["failed"]);
    assert_eq!(sandbox.meta_value("bad", "result"), "invalid_manifest");
    assert!(sandbox.meta_value("bad", "message").starts_with("line 2, column 7: "));
    assert!(sandbox.log("bad").contains("2 | yolo: maybe"), "{}", sandbox.log("bad"));
    assert!(sandbox.queue("inbox/my notes.md").exists());
}

#[test]
fn a_waiting_file_that_is_edited_counts_as_edited() {
    let sandbox = Sandbox::new();
    sandbox.add("a", "", "exit 1");
    fs::write(sandbox.queue("inbox/a.md"), "---\nengine: shell\n---\ntouch edited\n").unwrap();
    sandbox.ok(&["run", "--once"]);
    assert!(sandbox.work().join("edited").exists());
}

#[test]
fn a_legacy_file_does_what_its_three_keys_say() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("legacy");
    fs::create_dir(&dir).unwrap();
    let text = format!("---\nengine: shell\ncwd: {}\nyolo: true\n---\npwd\n", dir.display());
    let file = sandbox.path("old.md");
    fs::write(&file, text).unwrap();
    sandbox.ok(&["add", file.to_str().unwrap()]);
    sandbox.ok(&["run", "--once"]);
    assert_eq!(sandbox.folders("old"), ["testing"]);
    let dir = dir.to_str().unwrap();
    assert!(sandbox.log("old").contains(&format!("\n{dir}\n")), "{}", sandbox.log("old"));
    assert_eq!(sandbox.meta_value("old", "lock"), dir);
    assert_eq!(sandbox.meta_value("old", "attempts"), "1");
}

#[test]
fn a_silent_job_is_marked() {
    let sandbox = Sandbox::new();
    sandbox.add("silent", "", "sleep 100");
    let mut running = sandbox.start_loop(&[]);
    sandbox.worker("silent");
    let stalled = |minutes: &str| {
        let mut status = sandbox.aq(&["status", "--json"]);
        let told = told(status.env("AGENT_QUEUE_STALL_MIN", minutes));
        let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
        json["jobs"][0]["stalled"].as_bool().unwrap_or(false)
    };
    assert!(!stalled("10"));
    wait_for("the mark", || stalled("0.0001"));
    sandbox.ok(&["stop", "--all"]);
    wait_child(&mut running);
}

#[test]
fn add_names_a_missing_agent() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("a.md");
    fs::write(&file, "---\nengine: codex\n---\nhi\n").unwrap();
    let mut add = sandbox.aq(&["add", file.to_str().unwrap()]);
    let told = told(add.env("PATH", "/nowhere"));
    assert_eq!((told.code, told.out.as_str()), (0, "added a\n"));
    assert!(
        told.err.starts_with("warning: a cannot run here: its engine codex is not installed"),
        "{}",
        told.err
    );
    fs::write(sandbox.queue("config.yaml"), "max: two\n").unwrap();
    let (code, said) = sandbox.code(&["add", "--again", file.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (0, "added a-2\n"), "a bad config keeps no job out");
}
