//! A coordinator that sends updates to a tracker, over real sockets.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aq_coordinator::{CoordinatorConfig, TrackerSettings, serve};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fleet::{Fleet, TOKEN, client, config};

/// A tracker that writes down what it gets.
#[derive(Clone, Default)]
struct Tracker {
    told: Arc<Mutex<Vec<String>>>,
    way: Arc<Mutex<Way>>,
}

/// Its reaction to a request.
#[derive(Clone, Copy, Default, PartialEq)]
enum Way {
    #[default]
    Takes,
    Fails,
    Hangs,
    /// It has no item whose name ends so.
    Lacks(char),
    /// It forbids what is asked of items whose name ends so.
    Forbids(char),
}

impl Tracker {
    /// Returns the settings with which it gets updates.
    async fn start(&self) -> Option<TrackerSettings> {
        let _ = client();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let echoes = TrackerSettings::new(|name| match name {
            "AQ_TRACKER_URL" => Some(url.clone()),
            "AQ_TRACKER_AUTO" => Some("1".to_owned()),
            _ => None,
        });
        echoes.map(|echoes| echoes.allow(vec!["github:o/r".parse().unwrap()]))
    }

    fn now(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// The statuses and the first lines of the comments of an item, in order.
    fn told(&self, item: &str) -> Vec<String> {
        let told = self.told.lock().unwrap();
        let of = |line: &String| line.strip_prefix(item)?.strip_prefix(' ').map(str::to_owned);
        told.iter().filter_map(of).collect()
    }

    async fn wait(&self, item: &str, count: usize) -> Vec<String> {
        let begun = Instant::now();
        while self.told(item).len() < count {
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", self.told(item));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.told(item)
    }
}

async fn answer(State(tracker): State<Tracker>, request: Request) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let item = head.uri.path().split('/').nth(2).unwrap().to_owned();
    let what = body["status"].as_str().or_else(|| body["body"].as_str()?.lines().next()).unwrap();
    tracker.told.lock().unwrap().push(format!("{item} {what}"));
    let way = *tracker.way.lock().unwrap();
    match way {
        Way::Takes => StatusCode::OK,
        Way::Fails => StatusCode::INTERNAL_SERVER_ERROR,
        Way::Lacks(end) if item.ends_with(end) => StatusCode::NOT_FOUND,
        Way::Forbids(end) if item.ends_with(end) => StatusCode::FORBIDDEN,
        Way::Lacks(_) | Way::Forbids(_) => StatusCode::OK,
        Way::Hangs => std::future::pending().await,
    }
}

async fn fleet(tracker: &Tracker) -> Fleet {
    let echoes = tracker.start().await;
    Fleet::with(|config: &mut CoordinatorConfig| config.echoes = echoes).await
}

/// Posts steps of a job that `factory` holds, from the first on.
async fn steps(fleet: &Fleet, job: &str, epoch: u64, kinds: &[&str]) {
    let event = |(n, kind): (usize, &&str)| {
        json!({
            "seq": n + 1, "at": "2026-01-01T00:00:00Z", "kind": kind, "fields": { "attempts": n },
        })
    };
    let events: Vec<Value> = kinds.iter().enumerate().map(event).collect();
    let body = json!({ "factoryId": "a", "epoch": epoch, "events": events });
    fleet.post(&format!("/v1/jobs/{job}/events"), &body).await.ok();
}

#[tokio::test]
async fn steps_are_told_in_order_and_once() {
    let tracker = Tracker::default();
    let fleet = fleet(&tracker).await;
    fleet.submit("tracker-item: T-1").await;
    let (job, epoch) = fleet.take("a").await;
    steps(&fleet, &job, epoch, &["building", "review", "review", "testing"]).await;
    // Again, as after a lost answer, and with what came since.
    steps(&fleet, &job, epoch, &["building", "review", "review", "testing", "failed"]).await;
    let release = json!({ "factoryId": "a", "epoch": epoch, "outcome": "failed" });
    fleet.post(&format!("/v1/jobs/{job}/release"), &release).await.ok();
    fleet.submit("tracker-item: T-2").await;
    let (last, epoch) = fleet.take("a2").await;
    assert_ne!(last, job);
    let body = json!({
        "factoryId": "a2", "epoch": epoch,
        "events": [{ "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "building" }],
    });
    fleet.post(&format!("/v1/jobs/{last}/events"), &body).await.ok();
    // All updates of the first job were sent before this.
    tracker.wait("T-2", 2).await;
    let want = [
        ("in_progress", "aq: building"),
        ("in_progress", "aq: review"),
        ("in_progress", "aq: testing"),
        ("wont_fix", "aq: failed"),
    ];
    let want: Vec<&str> = want.iter().flat_map(|(status, comment)| [*status, *comment]).collect();
    assert_eq!(tracker.told("T-1"), want);
    fleet.running.stop().await;
}

#[tokio::test]
async fn nothing_is_told_twice_after_a_restart() {
    let tracker = Tracker::default();
    let echoes = tracker.start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir.path().join("db"));
    config.echoes = echoes;
    let client = client();
    let mut want = Vec::new();
    let kinds = ["building", "review", "testing"];
    let mut job = None;
    for n in 1..=kinds.len() {
        let running = serve(config.clone()).await.unwrap();
        let call = async |path: &str, body: Value| -> Value {
            let request = client.post(format!("{}{path}", running.url())).bearer_auth(TOKEN);
            request.json(&body).send().await.unwrap().json().await.unwrap()
        };
        if job.is_none() {
            call("/v1/jobs", super::fleet::submission("tracker-item: T-1")).await;
            let claimed = call("/v1/claims", super::fleet::claim("a", "r", 1)).await;
            job =
                Some((super::fleet::id(&claimed["jobs"][0]), claimed["jobs"][0]["epoch"].clone()));
        }
        let (id, epoch) = job.as_ref().unwrap();
        let events = kinds[..n].iter().enumerate();
        let events = events
            .map(|(n, kind)| json!({ "seq": n + 1, "at": "2026-01-01T00:00:00Z", "kind": kind }));
        let events: Vec<Value> = events.collect();
        let body = json!({ "factoryId": "a", "epoch": epoch, "events": events });
        call(&format!("/v1/jobs/{id}/events"), body).await;
        want.extend(["in_progress".to_owned(), format!("aq: {}", kinds[n - 1])]);
        tracker.wait("T-1", want.len()).await;
        running.stop().await;
        assert_eq!(tracker.told("T-1"), want);
    }
}

#[tokio::test]
async fn a_tracker_that_hangs_holds_no_call_up() {
    let tracker = Tracker::default();
    tracker.now(Way::Fails);
    let fleet = fleet(&tracker).await;
    fleet.submit("tracker-item: T-1").await;
    let (job, epoch) = fleet.take("a").await;
    steps(&fleet, &job, epoch, &["building"]).await;
    tracker.wait("T-1", 1).await;
    tracker.now(Way::Hangs);
    tracker.wait("T-1", 2).await;
    let begun = Instant::now();
    for _ in 0..20 {
        fleet.submit("tracker-item: T-2").await;
        fleet.get("/v1/stats").await.ok();
    }
    // One that waited for it would take the 20 s that it is given, each time.
    assert!(begun.elapsed() < Duration::from_secs(19), "{:?}", begun.elapsed());
    assert_eq!(tracker.told("T-1"), ["in_progress", "in_progress"], "one waits, no other is made");
    let begun = Instant::now();
    fleet.running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tracker_that_was_down_is_told_in_order() {
    let tracker = Tracker::default();
    tracker.now(Way::Fails);
    let fleet = fleet(&tracker).await;
    fleet.submit("tracker-item: T-1").await;
    let (job, epoch) = fleet.take("a").await;
    steps(&fleet, &job, epoch, &["building", "failed"]).await;
    tracker.wait("T-1", 1).await;
    tracker.now(Way::Takes);
    let told = tracker.wait("T-1", 5).await;
    assert_eq!(told, ["in_progress", "in_progress", "aq: building", "wont_fix", "aq: failed"]);
    fleet.running.stop().await;
}

#[tokio::test]
async fn missing_item_blocks_no_echo() {
    let tracker = Tracker::default();
    tracker.now(Way::Lacks('1'));
    let fleet = fleet(&tracker).await;
    for (n, item) in ["T-1", "'github:o/r#1'", "T-2"].iter().enumerate() {
        fleet.submit(&format!("tracker-item: {item}")).await;
        let jobs = fleet.claim(&super::fleet::claim("a", &format!("r-{n}"), 1)).await;
        let epoch = jobs[0]["epoch"].as_u64().unwrap();
        steps(&fleet, &super::fleet::id(&jobs[0]), epoch, &["building"]).await;
    }
    assert_eq!(tracker.wait("T-2", 2).await, ["in_progress", "aq: building"]);
    assert_eq!(tracker.told("T-1"), ["in_progress"], "not tried again");
    fleet.running.stop().await;
}

#[tokio::test]
async fn forbidden_item_is_passed_over() {
    let tracker = Tracker::default();
    tracker.now(Way::Forbids('1'));
    let fleet = fleet(&tracker).await;
    for item in ["T-1", "T-2"] {
        fleet.submit(&format!("tracker-item: {item}")).await;
        let jobs = fleet.claim(&super::fleet::claim("a", item, 1)).await;
        let epoch = jobs[0]["epoch"].as_u64().unwrap();
        steps(&fleet, &super::fleet::id(&jobs[0]), epoch, &["building"]).await;
    }
    assert_eq!(tracker.wait("T-2", 2).await, ["in_progress", "aq: building"]);
    assert_eq!(tracker.told("T-1"), ["in_progress"; 3], "it was tried first");
    fleet.running.stop().await;
}

#[tokio::test]
async fn two_coordinators_tell_each_step_once() {
    let tracker = Tracker::default();
    let echoes = tracker.start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let one = Fleet::with(|config: &mut CoordinatorConfig| {
        *config = super::fleet::config(&file);
        config.echoes = echoes.clone();
    })
    .await;
    let mut other = config(&file);
    other.echoes = echoes;
    let other = serve(other).await.unwrap();
    let items: Vec<String> = (0..10).map(|n| format!("T-{n}")).collect();
    for item in &items {
        one.submit(&format!("tracker-item: {item}")).await;
        let jobs = one.claim(&super::fleet::claim("a", item, 1)).await;
        let epoch = jobs[0]["epoch"].as_u64().unwrap();
        let kinds = ["building", "review", "testing", "shipped"];
        steps(&one, &super::fleet::id(&jobs[0]), epoch, &kinds).await;
    }
    tracker.wait("T-9", 8).await;
    one.running.stop().await;
    other.stop().await;
    for item in &items {
        let told = tracker.told(item);
        assert_eq!(told.len(), 8, "{item}: {told:?}");
        assert_eq!(told[6..], ["done", "aq: shipped"]);
    }
}
