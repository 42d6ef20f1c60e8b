//! A model server on the loopback interface that says what a test tells it to say: the answers of
//! two vendors' APIs as far as `codex` and `claude` look at them. It keeps what it was sent.

mod anthropic;
pub(crate) mod http;
mod openai;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use http::{Request, Response};

/// What one call of the model uses. `input` counts what was read from the cache as OpenAI does,
/// and not as Anthropic does; each vendor is followed in this.
pub(crate) struct CallUsage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

/// The same for every call.
pub(crate) const USAGE: CallUsage =
    CallUsage { input: 1234, cached: 200, cache_write: 30, output: 56, reasoning: 7 };

/// What the model makes of one call.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It has the agent run a command.
    Run(String),
    /// It says something and ends its turn.
    Say(&'static str),
    /// HTTP 401.
    WrongKey,
    /// HTTP 429, of the kind that is over after so many seconds.
    TooMany { retry_after_s: u32 },
    /// HTTP 429: the plan is used up until then, in seconds of the epoch.
    UsedUp { until: i64 },
    /// HTTP 500.
    Broken,
    /// It never answers, and keeps the connection.
    Hang,
}

/// A server of its own for each test, on a free port. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    answers: VecDeque<Answer>,
    calls: Vec<Value>,
    surprises: Vec<String>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl ModelServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let accepting = Some(thread::spawn(move || accept(&listener, &theirs)));
        Self { address, shared, accepting }
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The model's answers to the calls to come, in their order.
    pub(crate) fn will<const N: usize>(&self, answers: [Answer; N]) {
        self.shared.state().answers.extend(answers);
    }

    /// The bodies of all calls of the model until now.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.shared.state().calls.clone()
    }

    /// Every answer was asked for, and nothing else was.
    pub(crate) fn assert_all_said(&self) {
        let state = self.shared.state();
        assert!(state.answers.is_empty(), "nobody asked for {:?}", state.answers);
        assert!(state.surprises.is_empty(), "{:?}", state.surprises);
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.accepting.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.is_over.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        if let Ok(stream) = stream {
            thread::spawn(move || serve(stream, &shared));
        }
    }
}

/// One request on each connection. An engine that is killed closes it, which is no error here.
fn serve(mut stream: TcpStream, shared: &Shared) {
    match Request::read(&mut stream) {
        Ok(Some(request)) => match respond(&request, shared) {
            Some(response) => drop(response.write(&mut stream)),
            None => http::wait_for_the_end(&mut stream),
        },
        // It only looked whether somebody listens.
        Ok(None) => {}
        Err(error) => shared.state().surprises.push(error.to_string()),
    }
}

/// `None`: it hangs.
fn respond(request: &Request, shared: &Shared) -> Option<Response> {
    let vendor = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/responses") => openai::answer,
        ("POST", "/v1/messages") => anthropic::answer,
        ("POST", "/v1/messages/count_tokens") => {
            return Some(Response::json(200, &serde_json::json!({ "input_tokens": 10 })));
        }
        ("GET", "/v1/models") => return Some(openai::models()),
        ("HEAD", _) => return Some(Response::json(200, &Value::Null)),
        (method, path) => {
            shared.state().surprises.push(format!("{method} {path}"));
            return Some(Response::json(404, &Value::Null));
        }
    };
    let mut state = shared.state();
    state.calls.push(request.body.clone());
    let Some(answer) = state.answers.pop_front() else {
        state.surprises.push(format!("no answer for {}", request.body));
        return Some(Response::json(400, &Value::Null));
    };
    drop(state);
    vendor(&answer, &request.body)
}
