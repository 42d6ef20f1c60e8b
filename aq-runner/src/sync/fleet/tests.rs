//! Membership and holding against a coordinator that says what a test wants it to.

mod claims;
mod holder;
mod line;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aq_fleet::client::{
    CoordinatorClient, CoordinatorTransport, HttpRequest, HttpResponse, SystemClock,
    TransportError, TransportProblem,
};
use aq_fleet::protocol::{Epoch, LeaseRef, ReleaseOutcome};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{EndedLog, FleetMembership, HostStatus, MemberNews, MembershipSettings};

const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers each request: a status and a document, or nothing.
struct Fake<F>(F);

impl<F: Fn(&str, Value) -> Option<(u16, Value)> + Send + Sync> CoordinatorTransport for Fake<F> {
    fn send(&self, request: &HttpRequest, _: Duration) -> Result<HttpResponse, TransportError> {
        let body = request.body.as_deref().unwrap_or(b"null");
        let answer = (self.0)(&request.path, serde_json::from_slice(body).unwrap());
        let lost = || TransportError { problem: TransportProblem::Lost, message: "gone".into() };
        let (status, body) = answer.ok_or_else(lost)?;
        Ok(HttpResponse { status, retry_after: None, body: body.to_string().into_bytes() })
    }
}

fn client(
    answers: impl Fn(&str, Value) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> Arc<CoordinatorClient> {
    let token = "t".parse().unwrap();
    let deadline = Duration::from_millis(50);
    Arc::new(CoordinatorClient::new(
        Arc::new(Fake(answers)),
        Arc::new(SystemClock),
        token,
        deadline,
    ))
}

/// One free slot, and nothing here.
fn idle() -> HostStatus {
    HostStatus { free: 1, ..HostStatus::default() }
}

/// A host in this state, and its news.
fn join(
    client: &Arc<CoordinatorClient>,
    dir: &Path,
    status: HostStatus,
) -> (FleetMembership, Receiver<MemberNews>) {
    join_for(client, dir, status, false)
}

fn join_for(
    client: &Arc<CoordinatorClient>,
    dir: &Path,
    status: HostStatus,
    once: bool,
) -> (FleetMembership, Receiver<MemberNews>) {
    let settings = MembershipSettings {
        factory: "a".parse().unwrap(),
        host: "h".to_owned(),
        capabilities: Vec::new(),
        capacity: 2,
        version: "0".to_owned(),
        route: true,
        once,
        request_file: dir.join("claim"),
        ended: EndedLog::in_dir(dir),
    };
    let (tell, told) = channel();
    let membership = FleetMembership::start(
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

fn wait_for(told: &Receiver<MemberNews>, wanted: impl Fn(&MemberNews) -> bool) {
    while !wanted(&told.recv_timeout(PATIENCE).expect("news in time")) {}
}

fn none_within(
    told: &Receiver<MemberNews>,
    time: Duration,
    unwanted: impl Fn(&MemberNews) -> bool,
) {
    let end = std::time::Instant::now() + time;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        let Ok(news) = told.recv_timeout(left) else { return };
        assert!(!unwanted(&news), "{news:?}");
    }
}

/// A coordinator that wants a heartbeat a minute, and knows of every one.
fn slow(
    beats: Mutex<std::sync::mpsc::Sender<Value>>,
) -> impl Fn(&str, Value) -> Option<(u16, Value)> {
    move |path, body| {
        if path.ends_with("/heartbeat") {
            let _ = beats.lock().unwrap().send(body);
            return Some((200, json!({ "leases": [], "directives": [] })));
        }
        let registered = json!({ "heartbeatMs": 60_000, "leaseMs": 240_000, "protocol": 1 });
        let register = path.starts_with("/v1/factories/").then_some((200, registered));
        register.or_else(|| Some((200, json!({ "jobs": [] }))))
    }
}

fn register_or_beat(path: &str) -> Option<(u16, Value)> {
    if path.ends_with("/heartbeat") {
        return Some((200, json!({ "leases": [], "directives": [] })));
    }
    let registered = json!({ "heartbeatMs": 20, "leaseMs": 60_000, "protocol": 1 });
    path.starts_with("/v1/factories/").then_some((200, registered))
}

#[test]
fn failing_heartbeats_keep_their_pace() {
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
fn pace_stays_bearable() {
    for status in [200, 403] {
        let (claims, beats) = calls_in_a_second(status);
        assert!(claims <= 4, "{claims} claims in a second");
        assert!(beats <= 40, "{beats} heartbeats in a second");
    }
}

/// Counts the claims and heartbeats that go to a coordinator that answers each at once, claims like
/// this.
fn calls_in_a_second(status: u16) -> (u32, u32) {
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
        register.or_else(|| Some((status, json!({ "jobs": [] }))))
    });
    let end = std::time::Instant::now() + Duration::from_secs(1);
    let (_membership, _told) = join(&client, dir.path(), idle());
    let (mut claims, mut beats) = (0, 0);
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        match calls.recv_timeout(left) {
            Ok(true) => claims += 1,
            Ok(false) => beats += 1,
            Err(_) => break,
        }
    }
    (claims, beats)
}

#[test]
fn unasked_leases_are_ignored() {
    let dir = TempDir::new().unwrap();
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(3) };
    let other = LeaseRef { job_id: lease.job_id, epoch: Epoch(4) };
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8059";
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = beats.clone();
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            counted.fetch_add(1, Ordering::SeqCst);
            let held = |epoch: Epoch, state: &str| {
                json!({
                    "jobId": JOB, "epoch": epoch, "state": state, "expiresInMs": 60_000,
                })
            };
            let leases =
                [held(lease.epoch, "held"), held(other.epoch, "held"), held(Epoch(5), "lost")];
            let cancel = |job: &str| json!({ "kind": "cancel", "jobId": job });
            let directives = [cancel(unknown), cancel(JOB), cancel(JOB), cancel(JOB)];
            return Some((200, json!({ "leases": leases, "directives": directives })));
        }
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let status = HostStatus { free: 0, held_locks: Vec::new(), leases: vec![lease] };
    let (membership, told) = join(&client, dir.path(), status);
    let mut cancels = 0;
    wait_for(&told, |news| match news {
        MemberNews::Lost(lost) => panic!("{lost:?} was lost, and never here"),
        MemberNews::Cancel(job) => {
            assert_eq!(*job, lease.job_id);
            membership.trusts(lease)
        }
        _ => false,
    });
    assert!(!membership.trusts(other));
    // One of them, then those of later heartbeats: with each there is one.
    for news in told.try_iter() {
        cancels += u32::from(matches!(news, MemberNews::Cancel(_)));
    }
    let later = u32::try_from(beats.load(Ordering::SeqCst)).unwrap() - 1;
    assert!(cancels <= later, "{later} more heartbeats told {cancels} more");
}

#[test]
fn news_hastens_the_heartbeat() {
    let dir = TempDir::new().unwrap();
    let (beat, beats) = channel();
    let (membership, _told) =
        join(&client(slow(Mutex::new(beat))), dir.path(), HostStatus::default());
    beats.recv_timeout(PATIENCE).expect("the first heartbeat");
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(3) };
    membership.update(HostStatus { leases: vec![lease], ..HostStatus::default() });
    let told = beats.recv_timeout(PATIENCE).expect("a heartbeat at once");
    assert_eq!(told["leases"][0]["jobId"], json!(JOB));
    membership.hurry();
    beats.recv_timeout(PATIENCE).expect("another one at once");
}

#[test]
fn an_older_database_is_told_what_has_ended() {
    let dir = TempDir::new().unwrap();
    let log = EndedLog::in_dir(dir.path());
    log.follow(&"d".parse().unwrap());
    for key in ["a", "b", "c"] {
        log.note(JOB.parse().unwrap(), key, Epoch(3), ReleaseOutcome::Shipped).unwrap();
    }
    let known = log.after(&"d".parse().unwrap(), 0)[0].n;
    let (said, keys) = channel();
    let said = Mutex::new(said);
    let restored = Arc::new(AtomicUsize::new(0));
    let older = restored.clone();
    let client = client(move |path, body| {
        if path.ends_with("/heartbeat") {
            let register = older.swap(0, Ordering::SeqCst) == 1;
            return Some((200, json!({ "leases": [], "register": register })));
        }
        if !path.starts_with("/v1/factories/") {
            return Some((200, json!({ "jobs": [] })));
        }
        let ended = body["ended"].as_array().cloned().unwrap_or_default();
        let known = ended.last().map_or(known, |last| last["n"].as_u64().unwrap());
        for one in ended {
            let _ = said.lock().unwrap().send(one["key"].as_str().unwrap().to_owned());
        }
        Some((
            200,
            json!({ "heartbeatMs": 20, "leaseMs": 60_000, "protocol": 1, "database": "d",
            "ended": known }),
        ))
    });
    let (_membership, _told) = join(&client, dir.path(), HostStatus::default());
    let next = || keys.recv_timeout(PATIENCE).expect("what has ended");
    assert_eq!([next(), next()], ["b", "c"], "what it does not know");
    restored.store(1, Ordering::SeqCst);
    assert_eq!([next(), next()], ["b", "c"], "and again when it has forgotten it");
}

#[test]
fn a_host_that_has_left_says_nothing_more() {
    let dir = TempDir::new().unwrap();
    let answers = Arc::new(());
    let alive = answers.clone();
    let client = client(move |path, _| {
        let _ = &alive;
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let (membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Joined));
    drop((membership, client));
    // The threads let go of the client, and of their listener.
    let begun = std::time::Instant::now();
    while Arc::strong_count(&answers) > 1 {
        assert!(begun.elapsed() < PATIENCE, "they go on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Means in `told_by` an answer that wants the host to register.
const REGISTER: u16 = 1;

/// Plays a coordinator that answers the heartbeats of a host, one after the other and then the last
/// one again. Returns the host's news when it had sent 12, and the number of times that it has
/// registered.
fn told_by(answers: &'static [u16]) -> (Vec<&'static str>, usize) {
    let dir = TempDir::new().unwrap();
    let (beat, beats) = channel();
    let (beat, sent) = (Mutex::new(beat), AtomicUsize::new(0));
    let registered = Arc::new(AtomicUsize::new(0));
    let registrations = registered.clone();
    let claimed = Arc::new(AtomicUsize::new(0));
    let claims = claimed.clone();
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            let _ = beat.lock().unwrap().send(());
            let n = sent.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
            let problem = json!({ "type": "about:blank", "title": "no", "status": answers[n] });
            let mut body = json!({ "leases": [], "directives": [] });
            if answers[n] == REGISTER {
                body["register"] = json!(true);
                return Some((200, body));
            }
            return Some((answers[n], if answers[n] == 200 { body } else { problem }));
        }
        let register = register_or_beat(path);
        let count = if register.is_some() { &registrations } else { &claims };
        count.fetch_add(1, Ordering::SeqCst);
        register.or_else(|| Some((200, json!({ "jobs": [] }))))
    });
    let (_membership, told) = join(&client, dir.path(), HostStatus::default());
    for _ in 0..12 {
        beats.recv_timeout(PATIENCE).expect("a heartbeat");
    }
    assert_eq!(claimed.load(Ordering::SeqCst), 0, "it has no free slot");
    let words = told.try_iter().filter_map(|news| match news {
        MemberNews::Joined => Some("joined"),
        MemberNews::Trouble(_) => Some("trouble"),
        _ => None,
    });
    (words.collect(), registered.load(Ordering::SeqCst))
}

#[test]
fn an_outage_and_its_end_are_told_once() {
    assert_eq!(told_by(&[200, 200, 403, 403, 403, 200]).0, ["joined", "trouble", "joined"]);
    assert_eq!(told_by(&[403, 403, 200]).0, ["trouble", "joined"]);
    assert_eq!(told_by(&[403]).0, ["trouble"]);
}

#[test]
fn unknown_host_registers_again() {
    assert_eq!(told_by(&[200, 404, 200]).1, 2);
    assert_eq!(told_by(&[200, REGISTER, 200]), (vec!["joined"], 2), "without a break");
    assert_eq!(told_by(&[200, 403, 200]).1, 1, "what is refused for another reason");
}
