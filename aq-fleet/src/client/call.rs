//! One call: sent, retried within its deadline, and its answer read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::backoff::pause;
use super::clock::ClientClock;
use super::error::CallError;
use super::token::FleetToken;
use super::transport::{
    CoordinatorTransport, HttpMethod, HttpRequest, HttpResponse, MAX_ANSWER_BYTES, TransportProblem,
};
use crate::protocol::{ProblemBody, ProblemKind};

/// Maximum of a coordinator's text that is kept for people, in characters.
const MAX_SHOWN: usize = 4096;

/// Talks to one coordinator. Cheap to clone, and shared by threads.
#[derive(Clone)]
pub struct CoordinatorClient {
    transport: Arc<dyn CoordinatorTransport>,
    clock: Arc<dyn ClientClock>,
    token: FleetToken,
    deadline: Duration,
}

/// The answer of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallAnswer<T> {
    /// The answer's body.
    pub value: T,
    /// The HTTP status: 200, 201, 202.
    pub status: u16,
    /// When the request was sent, on the client's clock: a lease counts from here.
    pub sent_at: Duration,
}

/// A call before it is sent.
pub(super) struct PendingCall {
    pub(super) method: HttpMethod,
    pub(super) path: String,
    pub(super) body: Option<Vec<u8>>,
    /// Time on top of the client's deadline, for an answer that is held back.
    pub(super) extra: Duration,
    /// The call is idempotent. One that is not is only retried when it was surely not done.
    pub(super) repeatable: bool,
    /// The answer may be that of an earlier try, so that a lease in it counts from there.
    pub(super) from_first_try: bool,
}

impl PendingCall {
    pub(super) fn get(path: String) -> Self {
        Self {
            method: HttpMethod::Get,
            path,
            body: None,
            extra: Duration::ZERO,
            repeatable: true,
            from_first_try: false,
        }
    }

    pub(super) fn post(path: String, body: &impl Serialize) -> Result<Self, CallError> {
        let body = serde_json::to_vec(body);
        let body = body.map_err(|e| CallError::Garbled { what: format!("own request: {e}") })?;
        Ok(Self { method: HttpMethod::Post, body: Some(body), ..Self::get(path) })
    }
}

/// Result of one try.
enum CallResult {
    Answered(HttpResponse),
    /// Not now; the coordinator may have said when.
    Later {
        what: String,
        asked: Option<Duration>,
        surely_not_done: bool,
    },
}

impl CoordinatorClient {
    /// A client whose calls take at most `deadline`, retries and pauses included;
    /// [`DEFAULT_TIMEOUT`](crate::protocol::DEFAULT_TIMEOUT) is the protocol's.
    pub fn new(
        transport: Arc<dyn CoordinatorTransport>,
        clock: Arc<dyn ClientClock>,
        token: FleetToken,
        deadline: Duration,
    ) -> Self {
        Self { transport, clock, token, deadline }
    }

    /// The same client, whose calls take at most `deadline`.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The clock that [`CallAnswer::sent_at`] is read from.
    pub fn clock(&self) -> &Arc<dyn ClientClock> {
        &self.clock
    }

    pub(super) fn call<T: DeserializeOwned>(
        &self,
        call: PendingCall,
    ) -> Result<CallAnswer<T>, CallError> {
        let (response, sent_at) = self.answered(call)?;
        // Where there is nothing to say, some servers and gateways say nothing.
        let body = if response.body.is_empty() { b"{}" } else { &response.body[..] };
        let value = serde_json::from_slice(body)
            .map_err(|e| self.garbled(&format!("status {}, {e}", response.status)))?;
        Ok(CallAnswer { value, status: response.status, sent_at })
    }

    /// The first answer that is a success, and the moment that a lease in it counts from.
    pub(super) fn answered(
        &self,
        call: PendingCall,
    ) -> Result<(HttpResponse, Duration), CallError> {
        let PendingCall { method, path, body, extra, repeatable, from_first_try } = call;
        let request = HttpRequest { method, path, body, token: self.token.clone() };
        let begun = self.clock.now();
        let end = begun.saturating_add(self.deadline).saturating_add(extra);
        let mut tries = 0;
        loop {
            let sent_at = self.clock.now();
            tries += 1;
            let (what, asked, surely_not_done) =
                match self.try_once(&request, end.saturating_sub(sent_at), tries)? {
                    CallResult::Answered(response) => {
                        let from = if from_first_try { begun } else { sent_at };
                        return self.success(response, tries).map(|response| (response, from));
                    }
                    CallResult::Later { what, asked, surely_not_done } => {
                        (what, asked, surely_not_done)
                    }
                };
            let pause = pause(tries, self.clock.jitter(), asked);
            let left = end.saturating_sub(self.clock.now());
            if pause >= left || !(repeatable || surely_not_done) {
                return Err(CallError::Unreachable { what: self.token.hide_in(&what), tries });
            }
            self.clock.pause(pause);
        }
    }

    fn try_once(
        &self,
        request: &HttpRequest,
        timeout: Duration,
        tries: u32,
    ) -> Result<CallResult, CallError> {
        let response = match self.transport.send(request, timeout) {
            Ok(response) => response,
            Err(error) => {
                let surely_not_done = match error.problem {
                    TransportProblem::NotSent => true,
                    TransportProblem::Lost => false,
                    // Another try meets the same certificate.
                    TransportProblem::Untrusted => {
                        let what = self.token.hide_in(&error.message);
                        return Err(CallError::Unreachable { what, tries });
                    }
                    TransportProblem::TooLarge => return Err(self.garbled(&error.message)),
                };
                return Ok(CallResult::Later { what: error.message, asked: None, surely_not_done });
            }
        };
        if response.body.len() > MAX_ANSWER_BYTES {
            return Err(self.garbled(&format!("{} bytes are too many", response.body.len())));
        }
        Ok(match response.status {
            status @ (429 | 502..=504) => CallResult::Later {
                what: format!("it answers {status}"),
                asked: response.retry_after,
                // A gateway may have lost the answer to something that was done.
                surely_not_done: matches!(status, 429 | 503),
            },
            _ => CallResult::Answered(response),
        })
    }

    /// Distinguishes a success from a refusal that is final.
    fn success(&self, response: HttpResponse, tries: u32) -> Result<HttpResponse, CallError> {
        match response.status {
            200..=299 => Ok(response),
            // A mistake of the coordinator is nothing that the host did (docs/fleet.md: a job goes
            // on).
            status @ 500..=599 => {
                Err(CallError::Unreachable { what: format!("it answers {status}"), tries })
            }
            400..=499 => Err(self.refusal(&response)),
            status @ 300..=399 => {
                Err(self.garbled(&format!("status {status}, a redirect, which is not followed")))
            }
            status => Err(self.garbled(&format!("status {status}"))),
        }
    }

    fn refusal(&self, response: &HttpResponse) -> CallError {
        let mut problem: ProblemBody = serde_json::from_slice(&response.body).unwrap_or_default();
        problem.status = response.status;
        // Its kind must not depend on what the token happens to be: decided before that is taken
        // out.
        let kind = problem.kind();
        let ProblemBody { kind_uri, code, title, detail, path, cycle, .. } = &mut problem;
        for text in [kind_uri, code, title, detail].into_iter().chain(path).chain(cycle) {
            *text = self.shown(text);
        }
        match kind {
            Some(ProblemKind::Fenced) if response.status == 409 => {
                CallError::Fenced { current_epoch: problem.current_epoch, holder: problem.holder }
            }
            _ if response.status == 426 => CallError::TooOld(Box::new(problem)),
            _ => CallError::Refused(Box::new(problem)),
        }
    }

    /// Text from the coordinator, without the token and of a bounded length.
    fn shown(&self, text: &str) -> String {
        self.token.hide_in(text).chars().take(MAX_SHOWN).collect()
    }

    pub(super) fn garbled(&self, what: &str) -> CallError {
        CallError::Garbled { what: self.shown(what).escape_debug().to_string() }
    }
}

impl fmt::Debug for CoordinatorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoordinatorClient")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
