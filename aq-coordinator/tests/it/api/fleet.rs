//! A coordinator on a free port, and a client for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aq_coordinator::{
    ApiTokens, CoordinatorConfig, DEFAULT_RATE, DatabaseLocation, RunningCoordinator, serve,
};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The token that these coordinators take.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// The answer to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The last part of a problem's `type`, which must be a problem document in form.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.head["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(!self.body["detail"].as_str().unwrap().is_empty(), "{self:?}");
        self.body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap()
    }

    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }
}

/// One coordinator and its database.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) running: RunningCoordinator,
    pub(crate) client: Client,
    file: PathBuf,
    _dir: Option<TempDir>,
}

pub(crate) fn config(file: &Path) -> CoordinatorConfig {
    CoordinatorConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: DatabaseLocation::Sqlite(file.to_owned()),
        tokens: ApiTokens::parse("test", &format!("test {TOKEN}")).unwrap(),
        lease: Duration::from_secs(60),
        heartbeat: Duration::from_secs(15),
        tls: None,
        insecure: false,
        rate: DEFAULT_RATE,
        run_doubted: false,
        keep: None,
        echoes: None,
    }
}

/// A client for plain HTTP; it wants a TLS library all the same.
pub(crate) fn client() -> Client {
    // Another test of this process may have chosen it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut CoordinatorConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fleet.sqlite");
        let mut config = config(&file);
        change(&mut config);
        let running = serve(config).await.unwrap();
        Self { running, client: client(), file, _dir: Some(dir) }
    }

    /// One on this database, by its URL.
    pub(crate) async fn on_postgres(url: String) -> Self {
        Self::with(|config| config.database = url.parse().unwrap()).await
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Another coordinator on the same database.
    pub(crate) async fn beside(&self) -> Self {
        let running = serve(config(&self.file)).await.unwrap();
        Self { running, client: client(), file: self.file.clone(), _dir: None }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.running.url()))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, head) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, head, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path).bearer_auth(TOKEN)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).bearer_auth(TOKEN).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).bearer_auth(TOKEN).json(body)).await
    }

    /// Submits a job with this front matter; its id.
    pub(crate) async fn submit(&self, front: &str) -> String {
        let body = submission(front);
        let answer = self.post("/v1/jobs", &body).await.ok();
        answer["jobId"].as_str().unwrap().to_owned()
    }

    /// The jobs that a claim gets.
    pub(crate) async fn claim(&self, claim: &Value) -> Vec<Value> {
        let answer = self.post("/v1/claims", claim).await.ok();
        answer["jobs"].as_array().unwrap().clone()
    }

    /// Claims one job for `factory` that must be there: its id and epoch.
    pub(crate) async fn take(&self, factory: &str) -> (String, u64) {
        let jobs = self.claim(&claim(factory, &format!("take-{factory}"), 1)).await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        (id(&jobs[0]), jobs[0]["epoch"].as_u64().unwrap())
    }
}

pub(crate) fn submission(front: &str) -> Value {
    json!({ "name": "job", "manifest": format!("---\n{front}\n---\ndo it\n") })
}

pub(crate) fn claim(factory: &str, request: &str, free: u32) -> Value {
    json!({ "requestId": request, "factoryId": factory, "capabilities": [], "free": free })
}

/// The id of a job in an answer.
pub(crate) fn id(job: &Value) -> String {
    job["jobId"].as_str().unwrap().to_owned()
}

/// `claim` with other fields.
#[expect(clippy::needless_pass_by_value, reason = "made where it is called")]
pub(crate) fn with(mut claim: Value, more: Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        claim[key] = value.clone();
    }
    claim
}
