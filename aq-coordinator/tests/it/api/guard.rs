//! Requests that never come to a handler: wrong tokens, wrong bodies, wrong paths, too many
//! requests.

use std::time::Duration;

use aq_coordinator::{ApiTokens, CallerRate};
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, TOKEN, claim, submission};

#[tokio::test]
async fn only_two_calls_are_open() {
    let fleet = Fleet::new().await;
    let paths = ["/metrics", "/openapi.json", "/v1/jobs", "/v1/stats", "/nowhere", "/"];
    for path in paths {
        for token in [None, Some("wrong"), Some(""), Some("0123456789abcdef0123456789abcdeF")] {
            let mut request = fleet.request(Method::GET, path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = fleet.send(request).await;
            assert_eq!((answer.status, answer.problem()), (401, "unauthorized"), "{path}");
            assert_eq!(answer.head["www-authenticate"], "Bearer realm=\"aq\"");
        }
    }
    let basic = fleet.request(Method::GET, "/v1/jobs").basic_auth("u", Some(TOKEN));
    assert_eq!(fleet.send(basic).await.status, 401);
    assert_eq!(fleet.send(fleet.request(Method::GET, "/healthz")).await.status, 200);
    assert_eq!(fleet.send(fleet.request(Method::GET, "/readyz")).await.status, 200);
}

#[tokio::test]
async fn who_asks_often_whether_it_is_ready_waits() {
    let fleet = Fleet::new().await;
    let mut last = 0;
    for _ in 0..600 {
        last = fleet.send(fleet.request(Method::GET, "/readyz")).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(fleet.get("/v1/stats").await.status, 200);
}

#[tokio::test]
async fn a_body_is_not_read_before_the_token() {
    let fleet = Fleet::new().await;
    let request = fleet.request(Method::POST, "/v1/jobs").body("{ no json");
    assert_eq!(fleet.send(request).await.status, 401);
}

#[tokio::test]
async fn each_token_of_the_list_is_taken() {
    let other = "another-token-0123456789";
    let tokens = ApiTokens::parse("test", &format!("a {TOKEN}\nb {other}\n")).unwrap();
    let fleet = Fleet::with(|config| config.tokens = tokens).await;
    for token in [TOKEN, other] {
        let answer = fleet.send(fleet.request(Method::GET, "/v1/stats").bearer_auth(token)).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn wrong_requests_are_problems_that_name_the_place() {
    let fleet = Fleet::new().await;
    let send = async |method: Method, path: &str, kind: Option<&str>, body: Vec<u8>| {
        let mut request = fleet.request(method, path).bearer_auth(TOKEN).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        fleet.send(request).await
    };
    let json = Some("application/json");
    let post = Method::POST;
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20)).into_bytes();
    for (method, path, kind, body, status, slug) in [
        (post.clone(), "/v1/claims", json, b"{".to_vec(), 400, "malformed"),
        (post.clone(), "/v1/claims", json, b"\xff\xfe".to_vec(), 400, "malformed"),
        (post.clone(), "/v1/claims", json, b"[]".to_vec(), 422, "invalid"),
        (
            post.clone(),
            "/v1/claims",
            Some("text/plain"),
            b"{}".to_vec(),
            415,
            "unsupported-media-type",
        ),
        (post.clone(), "/v1/claims", None, b"{}".to_vec(), 415, "unsupported-media-type"),
        (post.clone(), "/v1/claims", json, large, 413, "too-large"),
        (post.clone(), "/v1/nothing", json, b"{}".to_vec(), 404, "not-found"),
        (post.clone(), "/v1/jobs/x/renew", json, b"{}".to_vec(), 404, "not-found"),
        (post.clone(), "/v1/jobs/%ff/renew", json, b"{}".to_vec(), 404, "not-found"),
        (Method::DELETE, "/v1/jobs", None, vec![], 405, "method-not-allowed"),
        (Method::GET, "/v1/claims", None, vec![], 405, "method-not-allowed"),
        (Method::GET, "/v1/jobs?limit=x", None, vec![], 422, "invalid"),
        (Method::GET, "/v1/jobs?cursor=x", None, vec![], 422, "invalid"),
        (Method::GET, "/v1/factories?cursor=a%20b", None, vec![], 422, "invalid"),
        (Method::PUT, "/v1/factories/a%2Fb", json, b"{}".to_vec(), 422, "invalid"),
    ] {
        let answer = send(method.clone(), path, kind, body).await;
        assert_eq!((answer.status, answer.problem()), (status, slug), "{method} {path}");
    }
    let beat = json!({ "instanceId": "i", "free": 1, "leases": [{ "jobId": "x", "epoch": 1 }] });
    let answer = fleet.post("/v1/factories/a/heartbeat", &beat).await;
    assert_eq!((answer.problem(), &answer.body["path"]), ("invalid", &json!("leases[0].jobId")));
    let leases: Vec<Value> = (0..10_001)
        .map(|n| json!({ "jobId": format!("01890a5d-ac96-774b-bcce-{n:012x}"), "epoch": 1 }))
        .collect();
    let beat = json!({ "instanceId": "i", "free": 1, "leases": leases });
    let answer = fleet.post("/v1/factories/a/heartbeat", &beat).await;
    assert_eq!((answer.problem(), &answer.body["path"]), ("invalid", &json!("leases")));
    let mut locks = claim("a", "r", 1);
    locks["heldLocks"] = json!(["x".repeat(5000)]);
    let answer = fleet.post("/v1/claims", &locks).await;
    assert_eq!((answer.problem(), &answer.body["path"]), ("invalid", &json!("heldLocks[0]")));
}

#[tokio::test]
async fn clients_that_are_too_old_are_told_so() {
    let fleet = Fleet::new().await;
    for (version, status) in [("0", 426), ("1", 200), ("2", 200), ("one", 422)] {
        let request = fleet.request(Method::GET, "/v1/stats").bearer_auth(TOKEN);
        let answer = fleet.send(request.header("aq-protocol", version)).await;
        assert_eq!(answer.status, status, "{version}");
        if status == 426 {
            assert_eq!((answer.problem(), &answer.body["oldestProtocol"]), ("too-old", &json!(1)));
        }
    }
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let fleet =
        Fleet::with(|config| config.rate = CallerRate { per_second: 0.01, burst: 3.0 }).await;
    for _ in 0..3 {
        assert_eq!(fleet.get("/v1/stats").await.status, 200);
    }
    let answer = fleet.get("/v1/stats").await;
    assert_eq!((answer.status, answer.problem()), (429, "rate-limited"));
    // Less when these took a while.
    let seconds: u32 = answer.head["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=100).contains(&seconds), "{seconds}");
    assert_eq!(fleet.send(fleet.request(Method::GET, "/healthz")).await.status, 200);
}

#[tokio::test]
async fn who_guesses_tokens_is_slowed_down() {
    let fleet = Fleet::new().await;
    let mut last = 0;
    for n in 0..600 {
        let guess = format!("guess-{n:020}");
        let request = fleet.request(Method::GET, "/v1/stats").bearer_auth(guess);
        last = fleet.send(request).await.status;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(fleet.get("/v1/stats").await.status, 200, "the same address, with a right token");
}

#[tokio::test]
async fn every_answer_has_request_id() {
    let fleet = Fleet::new().await;
    let own = fleet.send(fleet.request(Method::GET, "/healthz").header("x-request-id", "mine-1"));
    assert_eq!(own.await.head["x-request-id"], "mine-1");
    let given = fleet.get("/nowhere").await;
    assert_eq!(given.head["x-request-id"].len(), 36);
}

#[tokio::test]
async fn a_slow_head_does_not_hold_others_up() {
    use tokio::io::AsyncWriteExt;
    let fleet = Fleet::new().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut stream = tokio::net::TcpStream::connect(fleet.running.address()).await.unwrap();
        stream.write_all(b"POST /v1/claims HTTP/1.1\r\nhost: x\r\n").await.unwrap();
        slow.push(stream);
    }
    let answer = tokio::time::timeout(Duration::from_secs(5), fleet.get("/v1/stats")).await;
    assert_eq!(answer.unwrap().status, 200);
}

#[tokio::test]
async fn requests_count_by_route() {
    let fleet = Fleet::new().await;
    fleet.submit("lock: none").await;
    for path in ["/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057", "/x/1", "/x/2"] {
        assert_eq!(fleet.get(path).await.status, 404);
    }
    fleet.post("/v1/jobs", &submission("no-such-key: [")).await;
    let metrics = fleet.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    for line in [
        "aq_http_requests_total{method=\"GET\",route=\"/v1/jobs/{jobId}\",status=\"404\"} 1",
        "aq_http_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 2",
        "aq_http_requests_total{method=\"POST\",route=\"/v1/jobs\",status=\"422\"} 1",
        "aq_jobs{stage=\"inbox\"} 1",
        "aq_factories_alive 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("01890a5d") && !metrics.contains(TOKEN));
}
