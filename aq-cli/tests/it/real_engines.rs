//! `aq` with the real `codex` and `claude`, and a model server of our own in place of their
//! vendors'.
//!
//! They run only when `AQ_E2E_ENGINES` names a directory in which npm has installed both programs,
//! which `./test` sees to. No key and no account is needed. What a program would fetch from elsewhere
//! comes to our server as well, and fails the test.

mod lab;

use std::collections::BTreeSet;
use std::fs;

use jiff::Timestamp;
use nix::unistd::Pid;
use serde_json::Value;

use crate::model_server::Answer;
use crate::sandbox::{is_alive, wait_child, wait_for};

use lab::{Lab, PROMPT};

fn success(lab: &Lab) {
    lab.server.will([Answer::Run("echo made > made.txt".to_owned()), Answer::Say("done")]);
    lab.add("");
    lab.sandbox.ok(&["run", "--once"]);
    lab.assert_done();
    assert_eq!(lab.sandbox.on_branch("a", "made.txt"), "made");
    assert_ne!(lab.meta("session_id"), "");
    for (prefix, calls) in [("", 2), ("total_", 2)] {
        lab.assert_used(prefix, calls);
        lab.assert_paid(prefix, calls);
    }
    let calls = lab.server.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls[0].to_string().contains(PROMPT));
}

fn wrong_key(lab: &Lab) {
    lab.server.will([Answer::WrongKey]);
    lab.add("");
    assert_eq!(lab.sandbox.code(&["run", "--once"]).0, 1, "it leaves a job");
    assert_eq!(lab.sandbox.folders("a"), ["inbox"]);
    assert_eq!(lab.meta("engine_error"), "auth");
    assert_eq!(lab.resting()["state"], "out_of_use");
    let engines = lab.sandbox.ok(&["engines"]);
    assert!(engines.contains(&format!("`aq engines --retry {}`", lab.engine.name())), "{engines}");
    // Nobody asks again by himself.
    assert_eq!(lab.sandbox.code(&["run", "--once"]).0, 1);
    assert_eq!(lab.server.calls().len(), 1);

    lab.retry();
    lab.sandbox.ok(&["run", "--once"]);
    lab.assert_done();
}

fn too_many_requests(lab: &Lab) {
    // Neither program passes the header on when it gives up.
    lab.rests_for_a_minute(Answer::TooMany { retry_after_s: 300 }, "quota");
}

fn broken_service(lab: &Lab) {
    lab.rests_for_a_minute(Answer::Broken, "capacity");
}

fn used_up(lab: &mut Lab) {
    // `claude` looks at a plan's limits only when it works with a plan, and not with a key.
    lab.sandbox.set("ANTHROPIC_API_KEY", "");
    lab.sandbox.set("CLAUDE_CODE_OAUTH_TOKEN", "test-token");
    // They say it to the minute.
    let reset = (Timestamp::now().as_second() / 60 + 90) * 60;
    let (until, _) = lab.meets_a_limit(Answer::UsedUp { until: reset }, "quota");
    assert_eq!(until.as_second(), reset);
}

fn hang(lab: &Lab) {
    let pid = lab.sandbox.path("pid");
    // In a session of its own, with nothing of the agent's but its environment.
    let command = format!(
        "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 3001' >/dev/null 2>&1 & \
         while ! test -e {0}; do sleep 0.01; done",
        pid.display()
    );
    lab.server.will([Answer::Run(command), Answer::Hang]);
    lab.add("timeout: 15s\n");
    let mut running = lab.sandbox.start_loop(&["--once"]);
    wait_for("the call that hangs", || lab.server.calls().len() == 2);
    let pid = Pid::from_raw(fs::read_to_string(pid).unwrap().trim().parse().unwrap());
    let agents = lab.sandbox.agents();
    assert!(agents.contains(&pid) && agents.len() > 1, "{pid} is not among {agents:?}");
    // The tool may have read a profile of this machine.
    let engine: Vec<Pid> = agents.iter().copied().filter(|&agent| agent != pid).collect();
    lab.assert_enclosed(&engine);

    assert_eq!(wait_child(&mut running), 1);
    assert_eq!(lab.sandbox.folders("a"), ["failed"]);
    assert_eq!((lab.meta("result"), lab.meta("engine_error")), ("timeout".into(), String::new()));
    assert_eq!(lab.sandbox.agents(), []);
    assert!(agents.into_iter().all(|pid| !is_alive(pid)));
    lab.server.assert_all_said();
    // From the file of its session: it never came to its final event.
    lab.assert_used("", 1);
}

fn resume(lab: &Lab) {
    lab.server.will([
        Answer::Say("first words"),
        Answer::Run("echo made > made.txt".to_owned()),
        Answer::Say("last words"),
    ]);
    lab.add("verify: test -e made.txt || ! echo token-4711\nretry: {max: 2, backoff: 0s}\n");
    lab.sandbox.ok(&["run", "--once"]);
    assert_eq!(lab.sandbox.folders("a"), ["testing"], "{}", lab.sandbox.log("a"));
    assert_eq!(lab.meta("attempts"), "2");
    lab.server.assert_all_said();
    for (prefix, calls) in [("", 2), ("total_", 3)] {
        lab.assert_used(prefix, calls);
        lab.assert_paid(prefix, calls);
    }

    let carries = |call: &Value| call.to_string().contains("first words");
    let calls: Vec<bool> = lab.server.calls().iter().map(carries).collect();
    assert_eq!(calls, [false, true, true], "the second attempt knows what the first one said");
    // It is told why it goes on, and is not told its prompt again.
    let calls: Vec<String> = lab.server.calls().iter().map(Value::to_string).collect();
    let times = |call: &String| (call.matches("token-4711").count(), call.matches(PROMPT).count());
    let (first, second) = (times(&calls[0]), times(&calls[1]));
    assert_eq!(first.0, 0, "{}", calls[0]);
    assert!(second.0 > 0 && calls[1].contains("verify_failed"), "{}", calls[1]);
    assert_eq!(second.1, first.1, "{}", calls[1]);
    let log = lab.sandbox.log("a");
    let sessions: BTreeSet<String> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|event| {
            event["session_id"].as_str().or(event["thread_id"].as_str()).map(str::to_owned)
        })
        .collect();
    assert_eq!(sessions, BTreeSet::from([lab.meta("session_id")]));
}

fn reply(lab: &Lab) {
    lab.server.will([Answer::Say("first words"), Answer::Say("last words")]);
    lab.add("review-policy: human\n");
    lab.sandbox.ok(&["run", "--once"]);
    let session = lab.meta("session_id");
    lab.sandbox.ok(&["reply", "a", "Use tabs-4711."]);
    let next = lab.sandbox.ok(&["prompt", "a"]);
    assert!(next.ends_with("Use tabs-4711.\n") && !next.contains(PROMPT), "{next}");
    lab.sandbox.ok(&["run", "--once"]);
    assert_eq!(lab.sandbox.folders("a"), ["review"], "{}", lab.sandbox.log("a"));
    lab.server.assert_all_said();
    assert_eq!(lab.meta("session_id"), session);
    let calls: Vec<String> = lab.server.calls().iter().map(Value::to_string).collect();
    let [first, second] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert!(second.contains("first words") && second.contains("Use tabs-4711."), "{second}");
    assert_eq!(second.matches(PROMPT).count(), first.matches(PROMPT).count(), "{second}");
}

/// Each scenario is a test for each engine.
macro_rules! with_both {
    ($($scenario:ident),*) => {
        mod codex {
            $(#[test]
            fn $scenario() {
                if let Some(mut lab) = super::lab::Lab::new(super::lab::Engine::Codex) {
                    super::$scenario(&mut lab);
                }
            })*
        }
        mod claude {
            $(#[test]
            fn $scenario() {
                if let Some(mut lab) = super::lab::Lab::new(super::lab::Engine::Claude) {
                    super::$scenario(&mut lab);
                }
            })*
        }
    };
}

with_both!(success, wrong_key, too_many_requests, broken_service, used_up, hang, resume, reply);
