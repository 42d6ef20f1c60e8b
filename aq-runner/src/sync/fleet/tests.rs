//! Membership and holding against a coordinator that says what a test wants it to.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aq_fleet::client::{
    Client, Request, Response, SystemClock, Transport, TransportError, TransportProblem,
};
use aq_fleet::protocol::{Epoch, FleetJobId, LeaseRef};
use aq_manifest::Stage;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Holder, Membership, MembershipSettings, News, Status, Told};

const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers each request: a status and a document, or nothing.
struct Fake<F>(F);

impl<F: Fn(&str, Value) -> Option<(u16, Value)> + Send + Sync> Transport for Fake<F> {
    fn send(&self, request: &Request, _: Duration) -> Result<Response, TransportError> {
        let body = request.body.as_deref().unwrap_or(b"null");
        let answer = (self.0)(&request.path, serde_json::from_slice(body).unwrap());
        let lost = || TransportError { problem: TransportProblem::Lost, message: "gone".into() };
        let (status, body) = answer.ok_or_else(lost)?;
        Ok(Response { status, retry_after: None, body: body.to_string().into_bytes() })
    }
}

fn client(
    answers: impl Fn(&str, Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> Arc<Client> {
    let token = "t".parse().unwrap();
    let deadline = Duration::from_millis(50);
    Arc::new(Client::new(Arc::new(Fake(answers)), Arc::new(SystemClock), token, deadline))
}

fn fenced() -> (u16, Value) {
    (409, json!({ "type": "/problems/fenced", "title": "fenced", "status": 409, "detail": "" }))
}

/// One free slot, and nothing here.
fn idle() -> Status {
    Status { free: 1, ..Status::default() }
}

/// A host that stands like this; what it is told.
fn join(client: &Arc<Client>, dir: &Path, status: Status) -> (Membership, Receiver<News>) {
    let settings = MembershipSettings {
        factory: "a".parse().unwrap(),
        host: "h".to_owned(),
        capabilities: Vec::new(),
        capacity: 2,
        version: "0".to_owned(),
        route: true,
        once: false,
        request_file: dir.join("claim"),
    };
    let (tell, told) = channel();
    let membership = Membership::start(
        client,
        &settings,
        || {},
        move |news| {
            // The test may have seen enough.
            let _ = tell.send(news);
        },
    );
    let membership = membership.unwrap();
    membership.update(status);
    (membership, told)
}

fn wait_for(told: &Receiver<News>, wanted: impl Fn(&News) -> bool) {
    while !wanted(&told.recv_timeout(PATIENCE).expect("news in time")) {}
}

fn register_or_beat(path: &str) -> Option<(u16, Value)> {
    if path.ends_with("/heartbeat") {
        return Some((200, json!({ "leases": [], "directives": [] })));
    }
    let registered = json!({ "heartbeatMs": 20, "leaseMs": 60_000, "protocol": 1 });
    path.starts_with("/v1/factories/").then_some((200, registered))
}

fn grant(n: u32) -> Value {
    json!({ "jobId": format!("01890a5d-ac96-774b-bcce-b302099a805{n}"), "key": "k", "epoch": 1,
            "leaseMs": 60_000, "manifest": "hello" })
}

#[test]
fn a_claim_is_repeated_for_as_many_slots_as_it_was_made_for() {
    let dir = TempDir::new().unwrap();
    // Another process made it for two, and one slot has gone to a job of the host's own since.
    std::fs::write(dir.path().join("claim"), "r-1 2\n").unwrap();
    let client = client(|path, body| {
        register_or_beat(path).or_else(|| {
            assert_eq!((&body["requestId"], &body["free"]), (&json!("r-1"), &json!(2)));
            Some((200, json!({ "jobs": [grant(1), grant(2)] })))
        })
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, News::Granted(grants) if grants.len() == 2));
}

#[test]
fn a_host_claims_again_when_it_need_not_drain_any_more() {
    let dir = TempDir::new().unwrap();
    let beats = AtomicUsize::new(0);
    let drained = Arc::new(AtomicUsize::new(0));
    let ready = drained.clone();
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            let drains = beats.fetch_add(1, Ordering::SeqCst) < 5;
            let directives = if drains { json!([{ "kind": "drain" }]) } else { json!([]) };
            return Some((200, json!({ "leases": [], "directives": directives })));
        }
        let claimed = if ready.load(Ordering::SeqCst) > 0 { json!([grant(1)]) } else { json!([]) };
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": claimed }))))
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, News::Drain));
    drained.store(1, Ordering::SeqCst);
    wait_for(&told, |news| matches!(news, News::Granted(_)));
}

#[test]
fn heartbeats_that_fail_are_as_frequent_as_those_that_do_not() {
    let dir = TempDir::new().unwrap();
    let (beat, beats) = channel();
    let beat = Mutex::new(beat);
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            let _ = beat.lock().unwrap().send(());
            return None;
        }
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let (_membership, _told) = join(&client, dir.path(), idle());
    let begun = std::time::Instant::now();
    for _ in 0..30 {
        beats.recv_timeout(PATIENCE).expect("a heartbeat");
    }
    assert!(begun.elapsed() < PATIENCE, "the pauses grow although leases do not");
}

#[test]
fn what_an_earlier_grant_left_in_the_outbox_does_not_fence_a_later_one() {
    let dir = TempDir::new().unwrap();
    let client = client(|_, body| match body["epoch"].as_u64() {
        Some(1) => Some(fenced()),
        _ => Some((200, json!({}))),
    });
    let holder = Holder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let job_id: FleetJobId = JOB.parse().unwrap();
    let of = |epoch| LeaseRef { job_id, epoch: Epoch(epoch) };
    let report = |epoch| holder.report_of(of(epoch), 1, Stage::Building, None, None);
    holder.post_report(of(1), report(1));
    assert_eq!(holder.report(of(2), report(2)), Told::Accepted);
    holder.post_report(of(1), report(1));
    assert_eq!(holder.report(of(1), report(1)), Told::Fenced);
}

#[test]
fn leases_are_renewed_before_jobs_are_claimed() {
    let dir = TempDir::new().unwrap();
    let renewed = AtomicUsize::new(0);
    let client = client(move |path, body| {
        if path.ends_with("/heartbeat") {
            let leases = body["leases"].as_array().unwrap().iter();
            let held = leases.map(|lease| {
                json!({ "jobId": lease["jobId"], "epoch": lease["epoch"], "state": "held",
                        "expiresInMs": 60_000 })
            });
            let held: Vec<Value> = held.collect();
            renewed.fetch_add(held.len(), Ordering::SeqCst);
            return Some((200, json!({ "leases": held, "directives": [] })));
        }
        register_or_beat(path).or_else(|| {
            assert!(renewed.load(Ordering::SeqCst) > 0, "a claim came first");
            Some((200, json!({ "jobs": [grant(1)] })))
        })
    });
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(3) };
    let status = Status { free: 1, held_locks: Vec::new(), leases: vec![lease] };
    let (_membership, told) = join(&client, dir.path(), status);
    wait_for(&told, |news| matches!(news, News::Granted(_)));
}
