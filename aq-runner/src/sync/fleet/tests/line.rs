//! A worker and its loop, with a line between them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use aq_fleet::client::CoordinatorClient;
use aq_fleet::outbox::{DeliveryOutcome, MessageOutbox, OutboxMessage};
use aq_fleet::protocol::{Epoch, LeaseRef};
use aq_manifest::Stage;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{FleetHolder, HolderAnswer, JobReporter, serve_line};
use super::{JOB, client};

fn lease() -> LeaseRef {
    LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(2) }
}

/// A loop that answers over one end, and the other end.
fn loop_with(client: Arc<CoordinatorClient>, dir: &Path) -> (JoinHandle<()>, UnixStream) {
    let holder = FleetHolder::open("a".parse().unwrap(), client, dir).unwrap();
    let (ours, of_worker) = UnixStream::pair().unwrap();
    (std::thread::spawn(move || serve_line(ours, &holder, lease())), of_worker)
}

fn reporter(dir: &Path, line: Option<UnixStream>) -> JobReporter {
    JobReporter::open("a".parse().unwrap(), lease(), dir, line).unwrap()
}

/// Numbers and stages of the reports that wait, in order.
fn waiting(dir: &Path) -> Vec<(u64, Stage)> {
    let mut found = Vec::new();
    let outbox = MessageOutbox::open(dir).unwrap();
    let drained = outbox.drain(JOB.parse().unwrap(), |message| {
        if let OutboxMessage::Report(report) = message {
            found.push((report.seq, report.stage));
        }
        DeliveryOutcome::Done
    });
    assert!(drained.unwrap().is_some());
    found
}

#[test]
fn coordinators_answer_reaches_the_worker() {
    let dir = TempDir::new().unwrap();
    let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let seen = asked.clone();
    let client = client(move |path, body| {
        seen.lock().unwrap().push((path.to_owned(), body.clone()));
        match body["stage"].as_str() {
            Some("review") => {
                let fenced = json!({ "type": "/problems/fenced", "title": "", "status": 409 });
                Some((409, fenced))
            }
            Some(_) => Some((200, json!({}))),
            None => Some((200, json!({ "expiresInMs": 1000 }))),
        }
    });
    let (serving, line) = loop_with(client, dir.path());
    let mut reporter = reporter(dir.path(), Some(line));
    assert_eq!(reporter.report(1, Stage::Building, None, None), HolderAnswer::Accepted);
    assert_eq!(reporter.renew(), HolderAnswer::Accepted);
    assert_eq!(reporter.report(2, Stage::Review, None, None), HolderAnswer::Fenced);
    drop(reporter);
    serving.join().unwrap();
    let asked = asked.lock().unwrap();
    let paths: Vec<&str> = asked.iter().map(|(path, _)| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["reports", "renew", "reports"]);
    assert_eq!((&asked[0].1["epoch"], &asked[0].1["seq"]), (&json!(2), &json!(1)));
    assert_eq!(waiting(dir.path()), []);
}

#[test]
fn what_the_loop_cannot_send_waits_once() {
    let dir = TempDir::new().unwrap();
    let (serving, line) = loop_with(client(|_, _| None), dir.path());
    let mut reporter = reporter(dir.path(), Some(line));
    let told = reporter.report(1, Stage::Building, None, None);
    assert!(matches!(told, HolderAnswer::Later(_)), "{told:?}");
    drop(reporter);
    serving.join().unwrap();
    assert_eq!(waiting(dir.path()), [(1, Stage::Building)]);
}

#[test]
fn without_a_loop_reports_wait_in_order() {
    let dir = TempDir::new().unwrap();
    let (gone, line) = UnixStream::pair().unwrap();
    drop(gone);
    let mut orphan = reporter(dir.path(), Some(line));
    let mut adopted = reporter(dir.path(), None);
    let later = |told: HolderAnswer| assert!(matches!(told, HolderAnswer::Later(_)), "{told:?}");
    later(orphan.report(1, Stage::Building, None, None));
    later(orphan.renew());
    later(adopted.report(2, Stage::Review, None, None));
    later(adopted.renew());
    assert_eq!(waiting(dir.path()), [(1, Stage::Building), (2, Stage::Review)]);
}

#[test]
fn dying_loop_leaves_the_report() {
    let dir = TempDir::new().unwrap();
    let (mut ours, line) = UnixStream::pair().unwrap();
    let dying = std::thread::spawn(move || {
        let mut byte = [0];
        ours.read_exact(&mut byte).unwrap();
        ours.write_all(b"\"acce").unwrap();
    });
    let mut reporter = reporter(dir.path(), Some(line));
    let told = reporter.report(1, Stage::Review, None, None);
    assert!(matches!(told, HolderAnswer::Later(_)), "{told:?}");
    dying.join().unwrap();
    assert_eq!(waiting(dir.path()), [(1, Stage::Review)]);
}

#[test]
fn loop_says_nothing_for_others() {
    let report = |factory: &str, epoch: u64, stage: Stage| {
        let holder = FleetHolder::open(
            factory.parse().unwrap(),
            client(|_, _| None),
            TempDir::new().unwrap().path(),
        );
        let lease = LeaseRef { epoch: Epoch(epoch), ..lease() };
        let report = holder.unwrap().report_of(lease, 1, stage, None, None);
        format!("{}\n", json!({ "report": report }))
    };
    for line in [
        report("b", 2, Stage::Review),
        report("a", 1, Stage::Review),
        report("a", 2, Stage::Shipped),
        "\"ship\"\n".to_owned(),
        "\"renew\"".to_owned(),
        format!("\"{}\"\n", "x".repeat(70 << 10)),
    ] {
        let dir = TempDir::new().unwrap();
        let client = client(|path, body| panic!("{path} was asked: {body}"));
        let (serving, mut worker) = loop_with(client, dir.path());
        // A loop that has heard enough closes the line before the end.
        let _ = worker.write_all(line.as_bytes());
        worker.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = worker.read_to_end(&mut answer);
        assert_eq!(answer, b"", "{line:.80}");
        serving.join().unwrap();
    }
}
