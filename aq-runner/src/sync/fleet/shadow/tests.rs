//! The thread, with a coordinator that is a function.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aq_fleet::client::{
    ClientClock, CoordinatorClient, CoordinatorTransport, HttpRequest, HttpResponse, SystemClock,
    TransportError, TransportProblem,
};
use aq_fleet::protocol::ShadowVerdict;
use aq_fleet::shadow::{ComparisonLine, InboxSnapshot, ShadowCandidate, ShadowReason};
use aq_manifest::{Priority, Stage};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Long enough for a busy machine; nothing here waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

type Respond = dyn Fn(usize, &str, &Value) -> Option<(u16, Value)> + Send + Sync;

/// Answers with a function of how many requests came before, the path and the body; `None`:
/// nothing.
struct Fake {
    respond: Box<Respond>,
    seen: Mutex<Vec<(String, Value)>>,
}

impl CoordinatorTransport for Fake {
    fn send(&self, request: &HttpRequest, _: Duration) -> Result<HttpResponse, TransportError> {
        let body = request.body.as_deref().unwrap_or(b"null");
        let body: Value = serde_json::from_slice(body).unwrap();
        let turn = {
            let mut seen = self.seen.lock().unwrap();
            seen.push((request.path.clone(), body.clone()));
            seen.len()
        };
        match (self.respond)(turn, &request.path, &body) {
            Some((status, answer)) => Ok(HttpResponse {
                status,
                retry_after: None,
                body: answer.to_string().into_bytes(),
            }),
            None => {
                let problem = TransportProblem::TooLarge;
                Err(TransportError { problem, message: "gone".to_owned() })
            }
        }
    }
}

/// A shadow under test.
struct Lab {
    dir: TempDir,
    fake: Arc<Fake>,
    shadow: ShadowThread<ShadowDecision>,
}

impl Lab {
    fn new(
        respond: impl Fn(usize, &str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        Self::with_clock(respond, Arc::new(SystemClock))
    }

    fn with_clock(
        respond: impl Fn(usize, &str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
        clock: Arc<dyn ClientClock>,
    ) -> Self {
        let fake = Arc::new(Fake { respond: Box::new(respond), seen: Mutex::default() });
        let token = "a-token-of-a-test-0123456789abcdef".parse().unwrap();
        let client = CoordinatorClient::new(fake.clone(), clock, token, PATIENCE);
        let dir = tempfile::tempdir().unwrap();
        let settings = ShadowSettings {
            factory: "host".parse().unwrap(),
            shadow: "host-shadow".parse().unwrap(),
            capabilities: Vec::new(),
            log: shadow_log(dir.path()),
        };
        let read = |id: &aq_manifest::JobId| Some(format!("do {id}\n"));
        let shadow = ShadowThread::start(&client, settings, Some, read, |words| panic!("{words}"));
        Self { dir, fake, shadow: shadow.unwrap() }
    }

    /// Ends it, and answers the log and the requests.
    fn end(self) -> (Vec<ComparisonLine>, Vec<(String, Value)>) {
        assert_eq!(self.shadow.finish(PATIENCE), 0);
        let log = read_shadow_log(&shadow_log(self.dir.path())).unwrap().unwrap_or_default();
        let seen = self.fake.seen.lock().unwrap().clone();
        (log.lines, seen)
    }
}

fn id(n: usize) -> String {
    format!("01890a5d-ac96-774b-bcce-{n:012x}")
}

fn original(key: &str, stage: Stage) -> MirroredJob {
    let id = key.replace("job:", "").parse().unwrap();
    MirroredJob { key: key.to_owned(), id, stage, lock: None, version: 1 }
}

/// The host starts the first of these jobs.
fn decision(keys: &[&str]) -> ShadowDecision {
    let candidate = |key: &&str| {
        let key = (*key).to_owned();
        ShadowCandidate { key, priority: Priority::Medium, waits: None, mirrored: false }
    };
    ShadowDecision {
        originals: keys.iter().map(|key| original(key, Stage::Inbox)).collect(),
        question: Some(ShadowQuestion {
            at: Timestamp::UNIX_EPOCH,
            local: keys.first().map(|key| (*key).to_owned()),
            snapshot: InboxSnapshot { jobs: keys.iter().map(candidate).collect() },
            held_locks: vec!["db".to_owned()],
        }),
    }
}

/// Submissions get the ids of the letter that their name begins with; claims are answered by
/// `claim`.
fn usual(path: &str, body: &Value, claim: &[(usize, &str)]) -> (u16, Value) {
    let n = |name: &Value| usize::from(name.as_str().unwrap().as_bytes()[0]);
    match path {
        "/v1/jobs" => (201, json!({ "jobId": id(n(&body["name"])), "key": "as it is" })),
        "/v1/claims" => {
            let job = |&(n, key): &(usize, &str)| {
                json!({
                    "jobId": id(n), "key": key, "epoch": 0, "leaseMs": 0, "manifest": "",
                })
            };
            (200, json!({ "jobs": claim.iter().map(job).collect::<Vec<_>>() }))
        }
        _ => (200, json!({})),
    }
}

fn view(n: usize, waiting: &str, reason: &Value) -> Value {
    json!({
        "jobId": id(n), "key": "k", "name": "n", "stage": "inbox", "priority": "low", "epoch": 0,
        "attempts": 0, "ageMs": 0, "grants": [], "reports": [], "waiting": waiting,
        "waitingReason": reason,
    })
}

fn paths(seen: &[(String, Value)]) -> Vec<&str> {
    seen.iter().map(|(path, _)| path.as_str()).collect()
}

fn verdicts(lines: &[ComparisonLine]) -> Vec<(ShadowVerdict, Option<ShadowReason>)> {
    lines.iter().map(|line| (line.verdict, line.reason)).collect()
}

const A: usize = b'a' as usize;

#[test]
fn only_what_has_changed_is_told() {
    let lab = Lab::new(|_, path, body| Some(usual(path, body, &[(A, "job:a")])));
    lab.shadow.offer(decision(&["job:a", "job:b"])).unwrap();
    let mut next = decision(&["job:b"]);
    next.originals.insert(0, original("job:a", Stage::Building));
    lab.shadow.offer(next).unwrap();
    let mut last = decision(&["job:b"]);
    last.originals.push(original("job:a", Stage::Shipped));
    last.question = None;
    lab.shadow.offer(last.clone()).unwrap();
    // One that is over and gone is not sent again.
    last.originals.pop();
    lab.shadow.offer(last).unwrap();
    let (lines, seen) = lab.end();
    let (a, b) = (format!("/v1/jobs/{}/reports", id(A)), format!("/v1/jobs/{}/reports", id(A + 1)));
    assert_eq!(
        paths(&seen),
        [
            "/v1/jobs",
            "/v1/jobs",
            "/v1/claims",
            &a,
            "/v1/claims",
            &format!("/v1/jobs/{}", id(A + 1)),
            &b,
            &b,
            &a
        ]
    );
    assert_eq!(seen[0].1["manifest"], "---\nidempotency-key: \"job:a\"\n---\ndo a\n");
    assert_eq!(seen[2].1["heldLocks"], json!(["db"]));
    let told = |at: usize| {
        let body = &seen[at].1;
        (body["stage"].as_str().unwrap(), body["verdict"].as_str(), body["shadow"].as_bool())
    };
    assert_eq!(told(3), ("building", Some("AGREE"), Some(true)));
    assert_eq!(told(6), ("building", Some("DIVERGE"), Some(true)));
    assert_eq!(told(7), ("inbox", None, Some(true)), "as the host says");
    assert_eq!(told(8), ("shipped", None, Some(true)));
    let numbers: Vec<u64> =
        [3, 6, 7, 8].iter().map(|&at: &usize| seen[at].1["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    // The second pick is one that the host says is at work.
    assert_eq!(
        verdicts(&lines),
        [(ShadowVerdict::Agree, None), (ShadowVerdict::Diverge, Some(ShadowReason::Missing))]
    );
}

#[test]
fn strangers_are_cleared_away() {
    let code = json!({ "code": "lock_held", "job": id(901) });
    strangers_go("its lock belongs to somebody else", code);
}

#[test]
fn strangers_of_version_0_1_are_cleared_away() {
    strangers_go(&format!("lock held by {}", id(901)), Value::Null);
}

/// Clears away jobs of an earlier loop: first one that this host does not have is offered, then one
/// holds a lock.
fn strangers_go(text: &str, reason: Value) {
    let text = text.to_owned();
    let lab = Lab::new(move |turn, path, body| {
        let stranger = [(900, "gone")];
        let ours = [(A, "job:a")];
        Some(match (turn, path) {
            (2, _) => usual(path, body, &stranger),
            (4, _) => usual(path, body, &[]),
            (5, _) => (200, view(A, &text, &reason)),
            _ => usual(path, body, &ours),
        })
    });
    lab.shadow.offer(decision(&["job:a"])).unwrap();
    let (lines, seen) = lab.end();
    assert_eq!(verdicts(&lines), [(ShadowVerdict::Agree, None)]);
    for (at, n) in [(2, 900), (5, 901)] {
        assert_eq!(seen[at].0, format!("/v1/jobs/{}/reports", id(n)));
        assert_eq!((&seen[at].1["stage"], &seen[at].1["shadow"]), (&json!("failed"), &json!(true)));
    }
    assert_eq!(seen.len(), 8);
}

#[test]
fn endless_strangers_end_the_asking() {
    let lab = Lab::new(|_, path, body| Some(usual(path, body, &[(900, "gone")])));
    lab.shadow.offer(decision(&["job:a"])).unwrap();
    let (lines, seen) = lab.end();
    assert_eq!(verdicts(&lines), [(ShadowVerdict::Diverge, Some(ShadowReason::Missing))]);
    assert!(seen.len() < 50, "{}", seen.len());
}

#[test]
fn a_coordinator_with_another_database_is_told_all_again() {
    let lab = Lab::new(|turn, path, body| {
        Some(match turn {
            2 => usual(path, body, &[]),
            3 => (404, json!({ "type": "about:blank", "title": "no such job", "status": 404 })),
            _ => usual(path, body, &[(A, "job:a")]),
        })
    });
    lab.shadow.offer(decision(&["job:a"])).unwrap();
    lab.shadow.offer(decision(&["job:a"])).unwrap();
    let (lines, seen) = lab.end();
    assert_eq!(
        verdicts(&lines),
        [(ShadowVerdict::Error, Some(ShadowReason::Refused)), (ShadowVerdict::Agree, None)]
    );
    assert_eq!(paths(&seen).iter().filter(|&&path| path == "/v1/jobs").count(), 2);
}

#[test]
fn refused_mirror_is_not_repeated() {
    let lab = Lab::new(|_, path, body| {
        let refused = json!({ "type": "about:blank", "title": "bad", "status": 422 });
        Some(if path == "/v1/jobs" { (422, refused) } else { usual(path, body, &[]) })
    });
    for _ in 0..2 {
        lab.shadow.offer(decision(&["job:a"])).unwrap();
    }
    let (lines, seen) = lab.end();
    let missing = (ShadowVerdict::CoordEmpty, Some(ShadowReason::Missing));
    assert_eq!(verdicts(&lines), [missing, missing]);
    assert_eq!(paths(&seen), ["/v1/jobs", "/v1/claims", "/v1/claims"]);
}

#[test]
fn silent_coordinator_is_left_alone() {
    let lab = Lab::new(|_, _, _| Some((500, json!({}))));
    for _ in 0..100 {
        lab.shadow.offer(decision(&["job:a"])).unwrap();
    }
    let (lines, seen) = lab.end();
    assert_eq!(lines.len(), 100);
    assert!(lines.iter().all(|line| line.reason == Some(ShadowReason::Unreachable)));
    assert!(seen.len() < 10, "{}", seen.len());
}

#[test]
fn shadow_releases_every_grant() {
    let lab = Lab::new(|turn, path, body| {
        let grant = |n: usize| {
            json!({
                "jobId": id(n), "key": "x", "epoch": 3, "leaseMs": 1, "manifest": "",
            })
        };
        Some(match turn {
            2 => (200, json!({ "jobs": [grant(1), grant(2)] })),
            4 => return None,
            _ => usual(path, body, &[(A, "job:a")]),
        })
    });
    for _ in 0..2 {
        lab.shadow.offer(decision(&["job:a"])).unwrap();
    }
    let (lines, seen) = lab.end();
    assert_eq!(
        verdicts(&lines),
        [(ShadowVerdict::Error, Some(ShadowReason::Granted)), (ShadowVerdict::Agree, None)]
    );
    let released: Vec<&str> =
        paths(&seen).into_iter().filter(|path| path.ends_with("/release")).collect();
    let path = |n| format!("/v1/jobs/{}/release", id(n));
    assert_eq!(released, [path(1), path(2), path(2)]);
    let release = &seen[2].1;
    assert_eq!(
        (&release["factoryId"], &release["epoch"], &release["outcome"]),
        (&json!("host-shadow"), &json!(3), &json!("abandoned"))
    );
}

#[test]
fn loop_is_never_held_up() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let lab = Lab::new(move |turn, _, _| {
        if turn == 1 {
            let _ = gate.lock().unwrap().recv();
        }
        Some((500, json!({})))
    });
    let begun = Instant::now();
    let mut refused = 0;
    for _ in 0..1000 {
        refused += usize::from(lab.shadow.offer(decision(&["job:a"])).is_err());
    }
    assert!((700..1000).contains(&refused), "{refused}");
    // Nor at its end.
    let Lab { shadow, dir, .. } = lab;
    let missed = shadow.finish(Duration::from_millis(10));
    let took = begun.elapsed();
    drop(open);
    // One that has waited for a second by now is sent; a busy machine may take that long to come
    // here.
    let told = read_shadow_log(&shadow_log(dir.path())).unwrap().unwrap_or_default().lines;
    assert!(told.len() <= usize::from(took >= Duration::from_secs(1)), "{told:?} after {took:?}");
    assert_eq!(missed + refused + told.len(), 1000);
}

/// Its time goes on by one second with each answer.
#[derive(Default)]
struct Slow(std::sync::atomic::AtomicU64);

impl ClientClock for Slow {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Relaxed))
    }

    fn pause(&self, _: Duration) {}

    fn jitter(&self) -> f64 {
        0.0
    }
}

#[test]
fn long_queue_is_mirrored_whole() {
    let clock = Arc::new(Slow::default());
    let answers = clock.clone();
    let respond = move |_: usize, path: &str, body: &Value| {
        answers.0.fetch_add(1, Relaxed);
        Some(usual(path, body, &[(A, "job:a")]))
    };
    let lab = Lab::with_clock(respond, clock);
    let keys: Vec<String> = ('a'..='y').map(|letter| format!("job:{letter}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    lab.shadow.offer(decision(&keys)).unwrap();
    let (lines, seen) = lab.end();
    assert_eq!(verdicts(&lines), [(ShadowVerdict::Agree, None)]);
    // All jobs, the claim, and how it came out.
    assert_eq!(seen.len(), 25 + 2);
}
