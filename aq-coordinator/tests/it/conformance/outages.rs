use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aq_coordinator::store::ChangeCursor;
use aq_fleet::protocol::ReleaseOutcome;
use aq_manifest::Stage;

use crate::lab::{LEASE, Lab, beat_one, claim, fenced, release, report, submission};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn nothing_lapses_before_one_lease_time(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.pass(LEASE * 10);
    let ticked = lab.store.tick().await.unwrap();
    assert_eq!((ticked.outage, ticked.lapsed), (Some(LEASE * 10), 0));
    lab.live(LEASE - SECOND).await;
    assert!(!lab.row(job).await.is_lapsed(), "its holder could not renew");
    assert!(claim(&lab.store, "other", &[job]).await.grants.is_empty());
    assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, Some(LEASE));
    let other = lab.submit("b").await.id;
    lab.grant("host", other).await;
    lab.live(LEASE).await;
    lab.pass(SECOND);
    assert_eq!(lab.store.tick().await.unwrap().lapsed, 2);
    assert!(lab.row(job).await.is_lapsed(), "it could");
}

pub(crate) async fn a_restart_is_an_outage(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    // Whatever its length: the lease of a host that was about to renew ends in any.
    for away in [SECOND, LEASE - SECOND * 2, LEASE * 10] {
        lab.pass(away);
        let again = lab.second();
        again.migrate().await.unwrap();
        for _ in 0..LEASE.as_secs() - 1 {
            assert_eq!(again.tick().await.unwrap().lapsed, 0);
            lab.pass(SECOND);
        }
        assert!(claim(&again, "other", &[job]).await.grants.is_empty(), "{away:?}");
        let renewed = beat_one(&again, "host", job, epoch).await;
        assert_eq!(renewed.expires_in, Some(LEASE), "{away:?}");
    }
}

pub(crate) async fn a_start_beside_another_is_none(lab: Lab) {
    let job = lab.submit("a").await.id;
    lab.grant("host", job).await;
    // One that starts again and again beside one that works keeps no lease alive.
    let mut lapsed = 0;
    for _ in 0..LEASE.as_secs() + 2 {
        lab.pass(SECOND / 2);
        lab.second().migrate().await.unwrap();
        lab.pass(SECOND / 2);
        lapsed += lab.store.tick().await.unwrap().lapsed;
    }
    assert_eq!(lapsed, 1);
}

pub(crate) async fn a_claim_before_the_first_tick(lab: Lab) {
    let job = lab.submit("a").await.id;
    lab.pass(LEASE * 10);
    let epoch = lab.grant("host", job).await.job.epoch;
    assert!(epoch.0 > 600_000, "a claim sees the outage, too: {epoch}");
    // And it took the outage for known, so the tick that follows takes nothing from anybody.
    assert_eq!(lab.store.tick().await.unwrap().lapsed, 0);
}

pub(crate) async fn a_restored_backup_draws_no_epoch_again(lab: Lab) {
    let job = lab.submit("a").await.id;
    let other = lab.submit("b").await.id;
    lab.grant("early", other).await;
    lab.pass(SECOND);
    let backup = lab.backup().await;

    // The time that will be lost: many grants, and a restart of the coordinator.
    let mut lost = Vec::new();
    for n in 0..100 {
        let epoch = lab.grant("host", job).await.job.epoch;
        lost.push(epoch);
        if n < 99 {
            lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
        }
        lab.pass(Duration::from_millis(20));
        if n == 50 {
            lab.second().migrate().await.unwrap();
        }
    }
    let highest = *lost.iter().max().unwrap();
    let lab = lab.restore(&backup).await;
    assert_eq!(lab.row(job).await.stage, Stage::Inbox, "as it was in the backup");
    lab.store.run_doubted().await.unwrap();
    lab.live(LEASE + SECOND).await;
    for epoch in &lost {
        fenced(lab.store.report(job, report("host", *epoch, 1, Stage::Shipped)).await);
    }
    let granted = lab.grant("new", job).await.job;
    assert!(granted.epoch > highest, "{} after {highest}", granted.epoch);
    for epoch in &lost {
        let answer = lab.store.report(job, report("host", *epoch, 9, Stage::Shipped)).await;
        assert_eq!(fenced(answer), granted.epoch);
    }
}

pub(crate) async fn the_clock_goes_backwards(lab: Lab) {
    let job = lab.submit("a").await.id;
    for _ in 0..9 {
        let epoch = lab.grant("host", job).await.job.epoch;
        lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
    }
    let first = lab.grant("host", job).await.job.epoch;
    lab.turn_back(LEASE * 1000);
    assert!(lab.store.tick().await.unwrap().outage.is_some());
    // Above the known ones by as much as could have been drawn in the time that comes again.
    let new = lab.submit("b").await.id;
    let drawn = lab.grant("third", new).await.job.epoch;
    assert!(drawn.0 >= first.0 + 60_000_000, "{drawn} after {first}");
    // The lease ends, and not in 1000 lease times.
    lab.live(LEASE * 2 + SECOND * 2).await;
    assert!(lab.row(job).await.is_lapsed());
    assert!(lab.grant("other", job).await.job.epoch > first);
}

pub(crate) async fn two_start_at_once(lab: Lab) {
    let stores: Vec<_> = (0..4).map(|_| lab.second()).collect();
    let starts: Vec<_> = stores
        .iter()
        .cloned()
        .map(|store| tokio::spawn(async move { store.migrate().await }))
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }
    for store in stores {
        store.ping().await.unwrap();
    }
}

pub(crate) async fn the_clock_is_the_databases(lab: Lab) {
    let store = lab.with_real_clock();
    store.submit(submission("a"), None).await.unwrap();
    let page = store.jobs(Default::default()).await.unwrap();
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let apart = here.abs_diff(u128::try_from(page.now.0).unwrap());
    assert!(apart < 10_000, "{} is {apart} ms away", page.now.0);
    let job = store.jobs(aq_coordinator::store::JobFilter { limit: 1, ..Default::default() });
    let job = job.await.unwrap().value.jobs.remove(0);
    assert!(job.submitted_at <= page.now);
    let ticked = store.tick().await.unwrap();
    assert!(ticked.outage.is_some(), "it was made under another clock");
}

pub(crate) async fn an_outage_resets_changes(lab: Lab) {
    lab.submit("a").await;
    let first = lab.store.changes(ChangeCursor::default()).await.unwrap();
    assert!(first.reset);
    let quiet = lab.store.changes(first.cursor).await.unwrap();
    assert!(!quiet.reset);
    lab.pass(LEASE);
    lab.store.tick().await.unwrap();
    let all = lab.store.changes(quiet.cursor).await.unwrap();
    assert!(all.reset, "the database may be an older one now");
    assert_eq!(all.jobs.len(), 1);
}
