//! Something in the coordinator's place: it answers as the protocol says, or as badly as a test
//! wants, and keeps what it was asked.

use std::cmp::Reverse;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use aq_manifest::Priority;
use serde_json::{Value, json};

use crate::model_server::http::{Request, Response, wait_for_the_end};

/// The behaviour of the stand-in. Registrations and heartbeats are always answered well, but for
/// `Hangs` and `Broken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// By priority, then age.
    Right,
    /// The oldest, whatever its priority.
    Oldest,
    /// As `Right`, and what it was only asked about is granted, twice as much as can be taken.
    Grants,
    /// It takes requests and never answers.
    Hangs,
    /// 500.
    Broken,
    /// 200, and something else than was asked for.
    Nonsense,
}

/// A server of its own for each test, on a free port. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manner: Manner,
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    jobs: Vec<Job>,
    asked: Vec<Asked>,
    /// Number of jobs that were granted for real.
    granted: usize,
}

#[derive(Debug)]
struct Job {
    id: String,
    key: String,
    manifest: String,
    priority: Priority,
    stage: String,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl StandIn {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, is_over) = (Mutex::default(), AtomicBool::new(false));
        let shared = Arc::new(Shared { manner, state, is_over });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of jobs that it has granted although it was only asked about them.
    pub(crate) fn granted(&self) -> usize {
        self.shared.state().granted
    }

    /// The requests until now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.state().asked.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// One request on each connection.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let Ok(Some(Request { method, path, body })) = Request::read(&mut stream) else { return };
    let asked = Asked { method, path, body };
    shared.state().asked.push(asked.clone());
    let is_member = asked.path.starts_with("/v1/factories/");
    let (status, answer) = match shared.manner {
        Manner::Hangs => return wait_for_the_end(&mut stream),
        Manner::Broken => (500, json!({ "title": "broken" })),
        Manner::Nonsense if !is_member => (200, json!(["a login page"])),
        _ => respond(&mut shared.state(), shared.manner, &asked),
    };
    let _ = Response::json(status, &answer).write(&mut stream);
}

fn respond(state: &mut State, manner: Manner, asked: &Asked) -> (u16, Value) {
    let parts: Vec<&str> = asked.path.split('/').skip(2).collect();
    match (asked.method.as_str(), &parts[..]) {
        ("PUT", ["factories", _]) => {
            (200, json!({ "heartbeatMs": 1000, "leaseMs": 60_000, "protocol": 1 }))
        }
        ("POST", ["factories", _, "heartbeat"]) => (200, json!({ "leases": [], "directives": [] })),
        ("POST", ["jobs"]) => state.submit(&asked.body),
        ("POST", ["jobs", id, "reports"]) => {
            let stage = asked.body["stage"].as_str().unwrap().to_owned();
            state.jobs.iter_mut().find(|job| job.id == *id).unwrap().stage = stage;
            (200, json!({}))
        }
        ("POST", ["jobs", _, "release"]) => (200, json!({})),
        ("GET", ["jobs", id]) => {
            let job = state.jobs.iter().find(|job| job.id == *id).unwrap();
            (200, job.view())
        }
        ("POST", ["claims"]) => (200, json!({ "jobs": state.claim(manner) })),
        other => panic!("nobody should ask for {other:?}"),
    }
}

impl State {
    fn submit(&mut self, body: &Value) -> (u16, Value) {
        let manifest = body["manifest"].as_str().unwrap().to_owned();
        let parsed = aq_manifest::parse(&manifest).manifest;
        let key = parsed.idempotency_key.expect("each mirror has a key");
        let priority = parsed.priority.unwrap_or_default();
        let known = self.jobs.iter_mut().find(|job| job.key == key);
        let (status, job) = if let Some(job) = known {
            (job.manifest, job.priority, job.stage) = (manifest, priority, "inbox".to_owned());
            (200, &*job)
        } else {
            let id = format!("01890a5d-ac96-774b-bcce-{:012x}", self.jobs.len());
            self.jobs.push(Job { id, key, manifest, priority, stage: "inbox".to_owned() });
            (201, self.jobs.last().unwrap())
        };
        (status, json!({ "jobId": job.id, "key": job.key }))
    }

    fn claim(&mut self, manner: Manner) -> Vec<Value> {
        let mut waiting: Vec<&Job> = self.jobs.iter().filter(|job| job.stage == "inbox").collect();
        if manner != Manner::Oldest {
            // Stable: they lie in the order of their age.
            waiting.sort_by_key(|job| Reverse(job.priority));
        }
        let (epoch, wanted) = if manner == Manner::Grants { (7, 2) } else { (0, 1) };
        let given: Vec<Value> = waiting.iter().take(wanted).map(|job| job.grant(epoch)).collect();
        self.granted += if epoch > 0 { given.len() } else { 0 };
        given
    }
}

impl Job {
    fn grant(&self, epoch: u64) -> Value {
        json!({
            "jobId": self.id, "key": self.key, "epoch": epoch, "leaseMs": 60_000,
            "manifest": self.manifest,
        })
    }

    fn view(&self) -> Value {
        json!({
            "jobId": self.id, "key": self.key, "name": "n", "stage": self.stage,
            "priority": self.priority.as_str(), "epoch": 0, "attempts": 0, "ageMs": 0,
            "grants": [], "reports": [],
        })
    }
}
