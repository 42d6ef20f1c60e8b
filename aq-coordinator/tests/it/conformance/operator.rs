use std::time::Duration;

use aq_coordinator::ledger::LedgerRefusal;
use aq_coordinator::store::StoreError;
use aq_fleet::protocol::{FleetJobId, LeaseRef, ReleaseOutcome};
use aq_manifest::{Outcome, Stage};
use uuid::Uuid;

use crate::lab::{LEASE, Lab, beat, beat_one, claim, fenced, release, report};

const LONG: Duration = Duration::from_secs(62);

pub(crate) async fn cancel_what_waits(lab: Lab) {
    let job = lab.submit("a").await.id;
    let stopped = lab.store.cancel(job).await.unwrap().value;
    assert_eq!((stopped.stage, stopped.result), (Stage::Failed, Some(Outcome::Stopped)));
    assert_eq!(lab.store.cancel(job).await.unwrap().value, stopped, "again");
    assert!(claim(&lab.store, "host", &[job]).await.grants.is_empty());
}

pub(crate) async fn cancel_what_is_held(lab: Lab) {
    for (name, outcome, stage, result) in [
        ("a", ReleaseOutcome::Abandoned, Stage::Failed, Outcome::Stopped),
        ("b", ReleaseOutcome::Requeue, Stage::Failed, Outcome::Stopped),
        ("c", ReleaseOutcome::Failed, Stage::Failed, Outcome::Crash),
        ("d", ReleaseOutcome::Shipped, Stage::Shipped, Outcome::Shipped),
    ] {
        let job = lab.submit(name).await.id;
        let epoch = lab.grant("host", job).await.job.epoch;
        let held = lab.store.cancel(job).await.unwrap().value;
        assert!(held.cancel && held.stage == Stage::Building);
        for _ in 0..2 {
            let told = beat("host", vec![LeaseRef { job_id: job, epoch }]);
            let answer = lab.store.heartbeat(vec![told]).await.unwrap().remove(0);
            assert_eq!(answer.cancel, [job], "told until it is done");
            assert_eq!(answer.leases[0].expires_in, Some(LEASE));
        }
        let end = lab.store.release(job, release("host", epoch, outcome)).await.unwrap();
        assert_eq!((end.stage, end.result, end.cancel), (stage, Some(result), false), "{name}");
    }
}

pub(crate) async fn cancel_what_is_lapsed(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.live(LONG).await;
    let stopped = lab.store.cancel(job).await.unwrap().value;
    assert_eq!((stopped.stage, stopped.attempts), (Stage::Failed, 1));
    assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, None);
    fenced(lab.store.report(job, report("host", epoch, 1, Stage::Shipped)).await);
}

pub(crate) async fn cancel_and_lapse(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.store.cancel(job).await.unwrap();
    lab.live(LONG).await;
    let row = lab.row(job).await;
    assert_eq!((row.stage, row.result), (Stage::Failed, Some(Outcome::Stopped)));
    fenced(lab.store.report(job, report("host", epoch, 1, Stage::Shipped)).await);
}

pub(crate) async fn requeue_failed(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let end = release("host", epoch, ReleaseOutcome::Failed);
    lab.store.release(job, end.clone()).await.unwrap();
    let back = lab.store.requeue(job).await.unwrap().value;
    assert_eq!((back.stage, back.result, back.attempts), (Stage::Inbox, None, 0));
    assert_eq!(lab.store.requeue(job).await.unwrap().value, back, "again");
    // The old grant is over: its release may be repeated, nothing else.
    assert_eq!(lab.store.release(job, end).await.unwrap(), back);
    fenced(lab.store.report(job, report("host", epoch, 9, Stage::Shipped)).await);
    assert!(lab.grant("host", job).await.job.epoch > epoch);
}

pub(crate) async fn wishes_that_cannot_be(lab: Lab) {
    let wrong = |answer| match answer {
        Err(StoreError::Refused(LedgerRefusal::WrongStage { stage, .. })) => stage,
        other => panic!("{other:?}"),
    };
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    assert_eq!(wrong(lab.store.requeue(job).await), Stage::Building);
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Shipped)).await.unwrap();
    assert_eq!(wrong(lab.store.requeue(job).await), Stage::Shipped);
    assert_eq!(wrong(lab.store.cancel(job).await), Stage::Shipped);
    let nowhere = FleetJobId::from(Uuid::nil());
    assert_eq!(lab.store.cancel(nowhere).await, Err(StoreError::NoSuchJob(nowhere)));
}
