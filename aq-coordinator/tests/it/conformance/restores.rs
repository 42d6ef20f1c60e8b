use std::time::Duration;

use aq_coordinator::ledger::FleetJob;
use aq_coordinator::store::{JobFilter, StoreError, SubmitResult};
use aq_fleet::protocol::{EndedFleetJob, Epoch, FleetJobId, RegisterRequest, ReleaseOutcome};
use aq_manifest::Stage;
use uuid::Uuid;

use crate::lab::{
    LEASE, Lab, beat, beat_one, claim, factory, fenced, release, report, rewritten, submission,
};

const SECOND: Duration = Duration::from_secs(1);

/// Tests for a job that somebody gets.
async fn is_to_be_had(lab: &Lab, job: FleetJobId) -> bool {
    !claim(&lab.store, "somebody", &[job]).await.grants.is_empty()
}

/// Ticks until hosts have had their time; how many jobs are in doubt then.
async fn settle(lab: &Lab) -> usize {
    for _ in 0..LEASE.as_secs() * 2 {
        lab.pass(SECOND);
        if let Some(left) = lab.store.tick().await.unwrap().settled {
            return left;
        }
    }
    panic!("it does not settle")
}

pub(crate) async fn what_nobody_knows_waits(lab: Lab) {
    let waiting = lab.submit("waiting").await.id;
    let held = lab.submit("held").await.id;
    let silent = lab.submit("silent").await.id;
    let shipped = lab.submit("shipped").await.id;
    let epoch = lab.grant("host", held).await.job.epoch;
    lab.grant("gone", silent).await;
    let end = lab.grant("host", shipped).await.job.epoch;
    lab.store.report(shipped, report("host", end, 1, Stage::Shipped)).await.unwrap();
    lab.pass(SECOND);
    lab.store.tick().await.unwrap();
    let backup = lab.backup().await;
    lab.pass(SECOND);
    lab.store.tick().await.unwrap();
    let lost = lab.grant("host", waiting).await.job.epoch;
    lab.store.report(waiting, report("host", lost, 1, Stage::Shipped)).await.unwrap();

    let lab = lab.restore(&backup).await;
    let new = lab.submit("new").await.id;
    for job in [waiting, new] {
        assert!(!is_to_be_had(&lab, job).await, "before hosts have said what they know");
    }
    let ship = lab.store.report(held, report("host", epoch, 1, Stage::Shipped)).await;
    assert_eq!(ship, Err(StoreError::Settles));
    lab.pass(SECOND);
    assert_eq!(beat_one(&lab.store, "host", held, epoch).await.expires_in, Some(LEASE));
    assert_eq!(settle(&lab).await, 2, "what waited, and what a silent host holds");
    let numbers = lab.store.numbers().await.unwrap();
    assert_eq!((numbers.in_doubt, numbers.restored.is_some()), (2, true));

    assert!(is_to_be_had(&lab, new).await);
    lab.store.report(held, report("host", epoch, 1, Stage::Shipped)).await.unwrap();
    lab.live(LEASE * 3).await;
    for job in [waiting, silent] {
        assert!(!is_to_be_had(&lab, job).await, "until somebody says");
        assert!(lab.row(job).await.doubted);
    }
    // By itself, or with all.
    lab.store.requeue(waiting).await.unwrap();
    assert!(is_to_be_had(&lab, waiting).await);
    lab.store.run_doubted().await.unwrap();
    assert_eq!(settle(&lab).await, 0);
    assert!(is_to_be_had(&lab, silent).await);
    assert!(!is_to_be_had(&lab, shipped).await, "what the backup knows it knows");
}

fn ended(
    n: u64,
    job: &FleetJob,
    key: &str,
    epoch: Epoch,
    outcome: ReleaseOutcome,
) -> EndedFleetJob {
    EndedFleetJob { n, job_id: job.id, key: key.to_owned(), epoch, outcome }
}

pub(crate) async fn hosts_say_what_they_ended(lab: Lab) {
    use ReleaseOutcome::{Failed, Shipped};

    let known = lab.store.register(factory("host"), registering(Vec::new())).await.unwrap();
    let [early, other, late] =
        [lab.submit("early").await, lab.submit("other").await, lab.submit("late").await];
    let first = lab.grant("host", early.id).await.job.epoch;
    lab.grant("gone", other.id).await;
    lab.live(SECOND).await;
    let backup = lab.backup().await;
    lab.live(SECOND * 2).await;
    let twice = lab.grant("host", late.id).await.job.epoch;
    let forgotten = lab.submit("forgotten").await;
    let third = lab.grant("host", forgotten.id).await.job.epoch;
    let ends = vec![
        ended(5, &early, "early", first, Shipped),
        ended(6, &late, "late", twice, Failed),
        ended(7, &forgotten, "forgotten", third, Shipped),
        ended(8, &other, "other", Epoch(twice.0 + 9), Shipped),
    ];
    let taken = lab.store.register(factory("host"), registering(ends.clone())).await.unwrap();
    assert_eq!((known.ended, taken.ended), (0, 8));

    let lab = lab.restore(&backup).await;
    let told = lab.store.heartbeat(vec![beat("host", vec![])]).await.unwrap().remove(0);
    assert!(!told.registered, "it is to register again");
    // Somebody was faster than the host.
    let again = lab.submit("forgotten").await;
    let cursor = lab.store.register(factory("host"), registering(Vec::new())).await.unwrap();
    assert_eq!((cursor.database, cursor.ended), (known.database, 0));
    let told = lab.store.heartbeat(vec![beat("host", vec![])]).await.unwrap().remove(0);
    assert!(told.registered);
    for _ in 0..2 {
        let taken = lab.store.register(factory("host"), registering(ends.clone())).await.unwrap();
        assert_eq!(taken.ended, 8);
    }
    for (job, stage) in [
        (&early, Stage::Shipped),
        (&late, Stage::Failed),
        (&other, Stage::Shipped),
        (&again, Stage::Shipped),
    ] {
        let row = lab.row(job.id).await;
        assert_eq!((row.stage, row.doubted), (stage, false), "{}", row.key);
    }
    assert_eq!(settle(&lab).await, 0);
    let same = lab.store.submit(submission("forgotten"), None).await.unwrap();
    assert!(matches!(same, SubmitResult::Same(_)), "{same:?}");
    // Whoever had it under an older epoch is fenced.
    fenced(lab.store.report(other.id, report("gone", Epoch(1), 1, Stage::Shipped)).await);
}

pub(crate) async fn a_database_stays_the_same(lab: Lab) {
    lab.pass(SECOND);
    lab.store.tick().await.unwrap();
    // Before anybody has asked what it is called.
    let backup = lab.backup().await;
    lab.pass(SECOND);
    lab.store.tick().await.unwrap();
    let known = lab.store.register(factory("host"), registering(Vec::new())).await.unwrap();
    let lab = lab.restore(&backup).await;
    let again = lab.store.register(factory("host"), registering(Vec::new())).await.unwrap();
    assert_eq!(again.database, known.database);
}

pub(crate) async fn a_forgotten_key_is_no_second_run(lab: Lab) {
    let job = lab.submit("a").await;
    let gone = FleetJob { id: FleetJobId::from(Uuid::now_v7()), ..job };
    let end = ended(1, &gone, "b", Epoch(77), ReleaseOutcome::Shipped);
    lab.store.register(factory("host"), registering(vec![end])).await.unwrap();
    let row = lab.row(gone.id).await;
    assert_eq!((row.stage, row.key.as_str(), row.epoch), (Stage::Shipped, "b", Epoch(77)));
    for again in [submission("b"), rewritten("b")] {
        let same = lab.store.submit(again, None).await.unwrap();
        assert!(matches!(&same, SubmitResult::Same(job) if job.id == gone.id), "{same:?}");
    }
    // What is at work is left alone: its ship is decided by its epoch.
    let held = lab.submit("c").await;
    lab.grant("other", held.id).await;
    let end = ended(
        2,
        &FleetJob { id: FleetJobId::from(Uuid::now_v7()), ..held.clone() },
        "c",
        Epoch(78),
        ReleaseOutcome::Shipped,
    );
    lab.store.register(factory("host"), registering(vec![end])).await.unwrap();
    assert_eq!(lab.row(held.id).await.stage, Stage::Building);
}

fn registering(ended: Vec<EndedFleetJob>) -> RegisterRequest {
    RegisterRequest {
        host: "h".to_owned(),
        capabilities: Vec::new(),
        capacity: 1,
        version: "0".to_owned(),
        instance_id: "life-1".parse().unwrap(),
        ended,
    }
}

pub(crate) async fn a_restart_is_no_restore(lab: Lab) {
    let job = lab.submit("a").await.id;
    lab.live(SECOND * 3).await;
    lab.pass(LEASE * 10);
    assert!(!lab.second().migrate().await.unwrap());
    let other = lab.second();
    assert!(!other.migrate().await.unwrap());
    // Said without need, it changes nothing.
    other.run_doubted().await.unwrap();
    assert_eq!(other.tick().await.unwrap().settled, None);
    let page = other.jobs(JobFilter { limit: 9, ..JobFilter::default() }).await.unwrap();
    assert!(page.value.jobs.iter().all(|job| !job.doubted));
    assert!(is_to_be_had(&lab, job).await);
}

pub(crate) async fn a_late_holder_is_in_no_doubt(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.live(SECOND * 2).await;
    let backup = lab.backup().await;
    lab.live(SECOND * 2).await;
    let lab = lab.restore(&backup).await;
    assert_eq!(settle(&lab).await, 1);
    lab.live(SECOND * 3).await;
    assert!(lab.row(job).await.is_lapsed());
    assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, Some(LEASE));
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
    assert!(is_to_be_had(&lab, job).await);
    // Not what is new.
    assert!(lab.store.submit(submission("b"), None).await.is_ok());
}
