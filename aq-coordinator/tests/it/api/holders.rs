//! Factories and what they say of their grants: renew, report, release, events, heartbeats.

use serde_json::{Value, json};

use super::fleet::{Answer, Fleet};

fn register() -> Value {
    json!({
        "host": "h", "capabilities": ["os:linux"], "capacity": 2, "version": "0.1.0",
        "instanceId": "i-1",
    })
}

#[expect(clippy::needless_pass_by_value, reason = "made where it is called")]
fn fenced(answer: &Answer, epoch: u64, holder: Value) {
    assert_eq!((answer.status, answer.problem()), (409, "fenced"));
    assert_eq!((&answer.body["currentEpoch"], &answer.body["holder"]), (&json!(epoch), &holder));
}

#[tokio::test]
async fn factory_registers_and_is_listed() {
    let fleet = Fleet::new().await;
    let mut databases = std::collections::BTreeSet::new();
    for _ in 0..2 {
        let mut answer = fleet.put("/v1/factories/host-a", &register()).await.ok();
        let database = answer.as_object_mut().unwrap().remove("database").unwrap();
        databases.insert(database.as_str().unwrap().to_owned());
        assert_eq!(
            answer,
            json!({ "heartbeatMs": 15_000, "leaseMs": 60_000, "protocol": 1, "ended": 0 })
        );
    }
    assert_eq!(databases.len(), 1);
    fleet.put("/v1/factories/host-b", &register()).await.ok();
    let page = fleet.get("/v1/factories?limit=1").await.ok();
    assert_eq!(page["factories"][0]["factoryId"], "host-a");
    assert_eq!(page["factories"][0]["alive"], true);
    let next = page["next"].as_str().unwrap();
    let page = fleet.get(&format!("/v1/factories?cursor={next}")).await.ok();
    assert_eq!(page["factories"][0]["factoryId"], "host-b");
    assert_eq!(page.get("next"), None);
    let mut bad = register();
    bad["host"] = json!("a\u{1b}[31m");
    assert_eq!(fleet.put("/v1/factories/host-a", &bad).await.body["path"], "host");
    let stats = fleet.get("/v1/stats").await.ok();
    assert_eq!((&stats["factoriesAlive"], &stats["factoriesKnown"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn heartbeat_renews_and_answers_leases() {
    let fleet = Fleet::new().await;
    fleet.put("/v1/factories/a", &register()).await.ok();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    fleet.submit("lock: none").await;
    let (job, epoch) = fleet.take("a").await;
    let beat = json!({
        "instanceId": "i-1", "free": 1,
        "leases": [{ "jobId": job, "epoch": epoch }, { "jobId": job, "epoch": epoch + 1 },
                   { "jobId": unknown, "epoch": 1 }],
    });
    let answer = fleet.post("/v1/factories/a/heartbeat", &beat).await.ok();
    let states: Vec<&Value> =
        answer["leases"].as_array().unwrap().iter().map(|lease| &lease["state"]).collect();
    assert_eq!(states, ["held", "lost", "lost"]);
    assert_eq!(answer["directives"], json!([]));
    assert_eq!(answer.get("register"), None);
    let stranger = json!({ "instanceId": "i-1", "free": 1, "leases": [] });
    let answer = fleet.post("/v1/factories/stranger/heartbeat", &stranger).await.ok();
    assert_eq!(answer["register"], true);
    fleet.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.ok();
    for _ in 0..2 {
        let answer = fleet.post("/v1/factories/a/heartbeat", &beat).await.ok();
        assert_eq!(answer["directives"], json!([{ "kind": "cancel", "jobId": job }]));
    }
}

#[tokio::test]
async fn writes_of_others_and_of_older_grants_are_fenced() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let (_, epoch) = fleet.take("a").await;
    let calls = |factory: &str, epoch: u64| {
        let who = json!({ "factoryId": factory, "epoch": epoch });
        let more = |fields: Value| {
            let mut body = who.clone();
            body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            body
        };
        let event = json!({ "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "k" });
        [
            ("renew", who.clone()),
            ("reports", more(json!({ "seq": 1, "stage": "review", "shadow": false }))),
            ("events", more(json!({ "events": [event] }))),
            ("release", more(json!({ "outcome": "requeue" }))),
        ]
    };
    for (call, body) in calls("b", epoch).into_iter().chain(calls("a", epoch - 1)) {
        let answer = fleet.post(&format!("/v1/jobs/{job}/{call}"), &body).await;
        fenced(&answer, epoch, json!("a"));
    }
    for (call, body) in calls("a", epoch) {
        fleet.post(&format!("/v1/jobs/{job}/{call}"), &body).await.ok();
    }
    // Again: the same release is the same answer, a renewal comes too late.
    let again = calls("a", epoch);
    fleet.post(&format!("/v1/jobs/{job}/release"), &again[3].1).await.ok();
    fenced(&fleet.post(&format!("/v1/jobs/{job}/renew"), &again[0].1).await, epoch, Value::Null);
    let missing = "/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057/renew";
    assert_eq!(fleet.post(missing, &again[0].1).await.problem(), "not-found");
    let metrics = fleet.get("/metrics").await.body;
    assert!(metrics.as_str().unwrap().contains("aq_fenced_total 9\n"), "{metrics}");
}

#[tokio::test]
async fn reports_move_a_job_and_one_ship_wins() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let (_, epoch) = fleet.take("a").await;
    let report = async |seq: u64, stage: &str| {
        let body = json!({
            "factoryId": "a", "epoch": epoch, "seq": seq, "stage": stage, "shadow": false,
            "checkpoint": { "branch": "aq/wip/job", "commit": "0".repeat(40), "remote": "origin" },
            "metrics": { "durationS": 1.5, "unknown": 1 },
        });
        fleet.post(&format!("/v1/jobs/{job}/reports"), &body).await
    };
    report(2, "review").await.ok();
    report(1, "building").await.ok();
    let view = fleet.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!((&view["stage"], &view["holder"]), (&json!("review"), &json!("a")));
    assert_eq!(view["checkpoint"]["branch"], "aq/wip/job");
    let refused = report(3, "failed").await;
    assert_eq!((refused.problem(), &refused.body["path"]), ("invalid", &json!("stage")));
    for _ in 0..2 {
        report(4, "shipped").await.ok();
    }
    let view = fleet.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!((&view["stage"], &view["result"]), (&json!("shipped"), &json!("shipped")));
    assert_eq!(view["grants"].as_array().unwrap().len(), 1);
    assert_eq!(view["grants"][0]["outcome"], "shipped");
    assert_eq!(view["reports"][0]["metrics"], json!({ "durationS": 1.5 }));
}

#[tokio::test]
async fn lapsed_lease_raises_the_epoch() {
    let fleet = Fleet::with(|config| {
        config.lease = std::time::Duration::from_millis(200);
        config.heartbeat = std::time::Duration::from_millis(50);
    })
    .await;
    let job = fleet.submit("lock: db").await;
    let (_, epoch) = fleet.take("a").await;
    let mut wait = super::fleet::claim("b", "r", 1);
    wait["waitMs"] = json!(20_000);
    let jobs = fleet.claim(&wait).await;
    let later = jobs[0]["epoch"].as_u64().unwrap();
    assert!(super::fleet::id(&jobs[0]) == job && later > epoch, "{jobs:?}");
    let renew = json!({ "factoryId": "a", "epoch": epoch });
    fenced(&fleet.post(&format!("/v1/jobs/{job}/renew"), &renew).await, later, json!("b"));
}
