use std::time::Duration;

use aq_coordinator::store::{JobFilter, StoreError};
use aq_fleet::protocol::{FleetJobId, ReleaseOutcome};
use aq_manifest::Stage;

use crate::lab::{LEASE, Lab, beat_one, claim, release, report, submission};

const SECOND: Duration = Duration::from_secs(1);

/// Whether somebody gets the job.
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
