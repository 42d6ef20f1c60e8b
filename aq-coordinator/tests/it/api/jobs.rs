//! Jobs as people see and move them.

use serde_json::{Value, json};

use super::fleet::{Fleet, id, submission, with};

#[tokio::test]
async fn submitting_again_changes_nothing_that_has_begun() {
    let fleet = Fleet::new().await;
    let first = fleet.post("/v1/jobs", &submission("idempotency-key: k")).await;
    assert_eq!((first.status, &first.body["key"]), (201, &json!("k")));
    let job = id(&first.body);
    let same = fleet.post("/v1/jobs", &submission("idempotency-key: k")).await;
    assert_eq!((same.status, id(&same.body)), (200, job.clone()));
    let newer = submission("idempotency-key: k\npriority: high");
    let superseded = fleet.post("/v1/jobs", &newer).await;
    assert_eq!((superseded.status, id(&superseded.body)), (200, job.clone()));
    let jobs = fleet.claim(&super::fleet::claim("a", "r", 9)).await;
    assert_eq!(jobs.len(), 1);
    assert!(jobs[0]["manifest"].as_str().unwrap().contains("priority: high"), "the newer text");
    let clash = fleet.post("/v1/jobs", &submission("idempotency-key: k")).await;
    assert_eq!((clash.status, clash.problem()), (409, "existing"));
    assert_eq!((&clash.body["jobId"], &clash.body["stage"]), (&json!(job), &json!("building")));
    assert_eq!(fleet.post("/v1/jobs", &newer).await.status, 200);
    let nameless = fleet.post("/v1/jobs", &submission("lock: none")).await.ok();
    assert_eq!(nameless["key"], nameless["jobId"], "without a key the id is the key");
}

#[tokio::test]
async fn bad_job_files_are_refused_with_the_place() {
    let fleet = Fleet::new().await;
    let refused = fleet.post("/v1/jobs", &submission("timeout: 5m\npriority: hgh")).await;
    assert_eq!((refused.status, refused.problem()), (422, "invalid-manifest"));
    assert_eq!((&refused.body["line"], &refused.body["column"]), (&json!(3), &json!(11)));
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("job.md:3:11: "), "{detail}");
    assert!(detail.contains("did you mean `high`?"), "{detail}");
    let large = json!({ "name": "job", "manifest": "x".repeat(1 << 20) });
    let name = |name: &str| with(submission("lock: none"), json!({ "name": name }));
    let shadow =
        |fields: Value| with(with(submission("lock: none"), json!({ "shadow": true })), fields);
    for (body, path) in [
        (large, "manifest"),
        (json!({ "name": "job" }), "manifest"),
        (json!({ "manifest": "x" }), "name"),
        (name("../job"), "name"),
        (name(""), "name"),
        (name("a\u{1b}[31m"), "name"),
        (shadow(json!({})), "factoryId"),
        (shadow(json!({ "factoryId": "a-shadow" })), "factoryId"),
    ] {
        let refused = fleet.post("/v1/jobs", &body).await;
        assert_eq!((refused.status, &refused.body["path"]), (422, &json!(path)), "{refused:?}");
    }
    let anchors = (0..40).map(|n| format!("k{n}: &a{n} [*a{n}, *a{n}]\n")).collect::<String>();
    let bomb = fleet.post("/v1/jobs", &submission(&anchors)).await;
    assert_eq!(bomb.status, 422, "{bomb:?}");
    let page = fleet.get("/v1/jobs").await.ok();
    assert_eq!(page["jobs"], json!([]), "nothing was kept");
}

#[tokio::test]
async fn circle_is_refused_and_printed() {
    let fleet = Fleet::new().await;
    fleet.submit("idempotency-key: a\ndeps: [b]").await;
    fleet.submit("idempotency-key: b\ndeps: [c]").await;
    let refused = fleet.post("/v1/jobs", &submission("idempotency-key: c\ndeps: [a]")).await;
    assert_eq!((refused.status, refused.problem()), (422, "cycle"));
    let cycle = refused.body["cycle"].as_array().unwrap();
    assert_eq!((cycle.len(), cycle.first()), (4, cycle.last()));
    assert!(refused.body["detail"].as_str().unwrap().contains(" -> "), "{refused:?}");
    let own = fleet.post("/v1/jobs", &submission("idempotency-key: d\ndeps: [d]")).await;
    assert_eq!(own.status, 422);
    fleet.submit("idempotency-key: c").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_coordinators_cannot_close_a_circle_together() {
    let one = Fleet::new().await;
    let two = one.beside().await;
    for round in 0..10 {
        let half = |key: &str, dep: &str| {
            submission(&format!("idempotency-key: {key}{round}\ndeps: [{dep}{round}]"))
        };
        let (ab, ba) = (half("a", "b"), half("b", "a"));
        let (first, second) = tokio::join!(one.post("/v1/jobs", &ab), two.post("/v1/jobs", &ba));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn jobs_are_listed_by_page_stage_and_holder() {
    let fleet = Fleet::new().await;
    let mut submitted = Vec::new();
    for _ in 0..5 {
        submitted.push(fleet.submit("lock: none").await);
    }
    let (held, _) = fleet.take("a").await;
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2".to_owned();
    loop {
        let page = fleet.get(&path).await.ok();
        seen.extend(page["jobs"].as_array().unwrap().iter().map(id));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/jobs?limit=2&cursor={next}");
    }
    assert_eq!(seen, submitted);
    let count = async |path: &str| fleet.get(path).await.ok()["jobs"].as_array().unwrap().len();
    assert_eq!(count("/v1/jobs?stage=inbox").await, 4);
    assert_eq!(count("/v1/jobs?stage=building").await, 1);
    assert_eq!(count("/v1/jobs?factory=a").await, 1);
    assert_eq!(count("/v1/jobs?factory=b").await, 0);
    assert_eq!(count("/v1/jobs?limit=100000").await, 5, "more than allowed is as much as allowed");
    let page = fleet.get("/v1/jobs?factory=a").await.ok();
    assert_eq!((id(&page["jobs"][0]), &page["jobs"][0]["lapsed"]), (held, &json!(false)));
    let missing = fleet.get("/v1/jobs/01890a5d-ac96-774b-bcce-b302099a8057").await;
    assert_eq!((missing.status, missing.problem()), (404, "not-found"));
}

#[tokio::test]
async fn people_stop_jobs_and_put_them_back() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let act = async |what: &str| fleet.post(&format!("/v1/jobs/{job}/{what}"), &json!({})).await;
    for _ in 0..2 {
        let stopped = act("cancel").await.ok();
        assert_eq!((&stopped["stage"], &stopped["result"]), (&json!("failed"), &json!("stopped")));
    }
    assert_eq!(fleet.claim(&super::fleet::claim("a", "r1", 1)).await, Vec::<Value>::new());
    for _ in 0..2 {
        assert_eq!(act("requeue").await.ok()["stage"], "inbox");
    }
    let (_, epoch) = fleet.take("a").await;
    let refused = act("requeue").await;
    assert_eq!((refused.status, refused.problem()), (409, "wrong-stage"));
    assert_eq!(refused.body["stage"], "building");
    assert_eq!(act("cancel").await.ok()["cancel"], true);
    let release = json!({ "factoryId": "a", "epoch": epoch, "outcome": "requeue" });
    fleet.post(&format!("/v1/jobs/{job}/release"), &release).await.ok();
    let view = fleet.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(view["stage"], "failed", "it was to stop, so it does not wait again");
}

#[tokio::test]
async fn numbers_of_fleet_are_shown() {
    let fleet = Fleet::new().await;
    fleet.submit("priority: high\nlock: none").await;
    fleet.submit("lock: none").await;
    fleet.take("a").await;
    let stats = fleet.get("/v1/stats").await.ok();
    assert_eq!(stats["held"], 1);
    let queue = stats["queue"].as_array().unwrap();
    let depth = |stage: &str| {
        let of = |d: &&Value| d["stage"] == stage;
        queue.iter().filter(of).map(|d| d["jobs"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((depth("inbox"), depth("building")), (1, 1));
    assert!(stats["oldestWaitMs"].is_u64(), "{stats}");
}
