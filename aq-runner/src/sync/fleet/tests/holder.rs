//! Messages of a job's host.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aq_fleet::protocol::{
    Epoch, EventsRequest, Fields, FleetJobId, JobEvent, LeaseRef, MAX_EVENTS, ReleaseOutcome,
};
use aq_manifest::Stage;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{FleetHolder, HolderAnswer};
use super::{JOB, PATIENCE, client};

fn fenced() -> (u16, Value) {
    (409, json!({ "type": "/problems/fenced", "title": "fenced", "status": 409, "detail": "" }))
}

#[test]
fn old_outbox_fences_no_grant() {
    let dir = TempDir::new().unwrap();
    let client = client(|_, body| match body["epoch"].as_u64() {
        Some(1) => Some(fenced()),
        _ => Some((200, json!({}))),
    });
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let job_id: FleetJobId = JOB.parse().unwrap();
    let of = |epoch| LeaseRef { job_id, epoch: Epoch(epoch) };
    let report = |epoch| holder.report_of(of(epoch), 1, Stage::Building, None, None);
    holder.post_report(of(1), report(1)).unwrap();
    assert_eq!(holder.report(of(2), report(2)), HolderAnswer::Accepted);
    holder.post_report(of(1), report(1)).unwrap();
    assert_eq!(holder.report(of(1), report(1)), HolderAnswer::Fenced);
}

#[test]
fn unsent_report_holds_nobody_up() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| match path.contains("8051") {
        true => Some((500, json!({}))),
        false => Some((200, json!({}))),
    });
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let of = |n: u32| LeaseRef {
        job_id: format!("01890a5d-ac96-774b-bcce-b302099a805{n}").parse().unwrap(),
        epoch: Epoch(1),
    };
    let waiting = || {
        let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).count()
    };
    for n in 1..=3 {
        let report = holder.report_of(of(n), 1, Stage::Testing, None, None);
        holder.post_report(of(n), report).unwrap();
    }
    assert_eq!(holder.deliver(Duration::ZERO), [""; 0]);
    assert_eq!(waiting(), 3, "there was no time for any");
    assert_eq!(holder.deliver(PATIENCE), [""; 0]);
    assert_eq!(waiting(), 1, "the others are not sent");
}

#[test]
fn unwritten_report_is_unsent() {
    let dir = TempDir::new().unwrap();
    let client = client(|_, _| None);
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(1) };
    std::fs::create_dir(dir.path().join(format!("{JOB}.jsonl"))).unwrap();
    assert!(holder.post_release(lease, ReleaseOutcome::Failed, None, None).is_err());
}

#[test]
fn fenced_report_loses_the_job() {
    let dir = TempDir::new().unwrap();
    let asked = AtomicUsize::new(0);
    // After the first answer the coordinator cannot be reached.
    let client = client(move |_, _| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Some(fenced()),
        _ => None,
    });
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(1) };
    let report = |seq, stage| holder.report_of(lease, seq, stage, None, None);
    holder.post_report(lease, report(1, Stage::Building)).unwrap();
    assert_eq!(holder.ship(lease, &report(2, Stage::Shipped)), HolderAnswer::Fenced);
}

#[test]
fn dropped_reports_are_named() {
    let dir = TempDir::new().unwrap();
    let invalid = json!({ "type": "about:blank", "title": "no such place", "status": 422 });
    let client = client(move |_, body| match body["epoch"].as_u64() {
        Some(1) => Some(fenced()),
        _ => Some((422, invalid.clone())),
    });
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    for epoch in [1, 2] {
        let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(epoch) };
        let report = holder.report_of(lease, 1, Stage::Testing, None, None);
        holder.post_report(lease, report).unwrap();
    }
    let problems = holder.deliver(PATIENCE);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains(JOB) && problems[0].contains("no such place"), "{problems:?}");
}

#[test]
fn all_events_arrive_in_parts_that_the_coordinator_takes() {
    let dir = TempDir::new().unwrap();
    let parts = Arc::new(Mutex::new(Vec::new()));
    let got = parts.clone();
    let client = client(move |_, body| {
        let events: EventsRequest = serde_json::from_value(body).unwrap();
        got.lock().unwrap().push(events.events.len());
        Some((202, json!({})))
    });
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(1) };
    let event = |seq| {
        let kind = "building".parse().unwrap();
        JobEvent { seq, at: Timestamp::UNIX_EPOCH, kind, fields: Fields::new() }
    };
    let events: Vec<JobEvent> = (1..=MAX_EVENTS as u64 + 1).map(event).collect();
    holder.post_events(lease, &events);
    assert_eq!(holder.deliver(PATIENCE), [""; 0]);
    assert_eq!(*parts.lock().unwrap(), [MAX_EVENTS, 1]);
}
