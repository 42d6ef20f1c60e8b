//! A transport that answers from a list and writes down what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aq_tracker::{TrackerError, TrackerRequest, TrackerResponse, TrackerTransport};

/// Answers in order. One too few is a failure of the test.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    answers: Arc<Mutex<VecDeque<TrackerResponse>>>,
    asked: Arc<Mutex<Vec<TrackerRequest>>>,
}

impl Fake {
    pub(crate) fn new(answers: impl IntoIterator<Item = TrackerResponse>) -> Self {
        let fake = Self::default();
        fake.answers.lock().unwrap().extend(answers);
        fake
    }

    /// The requests: verb, path, body and the version that is known, a line each.
    pub(crate) fn asked(&self) -> String {
        let asked = self.asked.lock().unwrap();
        let line = |request: &TrackerRequest| {
            let body = request.body.as_ref().map_or(String::new(), |body| format!(" {body}"));
            let etag =
                request.etag.as_ref().map_or(String::new(), |etag| format!(" unless {etag}"));
            format!("{} {}{body}{etag}", request.method.as_str(), request.path)
        };
        asked.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Tests for a script whose every answer was asked for.
    pub(crate) fn is_used_up(&self) -> bool {
        self.answers.lock().unwrap().is_empty()
    }
}

impl TrackerTransport for Fake {
    fn send(&self, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        self.asked.lock().unwrap().push(request.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        Ok(answer.unwrap_or_else(|| panic!("no answer for {request:?}")))
    }
}

/// An answer with this status and document.
pub(crate) fn answer(status: u16, body: &str) -> TrackerResponse {
    TrackerResponse { status, headers: Vec::new(), body: body.to_owned() }
}
