//! A model server on the loopback interface that answers as a test wants it: the answers of
//! four APIs as far as agents look at them, streamed and in one piece. It keeps what it was sent.

mod answer;
mod anthropic;
mod chat;
mod gemini;
pub(crate) mod http;
mod responses;
mod tools;
mod trial;

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

pub(crate) use answer::{Answer, Fault, USAGE};
use answer::{Content, ModelApi};
use http::{Ending, Request, Response};

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
    /// After them.
    always: Option<Answer>,
    /// Calls that offer tools: an agent's own work.
    calls: Vec<Value>,
    /// Calls beside it, such as for a title of the session.
    side_calls: usize,
    surprises: Vec<String>,
    /// Beginnings of requests that are no surprise.
    tolerated: Vec<&'static str>,
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

    /// The answer to every call after them. `None`: there should be none.
    pub(crate) fn always(&self, answer: impl Into<Option<Answer>>) {
        self.shared.state().always = answer.into();
    }

    /// Requests that begin so are no surprise, and get no answer of worth.
    pub(crate) fn tolerate(&self, requests: &[&'static str]) {
        self.shared.state().tolerated.extend(requests);
    }

    /// The bodies of all calls of the model until now, without those beside the agent's work.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.shared.state().calls.clone()
    }

    /// Answers that nobody asked for, and requests that it does not know.
    pub(crate) fn surprises(&self) -> Vec<String> {
        let state = self.shared.state();
        let unsaid = state.answers.iter().map(|answer| format!("nobody asked for {answer:?}"));
        unsaid.chain(state.surprises.iter().cloned()).collect()
    }

    /// Every answer was asked for, and nothing else was.
    pub(crate) fn assert_all_said(&self) {
        let surprises = self.surprises();
        assert!(surprises.is_empty(), "{surprises:?}");
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
        Ok(Some(request)) => drop(respond(&request, shared).write(&mut stream)),
        // It only looked whether somebody listens.
        Ok(None) => {}
        Err(error) => shared.state().surprises.push(error.to_string()),
    }
}

fn respond(request: &Request, shared: &Shared) -> Response {
    let path = request.path.as_str();
    let api: &dyn ModelApi = match request.method.as_str() {
        "POST" if path.ends_with("/responses") => &responses::ResponsesApi,
        "POST" if path.ends_with("/chat/completions") => &chat::ChatApi,
        "POST" if path.ends_with("/messages") => &anthropic::AnthropicApi,
        "POST" if path.ends_with(":generateContent") => &gemini::GeminiApi,
        "POST" if path.ends_with(":streamGenerateContent") => &gemini::GeminiApi,
        method => return beside(method, path, shared),
    };
    let is_stream = path.ends_with(":streamGenerateContent") || request.body["stream"] == true;
    let tools = api.tools(&request.body);
    let Some(answer) = next_answer(&request.body, !tools.is_empty(), shared) else {
        return Response::json(400, &Value::Null);
    };
    let content = match &answer {
        Answer::Fail(fault) => return api.fault(*fault),
        Answer::Hang => return Response::nothing(Ending::Hang),
        Answer::HangUp => return Response::nothing(Ending::Close),
        Answer::Say(text) => Content::Text((*text).to_owned()),
        Answer::HangMidway | Answer::Cut => Content::Text("so far".to_owned()),
        Answer::Run(command) | Answer::RunBeside(command) => {
            let is_beside = matches!(answer, Answer::RunBeside(_));
            tools::run(&tools, command, is_beside).unwrap_or_else(|| {
                let names: Vec<&str> = tools.iter().map(|(name, _)| *name).collect();
                shared.state().surprises.push(format!("no tool for commands among {names:?}"));
                Content::Text("I cannot run it.".to_owned())
            })
        }
    };
    if !is_stream {
        return Response::json(200, &api.whole(&request.body, &content));
    }
    let stream = api.stream(&request.body, &content);
    match answer {
        Answer::HangMidway => Response::events(&stream.begun, "").then(Ending::Hang),
        Answer::Cut => Response::events(&stream.begun, ""),
        _ => Response::events(stream.begun.iter().chain(&stream.rest), api.last_line()),
    }
}

/// Takes note of a call. `None`: no answer to it is left.
fn next_answer(call: &Value, has_tools: bool, shared: &Shared) -> Option<Answer> {
    let mut state = shared.state();
    if !has_tools {
        state.side_calls += 1;
        // The whole vendor fails, or nothing of it.
        let next = state.answers.front().or(state.always.as_ref());
        let words = match &call["generationConfig"]["responseMimeType"] {
            Value::String(kind) if kind == "application/json" => "{\"next_speaker\":\"user\"}",
            _ => "A title",
        };
        return Some(match next {
            Some(fault @ Answer::Fail(_)) => fault.clone(),
            _ => Answer::Say(words),
        });
    }
    state.calls.push(call.clone());
    let answer = state.answers.pop_front().or_else(|| state.always.clone());
    if answer.is_none() {
        let call: String = call.to_string().chars().take(300).collect();
        state.surprises.push(format!("no answer for {call}"));
    }
    answer
}

/// Answers requests that are not for the model.
fn beside(method: &str, path: &str, shared: &Shared) -> Response {
    match method {
        "POST" if path.ends_with("/messages/count_tokens") => {
            Response::json(200, &json!({ "input_tokens": 10 }))
        }
        "POST" if path.ends_with(":countTokens") => {
            Response::json(200, &json!({ "totalTokens": 10 }))
        }
        "GET" if path.ends_with("/models") => {
            Response::json(200, &json!({ "object": "list", "data": [], "models": [] }))
        }
        "HEAD" => Response::json(200, &Value::Null),
        _ => {
            let request = format!("{method} {path}");
            let mut state = shared.state();
            if !state.tolerated.iter().any(|begin| request.starts_with(begin)) {
                state.surprises.push(request);
            }
            Response::json(404, &Value::Null)
        }
    }
}
