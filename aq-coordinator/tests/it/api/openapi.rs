//! The published document is whole.

use std::collections::BTreeSet;

use aq_fleet::protocol::{
    ClaimRequest, DrainOrder, EventsRequest, HeartbeatRequest, RegisterRequest, ReleaseRequest,
    RenewRequest, ReportRequest, SubmitRequest,
};
use serde_json::Value;

use super::fleet::Fleet;

/// docs/fleet-protocol.md's table, and `drain`.
const CALLS: [(&str, &str); 21] = [
    ("put", "/v1/factories/{factoryId}"),
    ("post", "/v1/factories/{factoryId}/heartbeat"),
    ("post", "/v1/factories/{factoryId}/drain"),
    ("post", "/v1/claims"),
    ("post", "/v1/jobs/{jobId}/renew"),
    ("post", "/v1/jobs/{jobId}/reports"),
    ("post", "/v1/jobs/{jobId}/release"),
    ("post", "/v1/jobs/{jobId}/events"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs"),
    ("get", "/v1/jobs/{jobId}"),
    ("post", "/v1/jobs/{jobId}/cancel"),
    ("post", "/v1/jobs/{jobId}/requeue"),
    ("get", "/v1/factories"),
    ("get", "/v1/stats"),
    ("get", "/v1/events"),
    ("get", "/v1/feed"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
];

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(to)) = map.get("$ref") {
                found.insert(to);
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// A property of a schema, which may be one of several that belong together.
fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    let parts = schema["allOf"].as_array().into_iter().flatten();
    parts.chain([schema]).find_map(|part| part["properties"].get(name))
}

#[tokio::test]
async fn document_has_every_call() {
    let fleet = Fleet::new().await;
    let document = fleet.get("/openapi.json").await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let mut told = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            told.insert((method.as_str(), path.as_str()));
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
            let refusal = &operation["responses"]["default"];
            assert_eq!(refusal["$ref"], "#/components/responses/Problem", "{method} {path}");
            if method != "get" && !path.ends_with("/cancel") && !path.ends_with("/requeue") {
                assert!(operation["requestBody"].is_object(), "{method} {path}");
            }
        }
    }
    assert_eq!(
        told,
        BTreeSet::from(CALLS),
        "the document on the left, docs/fleet-protocol.md on the right"
    );
    let mut to = BTreeSet::new();
    references(&document, &mut to);
    assert!(to.len() > 20, "{to:?}");
    for reference in to {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    assert_eq!(document["paths"]["/healthz"]["get"]["security"], serde_json::json!([{}]));
    let page = include_str!("../../../../docs/fleet-protocol.md");
    let reason = property(&document["components"]["schemas"]["JobView"], "waitingReason").unwrap();
    let codes = reason["properties"]["code"]["examples"].as_array().unwrap();
    for code in
        ["lock_held", "waiting_on", "needs", "no_free_host", "no_host", "in_doubt", "deps_cycle"]
    {
        assert!(codes.iter().any(|known| known == code), "{reason}");
        assert!(page.contains(&format!("`{code}`")), "{code} is not on the page");
    }
}

#[tokio::test]
async fn every_call_in_the_document_is_served() {
    let fleet = Fleet::new().await;
    for (method, path) in CALLS {
        if path == "/v1/events" {
            continue; // It does not end by itself; `feed` reads it.
        }
        let job = "01890a5d-ac96-774b-bcce-b302099a8057";
        let path = path.replace("{jobId}", job).replace("{factoryId}", "a");
        let answer = match method {
            "get" => fleet.get(&path).await,
            "put" => fleet.put(&path, &serde_json::json!({})).await,
            _ => fleet.post(&path, &serde_json::json!({})).await,
        };
        assert_ne!(answer.status, 405, "{method} {path}");
        let unknown = answer.body["detail"].as_str().unwrap_or_default();
        assert!(!unknown.contains("openapi.json has every path"), "{method} {path}");
    }
}

/// The page for people names each call once, as a heading.
#[tokio::test]
async fn the_page_has_every_call_of_the_document() {
    let page = include_str!("../../../../docs/fleet-protocol.md");
    let named: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect();
    let told: BTreeSet<String> =
        CALLS.iter().map(|(method, path)| format!("{} {path}", method.to_uppercase())).collect();
    assert_eq!(named.len(), told.len(), "each once");
    assert_eq!(BTreeSet::from_iter(named), told, "the page on the left");
}

/// The bodies on the page are such as the types take.
#[test]
fn bodies_on_page_are_good() {
    let page = include_str!("../../../../docs/fleet-protocol.md");
    let mut seen = 0;
    for part in page.split("\n### `").skip(1) {
        let call = part.split('`').next().unwrap();
        let Some((_, rest)) = part.split_once("\n```json\n") else { continue };
        let body = rest.split("\n```").next().unwrap();
        let takes = |read: Result<(), serde_json::Error>| {
            read.unwrap_or_else(|error| panic!("{call}: {error}"));
        };
        seen += 1;
        match call.rsplit('/').next().unwrap() {
            "{factoryId}" => takes(serde_json::from_str::<RegisterRequest>(body).map(drop)),
            "heartbeat" => takes(serde_json::from_str::<HeartbeatRequest>(body).map(drop)),
            "drain" => takes(serde_json::from_str::<DrainOrder>(body).map(drop)),
            "claims" => takes(serde_json::from_str::<ClaimRequest>(body).map(drop)),
            "renew" => takes(serde_json::from_str::<RenewRequest>(body).map(drop)),
            "reports" => takes(serde_json::from_str::<ReportRequest>(body).map(drop)),
            "release" => takes(serde_json::from_str::<ReleaseRequest>(body).map(drop)),
            "events" => takes(serde_json::from_str::<EventsRequest>(body).map(drop)),
            "jobs" => takes(serde_json::from_str::<SubmitRequest>(body).map(drop)),
            _ => panic!("{call} takes no body"),
        }
    }
    assert_eq!(seen, 9);
}
