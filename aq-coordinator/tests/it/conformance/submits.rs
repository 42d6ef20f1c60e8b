use aq_coordinator::ledger::JobNamespace;
use aq_coordinator::store::{ChangeCursor, SubmitResult};
use aq_fleet::protocol::ReleaseOutcome;
use aq_manifest::{DepsMode, Priority, Stage};

use crate::lab::{Lab, created, factory, release, rewritten, submission};

pub(crate) async fn keys_bodies_and_ids(lab: Lab) {
    let first = lab.submit("a").await;
    let again = lab.store.submit(submission("a"), None).await.unwrap();
    assert_eq!(again, SubmitResult::Same(first.clone()), "same key and body, another id offered");

    let mut keyless = submission("b");
    keyless.key = None;
    let made = created(lab.store.submit(keyless.clone(), None).await.unwrap());
    assert_eq!(made.key, keyless.id.to_string());
    assert!(made.seq > first.seq);
    // The answer to the first may have been lost: the same call again.
    assert_eq!(lab.store.submit(keyless, None).await.unwrap(), SubmitResult::Same(made));
}

pub(crate) async fn a_key_is_free_in_another_world(lab: Lab) {
    let real = lab.submit("a").await;
    let mut mirror = rewritten("a");
    mirror.world = JobNamespace::Shadow(factory("host"));
    let mirror = created(lab.store.submit(mirror, None).await.unwrap());
    assert_ne!(mirror.id, real.id);
}

pub(crate) async fn superseding_keeps_the_place(lab: Lab) {
    let first = lab.submit("a").await;
    lab.submit("b").await;
    let new = rewritten("a");
    let SubmitResult::Superseded(job) = lab.store.submit(new.clone(), None).await.unwrap() else {
        panic!("not superseded");
    };
    assert_eq!((job.id, job.seq), (first.id, first.seq));
    assert!(job.version > first.version);
    let granted = lab.grant("host", first.id).await;
    assert_eq!(granted.manifest, new.manifest);
}

pub(crate) async fn a_job_that_has_left_the_queue_is_not_superseded(lab: Lab) {
    let job = lab.submit("a").await;
    let granted = lab.grant("host", job.id).await;
    let clash = lab.store.submit(rewritten("a"), None).await.unwrap();
    assert!(matches!(&clash, SubmitResult::Clash(row) if row.id == job.id), "{clash:?}");
    let same = lab.store.submit(submission("a"), None).await.unwrap();
    assert!(matches!(&same, SubmitResult::Same(row) if row.stage == Stage::Building), "{same:?}");

    // Back in the queue, it can be.
    let back = release("host", granted.job.epoch, ReleaseOutcome::Requeue);
    lab.store.release(job.id, back).await.unwrap();
    let again = lab.store.submit(rewritten("a"), None).await.unwrap();
    assert!(matches!(again, SubmitResult::Superseded(_)), "{again:?}");
}

pub(crate) async fn two_coordinators_close_no_cycle(lab: Lab) {
    let second = lab.second();
    let graph = lab.store.changes(ChangeCursor::default()).await.unwrap().graph;
    let waits_for = |name: &str, dep: &str| {
        let mut job = submission(name);
        job.terms.deps = vec![dep.to_owned()];
        job
    };
    // Both have looked at the same graph, in which neither closes a cycle.
    let (a, b) = tokio::join!(
        lab.store.submit(waits_for("a", "b"), Some(graph)),
        second.submit(waits_for("b", "a"), Some(graph)),
    );
    let moved = [a.unwrap(), b.unwrap()];
    let refused = moved.iter().filter(|answer| **answer == SubmitResult::GraphMoved).count();
    assert_eq!(refused, 1, "{moved:?}");
    let rows = lab.store.changes(ChangeCursor::default()).await.unwrap();
    assert_eq!(rows.jobs.len(), 1);
    assert_ne!(rows.graph, graph);

    // What has no deps closes no cycle, whatever the graph.
    created(second.submit(submission("c"), Some(graph)).await.unwrap());
}

pub(crate) async fn everything_submitted_comes_back(lab: Lab) {
    let mut job = submission("a");
    job.key = Some("käy 'quoted' \"x\"".to_owned());
    job.terms.priority = Priority::Critical;
    job.terms.lock = Some("l".repeat(4096));
    job.terms.deps = vec!["one".to_owned(), "two, three".to_owned()];
    job.terms.deps_mode = DepsMode::Soft;
    job.terms.needs = vec!["ram>=8GiB".to_owned(), "engine:x".to_owned()];
    job.manifest = "---\n---\nNUL \0, 🦀 and\r\nlines\n".repeat(20_000);
    let made = created(lab.store.submit(job.clone(), None).await.unwrap());
    let found = lab.store.job(made.id).await.unwrap().unwrap().value;
    assert_eq!(found.manifest, job.manifest);
    assert_eq!(found.job, made);
    assert_eq!(made.terms, job.terms);
    assert_eq!(
        lab.store.changes(ChangeCursor::default()).await.unwrap().jobs,
        std::slice::from_ref(&made)
    );
    let granted = lab.grant("host", made.id).await;
    assert_eq!(granted.manifest, job.manifest);
    assert_eq!(granted.job.held_lock, job.terms.lock);
    assert_eq!(lab.row(made.id).await, granted.job);
}
