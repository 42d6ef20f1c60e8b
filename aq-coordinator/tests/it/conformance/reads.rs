use std::collections::BTreeMap;
use std::time::Duration;

use aq_coordinator::store::{ChangeCursor, HostSlots, JobFilter, JobTotals, StoreError};
use aq_fleet::protocol::{LeaseRef, RegisterRequest, ReleaseOutcome, RunMetrics};
use aq_manifest::{Outcome, Priority, Stage};

use crate::lab::{
    LEASE, Lab, beat, beat_one, claim, created, factory, plan, release, report, submission,
};

pub(crate) async fn pages_by_cursor(lab: Lab) {
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(lab.submit(&format!("job-{n}")).await.id);
    }
    let mut seen = Vec::new();
    let mut filter = JobFilter { limit: 10, ..JobFilter::default() };
    loop {
        let page = lab.store.jobs(filter.clone()).await.unwrap().value;
        seen.extend(page.jobs.iter().map(|job| job.id));
        let Some(next) = page.next else { break };
        filter.after = Some(next);
    }
    assert_eq!(seen, ids);
    lab.grant("host", ids[3]).await;
    for (stage, holder, found) in [
        (Some(Stage::Building), None, vec![ids[3]]),
        (None, Some("host"), vec![ids[3]]),
        (Some(Stage::Inbox), Some("host"), vec![]),
        (Some(Stage::Shipped), None, vec![]),
        (None, Some("other"), vec![]),
    ] {
        let filter =
            JobFilter { stage, factory: holder.map(factory), limit: 100, ..JobFilter::default() };
        let page = lab.store.jobs(filter).await.unwrap().value;
        assert_eq!(page.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), found);
        assert_eq!(page.next, None);
    }
}

pub(crate) async fn changes_by_cursor(lab: Lab) {
    let second = lab.second();
    let mut mirror = BTreeMap::new();
    let mut cursor = ChangeCursor::default();
    let mut expect = async |store: &std::sync::Arc<dyn aq_coordinator::store::CoordinatorStore>| {
        let changes = store.changes(cursor).await.unwrap();
        cursor = changes.cursor;
        if changes.reset {
            mirror.clear();
        }
        for job in changes.jobs {
            mirror.insert(job.id, job);
        }
        let all = JobFilter { limit: 1000, ..JobFilter::default() };
        let real = store.jobs(all).await.unwrap().value.jobs;
        let mut known: Vec<_> = mirror.values().cloned().collect();
        known.sort_by_key(|job| job.seq);
        // A plain renewal is no change: only the lease's end may be older.
        assert_eq!(known.len(), real.len());
        for (known, real) in known.iter().zip(&real) {
            assert!(known.same_but_lease(real), "{known:?} {real:?}");
        }
    };
    expect(&lab.store).await;
    let a = lab.submit("a").await.id;
    let b = lab.submit("b").await.id;
    expect(&lab.store).await;
    let epoch = lab.grant("host", a).await.job.epoch;
    expect(&second).await;
    lab.live(Duration::from_secs(3)).await;
    beat_one(&lab.store, "host", a, epoch).await;
    expect(&lab.store).await;
    second.report(a, report("host", epoch, 1, Stage::Review)).await.unwrap();
    second.cancel(b).await.unwrap();
    expect(&lab.store).await;
    lab.live(LEASE + Duration::from_secs(2)).await;
    expect(&lab.store).await;
    second.release(a, release("host", epoch, ReleaseOutcome::Failed)).await.unwrap();
    second.requeue(a).await.unwrap();
    expect(&second).await;
}

fn about(host: &str, instance: &str) -> RegisterRequest {
    RegisterRequest {
        host: host.to_owned(),
        capabilities: vec!["os:linux".parse().unwrap(), "ram:16GiB".parse().unwrap()],
        capacity: 4,
        version: "0.1.0".to_owned(),
        instance_id: instance.parse().unwrap(),
        ended: Vec::new(),
    }
}

pub(crate) async fn factories_and_what_they_hold(lab: Lab) {
    for name in ["c", "a", "b"] {
        lab.store.register(factory(name), about("nul\0led", "life-1")).await.unwrap();
    }
    let job = lab.submit("j").await.id;
    let granted = lab.grant("b", job).await.job;
    assert_eq!(granted.tenure.unwrap().instance.unwrap().as_str(), "life-1");
    lab.pass(Duration::from_secs(3));
    let mut told = beat("b", vec![]);
    told.free = 2;
    told.instance = "life-2".parse().unwrap();
    assert!(lab.store.heartbeat(vec![told]).await.unwrap()[0].registered);
    lab.store.register(factory("c"), about("new-name", "life-3")).await.unwrap();

    let page = lab.store.factories(None, 2).await.unwrap();
    assert_eq!(page.value.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let b = &page.value[1];
    assert_eq!((b.free, b.capacity, b.instance.as_str()), (2, 4, "life-2"));
    assert_eq!(b.capabilities, about("", "x").capabilities);
    assert_eq!(b.holds, [LeaseRef { job_id: job, epoch: granted.epoch }]);
    assert_eq!(page.now.since(b.seen), Duration::ZERO);
    assert_eq!(page.now.since(page.value[0].seen), Duration::from_secs(3));
    let rest = lab.store.factories(Some(factory("b")), 9).await.unwrap().value;
    assert_eq!(rest.iter().map(|row| row.host.as_str()).collect::<Vec<_>>(), ["new-name"]);
}

pub(crate) async fn who_drains_gets_nothing(lab: Lab) {
    let unknown = lab.store.drain(factory("a"), true).await;
    assert_eq!(unknown, Err(StoreError::NoSuchFactory(factory("a"))));
    for name in ["a", "b"] {
        lab.store.register(factory(name), about("h", "life-1")).await.unwrap();
    }
    let held = lab.submit("held").await.id;
    let epoch = lab.grant("a", held).await.job.epoch;
    let job = lab.submit("next").await.id;
    let told = async || lab.store.heartbeat(vec![beat("a", vec![])]).await.unwrap().remove(0);
    assert!(!told().await.draining);
    for _ in 0..2 {
        lab.store.drain(factory("a"), true).await.unwrap();
        assert!(told().await.draining);
    }
    // In one batch, each for itself.
    let plans = vec![
        plan(&lab.store, "a", &[job]).await,
        plan(&lab.store, "b", &[lab.submit("other").await.id]).await,
    ];
    let answers = lab.store.grant(plans).await.unwrap();
    assert_eq!((answers[0].draining, answers[0].grants.len()), (true, 0));
    assert_eq!((answers[1].draining, answers[1].grants.len()), (false, 1));
    // What it holds stays its own, and a new life of its loop changes nothing.
    assert_eq!(beat_one(&lab.store, "a", held, epoch).await.expires_in, Some(LEASE));
    lab.store.register(factory("a"), about("h", "life-2")).await.unwrap();
    assert!(claim(&lab.store, "a", &[job]).await.draining);
    let seen = lab.second().factories(None, 9).await.unwrap().value;
    assert_eq!(seen.iter().map(|row| row.draining).collect::<Vec<_>>(), [true, false]);
    lab.store.drain(factory("a"), false).await.unwrap();
    assert!(!told().await.draining);
    assert_eq!(lab.grant("a", job).await.job.id, job);
}

pub(crate) async fn numbers_of_the_fleet(lab: Lab) {
    lab.store.register(factory("old"), about("h", "life-1")).await.unwrap();
    lab.live(LEASE + Duration::from_secs(1)).await;
    lab.store.register(factory("new"), about("h", "life-1")).await.unwrap();
    let mut urgent = submission("a");
    urgent.terms.priority = Priority::Critical;
    created(lab.store.submit(urgent, None).await.unwrap());
    lab.pass(Duration::from_secs(2));
    let held = lab.submit("b").await.id;
    lab.submit("c").await;
    lab.grant("new", held).await;
    lab.pass(Duration::from_secs(1));
    let numbers = lab.store.numbers().await.unwrap();
    assert_eq!((numbers.factories_alive, numbers.factories_known), (1, 2));
    assert_eq!(numbers.slots, [HostSlots { id: factory("new"), in_use: 0, free: 4 }]);
    assert_eq!(numbers.held, 1);
    assert_eq!(numbers.oldest_wait, Some(Duration::from_secs(3)));
    let depth: BTreeMap<_, _> =
        numbers.depth.iter().map(|depth| ((depth.stage, depth.priority), depth.jobs)).collect();
    let expected = [
        ((Stage::Inbox, Priority::Critical), 1),
        ((Stage::Inbox, Priority::Medium), 1),
        ((Stage::Building, Priority::Medium), 1),
    ];
    assert_eq!(depth, expected.into());
}

pub(crate) async fn sums_count_each_run_once(lab: Lab) {
    let second = lab.second();
    let spent = |input_tokens, cost_usd| RunMetrics {
        input_tokens: Some(input_tokens),
        output_tokens: Some(1),
        cost_usd: Some(cost_usd),
        ..RunMetrics::default()
    };
    let one = lab.submit("a").await.id;
    let epoch = lab.grant("host", one).await.job.epoch;
    lab.store.report(one, report("host", epoch, 1, Stage::Shipped)).await.unwrap();
    let mut shipped = release("host", epoch, ReleaseOutcome::Shipped);
    shipped.metrics = Some(spent(100, 0.5));
    for store in [&lab.store, &second, &lab.store] {
        store.release(one, shipped.clone()).await.unwrap();
    }
    let two = lab.submit("b").await.id;
    for _ in 0..2 {
        let epoch = lab.grant("host", two).await.job.epoch;
        let mut failed = release("host", epoch, ReleaseOutcome::Failed);
        failed.result = Some(Outcome::Timeout);
        failed.metrics = Some(spent(10, 0.25));
        for _ in 0..2 {
            lab.store.release(two, failed.clone()).await.unwrap();
        }
        second.requeue(two).await.unwrap();
    }
    for _ in 0..2 {
        lab.store.cancel(two).await.unwrap();
    }
    let expected = JobTotals {
        cost_micros: 1_000_000,
        input_tokens: 120,
        cached_tokens: 0,
        output_tokens: 3,
        failed: [(Outcome::Timeout, 2), (Outcome::Stopped, 1)].into(),
    };
    assert_eq!(lab.store.numbers().await.unwrap().totals, expected);
    // Sums stay when what they are of goes.
    lab.pass(LEASE * 9);
    assert_eq!(lab.store.forget(Some(LEASE)).await.unwrap().jobs, 2);
    lab.store.release(one, shipped).await.unwrap();
    assert_eq!(second.numbers().await.unwrap().totals, expected);
}

pub(crate) async fn a_job_with_its_past(lab: Lab) {
    let job = lab.submit("a").await.id;
    let first = lab.grant("one", job).await.job.epoch;
    lab.store.report(job, report("one", first, 1, Stage::Review)).await.unwrap();
    lab.pass(Duration::from_secs(4));
    lab.store.release(job, release("one", first, ReleaseOutcome::Requeue)).await.unwrap();
    lab.grant("two", job).await;
    let seen = lab.store.job(job).await.unwrap().unwrap();
    let grants = &seen.value.grants;
    assert_eq!(
        grants.iter().map(|grant| grant.factory.as_str()).collect::<Vec<_>>(),
        ["one", "two"]
    );
    let lasted = grants[0].ended.unwrap().since(grants[0].started);
    assert_eq!((lasted, grants[1].ended), (Duration::from_secs(4), None));
    assert_eq!(seen.value.reports.len(), 1);
    assert_eq!(seen.now.since(seen.value.reports[0].at), Duration::from_secs(4));
    assert_eq!(lab.store.job(uuid::Uuid::nil().into()).await, Ok(None));
}

pub(crate) async fn the_feed_tells_every_move(lab: Lab) {
    let start = lab.store.feed(None, 1).await.unwrap().next;
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    beat_one(&lab.store, "host", job, epoch).await;
    lab.store.report(job, report("host", epoch, 1, Stage::Review)).await.unwrap();
    lab.live(LEASE + Duration::from_secs(2)).await;
    beat_one(&lab.store, "host", job, epoch).await;
    lab.store.cancel(job).await.unwrap();
    lab.store.release(job, release("host", epoch, ReleaseOutcome::Failed)).await.unwrap();
    lab.store.requeue(job).await.unwrap();
    let feed = lab.store.feed(Some(start), 100).await.unwrap().events;
    let kinds: Vec<_> = feed.iter().map(|event| event.kind.as_str()).collect();
    let expected =
        ["submitted", "granted", "moved", "lapsed", "renewed", "cancelled", "released", "requeued"];
    assert_eq!(kinds, expected);
    assert!(feed.iter().all(|event| event.job_id == Some(job)));
    assert!(feed.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(feed[2].stage, Some(Stage::Review));
}
