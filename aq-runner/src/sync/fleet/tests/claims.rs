//! Questions to the coordinator, and their times.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aq_fleet::protocol::{Epoch, LeaseRef};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::{HostStatus, MemberNews};
use super::{JOB, client, idle, join, join_for, none_within, register_or_beat, wait_for};

fn grant(n: u32) -> Value {
    json!({ "jobId": format!("01890a5d-ac96-774b-bcce-b302099a805{n}"), "key": "k", "epoch": 1,
            "leaseMs": 60_000, "manifest": "hello" })
}

#[test]
fn repeated_claim_keeps_its_slots() {
    let dir = TempDir::new().unwrap();
    // Another process made it for two, and one slot has gone to a job of the host's own since.
    std::fs::write(dir.path().join("claim"), "r-1 2\n").unwrap();
    let client = client(|path, body| {
        register_or_beat(path).or_else(|| {
            assert_eq!((&body["requestId"], &body["free"]), (&json!("r-1"), &json!(2)));
            Some((200, json!({ "jobs": [grant(1), grant(2)] })))
        })
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Granted(grants) if grants.len() == 2));
}

#[test]
fn undrained_host_claims_again() {
    let dir = TempDir::new().unwrap();
    let beats = AtomicUsize::new(0);
    let drained = Arc::new(AtomicUsize::new(0));
    let ready = drained.clone();
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            let drains = beats.fetch_add(1, Ordering::SeqCst) < 5;
            let directives = if drains { json!([{ "kind": "drain" }]) } else { json!([]) };
            return Some((200, json!({ "leases": [], "directives": directives })));
        }
        let claimed = if ready.load(Ordering::SeqCst) > 0 { json!([grant(1)]) } else { json!([]) };
        register_or_beat(path).or_else(|| Some((200, json!({ "jobs": claimed }))))
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Drain));
    drained.store(1, Ordering::SeqCst);
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
}

#[test]
fn leases_are_renewed_before_jobs_are_claimed() {
    let dir = TempDir::new().unwrap();
    let renewed = AtomicUsize::new(0);
    let client = client(move |path, body| {
        if path.ends_with("/heartbeat") {
            let leases = body["leases"].as_array().unwrap().iter();
            let held = leases.map(|lease| {
                json!({ "jobId": lease["jobId"], "epoch": lease["epoch"], "state": "held",
                        "expiresInMs": 60_000 })
            });
            let held: Vec<Value> = held.collect();
            renewed.fetch_add(held.len(), Ordering::SeqCst);
            return Some((200, json!({ "leases": held, "directives": [] })));
        }
        register_or_beat(path).or_else(|| {
            assert!(renewed.load(Ordering::SeqCst) > 0, "a claim came first");
            Some((200, json!({ "jobs": [grant(1)] })))
        })
    });
    let lease = LeaseRef { job_id: JOB.parse().unwrap(), epoch: Epoch(3) };
    let status = HostStatus { free: 1, held_locks: Vec::new(), leases: vec![lease] };
    let (_membership, told) = join(&client, dir.path(), status);
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
}

#[test]
fn ending_loop_awaits_no_coordinator() {
    let dir = TempDir::new().unwrap();
    let (_membership, told) = join_for(&client(|_, _| None), dir.path(), idle(), true);
    wait_for(&told, |news| matches!(news, MemberNews::NothingToClaim));
}

#[test]
fn ending_loop_awaits_no_undrain() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| {
        if path.ends_with("/heartbeat") {
            return Some((200, json!({ "leases": [], "directives": [{ "kind": "drain" }] })));
        }
        // The claim that was made before the first heartbeat never comes back.
        register_or_beat(path).or_else(|| {
            loop {
                std::thread::park();
            }
        })
    });
    let (_membership, told) = join_for(&client, dir.path(), idle(), true);
    wait_for(&told, |news| matches!(news, MemberNews::NothingToClaim));
}

#[test]
fn a_claim_that_cannot_be_remembered_is_not_made() {
    let dir = TempDir::new().unwrap();
    let client = client(|path, _| register_or_beat(path).or_else(|| panic!("{path} is asked")));
    let (_membership, told) = join(&client, &dir.path().join("gone"), idle());
    let is_it = |news: &MemberNews| {
        matches!(
            news, MemberNews::Trouble(why) if why.contains("claims no jobs"),
        )
    };
    wait_for(&told, is_it);
    // It is tried again a second later, and logged no more.
    none_within(&told, Duration::from_millis(2_500), is_it);
}

#[test]
fn unwritten_claim_is_repeated_later() {
    let dir = TempDir::new().unwrap();
    let first = Mutex::new(None);
    let client = client(move |path, body| {
        register_or_beat(path).or_else(|| {
            let mut first = first.lock().unwrap();
            let request = first.get_or_insert_with(|| body["requestId"].clone());
            assert_eq!(*request, body["requestId"], "other jobs are claimed");
            Some((200, json!({ "jobs": [grant(1)] })))
        })
    });
    let (membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
    // While they are being written down nothing is claimed.
    none_within(&told, Duration::from_millis(2_500), |news| matches!(news, MemberNews::Granted(_)));
    let begun = Instant::now();
    membership.not_taken();
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn grant_is_trusted_from_claim() {
    let dir = TempDir::new().unwrap();
    let claims = AtomicUsize::new(0);
    let client = client(move |path, _| {
        register_or_beat(path).or_else(|| match claims.fetch_add(1, Ordering::SeqCst) {
            0 => Some((200, json!({ "jobs": [grant(1)] }))),
            _ => Some((200, json!({ "jobs": [grant(2)] }))),
        })
    });
    let (membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
    let of = |n: u32| LeaseRef {
        job_id: serde_json::from_value(grant(n)["jobId"].clone()).unwrap(),
        epoch: Epoch(1),
    };
    assert!(membership.trusts(of(1)));
    // Something else changes before the loop has written the job down.
    membership.update(HostStatus { held_locks: vec!["l".to_owned()], ..idle() });
    assert!(membership.trusts(of(1)));
    membership.update(HostStatus { free: 1, leases: vec![of(1)], held_locks: Vec::new() });
    let request = || std::fs::read_to_string(dir.path().join("claim")).ok();
    let first = request().expect("the claim is remembered");
    membership.taken();
    wait_for(
        &told,
        |news| matches!(news, MemberNews::Granted(grants) if grants[0].job_id == of(2).job_id),
    );
    assert_ne!(request(), Some(first), "another claim");
    assert!(membership.trusts(of(1)) && membership.trusts(of(2)));
    let both = vec![of(1), of(2)];
    membership.update(HostStatus { free: 0, leases: both, held_locks: Vec::new() });
    membership.taken();
    membership.update(HostStatus { free: 0, leases: vec![of(2)], held_locks: Vec::new() });
    assert!(!membership.trusts(of(1)), "it is not here any more");
    assert!(membership.trusts(of(2)));
}

#[test]
fn a_host_that_is_to_drain_claims_nothing() {
    let dir = TempDir::new().unwrap();
    let claims = Arc::new(AtomicUsize::new(0));
    let made = claims.clone();
    let client = client(move |path, _| {
        if path.ends_with("/heartbeat") {
            return Some((200, json!({ "leases": [], "directives": [{ "kind": "drain" }] })));
        }
        register_or_beat(path).or_else(|| {
            made.fetch_add(1, Ordering::SeqCst);
            Some((200, json!({ "jobs": [] })))
        })
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    let drains = |many: usize| {
        for _ in 0..many {
            wait_for(&told, |news| matches!(news, MemberNews::Drain));
        }
    };
    drains(2);
    let before = claims.load(Ordering::SeqCst);
    // More than two seconds.
    drains(45);
    // One may have been on its way.
    assert!(claims.load(Ordering::SeqCst) <= before + 1);
}

#[test]
fn unanswered_claim_is_repeated() {
    let dir = TempDir::new().unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let made = requests.clone();
    let client = client(move |path, body| {
        register_or_beat(path).or_else(|| {
            let mut made = made.lock().unwrap();
            made.push(body["requestId"].clone());
            match made.len() {
                1 => Some((403, json!({}))),
                2 => Some((200, json!({ "jobs": [] }))),
                _ => Some((200, json!({ "jobs": [grant(1)] }))),
            }
        })
    });
    let (_membership, told) = join(&client, dir.path(), idle());
    wait_for(&told, |news| matches!(news, MemberNews::Granted(_)));
    let requests = requests.lock().unwrap();
    assert_eq!(requests[0], requests[1]);
    assert_ne!(requests[1], requests[2]);
}

#[test]
fn ending_loop_asks_after_changes() {
    let dir = TempDir::new().unwrap();
    let client =
        client(|path, _| register_or_beat(path).or_else(|| Some((200, json!({ "jobs": [] })))));
    let (membership, told) = join_for(&client, dir.path(), idle(), true);
    let nothing = |news: &MemberNews| matches!(news, MemberNews::NothingToClaim);
    wait_for(&told, nothing);
    none_within(&told, Duration::from_millis(300), nothing);
    membership.update(HostStatus { free: 2, ..idle() });
    wait_for(&told, nothing);
}
