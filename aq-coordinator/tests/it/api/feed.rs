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
async fn the_end_of_a_coordinator_ends_the_feed() {
    let fleet = Fleet::new().await;
    let mut reader = Reader::open(&fleet, None).await;
    fleet.running.stop().await;
    let wait = std::time::Duration::from_secs(5);
    let chunk = tokio::time::timeout(wait, reader.response.chunk()).await.unwrap();
    assert!(matches!(chunk, Ok(None)), "{chunk:?}");
}
