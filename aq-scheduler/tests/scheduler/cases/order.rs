//! Priority, age, locks, pauses: who goes first.

use aq_scheduler::{JobState, QueueError};

use crate::lab::{Lab, at, id, job};

#[test]
fn urgent_jobs_go_first_then_old_ones() {
    let mut lab = Lab::new();
    lab.max(9).add("a low").add("b").add("c critical").add("d").add("e high");
    assert_eq!(lab.starts(), "c e b d a");
    assert_eq!(lab.order(), "c e b d a");
}

#[test]
fn order_of_insertion_means_nothing() {
    let ids = ["b", "a", "c"];
    for turn in 0..3 {
        let mut lab = Lab::new();
        for n in 0..3 {
            lab.queue.insert(job(ids[(n + turn) % 3], at(0)), JobState::WAITING).unwrap();
        }
        assert_eq!(lab.max(3).starts(), "a b c");
    }
}

#[test]
fn slot_counts_from_start_on() {
    let mut lab = Lab::new();
    lab.max(2).add("a").add("b").add("c");
    assert_eq!(lab.starts(), "a b");
    lab.run("a");
    assert_eq!(lab.starts(), "b");
    lab.run("b");
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("c"), "no free slot");
    lab.ship("a");
    assert_eq!(lab.starts(), "c");
}

#[test]
fn jobs_with_one_lock_run_one_after_the_other() {
    let mut lab = Lab::new();
    lab.max(9).add("a lock=x").add("b lock=x").add("c lock=y").add("d").add("e lock=x critical");
    assert_eq!(lab.starts(), "e c d");
    assert_eq!(lab.why("a"), "behind e, which has the same lock");
    lab.run("e");
    assert_eq!(lab.why("a"), "lock held by e");
    assert_eq!(lab.starts(), "c d");
    lab.set("e", JobState::Review);
    assert_eq!(lab.starts(), "a c d");
}

#[test]
fn a_repository_is_one_jobs_whatever_its_lock() {
    let mut lab = Lab::new();
    lab.max(9).add("a lock=x repository=r").add("b lock=y repository=r").add("c lock=x").add("d");
    lab.add("e repository=r critical").add("f lock=y");
    assert_eq!(lab.starts(), "e c d f", "those that cannot start are in nobody's way");
    assert_eq!(lab.why("a"), "e has the repository's own checkout");
    lab.run("e");
    assert_eq!(lab.why("b"), "e has the repository's own checkout");
    assert_eq!(lab.ship("e").starts(), "a d f", "`a` comes before `c`, which has its lock");
    assert_eq!(lab.run("f").ship("a").why("b"), "lock held by f");
}

#[test]
fn a_lock_holds_across_classes() {
    let mut lab = Lab::new();
    lab.max(9).add("a lock=x needs=os").add("b lock=x").add("c lock=x high needs=arch|os");
    assert_eq!(lab.starts(), "c");
    lab.run("c");
    assert_eq!(lab.starts(), "");
    lab.queue.remove(&id("c")).unwrap();
    assert_eq!(lab.starts(), "a");
}

#[test]
fn lock_holds_up_own_jobs() {
    let mut lab = Lab::new();
    lab.max(9).add("a lock=x needs=os").add("b lock=x").add("c lock=y").add("d lock=y needs=os");
    assert_eq!(lab.starts(), "a c");
}

#[test]
fn doubly_held_lock_frees_last() {
    let mut lab = Lab::new();
    lab.max(9).add("a lock=x").add("b lock=x").add("c lock=x").run("a").run("b");
    assert_eq!(lab.ship("a").why("c"), "lock held by b");
    assert_eq!(lab.ship("b").starts(), "c");
}

#[test]
fn a_pause_ends_by_itself_and_says_when() {
    let mut lab = Lab::new();
    lab.add("a high").add("b").pause("a", 60);
    assert_eq!(lab.why("a"), "backoff until 2026-01-01T12:01:00Z");
    assert_eq!(lab.starts(), "b");
    assert_eq!(lab.order(), "b a");
    assert_eq!(lab.wakes(), None, "the only slot is given away");
    lab.max(2);
    assert_eq!(lab.wakes(), Some(60));
    assert_eq!(lab.clock(59).starts(), "b");
    assert_eq!(lab.clock(60).starts(), "a b");
    assert_eq!(lab.order(), "a b");
    assert_eq!(lab.wakes(), None);
    assert_eq!(lab.clock(0).starts(), "a b", "time does not go back");
    lab.queue.set_back(at(10));
    assert_eq!(lab.clock(10).starts(), "b", "but when that is said");
    assert_eq!(lab.wakes(), Some(60));
}

#[test]
fn order_follows_deps() {
    let mut lab = Lab::new();
    lab.add("a critical deps=kb,kr").add("b low key=kb").add("c critical deps=nowhere");
    lab.add("d high key=kd").add("x high").add("e high deps=kd").add("r key=kr").run("r");
    // The pause of e is over before what it waits for can start.
    lab.pause("d", 60).pause("x", 60).pause("e", 10).add("f").pause("f", 30);
    assert_eq!(lab.order(), "b a f d x e c");
}

#[test]
fn unknown_names_change_nothing() {
    let mut lab = Lab::new();
    let other = lab.add_host(&[], "");
    lab.queue.remove_host(other).unwrap();
    let gone = lab.queue.plan(other, at(0)).unwrap_err();
    assert_eq!(gone, QueueError::UnknownHost(other));
    assert_eq!(gone.to_string(), "host #1 is not in the queue; add it first");
    assert_eq!(lab.queue.remove(&id("a")), Err(QueueError::UnknownJob(id("a"))));
    lab.add("a");
    let elsewhere = JobState::Running { host: other, engine: "shell".to_owned() };
    assert_eq!(
        lab.queue.set_state(&id("a"), elsewhere.clone()),
        Err(QueueError::UnknownHost(other))
    );
    assert_eq!(lab.insert("b", elsewhere), Err(QueueError::UnknownHost(other)));
    assert_eq!(lab.insert("a", JobState::WAITING), Err(QueueError::DuplicateJob(id("a"))));
    assert_eq!(lab.queue.counts().waiting, 1);
    assert_eq!(lab.starts(), "a");
}
