//! The messages that are sent, their order, and the rest that a kill or a damaged disk leaves.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::line::OutboxContents;
use super::*;
use crate::client::{
    CallError, CoordinatorClient, CoordinatorTransport, HttpRequest, HttpResponse, SystemClock,
    TransportError,
};
use crate::protocol::{
    Epoch, EventsRequest, Identifier, JobEvent, ProblemBody, ProblemKind, ReleaseOutcome,
    ReleaseRequest, ReportRequest,
};

fn job(n: u128) -> FleetJobId {
    uuid::Uuid::from_u128(n).into()
}

fn report(seq: u64) -> OutboxMessage {
    OutboxMessage::Report(ReportRequest {
        factory_id: "a".parse().unwrap(),
        epoch: Epoch(1),
        seq,
        stage: aq_manifest::Stage::Building,
        checkpoint: None,
        metrics: None,
        shadow: false,
        verdict: None,
    })
}

fn release() -> OutboxMessage {
    OutboxMessage::Release(ReleaseRequest {
        factory_id: "a".parse().unwrap(),
        epoch: Epoch(1),
        outcome: ReleaseOutcome::Failed,
        result: Some(aq_manifest::Outcome::Crash),
        metrics: None,
    })
}

fn seq(message: &OutboxMessage) -> u64 {
    match message {
        OutboxMessage::Report(report) => report.seq,
        other => panic!("{other:?} is no report"),
    }
}

fn later() -> DeliveryOutcome {
    DeliveryOutcome::Later(CallError::Unreachable { what: "away".to_owned(), tries: 1 })
}

fn fenced() -> CallError {
    CallError::Fenced { current_epoch: Some(Epoch(2)), holder: None }
}

fn outbox() -> (TempDir, MessageOutbox) {
    let dir = tempfile::tempdir().unwrap();
    let outbox = MessageOutbox::open(&dir.path().join("outbox")).unwrap();
    (dir, outbox)
}

/// Drains with a coordinator that takes everything, and gives the reports' numbers.
fn take_all(outbox: &MessageOutbox, job: FleetJobId) -> (Vec<u64>, DrainReport) {
    let mut taken = Vec::new();
    let drained = outbox.drain(job, |message| {
        taken.push(seq(message));
        DeliveryOutcome::Done
    });
    (taken, drained.unwrap().expect("nobody else drains"))
}

fn names(outbox: &MessageOutbox) -> Vec<String> {
    let entries = outbox.dir.read_dir().unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn messages_go_out_in_order_and_leave_nothing() {
    let (_dir, outbox) = outbox();
    assert_eq!(outbox.append(job(1), &report(1)).unwrap(), 1);
    assert_eq!(outbox.append(job(2), &report(7)).unwrap(), 1);
    assert_eq!(outbox.append(job(1), &report(2)).unwrap(), 2);
    assert_eq!(outbox.pending().unwrap(), [job(1), job(2)]);
    let (taken, drained) = take_all(&outbox, job(1));
    assert_eq!((taken, drained.sent, drained.is_clean()), (vec![1, 2], 2, true));
    assert_eq!(outbox.pending().unwrap(), [job(2)]);
    assert_eq!(take_all(&outbox, job(2)).0, [7]);
    assert_eq!(names(&outbox), [""; 0]);
    assert_eq!(take_all(&outbox, job(1)), (vec![], DrainReport::default()));
}

#[test]
fn every_kind_of_message_survives_the_file() {
    let (_dir, outbox) = outbox();
    let events = OutboxMessage::Events(EventsRequest {
        factory_id: "a".parse().unwrap(),
        epoch: Epoch(1),
        events: vec![JobEvent {
            seq: 1,
            at: "2026-01-02T03:04:05Z".parse().unwrap(),
            kind: Identifier::lossy("stage"),
            fields: [(Identifier::lossy("n"), crate::protocol::EventValue::Count(1))].into(),
        }],
    });
    let all = [report(1), events, release()];
    for message in &all {
        outbox.append(job(1), message).unwrap();
    }
    let mut taken = Vec::new();
    let send = |message: &OutboxMessage| {
        taken.push(message.clone());
        DeliveryOutcome::Done
    };
    outbox.drain(job(1), send).unwrap();
    assert_eq!(taken, all);
}

#[test]
fn unsent_message_holds_later_ones() {
    let (_dir, outbox) = outbox();
    for n in 1..=3 {
        outbox.append(job(1), &report(n)).unwrap();
    }
    let second_fails =
        |message: &OutboxMessage| if seq(message) == 2 { later() } else { DeliveryOutcome::Done };
    let drained = outbox.drain(job(1), second_fails).unwrap().unwrap();
    assert_eq!((drained.sent, drained.waiting), (1, 2));
    assert!(matches!(drained.later, Some(CallError::Unreachable { .. })));
    assert_eq!(outbox.append(job(1), &report(4)).unwrap(), 4);
    assert_eq!(take_all(&outbox, job(1)).0, [2, 3, 4]);
    assert_eq!(names(&outbox), [""; 0]);
}

#[test]
fn what_is_refused_is_dropped_with_its_reason() {
    let (_dir, outbox) = outbox();
    for n in 1..=3 {
        outbox.append(job(1), &report(n)).unwrap();
    }
    let second_is_refused = |message: &OutboxMessage| match seq(message) {
        2 => DeliveryOutcome::Refused(fenced()),
        _ => DeliveryOutcome::Done,
    };
    let drained = outbox.drain(job(1), second_is_refused).unwrap().unwrap();
    assert_eq!((drained.sent, drained.waiting, drained.is_clean()), (2, 0, false));
    assert_eq!(drained.refused, [RefusedMessage { message: report(2), reason: fenced() }]);
    assert_eq!(names(&outbox), [""; 0]);
}

#[test]
fn late_message_is_sent_too() {
    let (_dir, outbox) = outbox();
    outbox.append(job(1), &report(1)).unwrap();
    let mut taken = Vec::new();
    let send = |message: &OutboxMessage| {
        if seq(message) == 1 {
            outbox.append(job(1), &report(2)).unwrap();
            assert_eq!(outbox.drain(job(1), |_| panic!("not its turn")).unwrap(), None);
        }
        taken.push(seq(message));
        DeliveryOutcome::Done
    };
    assert_eq!(outbox.drain(job(1), send).unwrap().unwrap().sent, 2);
    assert_eq!((taken, names(&outbox)), (vec![1, 2], vec![]));
}

/// Every length that a kill or a power loss can leave a file with: what was written whole is sent,
/// once and in order; what was torn is ignored, and does not swallow the next message.
#[test]
fn every_cut_of_a_file_leaves_whole_messages() {
    let (_dir, outbox) = outbox();
    for n in 1..=2 {
        outbox.append(job(1), &report(n)).unwrap();
    }
    let path = outbox.messages(job(1));
    let mut first_is_sent = vec![DeliveryOutcome::Done, later()].into_iter();
    outbox.drain(job(1), |_| first_is_sent.next().unwrap()).unwrap();
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|&at| whole[at] == b'\n').collect();
    assert_eq!(ends.len(), 3, "two messages and a `done`");
    for cut in 0..=whole.len() {
        let (_dir, outbox) = self::outbox();
        let path = outbox.messages(job(1));
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = ends.iter().filter(|&&end| end < cut).count();
        let mut expected = [vec![], vec![1], vec![1, 2], vec![2]][lines].clone();
        if cut % 2 == 0 {
            let torn = OutboxContents::parse(&whole[..cut]).torn;
            assert_eq!(torn, cut - lines.checked_sub(1).map_or(0, |last| ends[last] + 1));
            outbox.append(job(1), &report(9)).unwrap();
            expected.push(9);
        }
        let (taken, drained) = take_all(&outbox, job(1));
        assert_eq!(taken, expected, "cut at {cut}");
        assert!(drained.damaged.is_empty(), "cut at {cut}");
        assert!(!path.exists(), "cut at {cut}");
    }
}

#[test]
fn damaged_lines_are_skipped_reported_and_kept() {
    let (_dir, outbox) = outbox();
    for n in 1..=3 {
        outbox.append(job(1), &report(n)).unwrap();
    }
    let path = outbox.messages(job(1));
    let text = fs::read_to_string(&path).unwrap();
    let damaged: String = text
        .lines()
        .enumerate()
        .map(|(at, line)| match at {
            1 => "\0".repeat(line.len()) + "\n",
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&path, damaged + "{\"n\":1,\"message\":null}\n{\"half\":").unwrap();
    let (taken, drained) = take_all(&outbox, job(1));
    assert_eq!(taken, [1, 3]);
    assert_eq!((drained.damaged.clone(), drained.torn), (vec![2, 4], 8));
    assert!(!drained.is_clean());
    assert_eq!(names(&outbox), [format!("{}.damaged", job(1))]);
    let highest = text.lines().next().unwrap().replace("\"n\":1", &format!("\"n\":{}", u64::MAX));
    fs::write(&path, highest + "\n").unwrap();
    assert_eq!(outbox.append(job(1), &report(4)).unwrap(), 1);
    take_all(&outbox, job(1));
    assert_eq!(names(&outbox).len(), 2, "the first one is not overwritten");
    assert_eq!(outbox.pending().unwrap(), []);
}

#[test]
fn sizes_are_bounded() {
    let (_dir, outbox) = outbox();
    let OutboxMessage::Report(mut large) = report(1) else { panic!() };
    large.checkpoint = Some(crate::protocol::PushedCheckpoint {
        branch: "aq/wip/a".parse().unwrap(),
        commit: "0".repeat(40).parse().unwrap(),
        remote: "x".repeat(MAX_MESSAGE_BYTES),
        repository: None,
        failure: None,
    });
    let error = outbox.append(job(1), &OutboxMessage::Report(large)).unwrap_err();
    assert!(matches!(error, OutboxError::TooLarge(_)), "{error}");
    let path = outbox.messages(job(2));
    let one_line = vec![b'x'; usize::try_from(MAX_JOB_BYTES).unwrap() - 10];
    fs::write(&path, [&one_line[..], b"\n"].concat()).unwrap();
    let error = outbox.append(job(2), &report(1)).unwrap_err();
    assert!(matches!(error, OutboxError::Full(_)), "{error}");
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(outbox.append(job(2), &report(1)), Err(OutboxError::Io { .. })));
    assert!(outbox.drain(job(2), |_| DeliveryOutcome::Done).is_err());
}

#[test]
fn other_files_and_links_are_left_alone() {
    let (dir, outbox) = outbox();
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "").unwrap();
    std::os::unix::fs::symlink(&elsewhere, outbox.messages(job(1))).unwrap();
    for name in ["x.jsonl", "..jsonl", "notes", "01890a5d.jsonl"] {
        fs::write(outbox.dir.join(name), "x").unwrap();
    }
    assert_eq!(outbox.pending().unwrap(), [job(1)]);
    assert!(outbox.append(job(1), &report(1)).is_err());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"");
}

/// Two that add and two that send, as a worker and a loop do.
#[test]
fn concurrent_sending_keeps_the_order() {
    let (_dir, outbox) = outbox();
    let taken = std::sync::Mutex::new(Vec::new());
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !finished.load(Ordering::SeqCst) || !outbox.pending().unwrap().is_empty()
                    {
                        let send = |message: &OutboxMessage| {
                            taken.lock().unwrap().push(seq(message));
                            DeliveryOutcome::Done
                        };
                        outbox.drain(job(1), send).unwrap();
                    }
                })
            })
            .collect();
        let adders: Vec<_> = [0, 1_000]
            .into_iter()
            .map(|base| {
                let outbox = &outbox;
                scope.spawn(move || {
                    for n in 1..=60 {
                        outbox.append(job(1), &report(base + n)).unwrap();
                    }
                })
            })
            .collect();
        for adder in adders {
            adder.join().unwrap();
        }
        finished.store(true, Ordering::SeqCst);
        for sender in senders {
            sender.join().unwrap();
        }
    });
    let taken = taken.into_inner().unwrap();
    let of = |from: u64| taken.iter().copied().filter(move |n| (from..from + 1_000).contains(n));
    assert!(of(0).eq(1..=60), "{taken:?}");
    assert!(of(1_000).eq(1_001..=1_060), "{taken:?}");
}

/// A coordinator that always answers the same.
struct Always(u16, Vec<u8>);

impl CoordinatorTransport for Always {
    fn send(&self, _: &HttpRequest, _: Duration) -> Result<HttpResponse, TransportError> {
        Ok(HttpResponse { status: self.0, retry_after: None, body: self.1.clone() })
    }
}

#[test]
fn answer_decides_whether_message_stays() {
    let fenced = serde_json::to_vec(&ProblemBody::new(ProblemKind::Fenced, "")).unwrap();
    let delivered = |status, body: &[u8], message: &OutboxMessage| {
        let transport = Arc::new(Always(status, body.to_vec()));
        let token = "t".parse().unwrap();
        // No time for a second try.
        let client =
            CoordinatorClient::new(transport, Arc::new(SystemClock), token, Duration::ZERO);
        message.send(&client, job(1))
    };
    for message in [report(1), release()] {
        assert_eq!(delivered(200, b"{}", &message), DeliveryOutcome::Done);
        let refused = delivered(409, &fenced, &message);
        assert!(
            matches!(refused, DeliveryOutcome::Refused(CallError::Fenced { .. })),
            "{refused:?}"
        );
        for (status, stays) in [
            (404, false),
            (422, false),
            (401, true),
            (426, true),
            (500, true),
            (503, true),
            (200, true),
        ] {
            let delivery = delivered(status, b"<html>", &message);
            assert_eq!(
                matches!(delivery, DeliveryOutcome::Later(_)),
                stays,
                "{status}: {delivery:?}"
            );
            assert_ne!(delivery, DeliveryOutcome::Done);
        }
    }
}

proptest! {
    #[test]
    fn no_file_panics(lines in proptest::collection::vec("\\PC{0,20}|\\{\"n\":[0-9]{1,20}\\}|\
        \\{\"done\":-?[0-9]{1,25}\\}|\\x00*", 0..8)) {
        let contents = OutboxContents::parse(lines.join("\n").as_bytes());
        prop_assert!(contents.waiting.is_empty());
        prop_assert!(contents.damaged.len() <= lines.len());
    }
}
