//! Starting, refusing to start, TLS.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use aq_coordinator::{ApiTokens, ServeError, TlsFiles, run, serve};
use nix::sys::signal::{Signal, raise};

use super::fleet::{Fleet, TOKEN, config};

#[tokio::test]
async fn other_machines_are_served_with_tls_or_where_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut open = config(&dir.path().join("db"));
    open.listen = "0.0.0.0:0".parse().unwrap();
    let refused = serve(open.clone()).await.unwrap_err();
    assert!(matches!(refused, ServeError::Insecure { .. }), "{refused}");
    assert!(!dir.path().join("db").exists(), "nothing was made");
    open.insecure = true;
    serve(open).await.unwrap().stop().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let good = config(&dir.path().join("db"));
    for (lease, heartbeat) in [(10, 6), (0, 0), (5, 0)] {
        let mut times = good.clone();
        (times.lease, times.heartbeat) =
            (Duration::from_secs(lease), Duration::from_secs(heartbeat));
        let refused = serve(times).await.unwrap_err();
        assert!(matches!(refused, ServeError::Times { .. }), "{refused}");
    }
    let first = serve(good.clone()).await.unwrap();
    let mut taken = good.clone();
    taken.listen = first.address();
    let refused = serve(taken).await.unwrap_err();
    assert!(matches!(refused, ServeError::Listen { .. }), "{refused}");
    fs::write(dir.path().join("no-db"), "not a database at all, but long enough".repeat(50))
        .unwrap();
    let refused = serve(config(&dir.path().join("no-db"))).await.unwrap_err();
    assert!(refused.to_string().contains("no-db"), "{refused}");
    let mut tls = good;
    tls.tls = Some(TlsFiles { cert: dir.path().join("none"), key: dir.path().join("none") });
    assert!(matches!(serve(tls).await.unwrap_err(), ServeError::Tls(_)));
    first.stop().await;
}

#[tokio::test]
async fn tls_is_served_and_plain_text_is_not() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    fs::write(&files.cert, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let fleet = Fleet::with(|config| config.tls = Some(files)).await;
    let url = fleet.running.url();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", fleet.running.address())
        .build()
        .unwrap();
    let stats = format!("https://localhost:{}/v1/stats", fleet.running.address().port());
    let answer = client.get(&stats).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(fleet.client.get(&stats).send().await.is_err(), "a client that does not know it");
    let plain = format!("http://{}/healthz", fleet.running.address());
    assert!(fleet.client.get(plain).send().await.is_err(), "plain text");
}

#[tokio::test]
async fn tokens_are_read_again_on_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    let (old, new) = (format!("a read {TOKEN}\n"), format!("b read {TOKEN}-2\n"));
    fs::write(&file, &old).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let mut config = config(&dir.path().join("db"));
    config.tokens = ApiTokens::read(&file).unwrap();
    let (ready, when_ready) = tokio::sync::oneshot::channel();
    let ran = std::thread::spawn(|| run(config, |url| ready.send(url.to_owned()).unwrap()));
    let url = format!("{}/v1/stats", when_ready.await.unwrap());
    let client = super::fleet::client();
    let wait_for = async |token: &str, status: u16| {
        let begun = std::time::Instant::now();
        while client.get(&url).bearer_auth(token).send().await.unwrap().status() != status {
            assert!(begun.elapsed() < Duration::from_secs(20), "{token} is not {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let second = format!("{TOKEN}-2");
    wait_for(TOKEN, 200).await;
    fs::write(&file, format!("{old}{new}")).unwrap();
    raise(Signal::SIGHUP).unwrap();
    wait_for(&second, 200).await;
    // A bad one changes nothing; the good one behind it shows that it was read.
    fs::write(&file, "c write 0123456789abcdef").unwrap();
    raise(Signal::SIGHUP).unwrap();
    wait_for(&second, 200).await;
    fs::write(&file, &new).unwrap();
    raise(Signal::SIGHUP).unwrap();
    wait_for(TOKEN, 401).await;
    wait_for(&second, 200).await;
    raise(Signal::SIGTERM).unwrap();
    ran.join().unwrap().unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let client = super::fleet::client();
    let running = serve(config(&file)).await.unwrap();
    let submit = client.post(format!("{}/v1/jobs", running.url())).bearer_auth(TOKEN);
    let submitted = submit.json(&super::fleet::submission("lock: none")).send().await.unwrap();
    assert_eq!(submitted.status(), 201);
    running.stop().await;
    let running = serve(config(&file)).await.unwrap();
    let claim = client.post(format!("{}/v1/claims", running.url())).bearer_auth(TOKEN);
    let answer = claim.json(&super::fleet::claim("a", "r", 1)).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn altered_database_is_a_bug() {
    let fleet = Fleet::new().await;
    let job = fleet.submit("lock: none").await;
    let other = rusqlite::Connection::open(fleet.file()).unwrap();
    other.execute_batch("UPDATE jobs SET stage = 'nowhere'").unwrap();
    let answer = fleet.get(&format!("/v1/jobs/{job}")).await;
    assert_eq!((answer.status, answer.problem()), (500, "internal"));
    assert!(!answer.body.to_string().contains("nowhere"), "what the database says is for the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_outage_is_reported_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let running = serve(config(&file)).await.unwrap();
    let client = super::fleet::client();
    let call = async |path: &str, body: serde_json::Value| {
        let request = client.post(format!("{}{path}", running.url())).bearer_auth(TOKEN);
        request.json(&body).send().await.unwrap()
    };
    // What a database that does not answer is to a coordinator: no write can be made.
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let answer = call("/v1/jobs", super::fleet::submission("lock: none")).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let pause: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&pause));
    let health = client.get(format!("{}/healthz", running.url())).send().await.unwrap();
    assert_eq!(health.status(), 200, "the process lives");
    other.execute_batch("ROLLBACK").unwrap();
    let begun = std::time::Instant::now();
    while call("/v1/jobs", super::fleet::submission("lock: none")).await.status() != 201 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not come back");
    }
    let answer = call("/v1/claims", super::fleet::claim("a", "r", 1)).await;
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(answer["jobs"].as_array().unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_was_replaced_is_promised_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let running = serve(config(&file)).await.unwrap();
    let client = super::fleet::client();
    let url = |path: &str| format!("{}{path}", running.url());
    let ready = async || {
        let answer = client.get(url("/readyz")).bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let submit = async || {
        let submit = client.post(url("/v1/jobs")).bearer_auth(TOKEN);
        let submit = submit.json(&super::fleet::submission("lock: none"));
        submit.send().await.unwrap().status().as_u16()
    };
    assert_eq!((ready().await.0, submit().await), (200, 201));
    fs::rename(&file, dir.path().join("aside")).unwrap();
    let (status, said) = ready().await;
    assert_eq!((status, submit().await), (503, 503));
    assert!(said.contains("removed"), "{said}");
    fs::write(&file, "").unwrap();
    let (status, said) = ready().await;
    assert_eq!((status, submit().await), (503, 503));
    assert!(said.contains("another file"), "{said}");
    fs::rename(dir.path().join("aside"), &file).unwrap();
    assert_eq!((ready().await.0, submit().await), (200, 201));
    running.stop().await;
}
