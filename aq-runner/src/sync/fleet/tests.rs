//! Membership and holding against a coordinator that says what a test wants it to.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aq_fleet::client::{
    Client, Request, Response, SystemClock, Transport, TransportError, TransportProblem,
};
use aq_fleet::protocol::{Epoch, FleetJobId, LeaseRef, ReleaseOutcome};
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
    join_for(client, dir, status, false)
}

fn join_for(
    client: &Arc<Client>,
    dir: &Path,
    status: Status,
    once: bool,
) -> (Membership, Receiver<News>) {
    let settings = MembershipSettings {
        factory: "a".parse().unwrap(),
        host: "h".to_owned(),
        capabilities: Vec::new(),
        capacity: 2,
        version: "0".to_owned(),
        route: true,
        once,
        request_file: dir.join("claim"),
    };
    let (tell, told) = channel();
    let membership = Membership::start(
        client,
        &settings,
        |_| {},
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
    holder.post_report(of(1), report(1)).unwrap();
    assert_eq!(holder.report(of(2), report(2)), Told::Accepted);
    holder.post_report(of(1), report(1)).unwrap();
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

#[test]
fn a_loop_that_is_to_end_does_not_wait_for_a_coordinator_that_is_away() {
    let dir = TempDir::new().unwrap();
    let (_membership, told) = join_for(&client(|_, _| None), dir.path(), idle(), true);
    wait_for(&told, |news| matches!(news, News::NothingToClaim));
}

#[test]
fn a_loop_that_is_to_end_does_not_wait_until_it_need_not_drain() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| {
        if path.ends_with("/heartbeat") {
            return Some((200, json!({ "leases": [], "directives": [{ "kind": "drain" }] })));
        }
        // The claim that was made before the first heartbeat never comes back.
        register_or_beat(path).or_else(|| {
            loop {
                std::thread::park();
            }
        })
    });
    let (_membership, told) = join_for(&client, dir.path(), idle(), true);
    wait_for(&told, |news| matches!(news, News::NothingToClaim));
}

#[test]
fn a_coordinator_sets_no_pace_that_a_host_cannot_bear() {
    let dir = TempDir::new().unwrap();
    let (called, calls) = channel();
    let called = Mutex::new(called);
    let client = client(move |path, _| {
        let _ = called.lock().unwrap().send(path.ends_with("/claims"));
        if path.ends_with("/heartbeat") {
            return Some((200, json!({ "leases": [], "directives": [] })));
        }
        // It does not hold back an empty answer either.
        let registered = json!({ "heartbeatMs": 0, "leaseMs": 60_000, "protocol": 1 });
        let register = path.starts_with("/v1/factories/").then_some((200, registered));
        register.or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let (_membership, _told) = join(&client, dir.path(), idle());
    let (mut claims, mut beats) = (0, 0);
    let end = std::time::Instant::now() + Duration::from_secs(1);
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        match calls.recv_timeout(left) {
            Ok(true) => claims += 1,
            Ok(false) => beats += 1,
            Err(_) => break,
        }
    }
    assert!(claims <= 4, "{claims} claims in a second");
    assert!(beats <= 40, "{beats} heartbeats in a second");
}

#[test]
fn what_a_heartbeat_did_not_ask_about_is_not_answered() {
    let dir = TempDir::new().unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(3) };
    let other = LeaseRef { job_id: lease.job_id, epoch: Epoch(4) };
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8059";
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            let held = |epoch: Epoch, state: &str| json!({ "jobId": JOB, "epoch": epoch, "state": state, "expiresInMs": 60_000 });
            let leases =
                [held(lease.epoch, "held"), held(other.epoch, "held"), held(Epoch(5), "lost")];
            let cancel = |job: &str| json!({ "kind": "cancel", "jobId": job });
            let directives = [cancel(unknown), cancel(JOB), cancel(JOB), cancel(JOB)];
            return Some((200, json!({ "leases": leases, "directives": directives })));
        }
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let status = Status { free: 0, held_locks: Vec::new(), leases: vec![lease] };
    let (membership, told) = join(&client, dir.path(), status);
    let mut cancels = 0;
    wait_for(&told, |news| match news {
        News::Lost(lost) => panic!("{lost:?} was lost, and never here"),
        News::Cancel(job) => {
            assert_eq!(*job, lease.job_id);
            membership.trusts(lease)
        }
        _ => false,
    });
    assert!(!membership.trusts(other));
    // One of them, then those of the next heartbeat: with each there is one.
    for news in told.try_iter() {
        cancels += u32::from(matches!(news, News::Cancel(_)));
    }
    assert!(cancels <= 1, "one heartbeat told {cancels} more");
}

#[test]
fn a_claim_that_cannot_be_remembered_is_not_made() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| register_or_beat(path).or_else(|| panic!("{path} is asked")));
    let (_membership, told) = join(&client, &dir.path().join("gone"), idle());
    wait_for(&told, |news| matches!(news, News::Trouble(why) if why.contains("claims no jobs")));
}

#[test]
fn a_claim_whose_jobs_could_not_be_written_down_is_repeated_after_a_pause() {
    let dir = TempDir::new().unwrap();
    let first = Mutex::new(None);
    let client = client(move |path, body| {
        register_or_beat(path).or_else(|| {
            let mut first = first.lock().unwrap();
            let request = first.get_or_insert_with(|| body["requestId"].clone());
            assert_eq!(*request, body["requestId"], "other jobs are claimed");
            Some((200, json!({ "jobs": [grant(1)] })))
        })
    });
    let (membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, News::Granted(_)));
    let begun = std::time::Instant::now();
    membership.not_taken();
    wait_for(&told, |news| matches!(news, News::Granted(_)));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_cannot_be_sent_for_one_job_holds_up_no_other_one_and_no_heartbeat() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| match path.contains("8051") {
        true => Some((500, json!({}))),
        false => Some((200, json!({}))),
    });
    let holder = Holder::open("a".parse().unwrap(), client, dir.path()).unwrap();
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
fn what_cannot_be_put_into_the_outbox_is_not_taken_for_told() {
    let dir = TempDir::new().unwrap();
    let client = client(|_, _| None);
    let holder = Holder::open("a".parse().unwrap(), client, dir.path()).unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(1) };
    std::fs::create_dir(dir.path().join(format!("{JOB}.jsonl"))).unwrap();
    assert!(holder.post_release(lease, ReleaseOutcome::Failed, None, None).is_err());
}
