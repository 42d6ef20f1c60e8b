use std::time::Duration;

use aq_coordinator::ledger::{LeaseEnd, MAX_LOST};
use aq_coordinator::store::StoreError;
use aq_fleet::protocol::{Epoch, FleetJobId, LeaseRef, ReleaseOutcome};
use aq_manifest::{Outcome, Stage};
use uuid::Uuid;

use crate::lab::{LEASE, Lab, beat, beat_one, caller, fenced, release, report};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn a_renewal_holds(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let version = lab.row(job).await.version;
    for n in 0..6 {
        lab.live(LEASE - SECOND).await;
        if n % 2 == 0 {
            assert_eq!(lab.store.renew(job, caller("host", epoch)).await, Ok(LEASE));
        } else {
            let stand = beat_one(&lab.store, "host", job, epoch).await;
            assert_eq!(stand.expires_in, Some(LEASE));
        }
    }
    let row = lab.row(job).await;
    assert!(!row.is_lapsed());
    assert_eq!(row.version, version, "a renewal changes nothing that is planned with");
}

pub(crate) async fn late_but_first(lab: Lab) {
    for lock in [None, Some("l")] {
        let name = lock.unwrap_or("plain");
        let job = match lock {
            Some(lock) => lab.submit_locked(name, lock).await.id,
            None => lab.submit(name).await.id,
        };
        let epoch = lab.grant("host", job).await.job.epoch;
        lab.live(LEASE + SECOND * 2).await;
        let lapsed = lab.row(job).await;
        assert!(lapsed.is_lapsed() && lapsed.held_lock.is_none());
        assert_eq!(lapsed.holder().unwrap().as_str(), "host");
        assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, Some(LEASE));
        let row = lab.row(job).await;
        assert!(!row.is_lapsed());
        assert_eq!((row.held_lock.as_deref(), row.attempts), (lock, 0));
    }
}

pub(crate) async fn late_and_second(lab: Lab) {
    let job = lab.submit("a").await.id;
    let old = lab.grant("old", job).await.job.epoch;
    lab.live(LEASE + SECOND * 2).await;
    let new = lab.grant("new", job).await.job;
    assert!(new.epoch > old);
    assert_eq!((new.attempts, new.lost), (1, 1));
    assert_eq!(fenced(lab.store.renew(job, caller("old", old)).await), new.epoch);
    assert_eq!(beat_one(&lab.store, "old", job, old).await.expires_in, None);
    // Not with the new epoch either, which the old host could have read.
    assert_eq!(fenced(lab.store.renew(job, caller("old", new.epoch)).await), new.epoch);
    assert_eq!(lab.store.renew(job, caller("new", new.epoch)).await, Ok(LEASE));
    let past = lab.store.job(job).await.unwrap().unwrap().value.grants;
    assert_eq!(
        past.iter().map(|grant| grant.end).collect::<Vec<_>>(),
        [Some(LeaseEnd::Lost), None]
    );
}

pub(crate) async fn late_and_the_lock_is_gone(lab: Lab) {
    let first = lab.submit_locked("a", "db").await.id;
    let second = lab.submit_locked("b", "db").await.id;
    let epoch = lab.grant("one", first).await.job.epoch;
    lab.live(LEASE + SECOND * 2).await;
    let other = lab.grant("two", second).await.job.epoch;
    assert_eq!(fenced(lab.store.renew(first, caller("one", epoch)).await), epoch);
    let row = lab.row(first).await;
    assert_eq!((row.stage, row.holder(), row.attempts), (Stage::Inbox, None, 1));
    // It knows that the job is lost, so it stays lost when the lock is free again.
    lab.store.release(second, release("two", other, ReleaseOutcome::Shipped)).await.unwrap();
    assert_eq!(beat_one(&lab.store, "one", first, epoch).await.expires_in, None);
    assert_eq!(
        fenced(lab.store.report(first, report("one", epoch, 1, Stage::Shipped)).await),
        epoch
    );
    lab.grant("three", first).await;
}

pub(crate) async fn late_in_testing_needs_no_lock(lab: Lab) {
    let first = lab.submit_locked("a", "db").await.id;
    let second = lab.submit_locked("b", "db").await.id;
    let epoch = lab.grant("one", first).await.job.epoch;
    lab.store.report(first, report("one", epoch, 1, Stage::Testing)).await.unwrap();
    lab.grant("two", second).await;
    lab.live(LEASE + SECOND * 2).await;
    assert!(lab.row(first).await.is_lapsed());
    assert_eq!(beat_one(&lab.store, "one", first, epoch).await.expires_in, Some(LEASE));
}

pub(crate) async fn ten_thousand_leases(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let strange =
        (0..9_999).map(|n| LeaseRef { job_id: FleetJobId::from(Uuid::from_u128(n)), epoch });
    let mut leases: Vec<LeaseRef> = strange.collect();
    leases.insert(5_000, LeaseRef { job_id: job, epoch });
    lab.pass(SECOND);
    let answer = lab.store.heartbeat(vec![beat("host", leases.clone())]).await.unwrap().remove(0);
    let named: Vec<LeaseRef> = answer.leases.iter().map(|stand| stand.lease).collect();
    assert_eq!(named, leases, "every one is answered, in order");
    let held: Vec<usize> = (0..10_000).filter(|&n| answer.leases[n].expires_in.is_some()).collect();
    assert_eq!(held, [5_000]);
    assert_eq!(lab.row(job).await.tenure.unwrap().until.0 - 1_800_000_000_000, 61_000);
}

pub(crate) async fn a_stranger_renews_nothing(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    for (name, epoch) in [
        ("other", epoch),
        ("host", Epoch(0)),
        ("host", Epoch(epoch.0 + 1)),
        ("host", Epoch(u64::MAX)),
    ] {
        fenced(lab.store.renew(job, caller(name, epoch)).await);
        assert_eq!(beat_one(&lab.store, name, job, epoch).await.expires_in, None, "{name} {epoch}");
    }
    let nowhere = FleetJobId::from(Uuid::nil());
    let answer = lab.store.renew(nowhere, caller("host", epoch)).await;
    assert_eq!(answer, Err(StoreError::NoSuchJob(nowhere)));
}

pub(crate) async fn ten_lost_in_a_row(lab: Lab) {
    let job = lab.submit("a").await.id;
    for _ in 0..MAX_LOST {
        lab.grant("host", job).await;
        lab.pass(LEASE + SECOND);
        lab.store.tick().await.unwrap();
        // That gap was an outage; its grace has to pass as well.
        lab.live(LEASE + SECOND).await;
        assert!(lab.row(job).await.is_lapsed());
    }
    assert!(crate::lab::claim(&lab.store, "host", &[job]).await.grants.is_empty());
    let row = lab.row(job).await;
    assert_eq!((row.stage, row.result), (Stage::Failed, Some(Outcome::Crash)));
    assert_eq!((row.attempts, row.lost, row.holder()), (MAX_LOST, MAX_LOST, None));
    // A person may try once more.
    assert_eq!(lab.store.requeue(job).await.unwrap().value.lost, 0);
    lab.grant("host", job).await;
}

pub(crate) async fn a_restarted_host_keeps_its_leases(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let mut next = beat("host", vec![LeaseRef { job_id: job, epoch }]);
    next.instance = "life-2".parse().unwrap();
    let answer = lab.store.heartbeat(vec![next]).await.unwrap().remove(0);
    assert!(!answer.registered, "it never registered");
    assert_eq!(answer.leases[0].expires_in, Some(LEASE), "its leases hold all the same");
}

pub(crate) async fn a_job_shipped_is_not_lost(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.store.report(job, report("host", epoch, 1, Stage::Shipped)).await.unwrap();
    // A heartbeat that was on its way: "lost" would make the host put shipped work aside.
    assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, Some(LEASE));
    assert_eq!(lab.row(job).await.stage, Stage::Shipped);
    assert_eq!(beat_one(&lab.store, "other", job, epoch).await.expires_in, None);
}
