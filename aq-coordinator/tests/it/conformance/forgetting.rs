use std::time::Duration;

use aq_coordinator::ledger::LedgerRefusal;
use aq_coordinator::store::{ForgetReport, StoreError, SubmitResult};
use aq_fleet::protocol::{LeaseRef, RegisterRequest, ReleaseOutcome};
use aq_manifest::Stage;

use crate::lab::{
    LEASE, Lab, beat, claim, factory, fenced, release, report, rewritten, submission,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEEP: Option<Duration> = Some(Duration::from_secs(90 * 24 * 60 * 60));

fn jobs(jobs: usize) -> ForgetReport {
    ForgetReport { jobs, ..ForgetReport::default() }
}

/// Forgets until there is nothing more to forget; all of it together.
async fn forget(lab: &Lab, keep: Option<Duration>) -> ForgetReport {
    let mut sum = ForgetReport::default();
    loop {
        let ForgetReport { jobs, hosts, events } = lab.store.forget(keep).await.unwrap();
        if jobs + hosts + events == 0 {
            return sum;
        }
        sum.jobs += jobs;
        sum.hosts += hosts;
        sum.events += events;
    }
}

pub(crate) async fn the_past_of_ended_jobs_goes(lab: Lab) {
    let lost = lab.submit("lost").await.id;
    let first = lab.grant("one", lost).await.job.epoch;
    lab.live(LEASE + Duration::from_secs(2)).await;
    let second = lab.grant("two", lost).await.job.epoch;
    lab.store.report(lost, report("two", second, 1, Stage::Review)).await.unwrap();
    lab.store.report(lost, report("two", second, 2, Stage::Shipped)).await.unwrap();
    let waiting = lab.submit("waiting").await.id;
    lab.pass(DAY * 89);
    // It ended today, however long ago it was submitted.
    let stopped = lab.submit("stopped").await.id;
    lab.store.cancel(stopped).await.unwrap();
    assert_eq!(forget(&lab, KEEP).await.jobs, 0);
    lab.pass(DAY * 2);
    let before = lab.row(lost).await;
    assert_eq!(forget(&lab, None).await.jobs, 0, "for good");
    assert_eq!(forget(&lab, KEEP).await.jobs, 1);
    let seen = lab.store.job(lost).await.unwrap().unwrap().value;
    assert_eq!(seen.job, before, "key, digest, outcome and epoch stay");
    assert_eq!((seen.grants.len(), seen.reports.len(), seen.manifest.as_str()), (0, 0, ""));

    let again = lab.store.submit(submission("lost"), None).await.unwrap();
    assert!(matches!(again, SubmitResult::Same(job) if job.id == lost && job.epoch == second));
    let other = lab.store.submit(rewritten("lost"), None).await.unwrap();
    assert!(matches!(other, SubmitResult::Clash(job) if job.id == lost));
    for stage in [Stage::Review, Stage::Shipped] {
        let late = lab.store.report(lost, report("one", first, 9, stage)).await;
        assert_eq!(fenced(late), second);
    }
    let late = lab.store.release(lost, release("one", first, ReleaseOutcome::Shipped)).await;
    assert_eq!(fenced(late), second);
    let own = lab.store.report(lost, report("two", second, 2, Stage::Shipped)).await;
    assert_eq!(own.unwrap().stage, Stage::Shipped, "its own word again");
    assert!(!claim(&lab.store, "one", &[waiting]).await.grants.is_empty());
}

pub(crate) async fn a_forgotten_text_comes_again(lab: Lab) {
    let job = lab.submit("a").await.id;
    lab.store.cancel(job).await.unwrap();
    lab.pass(DAY * 91);
    assert_eq!(lab.store.forget(KEEP).await.unwrap().jobs, 1);
    let refused = lab.store.requeue(job).await;
    let Err(StoreError::Refused(LedgerRefusal::WrongStage { wish, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert!(wish.contains("submit the same file again"), "{wish}");
    // Another text is not its own.
    let other = lab.store.submit(rewritten("a"), None).await.unwrap();
    assert!(matches!(other, SubmitResult::Clash(_)));
    assert!(lab.store.requeue(job).await.is_err());
    let same = lab.store.submit(submission("a"), None).await.unwrap();
    assert!(matches!(same, SubmitResult::Same(_)));
    assert_eq!(forget(&lab, KEEP).await.jobs, 0, "kept anew");
    lab.store.requeue(job).await.unwrap();
    lab.pass(DAY * 91);
    assert_eq!(forget(&lab, KEEP).await.jobs, 0, "it waits");
    let granted = lab.grant("host", job).await;
    assert_eq!(granted.manifest, submission("a").manifest);
}

pub(crate) async fn pasts_go_in_small_batches(lab: Lab) {
    for n in 0..120 {
        let job = lab.submit(&format!("job-{n}")).await.id;
        lab.store.cancel(job).await.unwrap();
    }
    lab.pass(DAY * 91);
    let second = lab.second();
    assert_eq!(forget(&lab, None).await, ForgetReport { events: 240, ..jobs(0) });
    assert_eq!(lab.store.forget(KEEP).await, Ok(jobs(100)));
    assert_eq!(second.forget(KEEP).await, Ok(jobs(20)));
    assert_eq!(lab.store.forget(KEEP).await, Ok(jobs(0)));
}

pub(crate) async fn hosts_that_are_gone_go(lab: Lab) {
    let about = RegisterRequest {
        host: "h".to_owned(),
        capabilities: Vec::new(),
        capacity: 1,
        version: "1".to_owned(),
        instance_id: "life-1".parse().unwrap(),
        ended: Vec::new(),
    };
    for name in ["gone", "here", "holds", "drains"] {
        lab.store.register(factory(name), about.clone()).await.unwrap();
    }
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("holds", job).await.job.epoch;
    lab.store.drain(factory("drains"), true).await.unwrap();
    lab.pass(DAY * 91);
    lab.store.heartbeat(vec![beat("here", vec![])]).await.unwrap();
    let hosts = async || {
        let known = lab.store.factories(None, 9).await.unwrap().value;
        known.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(forget(&lab, KEEP).await.hosts, 1);
    assert_eq!(hosts().await, ["drains", "here", "holds"], "a word and a job of theirs stay");
    // Whoever comes back has to register.
    let back = lab.store.heartbeat(vec![beat("gone", vec![])]).await.unwrap();
    assert!(!back[0].registered);
    let late = beat("holds", vec![LeaseRef { job_id: job, epoch }]);
    assert!(lab.store.heartbeat(vec![late]).await.unwrap()[0].leases[0].expires_in.is_some());
}

pub(crate) async fn a_reader_hears_of_a_gap(lab: Lab) {
    let start = lab.store.feed(None, 1).await.unwrap().next;
    let old = lab.submit("old").await.id;
    let read = lab.store.feed(Some(start), 9).await.unwrap();
    assert_eq!((read.events.len(), read.gone), (1, None));
    lab.store.cancel(old).await.unwrap();
    lab.pass(DAY * 8);
    let new = lab.submit("new").await.id;
    assert_eq!(forget(&lab, KEEP).await.events, 0, "as long as the rest");
    assert_eq!(forget(&lab, Some(DAY)).await.events, 2, "for seven days at least");
    for after in [start, read.next, 0] {
        let feed = lab.store.feed(Some(after), 9).await.unwrap();
        let events: Vec<_> = feed.events.iter().map(|event| event.job_id).collect();
        assert_eq!(events, [Some(new)]);
        let gone = feed.gone.expect("what came between is missing");
        assert!(after < gone && gone < feed.events[0].id);
        assert_eq!(lab.store.feed(Some(gone), 9).await.unwrap().gone, None);
    }
    // From so long ago on: what is gone was before that, or not.
    let since = async |days| {
        let after = lab.store.feed_before(DAY * days).await.unwrap();
        let feed = lab.store.feed(Some(after), 9).await.unwrap();
        (feed.events.len(), feed.gone.is_some())
    };
    assert_eq!((since(7).await, since(9).await), ((1, false), (1, true)));
    lab.pass(DAY * 2);
    lab.submit("newest").await;
    assert_eq!((since(1).await, since(3).await), ((1, false), (2, false)));
    lab.pass(DAY * 6);
    assert_eq!(forget(&lab, None).await.events, 1);
    assert_eq!((since(7).await, since(9).await), ((1, false), (1, true)));
    lab.pass(DAY * 2);
    assert_eq!(forget(&lab, None).await.events, 1);
    let feed = lab.store.feed(Some(read.next), 9).await.unwrap();
    assert_eq!((feed.events.len(), feed.gone), (0, Some(feed.next)));
    let end = lab.store.feed(None, 1).await.unwrap().next;
    assert_eq!(lab.second().feed(Some(end), 9).await.unwrap().gone, None, "who begins now");
}
