//! A look at few jobs beside a look at all of them.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use aq_scheduler::HeldBy;
use jiff::Timestamp;

use super::*;
use crate::run::place::trust_queue;
use crate::run::view::overview::{QueueOverview, brief_overview, look_up, overview};
use crate::run::{ProcessEnvironment, QueueSettings, hold, release};
use crate::store::testing::{TestQueue, id};

/// Jobs that make the queue long.
const CROWD: usize = 1_000;

/// Waiting jobs that have something in their way, or something that others need.
const FRONTS: [(&str, &str); 9] = [
    ("first", "priority: critical\nlock: shared"),
    ("behind", "priority: high\nlock: shared"),
    ("behind-late", "priority: low\nlock: shared"),
    ("dep", "priority: low\nidempotency-key: k\nlock: none"),
    ("dependent", "priority: critical\ndeps: [k]\nlock: none"),
    ("nowhere", "priority: critical\ndeps: [none]\nlock: none"),
    ("kept-back", "priority: critical\nlock: none"),
    ("engineless", "priority: low\nlock: none\nengine: codex"),
    ("after-engineless", "priority: high\ndeps: [e]\nlock: none"),
];

fn long_queue() -> TestQueue {
    let queue = TestQueue::new();
    let text = |front: &str| {
        let engine = if front.contains("engine:") { "" } else { "engine: shell\n" };
        format!("---\n{engine}{front}\n---\ntrue\n")
    };
    let special = FRONTS.map(|(name, front)| (name.to_owned(), text(front)));
    let crowd = (0..CROWD).map(|n| (format!("job{n}"), text("lock: none")));
    let jobs: Vec<(String, String)> = special.into_iter().chain(crowd).collect();
    let jobs: Vec<(&str, &str)> =
        jobs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    queue.add(&jobs).unwrap();
    hold(&queue, &id("kept-back")).unwrap();
    queue.place("reviewed", Stage::Review, "x");
    queue.place("lost", Stage::Building, "x");
    queue
}

/// As after a quiet moment.
fn settle(queue: &TestQueue) {
    for stage in Stage::ALL {
        let folder = File::open(queue.stage(stage)).unwrap();
        folder.set_modified(SystemTime::now() - Duration::from_secs(1)).unwrap();
    }
}

/// The settings of a user who trusts the queue.
fn settings(queue: &TestQueue, max: usize) -> QueueSettings {
    fs::write(queue.config(), format!("max: {max}\n")).unwrap();
    let home = queue.base().join("home");
    fs::create_dir_all(&home).unwrap();
    let environment = ProcessEnvironment::new([("HOME".into(), home.into())]);
    trust_queue(queue, &environment).unwrap();
    QueueSettings::load(queue, environment).unwrap()
}

/// Looks at all jobs, and then at each of some as its own command does.
fn compare(queue: &TestQueue, settings: &QueueSettings) -> QueueOverview {
    let now = Timestamp::now();
    let all = overview(queue, settings, 0, now).unwrap();
    let crowd = ["job0", "job1", "job500", "job999", "reviewed", "lost"];
    for name in FRONTS.map(|(name, _)| name).into_iter().chain(crowd) {
        let one = look_up(queue, settings, &id(name), now).unwrap();
        let same = all.jobs.iter().find(|view| view.record.id == id(name)).unwrap();
        assert_eq!(one.activity, same.activity, "{name}");
    }
    for waiting in [1, 40] {
        let few = brief_overview(queue, settings, 0, waiting, now).unwrap();
        let is_listed = |(at, view): &(usize, &crate::run::JobView)| {
            view.record.stage != Stage::Inbox || (1..=waiting).contains(at)
        };
        let listed: Vec<_> = all.jobs.iter().enumerate().filter(is_listed).collect();
        assert_eq!(few.jobs.len(), listed.len());
        for (one, (_, same)) in few.jobs.iter().zip(listed) {
            assert_eq!(one.record.id, same.record.id);
            assert_eq!(one.activity, same.activity, "{}", one.record.id);
        }
        assert_eq!(few.counts, all.counts);
        assert_eq!(few.unlisted, CROWD + FRONTS.len() - waiting);
    }
    all
}

#[test]
fn few_look_as_among_all() {
    let queue = long_queue();
    for max in [1, 3, 60, 5_000] {
        settle(&queue);
        let settings = settings(&queue, max);
        if max < 5_000 {
            compare(&queue, &settings);
            assert!(WaitingOrder::read(&queue, Timestamp::now()).is_some());
        } else {
            // More are started than are read for one.
            let all = overview(&queue, &settings, 0, Timestamp::now()).unwrap();
            let last = look_up(&queue, &settings, &id("job999"), Timestamp::now()).unwrap();
            let same = all.jobs.iter().find(|view| view.record.id == id("job999")).unwrap();
            assert_eq!(last.activity, same.activity);
        }
    }
}

#[test]
fn changed_records_are_seen() {
    let queue = long_queue();
    settle(&queue);
    let settings = settings(&queue, 1);
    let before = compare(&queue, &settings);
    let first = |all: &QueueOverview| {
        let mut waiting = all.jobs.iter().filter(|view| view.record.stage == Stage::Inbox);
        waiting.next().unwrap().record.id.to_string()
    };
    assert_eq!(first(&before), "first");
    release(&queue, &id("kept-back")).unwrap();
    hold(&queue, &id("first")).unwrap();
    assert!(WaitingOrder::read(&queue, Timestamp::now()).is_none());
    settle(&queue);
    let after = compare(&queue, &settings);
    assert_eq!(first(&after), "kept-back");
    let view = look_up(&queue, &settings, &id("first"), Timestamp::now()).unwrap();
    let reason = WaitReason::Held { by: HeldBy::Person };
    assert_eq!(view.activity, JobActivity::Waiting(Some(reason)));
}
