use std::sync::Arc;
use std::time::Duration;

use aq_coordinator::ledger::LedgerRefusal;
use aq_coordinator::store::{CoordinatorStore, StoreError};
use aq_fleet::protocol::{
    Epoch, EventValue, EventsRequest, FleetJobId, Identifier, JobEvent, LastFailure,
    PushedCheckpoint, ReleaseOutcome, RunMetrics,
};
use aq_manifest::{Outcome, Stage};

use crate::lab::{LEASE, Lab, caller, factory, fenced, release, report};

async fn stage_after(
    store: &Arc<dyn CoordinatorStore>,
    job: FleetJobId,
    epoch: Epoch,
    seq: u64,
    stage: Stage,
) -> Stage {
    store.report(job, report("host", epoch, seq, stage)).await.unwrap().stage
}

pub(crate) async fn order_and_repetition(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let steps = [
        (2, Stage::Review, Stage::Review),
        (1, Stage::Building, Stage::Review),
        (2, Stage::Building, Stage::Review),
        (5, Stage::Testing, Stage::Testing),
        (3, Stage::Review, Stage::Testing),
        (5, Stage::Testing, Stage::Testing),
    ];
    for (seq, told, now) in steps {
        assert_eq!(stage_after(&lab.store, job, epoch, seq, told).await, now, "seq {seq}");
    }
    let kept = lab.store.job(job).await.unwrap().unwrap().value.reports;
    assert_eq!(kept.iter().map(|kept| kept.seq).collect::<Vec<_>>(), [2, 5]);
    // A grant counts its reports anew.
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
    let epoch = lab.grant("host", job).await.job.epoch;
    assert_eq!(stage_after(&lab.store, job, epoch, 1, Stage::Review).await, Stage::Review);
}

pub(crate) async fn exactly_one_ships(lab: Lab) {
    let second = lab.second();
    for round in 0..10 {
        let job = lab.submit(&format!("job-{round}")).await.id;
        let old = lab.grant("old", job).await.job.epoch;
        lab.live(LEASE + Duration::from_secs(2)).await;
        // The old host ships while the job is granted to a new one.
        let again = crate::lab::plan(&second, "new", &[job]).await;
        let (shipped, granted) = tokio::join!(
            lab.store.report(job, report("old", old, 1, Stage::Shipped)),
            second.grant(vec![again]),
        );
        let granted = granted.unwrap().remove(0).grants;
        assert_eq!(shipped.is_ok(), granted.is_empty(), "round {round}");
        if let Some(new) = granted.first() {
            fenced(shipped);
            // Both at once now, many times.
            let epoch = new.job.epoch;
            let (stale, fresh) = tokio::join!(
                lab.store.report(job, report("old", old, 2, Stage::Shipped)),
                second.report(job, report("new", epoch, 1, Stage::Shipped)),
            );
            fenced(stale);
            assert_eq!(fresh.unwrap().stage, Stage::Shipped);
        }
        assert_eq!(lab.row(job).await.stage, Stage::Shipped);
    }
}

pub(crate) async fn ship_is_never_taken_for_old(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    stage_after(&lab.store, job, epoch, 7, Stage::Testing).await;
    assert_eq!(stage_after(&lab.store, job, epoch, 3, Stage::Shipped).await, Stage::Shipped);
    for seq in [3, 4, 99] {
        assert_eq!(stage_after(&lab.store, job, epoch, seq, Stage::Shipped).await, Stage::Shipped);
    }
    let row = lab.row(job).await;
    assert_eq!((row.result, row.attempts, row.holder()), (Some(Outcome::Shipped), 1, None));
    // Failed first, shipped late: not.
    let job = lab.submit("b").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    stage_after(&lab.store, job, epoch, 7, Stage::Testing).await;
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Failed)).await.unwrap();
    fenced(lab.store.report(job, report("host", epoch, 3, Stage::Shipped)).await);
    assert_eq!(lab.row(job).await.stage, Stage::Failed);
}

pub(crate) async fn release_is_idempotent(lab: Lab) {
    for (name, outcome, stage) in [
        ("a", ReleaseOutcome::Shipped, Stage::Shipped),
        ("b", ReleaseOutcome::Failed, Stage::Failed),
        ("c", ReleaseOutcome::Requeue, Stage::Inbox),
        ("d", ReleaseOutcome::Abandoned, Stage::Inbox),
    ] {
        let job = lab.submit_locked(name, "db").await.id;
        let epoch = lab.grant("host", job).await.job.epoch;
        let mut end = release("host", epoch, outcome);
        end.metrics = Some(RunMetrics { exit: Some(3), ..RunMetrics::default() });
        end.result = Some(Outcome::Timeout);
        let first = lab.store.release(job, end.clone()).await.unwrap();
        assert_eq!((first.stage, first.attempts, first.held_lock.as_ref()), (stage, 1, None));
        assert_eq!(lab.store.release(job, end.clone()).await.unwrap(), first, "{name}");
        for other in [
            ReleaseOutcome::Shipped,
            ReleaseOutcome::Failed,
            ReleaseOutcome::Requeue,
            ReleaseOutcome::Abandoned,
        ] {
            if other != outcome {
                fenced(lab.store.release(job, release("host", epoch, other)).await);
            }
        }
        fenced(lab.store.release(job, release("other", epoch, outcome)).await);
        assert_eq!(lab.row(job).await, first);
    }
    let failed = lab.store.jobs(aq_coordinator::store::JobFilter {
        stage: Some(Stage::Failed),
        limit: 9,
        ..Default::default()
    });
    assert_eq!(failed.await.unwrap().value.jobs[0].result, Some(Outcome::Timeout));
}

pub(crate) async fn release_after_the_next_grant(lab: Lab) {
    let job = lab.submit("a").await.id;
    let old = lab.grant("host", job).await.job.epoch;
    let end = release("host", old, ReleaseOutcome::Requeue);
    lab.store.release(job, end.clone()).await.unwrap();
    let new = lab.grant("other", job).await.job;
    // The answer to the first was lost.
    assert_eq!(lab.store.release(job, end).await.unwrap(), new, "done, and nothing changed");
    let wrong = release("host", old, ReleaseOutcome::Shipped);
    assert_eq!(fenced(lab.store.release(job, wrong).await), new.epoch);
    // The same outcome under an epoch that ended otherwise, or that was another's.
    lab.live(LEASE + Duration::from_secs(2)).await;
    let last = lab.grant("third", job).await.job.epoch;
    fenced(lab.store.release(job, release("other", new.epoch, ReleaseOutcome::Requeue)).await);
    fenced(lab.store.release(job, release("third", old, ReleaseOutcome::Requeue)).await);
    assert_eq!(lab.row(job).await.epoch, last);
}

pub(crate) async fn locks_are_given_back_at_testing(lab: Lab) {
    let first = lab.submit_locked("a", "db").await.id;
    let second = lab.submit_locked("b", "db").await.id;
    let epoch = lab.grant("host", first).await.job.epoch;
    stage_after(&lab.store, first, epoch, 1, Stage::Review).await;
    assert!(crate::lab::claim(&lab.store, "other", &[second]).await.grants.is_empty());
    stage_after(&lab.store, first, epoch, 2, Stage::Testing).await;
    lab.grant("other", second).await;
    assert_eq!(stage_after(&lab.store, first, epoch, 3, Stage::Shipped).await, Stage::Shipped);
}

pub(crate) async fn stages_that_cannot_be_reported(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    stage_after(&lab.store, job, epoch, 1, Stage::Testing).await;
    for stage in [Stage::Inbox, Stage::Failed, Stage::Quarantine, Stage::Building, Stage::Review] {
        let answer = lab.store.report(job, report("host", epoch, 2, stage)).await;
        let refused = Err(StoreError::Refused(LedgerRefusal::NotReportable {
            from: Stage::Testing,
            to: stage,
            mend: "",
        }));
        match (&answer, &refused) {
            (
                Err(StoreError::Refused(LedgerRefusal::NotReportable { from, to, .. })),
                Err::<(), _>(_),
            ) => assert_eq!((*from, *to), (Stage::Testing, stage)),
            _ => panic!("{stage}: {answer:?}"),
        }
    }
    assert_eq!(lab.row(job).await.stage, Stage::Testing);
}

pub(crate) async fn checkpoints_go_to_the_next_host(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let checkpoint = |commit: &str| PushedCheckpoint {
        branch: "aq/wip/a".parse().unwrap(),
        commit: commit.repeat(40).parse().unwrap(),
        remote: "origin".to_owned(),
        repository: Some("git.example/app".to_owned()),
        failure: Some(LastFailure {
            class: "crash".parse().unwrap(),
            attempts: Some(2),
            files_changed: None,
        }),
    };
    for (seq, commit) in [(1, Some("a")), (3, Some("c")), (2, Some("b")), (4, None)] {
        let mut told = report("host", epoch, seq, Stage::Building);
        told.checkpoint = commit.map(checkpoint);
        lab.store.report(job, told).await.unwrap();
    }
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
    let granted = lab.grant("next", job).await;
    assert_eq!(granted.job.checkpoint, Some(checkpoint("c")), "the latest, not an old one");
    let seen = lab.store.job(job).await.unwrap().unwrap().value;
    assert_eq!(seen.reports.len(), 3);
    assert_eq!(seen.reports[0].checkpoint, Some(checkpoint("a")));
}

pub(crate) async fn a_stale_epoch_changes_nothing(lab: Lab) {
    let job = lab.submit("a").await.id;
    let old = lab.grant("host", job).await.job.epoch;
    lab.live(LEASE + Duration::from_secs(2)).await;
    // The same host again: it is the epoch that counts.
    let new = lab.grant("host", job).await.job;
    fenced(lab.store.report(job, report("host", old, 9, Stage::Shipped)).await);
    fenced(lab.store.report(job, report("host", old, 9, Stage::Review)).await);
    fenced(lab.store.release(job, release("host", old, ReleaseOutcome::Failed)).await);
    fenced(lab.store.renew(job, caller("host", old)).await);
    fenced(lab.store.post(job, events("host", old, 1..2)).await);
    assert_eq!(lab.row(job).await, new);
    let nothing = lab.store.job(job).await.unwrap().unwrap().value.reports;
    assert!(nothing.is_empty());
}

fn events(name: &str, epoch: Epoch, seqs: std::ops::Range<u64>) -> EventsRequest {
    let event = |seq| JobEvent {
        seq,
        at: "2026-01-01T09:00:00Z".parse().unwrap(),
        kind: "tokens".parse().unwrap(),
        fields: [("n".parse().unwrap(), EventValue::Count(seq.try_into().unwrap()))].into(),
    };
    EventsRequest { factory_id: factory(name), epoch, events: seqs.map(event).collect() }
}

pub(crate) async fn events_once_each_and_in_order(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let start = lab.store.feed(None, 10).await.unwrap();
    assert!(start.events.is_empty());
    assert_eq!(lab.store.post(job, events("host", epoch, 1..4)).await, Ok(3));
    assert_eq!(lab.store.post(job, events("host", epoch, 1..6)).await, Ok(2), "two are new");
    let feed = lab.store.feed(Some(start.next), 4).await.unwrap();
    assert_eq!(feed.events.len(), 4);
    let rest = lab.store.feed(Some(feed.next), 4).await.unwrap();
    let count =
        |event: &aq_fleet::protocol::FeedEvent| event.fields[&Identifier::lossy("n")].clone();
    let all: Vec<_> = feed.events.iter().chain(&rest.events).map(count).collect();
    assert_eq!(all, (1..6).map(EventValue::Count).collect::<Vec<_>>());
    let last = rest.events.last().unwrap();
    assert_eq!((last.job_id, last.epoch), (Some(job), Some(epoch)));
    assert_eq!(last.kind.as_str(), "tokens");
    let at = EventValue::Word("2026-01-01T09:00:00Z".parse().unwrap());
    assert_eq!(last.fields[&Identifier::lossy("at")], at);
    assert!(lab.store.feed(Some(rest.next), 4).await.unwrap().events.is_empty());
}

pub(crate) async fn events_may_come_after_the_release(lab: Lab) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Requeue)).await.unwrap();
    assert_eq!(lab.store.post(job, events("host", epoch, 1..2)).await, Ok(1));
    lab.grant("next", job).await;
    fenced(lab.store.post(job, events("host", epoch, 2..3)).await);
}
