//! Decisions of the board and of the sharing out, without a store.

use aq_caps::CapabilityToken;
use aq_fleet::protocol::{FactoryId, FleetJobId};
use aq_manifest::{Stage, parse, resolve};
use aq_scheduler::{DependencyStatus, PendingDependency, WaitReason};
use uuid::Uuid;

use super::needs::terms;
use super::queue_mirror::{HostOffer, QueueMirror, Schedulability};
use super::share::{ClaimShare, share};
use crate::ledger::{DbTime, FleetJob as Row, JobNamespace, JobSubmission};

/// The row of a job with this front matter; ids and ages count up with `n`.
fn row(n: u64, front: &str) -> Row {
    let manifest = format!("---\n{front}\n---\ndo it\n");
    let parsed = parse(&manifest);
    assert!(!parsed.has_errors(), "{front}");
    let spec = resolve(&parsed.manifest, None);
    let key = spec.idempotency_key.clone();
    let name = format!("job-{n}").parse().unwrap();
    let terms = terms(name, &manifest, spec).unwrap();
    let submission =
        JobSubmission { id: id(n), world: JobNamespace::Fleet, key, terms, item: None, manifest };
    submission.into_job(n, DbTime(0))
}

fn waiting_on(key: &str, state: DependencyStatus) -> WaitReason {
    WaitReason::WaitingOn { keys: vec![PendingDependency { key: key.to_owned(), state }] }
}

fn id(n: u64) -> FleetJobId {
    Uuid::from_u128(n.into()).into()
}

fn board(rows: &[Row]) -> QueueMirror {
    let mut board = QueueMirror::new();
    board.follow(rows);
    board
}

fn tokens(words: &str) -> Vec<CapabilityToken> {
    let mut tokens: Vec<CapabilityToken> =
        words.split_whitespace().map(|w| w.parse().unwrap()).collect();
    tokens.sort();
    tokens
}

fn plan(board: &mut QueueMirror, has: &str, held: &[&str], max: u32) -> Vec<FleetJobId> {
    let held: Vec<String> = held.iter().map(|&lock| lock.to_owned()).collect();
    board.plan(HostOffer { capabilities: &tokens(has), held_locks: &held }, max)
}

fn at(row: &Row, stage: Stage) -> Row {
    Row { stage, version: row.version + 1, ..row.clone() }
}

#[test]
fn order_is_priority_then_age() {
    let rows = [row(1, "priority: low"), row(2, "timeout: 5m"), row(3, "priority: high")];
    let mut board = board(&[rows[2].clone(), rows[0].clone(), rows[1].clone()]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(3), id(2), id(1)]);
    assert_eq!(plan(&mut board, "", &[], 1), [id(3)], "a plan gives nothing away by itself");
}

#[test]
fn engines_and_profiles_that_are_named_are_needed() {
    let mut board =
        board(&[row(1, "engine: claude\ncapabilities: [gpu]"), row(2, "profile: slow")]);
    assert_eq!(plan(&mut board, "engine:claude", &[], 9), []);
    assert_eq!(plan(&mut board, "engine:claude gpu", &[], 9), [id(1)]);
    assert_eq!(plan(&mut board, "profile:slow", &[], 9), [id(2)]);
    assert_eq!(board.why(id(2)), Some(WaitReason::NoHost));
    assert_eq!(board.why(id(1)), Some(WaitReason::NoHost));
}

#[test]
fn fleet_lock_is_held_once() {
    let (first, second) = (row(1, "lock: db"), row(2, "lock: db"));
    let mut board = board(&[first.clone(), second, row(3, "lock: none"), row(4, "lock: none")]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(1), id(3), id(4)]);
    assert_eq!(plan(&mut board, "", &["db"], 9), [id(3), id(4)]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(1), id(3), id(4)], "the pretended one is gone");
    board.note(id(1), Schedulability::Held);
    assert_eq!(plan(&mut board, "", &[], 9), [id(3), id(4)]);
    let holder = id(1).to_string().parse().unwrap();
    assert_eq!(board.why(id(2)), Some(WaitReason::LockHeld { job: holder }));
    board.follow(&[at(&first, Stage::Testing)]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(2), id(3), id(4)], "given back at testing");
}

#[test]
fn deps_are_met_by_key() {
    let first = row(1, "idempotency-key: first");
    let hard = row(2, "deps: [first]");
    let soft = row(3, "deps: [first]\ndeps-mode: soft");
    let mut board = board(&[hard, soft, row(4, "deps: [nowhere]"), first.clone()]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(1)]);
    assert_eq!(board.why(id(4)), Some(waiting_on("nowhere", DependencyStatus::Missing)));
    board.follow(&[at(&first, Stage::Failed)]);
    assert_eq!(board.why(id(2)), Some(waiting_on("first", DependencyStatus::Failed)));
    let again = Row { version: 3, ..first };
    board.follow(std::slice::from_ref(&again));
    assert_eq!(plan(&mut board, "", &[], 9), [id(1)], "requeued");
    board.follow(&[at(&again, Stage::Testing)]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(3)]);
    board.follow(&[Row { version: 5, ..at(&again, Stage::Shipped) }]);
    assert_eq!(plan(&mut board, "", &[], 9), [id(2), id(3)]);
}

#[test]
fn an_old_row_changes_nothing() {
    let first = row(1, "lock: none");
    let held = at(&first, Stage::Building);
    let mut board = board(&[held]);
    board.follow(&[first]);
    assert_eq!(plan(&mut board, "", &[], 9), []);
}

#[test]
fn deps_may_be_turned_around_in_one_go() {
    let rows = [row(1, "idempotency-key: a\ndeps: [b]"), row(2, "idempotency-key: b")];
    let mut board = board(&rows);
    assert_eq!(plan(&mut board, "", &[], 9), [id(2)]);
    let turned = [row(1, "idempotency-key: a"), row(2, "idempotency-key: b\ndeps: [a]")];
    let newer: Vec<Row> = turned.into_iter().rev().map(|row| Row { version: 2, ..row }).collect();
    board.follow(&newer);
    assert_eq!(plan(&mut board, "", &[], 9), [id(1)]);
    let circle = board.cycle(Some("c"), &["c".to_owned()]);
    assert_eq!(circle.unwrap().to_string(), "c -> c");
}

#[test]
fn jobs_are_dealt_in_turn() {
    let rows: Vec<Row> = (1..=5).map(|n| row(n, "lock: none")).collect();
    let capabilities = tokens("");
    let offer = HostOffer { capabilities: &capabilities, held_locks: &[] };
    let wants = |wants| ClaimShare { offer, wants };
    let deal = |asking: &[ClaimShare<'_>], most| {
        let dealt = share(&mut board(&rows), asking, most);
        dealt.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(deal(&[wants(9), wants(1), wants(2)], 99), [2, 1, 2]);
    assert_eq!(deal(&[wants(9), wants(1)], 99), [4, 1]);
    assert_eq!(deal(&[wants(2), wants(0), wants(9)], 3), [2, 0, 1]);
    assert_eq!(deal(&[wants(9)], 99), [5]);
    assert_eq!(deal(&[], 99), [0; 0]);
}

#[test]
fn what_one_gets_no_other_gets() {
    let rows: Vec<Row> = (1..=4).map(|n| row(n, "lock: none")).collect();
    let capabilities = tokens("");
    let held = ["db".to_owned()];
    let plain =
        ClaimShare { offer: HostOffer { capabilities: &capabilities, held_locks: &[] }, wants: 2 };
    let busy = ClaimShare {
        offer: HostOffer { capabilities: &capabilities, held_locks: &held },
        wants: 2,
    };
    let dealt = share(&mut board(&rows), &[plain, busy, plain], 99);
    assert_eq!(dealt, [vec![id(1), id(4)], vec![id(2)], vec![id(3)]]);
}

#[test]
fn mirrors_of_shadows_stand_where_their_originals_do() {
    let owner: FactoryId = "host".parse().unwrap();
    let mirror = Row { world: JobNamespace::Shadow(owner), ..row(1, "lock: db") };
    assert_eq!(Schedulability::of(&mirror), Schedulability::Waiting);
    assert_eq!(Schedulability::of(&at(&mirror, Stage::Review)), Schedulability::Held);
    assert_eq!(Schedulability::of(&at(&mirror, Stage::Testing)), Schedulability::Testing);
}
