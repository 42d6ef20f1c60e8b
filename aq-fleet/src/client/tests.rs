//! The client over a transport and a clock that a test moves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::protocol::{
    ClaimRequest, DEFAULT_TIMEOUT, Epoch, FactoryId, FleetJobId, MAX_MANIFEST_BYTES, ProblemBody,
    ProblemKind, RenewRequest, RequestId, SubmitRequest,
};

const TOKEN: &str = "s3cret-t0ken";
const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A coordinator that gives the answers it was made with, each after some time.
#[derive(Default)]
struct Fake {
    now: Mutex<Duration>,
    answers: Mutex<VecDeque<(Duration, Result<HttpResponse, TransportError>)>>,
    seen: Mutex<Vec<(HttpRequest, Duration)>>,
    pauses: Mutex<Vec<Duration>>,
}

impl CoordinatorTransport for Fake {
    fn send(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        self.seen.lock().unwrap().push((request.clone(), timeout));
        let (takes, answer) = self.answers.lock().unwrap().pop_front().expect("one call too many");
        *self.now.lock().unwrap() += takes;
        answer
    }
}

impl ClientClock for Fake {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap()
    }

    fn pause(&self, duration: Duration) {
        self.pauses.lock().unwrap().push(duration);
        *self.now.lock().unwrap() += duration;
    }

    fn jitter(&self) -> f64 {
        0.0
    }
}

impl Fake {
    fn then(self, takes_ms: u64, answer: Result<HttpResponse, TransportError>) -> Self {
        self.answers.lock().unwrap().push_back((Duration::from_millis(takes_ms), answer));
        self
    }

    fn client(self) -> (CoordinatorClient, Arc<Self>) {
        *self.now.lock().unwrap() = Duration::from_secs(1_000);
        let fake = Arc::new(self);
        let token = TOKEN.parse().unwrap();
        (CoordinatorClient::new(fake.clone(), fake.clone(), token, DEFAULT_TIMEOUT), fake)
    }

    fn tries(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    fn pauses_ms(&self) -> Vec<u128> {
        self.pauses.lock().unwrap().iter().map(Duration::as_millis).collect()
    }
}

fn answer(status: u16, body: &Value) -> Result<HttpResponse, TransportError> {
    Ok(HttpResponse { status, retry_after: None, body: body.to_string().into_bytes() })
}

fn no_answer(problem: TransportProblem) -> Result<HttpResponse, TransportError> {
    Err(TransportError { problem, message: format!("no answer to {TOKEN}") })
}

fn busy(status: u16, retry_after: Option<u64>) -> Result<HttpResponse, TransportError> {
    let retry_after = retry_after.map(Duration::from_secs);
    Ok(HttpResponse { status, retry_after, body: Vec::new() })
}

fn renew(
    client: &CoordinatorClient,
) -> Result<CallAnswer<crate::protocol::RenewResponse>, CallError> {
    let renew = RenewRequest { factory_id: "a".parse().unwrap(), epoch: Epoch(3) };
    client.renew(job(), &renew)
}

fn job() -> FleetJobId {
    JOB.parse().unwrap()
}

fn claim() -> ClaimRequest {
    ClaimRequest {
        request_id: RequestId::random(),
        factory_id: "a".parse().unwrap(),
        capabilities: Vec::new(),
        free: 1,
        held_locks: Vec::new(),
        dry_run: false,
        wait_ms: 0,
    }
}

fn granted(epoch: u64) -> Value {
    json!({ "jobId": JOB, "key": "k", "epoch": epoch, "leaseMs": 60_000, "manifest": "hi" })
}

#[test]
fn call_carries_token_and_body() {
    let (client, fake) =
        Fake::default().then(700, answer(200, &json!({"expiresInMs": 5}))).client();
    let got = renew(&client).unwrap();
    assert_eq!((got.value.expires_in_ms, got.status), (5, 200));
    assert_eq!(got.sent_at, Duration::from_secs(1_000), "not when the answer came");
    let (request, timeout) = fake.seen.lock().unwrap()[0].clone();
    assert_eq!(request.path, format!("/v1/jobs/{JOB}/renew"));
    assert_eq!((request.method, timeout), (HttpMethod::Post, DEFAULT_TIMEOUT));
    assert_eq!(request.body.as_deref(), Some(&br#"{"factoryId":"a","epoch":3}"#[..]));
    let headers = request.headers();
    assert!(headers.contains(&("authorization", format!("Bearer {TOKEN}"))));
    assert!(headers.contains(&("aq-protocol", "1".to_owned())));
    assert!(headers.contains(&("content-type", "application/json".to_owned())));
}

#[test]
fn what_may_pass_is_retried_with_growing_pauses() {
    let (client, fake) = Fake::default()
        .then(0, busy(502, None))
        .then(0, no_answer(TransportProblem::NotSent))
        .then(0, no_answer(TransportProblem::Lost))
        .then(0, busy(503, None))
        .then(0, busy(504, None))
        .then(0, busy(429, None))
        .then(0, answer(200, &json!({"expiresInMs": 5})))
        .client();
    let got = renew(&client).unwrap();
    assert_eq!(fake.pauses_ms(), [100, 200, 400, 800, 1600, 2000]);
    // A renewal is made by the try that was answered, so it counts from there.
    assert_eq!(got.sent_at, Duration::from_millis(1_005_100));
}

#[test]
fn retry_after_is_honoured() {
    let (client, fake) = Fake::default()
        .then(0, busy(429, Some(3)))
        .then(0, answer(200, &json!({"expiresInMs": 5})))
        .client();
    renew(&client).unwrap();
    assert_eq!(fake.pauses_ms(), [3000]);
    for seconds in [10, u64::MAX] {
        let (client, fake) = Fake::default().then(0, busy(503, Some(seconds))).client();
        let error = renew(&client).unwrap_err();
        assert!(matches!(error, CallError::Unreachable { tries: 1, .. }), "{error}");
        assert_eq!(fake.pauses_ms().len(), 0, "it does not wait for nothing");
    }
}

#[test]
fn nothing_goes_on_after_deadline() {
    let (client, fake) = Fake::default()
        .then(6_000, no_answer(TransportProblem::Lost))
        .then(3_850, no_answer(TransportProblem::Lost))
        .client();
    let error = renew(&client).unwrap_err();
    assert!(matches!(error, CallError::Unreachable { tries: 2, .. }), "{error}");
    let timeouts: Vec<_> =
        fake.seen.lock().unwrap().iter().map(|seen| seen.1.as_millis()).collect();
    assert_eq!(timeouts, [10_000, 3_900]);
    assert!(fake.now() <= Duration::from_secs(1_010));
}

#[test]
fn other_refusals_are_not_retried() {
    for status in [400, 401, 403, 404, 405, 409, 413, 415, 422, 426, 500, 501, 302, 100] {
        let problem = json!({ "type": "/problems/x", "title": "T", "detail": "D", "status": 1 });
        let (client, fake) = Fake::default().then(0, answer(status, &problem)).client();
        let error = renew(&client).unwrap_err();
        assert_eq!(fake.tries(), 1, "{status}");
        match (status, &error) {
            (426, CallError::TooOld(_))
            | (500 | 501, CallError::Unreachable { tries: 1, .. })
            | (302 | 100, CallError::Garbled { .. }) => {}
            (400..=499, CallError::Refused(problem)) => assert_eq!(problem.status, status),
            _ => panic!("{status}: {error}"),
        }
        let of_the_message = matches!(status, 400 | 404 | 405 | 409 | 413 | 415 | 422);
        assert_eq!(error.may_pass(), !of_the_message, "{status}");
    }
}

#[test]
fn fenced_is_told_apart_from_other_conflicts() {
    let mut problem = ProblemBody::new(ProblemKind::Fenced, "");
    problem.current_epoch = Some(Epoch(7));
    problem.holder = Some("b".parse().unwrap());
    let fenced = |problem: &ProblemBody, status| {
        let body = serde_json::to_value(problem).unwrap();
        renew(&Fake::default().then(0, answer(status, &body)).client().0).unwrap_err()
    };
    let error = fenced(&problem, 409);
    let holder: FactoryId = "b".parse().unwrap();
    assert_eq!(error, CallError::Fenced { current_epoch: Some(Epoch(7)), holder: Some(holder) });
    assert!(!error.may_pass());
    assert_eq!(error.to_string(), "the job is no longer this host's: b holds it, at epoch 7");
    problem.current_epoch = None;
    assert!(matches!(fenced(&problem, 409), CallError::Fenced { current_epoch: None, .. }));
    assert!(matches!(fenced(&problem, 422), CallError::Refused(_)));
    let existing = ProblemBody::new(ProblemKind::Existing, "");
    assert!(matches!(fenced(&existing, 409), CallError::Refused(_)));
}

#[test]
fn empty_success_needs_no_content() {
    let client = |status| Fake::default().then(0, busy(status, None)).client().0;
    let events = crate::protocol::EventsRequest {
        factory_id: "a".parse().unwrap(),
        epoch: Epoch(3),
        events: Vec::new(),
    };
    assert_eq!(client(202).events(job(), &events).unwrap().status, 202);
    assert!(matches!(renew(&client(200)), Err(CallError::Garbled { .. })));
}

#[test]
fn an_answer_that_makes_no_sense_is_garbled() {
    for body in [json!({}), json!([]), json!({"expiresInMs": "soon"}), json!("<html>")] {
        let error = renew(&Fake::default().then(0, answer(200, &body)).client().0).unwrap_err();
        assert!(matches!(error, CallError::Garbled { .. }), "{error}");
    }
    let too_large = no_answer(TransportProblem::TooLarge);
    let (client, fake) = Fake::default().then(0, too_large).client();
    assert!(matches!(renew(&client), Err(CallError::Garbled { .. })));
    assert_eq!(fake.tries(), 1);
    let body = vec![b' '; MAX_ANSWER_BYTES + 1];
    let huge = Ok(HttpResponse { status: 200, retry_after: None, body });
    assert!(matches!(
        renew(&Fake::default().then(0, huge).client().0),
        Err(CallError::Garbled { .. })
    ));
}

#[test]
fn claim_retries_are_identical() {
    let (client, fake) = Fake::default()
        .then(500, no_answer(TransportProblem::Lost))
        .then(0, answer(200, &json!({ "jobs": [granted(1)] })))
        .client();
    let got = client.claim(&claim()).unwrap();
    let seen = fake.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].0.body, seen[1].0.body);
    assert!(String::from_utf8_lossy(seen[0].0.body.as_ref().unwrap()).contains("requestId"));
    assert_eq!(got.sent_at, Duration::from_secs(1_000), "the first try may have been granted");
}

#[test]
fn held_claim_extends_its_timeout() {
    let (client, fake) = Fake::default().then(0, answer(200, &json!({ "jobs": [] }))).client();
    client.claim(&ClaimRequest { wait_ms: 30_000, ..claim() }).unwrap();
    assert_eq!(fake.seen.lock().unwrap()[0].1, Duration::from_secs(40));
}

#[test]
fn impossible_grants_are_garbled() {
    let claimed = |jobs: Value, dry_run| {
        let (client, _) = Fake::default().then(0, answer(200, &json!({ "jobs": jobs }))).client();
        client.claim(&ClaimRequest { dry_run, ..claim() })
    };
    let garbled = |jobs| matches!(claimed(jobs, false), Err(CallError::Garbled { .. }));
    assert!(garbled(json!([granted(1), granted(2)])), "more than there are slots");
    assert!(garbled(json!([granted(0)])), "no epoch");
    let mut large = granted(1);
    large["manifest"] = "x".repeat(MAX_MANIFEST_BYTES).into();
    assert!(garbled(json!([large])));
    let mut named = granted(1);
    named["name"] = "../../etc/passwd".into();
    assert!(garbled(json!([named])));
    assert_eq!(claimed(json!([granted(0)]), true).unwrap().value.jobs[0].epoch, Epoch::DRY);
    assert_eq!(claimed(json!([granted(4)]), true).unwrap().value.jobs[0].epoch, Epoch(4));
    let all = claimed(json!([granted(4), granted(5)]), true).unwrap().value.jobs;
    assert_eq!(all.len(), 2, "each is to be released");
}

#[test]
fn a_submission_without_a_key_is_not_sent_twice() {
    let submit = |manifest: &str, first| {
        let answered = answer(201, &json!({ "jobId": JOB, "key": "k" }));
        let (client, fake) = Fake::default().then(0, first).then(0, answered).client();
        let submit = SubmitRequest {
            manifest: manifest.to_owned(),
            name: "n".parse().unwrap(),
            shadow: false,
            factory_id: None,
        };
        (client.submit(&submit).map(|answer| answer.status), fake.tries())
    };
    let keyed = "---\nidempotency-key: k\n---\nhello\n";
    assert_eq!(submit(keyed, no_answer(TransportProblem::Lost)), (Ok(201), 2));
    assert_eq!(submit("hello", no_answer(TransportProblem::NotSent)), (Ok(201), 2));
    assert_eq!(submit("hello", busy(503, None)), (Ok(201), 2));
    for unsure in [no_answer(TransportProblem::Lost), busy(502, None), busy(504, None)] {
        let (result, tries) = submit("hello", unsure);
        assert!(matches!(result, Err(CallError::Unreachable { .. })));
        assert_eq!(tries, 1);
    }
}

#[test]
fn the_token_is_never_shown() {
    let repeated = json!({
        "type": TOKEN, "title": TOKEN, "path": TOKEN, "detail": format!("no {TOKEN}\u{1b}[2J"),
    });
    for answer in [
        answer(401, &repeated),
        answer(426, &repeated),
        answer(302, &repeated),
        answer(200, &repeated),
        answer(200, &json!({ "expiresInMs": TOKEN })),
        no_answer(TransportProblem::TooLarge),
        no_answer(TransportProblem::Lost),
    ] {
        let fake = Fake::default().then(11_000, answer);
        let (client, fake) = fake.client();
        let error = renew(&client).unwrap_err();
        let request = &fake.seen.lock().unwrap()[0].0;
        for text in [format!("{error} {error:?}"), format!("{client:?} {request:?}")] {
            assert!(!text.contains(TOKEN), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
    for bad in ["", " \n", "two words", "bad\u{7f}", "b\u{e4}d", &"x".repeat(5_000)] {
        let error = bad.parse::<FleetToken>().unwrap_err();
        assert!(bad.trim().is_empty() || !error.to_string().contains(bad), "{error}");
    }
    assert_eq!("abc\n".parse::<FleetToken>().unwrap().header(), "Bearer abc");
}

#[test]
fn the_real_clock_goes_forward_and_its_jitter_differs() {
    let clock = SystemClock;
    let before = clock.now();
    clock.pause(Duration::from_millis(2));
    assert!(clock.now() >= before + Duration::from_millis(2));
    let drawn: Vec<f64> = (0..50).map(|_| clock.jitter()).collect();
    assert!(drawn.iter().all(|j| (0.0..1.0).contains(j)));
    assert!(drawn.iter().any(|&j| j < 0.5) && drawn.iter().any(|&j| j >= 0.5));
}
