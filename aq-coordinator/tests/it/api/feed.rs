//! Server-sent events, and going on where one was.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::fleet::{Fleet, TOKEN};

/// A reader of the stream.
struct Reader {
    response: Response,
    text: String,
}

impl Reader {
    async fn open(fleet: &Fleet, after: Option<&str>) -> Self {
        let mut request = fleet.request(Method::GET, "/v1/events").bearer_auth(TOKEN);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next message: its id, its name, and what it says.
    async fn next(&mut self) -> (String, String, Value) {
        loop {
            while let Some((message, rest)) = self.text.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let lines = message.lines().find_map(|line| line.strip_prefix(name));
                    lines.unwrap_or_default().trim().to_owned()
                };
                if !field("data:").is_empty() {
                    let data = serde_json::from_str(&field("data:")).unwrap();
                    return (field("id:"), field("event:"), data);
                }
            }
            let wait = std::time::Duration::from_secs(10);
            let chunk = tokio::time::timeout(wait, self.response.chunk()).await.unwrap();
            self.text += std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap();
        }
    }
}

#[tokio::test]
async fn feed_resumes_at_a_cursor() {
    let fleet = Fleet::new().await;
    fleet.submit("idempotency-key: before").await;
    let mut reader = Reader::open(&fleet, None).await;
    let job = fleet.submit("priority: high").await;
    let (first, name, data) = reader.next().await;
    assert_eq!((name.as_str(), &data["jobId"]), ("submitted", &json!(job)), "not what was before");
    assert_eq!(data["id"].to_string(), first);
    let (_, epoch) = fleet.take("a").await;
    let (_, name, data) = reader.next().await;
    assert_eq!((name.as_str(), &data["factoryId"]), ("granted", &json!("a")));
    drop(reader);
    let event = json!({
        "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "attempt", "fields": { "n": 1, "by": "x" },
    });
    let events = json!({ "factoryId": "a", "epoch": epoch, "events": [event] });
    for _ in 0..2 {
        let answer = fleet.post(&format!("/v1/jobs/{job}/events"), &events).await;
        assert_eq!(answer.status, 202);
    }
    let release = json!({ "factoryId": "a", "epoch": epoch, "outcome": "shipped" });
    fleet.post(&format!("/v1/jobs/{job}/release"), &release).await.ok();
    let mut reader = Reader::open(&fleet, Some(&first)).await;
    let mut names = Vec::new();
    let mut ids = vec![first.parse::<u64>().unwrap()];
    for _ in 0..3 {
        let (id, name, _) = reader.next().await;
        ids.push(id.parse().unwrap());
        names.push(name);
    }
    assert_eq!(names, ["granted", "attempt", "released"], "none missed, none twice");
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[tokio::test]
async fn words_only_and_a_place_that_is_one() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let (_, epoch) = fleet.take("a").await;
    let event = json!({ "seq": 1, "at": "2026-01-01T00:00:00Z", "kind": "two words" });
    let events = json!({ "factoryId": "a", "epoch": epoch, "events": [event] });
    let refused = fleet.post(&format!("/v1/jobs/{job}/events"), &events).await;
    assert_eq!((refused.status, &refused.body["path"]), (422, &json!("events[0].kind")));
    let request = fleet.request(Method::GET, "/v1/events").bearer_auth(TOKEN);
    let refused = fleet.send(request.header("last-event-id", "x")).await;
    assert_eq!((refused.status, refused.problem()), (422, "invalid"));
}

#[tokio::test]
async fn end_of_coordinator_ends_feed() {
    let fleet = Fleet::new().await;
    let mut reader = Reader::open(&fleet, None).await;
    fleet.running.stop().await;
    let wait = std::time::Duration::from_secs(5);
    let chunk = tokio::time::timeout(wait, reader.response.chunk()).await.unwrap();
    assert!(matches!(chunk, Ok(None)), "{chunk:?}");
}

#[tokio::test]
async fn pages_of_the_feed_wait_and_go_on() {
    let fleet = Fleet::new().await;
    let page = async |query: &str| fleet.get(&format!("/v1/feed?{query}")).await.ok();
    let job = fleet.submit("idempotency-key: a").await;
    let first = page("sinceMs=60000&limit=9").await;
    let events = first["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["kind"]), (1, &json!("submitted")), "{first}");
    assert_eq!((&events[0]["jobId"], events[0]["msAgo"].is_u64()), (&json!(job), true));
    assert_eq!(events[0]["name"], fleet.get(&format!("/v1/jobs/{job}")).await.ok()["name"]);
    let next = first["next"].as_u64().unwrap();
    assert_eq!(page("").await, json!({ "events": [], "next": next }), "from now on");
    let waiting = format!("after={next}&waitMs=20000");
    let submitted = async {
        let other = fleet.submit("idempotency-key: b").await;
        fleet.submit("idempotency-key: c").await;
        other
    };
    let (waited, other) = tokio::join!(page(&waiting), submitted);
    assert_eq!(waited["events"][0]["jobId"], json!(other));
    let one = page(&format!("after={next}&limit=1")).await;
    assert_eq!(
        (one["events"].as_array().unwrap().len(), &one["next"]),
        (1, &one["events"][0]["id"])
    );
    for bad in ["after=x", "waitMs=40000", "sinceMs=-1"] {
        assert_eq!(fleet.get(&format!("/v1/feed?{bad}")).await.status, 422, "{bad}");
    }
}

/// Messages of more than a client reads at once.
#[tokio::test]
async fn page_of_feed_is_bounded() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let (_, epoch) = fleet.take("a").await;
    let fields: serde_json::Map<String, Value> =
        (0..64).map(|n| (format!("{n:0100}"), json!("x".repeat(120)))).collect();
    for post in 0..3 {
        let event = |n| {
            let seq = post * 100 + n;
            json!({ "seq": seq, "at": "2026-01-01T00:00:00Z", "kind": "large", "fields": fields })
        };
        let events: Vec<Value> = (1..=100).map(event).collect();
        let events = json!({ "factoryId": "a", "epoch": epoch, "events": events });
        assert_eq!(fleet.post(&format!("/v1/jobs/{job}/events"), &events).await.status, 202);
    }
    let (mut after, mut large, mut pages) = (0, 0, 0);
    loop {
        let page = fleet.get(&format!("/v1/feed?after={after}&limit=1000")).await.ok();
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        assert!(page.to_string().len() < 4 << 20);
        large += events.iter().filter(|event| event["kind"] == "large").count();
        after = page["next"].as_u64().unwrap();
        pages += 1;
    }
    assert_eq!((large, pages), (300, 3));
}

#[tokio::test]
async fn jobs_are_found_by_name_and_host() {
    let fleet = Fleet::new().await;
    let first = fleet.submit("idempotency-key: a").await;
    let (held, epoch) = fleet.take("mill").await;
    assert_eq!(held, first);
    let release = json!({ "factoryId": "mill", "epoch": epoch, "outcome": "failed" });
    fleet.post(&format!("/v1/jobs/{first}/release"), &release).await.ok();
    let second = fleet.submit("idempotency-key: b").await;
    let found = async |query: &str| {
        let page = fleet.get(&format!("/v1/jobs?{query}")).await.ok();
        let ids = page["jobs"].as_array().unwrap().iter().map(|job| job["jobId"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found("named=b").await, [second]);
    assert_eq!(found("named=c").await, [] as [Value; 0]);
    assert_eq!(found("lastHolder=mill").await, [json!(first)]);
    assert_eq!(found("factory=mill").await, [] as [Value; 0], "it holds none");
    let shown = fleet.get(&format!("/v1/jobs/{first}")).await.ok();
    assert_eq!((&shown["lastHolder"], &shown["holder"]), (&json!("mill"), &Value::Null));
}
