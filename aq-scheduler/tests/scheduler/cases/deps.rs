//! Dependencies: satisfied, lost again, impossible, circular.

use aq_scheduler::{JobState, QueueError, SettledAs};
use jiff::Timestamp;

use crate::lab::{Lab, at, id, job};

#[test]
fn hard_deps_want_shipped_and_soft_ones_testing() {
    let mut lab = Lab::new();
    lab.max(9).add("a key=a").add("hard deps=a").add("soft soft deps=a");
    for (state, starts) in [
        (JobState::WAITING, "a"),
        (lab.running("shell"), ""),
        (JobState::Review, ""),
        (JobState::Testing, "soft"),
        (JobState::Settled(SettledAs::Shipped), "hard soft"),
    ] {
        lab.set("a", state.clone());
        assert_eq!(lab.starts(), starts, "{state:?}");
    }
}

#[test]
fn a_dep_that_leaves_testing_is_waited_for_again() {
    let mut lab = Lab::new();
    lab.add("a key=a").add("b soft deps=a").set("a", JobState::Testing);
    assert_eq!(lab.starts(), "b");
    lab.set("a", JobState::Settled(SettledAs::Failed));
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("b"), "waiting on a (failed)");
    assert!(!lab.queue.will_progress(lab.host));
}

#[test]
fn reason_names_unmet_keys() {
    let mut lab = Lab::new();
    lab.add("w deps=shipped,waits,failed,nowhere,stale,waits").add("a key=waits");
    lab.queue.settle("shipped", SettledAs::Shipped);
    lab.queue.settle("failed", SettledAs::Failed);
    lab.queue.settle("stale", SettledAs::Quarantined);
    let why = "waiting on waits, failed (failed), nowhere (no such job), stale (quarantined)";
    assert_eq!(lab.why("w"), why);
    // A new job for the failed key is a new chance.
    lab.add("again key=failed");
    let why = "waiting on waits, failed, nowhere (no such job), stale (quarantined)";
    assert_eq!(lab.why("w"), why);
}

#[test]
fn best_job_decides_a_key() {
    let mut lab = Lab::new();
    lab.max(9).add("a key=k").add("b key=k").add("c key=k").add("w soft deps=k");
    lab.set("a", JobState::Testing).set("b", JobState::Testing);
    assert_eq!(lab.starts(), "c w");
    lab.queue.remove(&id("b")).unwrap();
    assert_eq!(lab.starts(), "c w");
    lab.set("a", JobState::WAITING);
    assert_eq!(lab.starts(), "a c");
    lab.ship("c").set("a", JobState::Settled(SettledAs::Failed));
    assert_eq!(lab.starts(), "w");
    lab.queue.unsettle("k");
    assert_eq!(lab.why("w"), "waiting on k (no such job)");
}

#[test]
fn finished_jobs_leave_only_keys() {
    let mut lab = Lab::new();
    lab.insert("old key=k", JobState::Settled(SettledAs::Shipped)).unwrap();
    lab.add("w deps=k");
    assert_eq!(lab.starts(), "w");
    assert_eq!(lab.queue.state(&id("old")), None);
}

#[test]
fn cycle_is_refused_and_named() {
    for (there, new, cycle) in [
        (vec![], "a key=a deps=a", "a -> a"),
        (vec!["b key=b deps=a"], "a key=a deps=b", "a -> b -> a"),
        (vec!["c key=c deps=a", "b key=b deps=c"], "a key=a deps=b", "a -> b -> c -> a"),
        (vec!["x key=b deps=z", "y key=b deps=a"], "a key=a deps=b", "a -> b -> a"),
        (
            // The shortest of two.
            vec!["c key=c deps=a", "b key=b deps=c", "d key=d deps=a"],
            "a key=a deps=b,d",
            "a -> d -> a",
        ),
    ] {
        let mut lab = Lab::new();
        for words in &there {
            lab.add(words);
        }
        let before = lab.queue.counts();
        let asked = job(new, at(0));
        let foreseen = lab.queue.cycle(asked.key.as_deref(), &asked.deps);
        assert_eq!(foreseen.map(|found| found.to_string()).as_deref(), Some(cycle));
        match lab.insert(new, JobState::WAITING) {
            Err(QueueError::Cycle(found)) => assert_eq!(found.to_string(), cycle),
            other => panic!("{there:?} {new}: {other:?}"),
        }
        assert_eq!(lab.queue.counts(), before);
        // Nothing of the refused job is left: without its deps it goes in.
        lab.add("a key=a");
        assert_eq!(lab.starts(), "a");
    }
}

#[test]
fn a_started_job_is_taken_whatever_it_waited_for() {
    let mut lab = Lab::new();
    let running = lab.running("shell");
    lab.add("b key=b deps=a").insert("a key=a deps=b", running).unwrap();
    assert_eq!(lab.queue.counts().running, 1);
    lab.set("a", JobState::WAITING);
    assert_eq!(lab.starts(), "a");
}

#[test]
fn no_cycle_is_seen_where_none_is() {
    let mut lab = Lab::new();
    lab.add("d key=d deps=b,c").add("b key=b deps=a").add("c key=c deps=a").add("w deps=d,a");
    lab.add("a key=a deps=z").add("y key=y deps=d");
    // What was once in the way is gone.
    lab.queue.remove(&id("d")).unwrap();
    lab.add("z key=z deps=d");
    assert_eq!(lab.starts(), "");
}

#[test]
fn draining_waits_only_for_time() {
    let progress = |lab: &Lab| lab.queue.will_progress(lab.host);
    let mut lab = Lab::new();
    assert!(!progress(&lab));
    lab.add("a key=a").add("b deps=a key=b").add("c deps=b");
    assert!(progress(&lab));
    lab.run("a");
    assert!(progress(&lab));
    lab.pause("a", 3_600);
    assert!(progress(&lab), "a pause ends");
    lab.set("a", JobState::Settled(SettledAs::Failed));
    assert!(!progress(&lab), "b waits on a failed key, c on b");
    lab.add("d engines=codex");
    assert!(!progress(&lab), "codex is not installed");
    lab.engine("codex", aq_scheduler::EngineState::CoolingDown { until: Timestamp::MAX });
    assert!(progress(&lab), "a usage limit ends");
    lab.add("r").set("r", JobState::Review).max_review(1);
    assert!(!progress(&lab), "only a person makes room in review");
}

#[test]
fn what_ended_is_forgotten_when_nobody_waits_for_it() {
    let mut lab = Lab::new();
    lab.max(9).add("a key=a").add("b deps=a").ship("a");
    lab.queue.forget("a");
    assert_eq!(lab.starts(), "b", "it waited");
    lab.ship("b");
    lab.queue.forget("a");
    lab.queue.forget("nobody");
    assert_eq!(lab.add("c deps=a").why("c"), "waiting on a (no such job)");
    lab.queue.settle("a", SettledAs::Shipped);
    assert_eq!(lab.starts(), "c");
}
