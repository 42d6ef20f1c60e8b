//! A token does what its scope covers, and no more.

use aq_coordinator::{ApiTokens, TrackerSettings};
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, TOKEN, claim, submission};

const JOB: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn token(label: &str) -> String {
    format!("{label}-0123456789abcdef")
}

async fn fleet() -> Fleet {
    let line = |(label, scope): (&str, &str)| format!("{label} {scope} {}\n", token(label));
    let lines = [("in", "submit"), ("mill", "host:mill"), ("eyes", "read"), ("all", "admin")];
    let text: String = lines.map(line).into_iter().chain([format!("old {TOKEN}\n")]).collect();
    let tokens = ApiTokens::parse("test", &text).unwrap();
    Fleet::with(|config| config.tokens = tokens).await
}

/// The scope that a call is refused for; `None` where it is let through, whatever comes of it then.
async fn wanted(
    fleet: &Fleet,
    label: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Option<String> {
    let method: Method = method.parse().unwrap();
    let mut request = fleet.request(method.clone(), path).bearer_auth(token(label));
    if method != Method::GET {
        request = request.json(body);
    }
    let answer = fleet.send(request).await;
    (answer.status == 403).then(|| {
        assert_eq!(answer.problem(), "scope");
        let scope = answer.body["scope"].as_str().unwrap().to_owned();
        let others = if scope == "admin" { "" } else { ", or admin" };
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.ends_with(&format!("needs the scope {scope}{others}")), "{detail}");
        scope
    })
}

fn act(factory: &str) -> Value {
    json!({
        "factoryId": factory, "epoch": 1, "seq": 1, "stage": "review", "shadow": false,
        "outcome": "requeue", "events": [], "instanceId": "i", "free": 1, "leases": [],
        "host": "h", "capabilities": [], "capacity": 1, "version": "1", "requestId": "r",
        "heldLocks": [], "dryRun": false, "waitMs": 0,
    })
}

#[tokio::test]
async fn each_call_takes_its_scope() {
    let fleet = fleet().await;
    let mut shadow = submission("lock: none");
    (shadow["shadow"], shadow["factoryId"]) = (json!(true), json!("mill"));
    let mut others = shadow.clone();
    others["factoryId"] = json!("other");
    let own = |factory: &str| {
        [
            ("PUT", format!("/v1/factories/{factory}"), act(factory)),
            ("POST", format!("/v1/factories/{factory}/heartbeat"), act(factory)),
            ("POST", "/v1/claims".to_owned(), claim(factory, "r", 1)),
            ("POST", format!("/v1/jobs/{JOB}/renew"), act(factory)),
            ("POST", format!("/v1/jobs/{JOB}/reports"), act(factory)),
            ("POST", format!("/v1/jobs/{JOB}/release"), act(factory)),
            ("POST", format!("/v1/jobs/{JOB}/events"), act(factory)),
        ]
    };
    let get = |path: &str| ("GET", path.to_owned(), Value::Null);
    let post = |path: &str| ("POST", path.to_owned(), json!({ "drain": true }));
    let job = |body: Value| [("POST", "/v1/jobs".to_owned(), body)].to_vec();
    let looks =
        [get("/v1/jobs"), get(&format!("/v1/jobs/{JOB}")), get("/v1/factories"), get("/v1/stats")];
    let orders = [
        post("/v1/factories/mill/drain"),
        post(&format!("/v1/jobs/{JOB}/cancel")),
        post(&format!("/v1/jobs/{JOB}/requeue")),
    ];
    // The calls, who may, and what the others read, in the order `in`, `mill`, `eyes`.
    let (act_of, mill) = (Some("host:ID"), Some("host:mill"));
    for (calls, told) in [
        (own("mill").to_vec(), [act_of, None, act_of]),
        (own("mill-shadow").to_vec(), [act_of, None, act_of]),
        (own("mill-1").to_vec(), [act_of, Some("host:mill-1"), act_of]),
        (job(submission("lock: none")), [None, Some("submit"), Some("submit")]),
        (job(shadow), [mill, None, Some("submit")]),
        (job(others), [Some("host:other"), Some("host:other"), Some("submit")]),
        (looks.to_vec(), [Some("read"), None, None]),
        ([get("/metrics"), get("/v1/feed")].to_vec(), [Some("read"), Some("read"), None]),
        ([get("/openapi.json"), get("/readyz")].to_vec(), [None, None, None]),
        (orders.to_vec(), [Some("admin"); 3]),
    ] {
        for (method, path, body) in calls {
            for (label, told) in
                ["in", "mill", "eyes", "all"].into_iter().zip(told.into_iter().chain([None]))
            {
                let wanted = wanted(&fleet, label, method, &path, &body).await;
                assert_eq!(wanted.as_deref(), told, "{label}: {method} {path} {body}");
            }
        }
    }
    let events = wanted(&fleet, "mill", "GET", "/v1/events", &Value::Null).await;
    assert_eq!(events.as_deref(), Some("read"));
    let metrics = fleet.get("/metrics").await.body;
    assert!(metrics.as_str().unwrap().contains("aq_http_refused_total{reason=\"scope\"}"));
}

#[tokio::test]
async fn a_refused_body_changes_nothing() {
    let fleet = fleet().await;
    let id = fleet.submit("lock: none").await;
    fleet.put("/v1/factories/other", &act("other")).await.ok();
    let stolen = wanted(&fleet, "mill", "POST", "/v1/claims", &claim("other", "r", 1)).await;
    assert_eq!(stolen.as_deref(), Some("host:other"));
    assert_eq!(fleet.get(&format!("/v1/jobs/{id}")).await.ok()["epoch"], 0);
}

#[tokio::test]
async fn jobs_do_not_claim_to_be_granted() {
    let fleet = fleet().await;
    for front in ["fleet-job-id: x\nfleet-lease-epoch: 3", "fleet-lease-epoch: 3"] {
        let answer = fleet.post("/v1/jobs", &submission(front)).await;
        assert_eq!((answer.status, answer.problem()), (422, "invalid-manifest"));
        assert!(answer.body["detail"].as_str().unwrap().contains("`fleet-"), "{answer:?}");
    }
}

#[tokio::test]
async fn merges_go_to_hosts_that_push() {
    let fleet = fleet().await;
    let id = fleet.submit("ship: merge").await;
    fleet.put("/v1/factories/mill", &act("mill")).await.ok();
    let none = fleet.post("/v1/claims", &claim("mill", "r", 1)).await.ok();
    assert_eq!(none["jobs"].as_array().map(Vec::len), Some(0), "{none}");
    let mut able = claim("mill", "s", 1);
    able["capabilities"] = vec!["push-target"].into();
    let granted = fleet.post("/v1/claims", &able).await.ok();
    assert_eq!(granted["jobs"][0]["jobId"], id.as_str(), "{granted}");
}

#[tokio::test]
async fn only_issues_of_allowed_repositories_are_taken() {
    let echoes =
        TrackerSettings::new(|name| (name == "AQ_TRACKER_AUTO").then(|| "1".to_owned())).unwrap();
    let echoes = echoes.allow(vec!["github:owner/repo".parse().unwrap()]);
    let fleet = Fleet::with(|config| config.echoes = Some(echoes)).await;
    for (item, status) in [("github:other/repo#1", 422), ("github:Owner/Repo#1", 201), ("T-1", 201)]
    {
        let answer = fleet.post("/v1/jobs", &submission(&format!("tracker-item: {item}"))).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let untold = Fleet::new().await;
    let job = submission("tracker-item: github:other/repo#1");
    assert_eq!(untold.post("/v1/jobs", &job).await.status, 201, "it means nothing there");
}
