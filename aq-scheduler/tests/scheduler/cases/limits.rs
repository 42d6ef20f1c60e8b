//! Slots, the review limit, and jobs that step aside for nobody.

use aq_scheduler::{EngineState, JobState};

use crate::lab::{Lab, at, id};

#[test]
fn jobs_in_review_stop_launches_at_the_limit() {
    let mut lab = Lab::new();
    lab.max(9).max_review(2).add("a").add("b").add("c").set("a", JobState::Review);
    assert_eq!(lab.starts(), "b c");
    lab.set("b", JobState::Review);
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("c"), "no free slot (2 of 2 jobs wait in review)");
    assert_eq!(lab.wakes(), None);
    // Its verify runs: it no longer waits for a person.
    lab.run("a");
    assert_eq!(lab.starts(), "c");
}

#[test]
fn a_job_that_waits_blocks_none_behind_it() {
    for blocked in [
        "x critical deps=nowhere",
        "x critical lock=held",
        "x critical engines=cold",
        "x critical engines=broken",
        "x critical needs=gpu",
        "x critical engines=missing",
    ] {
        let mut lab = Lab::new();
        lab.max(2).engine("cold", EngineState::CoolingDown { until: at(60) });
        lab.engine("broken", EngineState::OutOfUse { reason: "no account".to_owned() });
        lab.add("holder lock=held").run("holder").add(blocked).add("y low");
        assert_eq!(lab.starts(), "y", "{blocked}");
        assert_ne!(lab.why("x"), "no free slot", "{blocked}");
    }
}

#[test]
fn held_jobs_start_and_fail_for_nobody() {
    let mut lab = Lab::new();
    lab.max(9).add("a critical held key=k").add("b deps=k").add("c held engines=missing").add("d");
    assert_eq!(lab.starts(), "d");
    for held in ["a", "c"] {
        assert_eq!(lab.why(held), "held by a person");
    }
    let plan = lab.plan();
    assert_eq!(plan.reject, []);
    assert!(lab.queue.will_progress(lab.host));
    lab.ship("d");
    assert!(!lab.queue.will_progress(lab.host), "a person holds what is left");
    let order: Vec<String> = lab.queue.order().into_iter().map(ToString::to_string).collect();
    assert_eq!(order, ["a", "b", "c"]);
}

#[test]
fn fewer_slots_than_running_jobs_start_nothing() {
    let mut lab = Lab::new();
    lab.max(3).add("a").add("b").add("c").run("a").run("b").max(1);
    assert_eq!(lab.starts(), "");
    lab.ship("a");
    assert_eq!(lab.starts(), "");
    lab.ship("b");
    assert_eq!(lab.starts(), "c");
    assert_eq!(lab.max(0).why("c"), "no free slot");
}

#[test]
fn what_is_gone_leaves_nothing_behind() {
    let mut lab = Lab::new();
    let mut sizes = Vec::new();
    for turn in 10..30 {
        for n in 10..30 {
            lab.add(&format!(
                "j{n} lock=l{turn}{n} key=k{turn}{n} deps=d{turn}{n} needs=t{turn}{n}"
            ));
        }
        for n in 10..30 {
            lab.queue.remove(&id(&format!("j{n}"))).unwrap();
        }
        // All that the queue holds, in words.
        sizes.push(format!("{:?}", lab.queue).len());
    }
    // Only numbers of what has been grow longer.
    assert!(sizes[19] < sizes[0] + 100, "{sizes:?}");
}

#[test]
fn counts_follow_every_move() {
    let mut lab = Lab::new();
    lab.add("a").add("b").add("c").add("d").run("b");
    lab.set("c", JobState::Review).set("d", JobState::Testing);
    let counts = lab.queue.counts();
    assert_eq!((counts.waiting, counts.running, counts.review, counts.testing), (1, 1, 1, 1));
    let states = ["a", "b", "c", "d"].map(|name| lab.queue.state(&id(name)));
    let expected = [JobState::WAITING, lab.running("shell"), JobState::Review, JobState::Testing];
    assert_eq!(states, expected.map(Some));
    lab.ship("b").ship("c").ship("d");
    assert_eq!(lab.queue.counts().waiting, 1);
    assert_eq!(lab.queue.counts().running + lab.queue.counts().testing, 0);
}
