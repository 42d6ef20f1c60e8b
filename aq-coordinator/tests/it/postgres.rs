//! The suite on PostgreSQL, and what only a server has. One test, so that one server does for all.

use std::time::{Duration, Instant};

use aq_coordinator::ledger::LeaseTiming;
use aq_coordinator::store::{
    ChangeCursor, ClockSource, CoordinatorStore, PostgresStore, StoreError,
};
use aq_fleet::protocol::ReleaseOutcome;
use aq_manifest::Stage;
use tokio_postgres::Client;

use crate::api::{Fleet, claim as api_claim};
use crate::cluster::{Cluster, Database};
use crate::conformance::CASES;
use crate::lab::{LEASE, Lab, beat_one, plan, release, report};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_postgresql() {
    let Some(cluster) = Cluster::find().await else { return };
    let template = cluster.database(None).await;
    drop(Lab::postgres(template.clone()).await);
    let mut failed = Vec::new();
    for case in CASES {
        let database = cluster.moved(&template).await;
        let lab = Lab::postgres(database.clone()).await;
        if tokio::spawn((case.run)(lab)).await.is_err() {
            failed.push(case.name);
        }
        cluster.forget(database).await;
    }
    let own: [(&str, Own); 9] = [
        ("killed_before_the_commit", |lab, db| Box::pin(killed_before_the_commit(lab, db))),
        ("killed_at_the_commit", |lab, db| Box::pin(killed_at_the_commit(lab, db))),
        ("all_connections_killed", |lab, db| Box::pin(all_connections_killed(lab, db))),
        ("killed_with_the_last_writes", |lab, db| Box::pin(killed_with_the_last_writes(lab, db))),
        ("older_and_a_newer_schema", |lab, db| Box::pin(older_and_a_newer_schema(lab, db))),
        ("the_api", |lab, db| Box::pin(the_api(lab, db))),
        ("a_dump_on_a_new_server", |lab, db| Box::pin(a_dump_on_a_new_server(lab, db))),
        ("what_commits_late_is_not_missed", |lab, db| {
            Box::pin(what_commits_late_is_not_missed(lab, db))
        }),
        ("others_hold_nothing_back", |lab, db| Box::pin(others_hold_nothing_back(lab, db))),
    ];
    for (name, run) in own {
        let database = cluster.moved(&template).await;
        let lab = Lab::postgres(database.clone()).await;
        if tokio::spawn(run(lab, database.clone())).await.is_err() {
            failed.push(name);
        }
        cluster.forget(database).await;
    }
    cluster.forget(template).await;
    assert!(failed.is_empty(), "on PostgreSQL: {failed:?}");
}

type Own = fn(Lab, Database) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Kills the store's connection that waits as the condition says.
async fn kill_one_that(admin: &Client, condition: &str) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \
         current_database() AND application_name = 'aq coordinator' AND {condition}"
    );
    let begun = Instant::now();
    while admin.query(&sql, &[]).await.unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(20), "none {condition}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn killed_before_the_commit(lab: Lab, database: Database) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let admin = database.connect().await;
    let mut blocker = database.connect().await;
    let block = blocker.transaction().await.unwrap();
    block.execute("SELECT 1 FROM jobs FOR UPDATE", &[]).await.unwrap();
    let store = std::sync::Arc::clone(&lab.store);
    let end = release("host", epoch, ReleaseOutcome::Requeue);
    let call = tokio::spawn(async move { store.release(job, end).await });
    kill_one_that(&admin, "wait_event_type = 'Lock'").await;
    block.rollback().await.unwrap();
    let row = call.await.unwrap().expect("nothing was done, so it is tried again");
    assert_eq!((row.stage, row.attempts), (Stage::Inbox, 1));
    assert_eq!(lab.row(job).await, row);
}

async fn killed_at_the_commit(lab: Lab, database: Database) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let admin = database.connect().await;
    admin
        .batch_execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM \
             pg_sleep(60); RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER slowly AFTER UPDATE ON \
             jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slowly()",
        )
        .await
        .unwrap();
    let store = std::sync::Arc::clone(&lab.store);
    let told = report("host", epoch, 1, Stage::Shipped);
    let again = told.clone();
    let call = tokio::spawn(async move { store.report(job, told).await });
    kill_one_that(&admin, "wait_event = 'PgSleep'").await;
    match call.await.unwrap() {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("may have been done"), "{why}"),
        other => panic!("nobody knows what became of it, but: {other:?}"),
    }
    admin.batch_execute("DROP TRIGGER slowly ON jobs").await.unwrap();
    // The caller asks again, and that is all there is to do.
    assert_eq!(lab.store.report(job, again).await.unwrap().stage, Stage::Shipped);
    assert_eq!(lab.row(job).await.attempts, 1);
}

/// A grant's writes go out together with the commit.
async fn killed_with_the_last_writes(lab: Lab, database: Database) {
    let job = lab.submit("a").await;
    let first = plan(&lab.store, "host", &[job.id]).await;
    let admin = database.connect().await;
    admin
        .batch_execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM \
             pg_sleep(60); RETURN NULL; END $$; CREATE TRIGGER slowly AFTER INSERT ON grants FOR \
             EACH ROW EXECUTE FUNCTION slowly()",
        )
        .await
        .unwrap();
    let (store, again) = (std::sync::Arc::clone(&lab.store), first.clone());
    let call = tokio::spawn(async move { store.grant(vec![first]).await });
    kill_one_that(&admin, "wait_event = 'PgSleep'").await;
    match call.await.unwrap() {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("may have been done"), "{why}"),
        other => panic!("nobody knows what became of it, but: {other:?}"),
    }
    admin.batch_execute("DROP TRIGGER slowly ON grants").await.unwrap();
    assert_eq!(lab.row(job.id).await, job, "nothing of it was done");
    let granted = lab.store.grant(vec![again]).await.unwrap().remove(0);
    assert_eq!((granted.repeated, granted.grants.len()), (false, 1));
}

async fn older_and_a_newer_schema(lab: Lab, database: Database) {
    let admin = database.connect().await;
    let known = 7;
    for (found, refused) in
        [(8, StoreError::TooNew { found: 8, known }), (1, StoreError::TooOld { found: 1, known })]
    {
        admin.execute("UPDATE aq_schema SET version = $1", &[&i64::from(found)]).await.unwrap();
        assert_eq!(lab.store.ping().await, Err(refused.clone()));
        if found > known {
            assert_eq!(lab.store.migrate().await, Err(refused));
        }
    }
    let back = "ALTER TABLE factories DROP COLUMN draining; DROP TABLE echoes; DROP TABLE turns; \
                DROP TABLE coordinators; ALTER TABLE service DROP COLUMN restored, DROP COLUMN \
                settles, DROP COLUMN run_doubted, DROP COLUMN place, DROP COLUMN id; ALTER TABLE \
                factories DROP COLUMN ended, DROP COLUMN stale; ALTER TABLE jobs DROP COLUMN \
                doubted, DROP COLUMN past_since; ALTER TABLE service DROP COLUMN feed_gone, \
                DROP COLUMN feed_gone_at; DROP TABLE totals";
    admin.batch_execute(back).await.unwrap();
    lab.store.migrate().await.unwrap();
    lab.store.ping().await.unwrap();
}

/// One job through the whole API.
async fn the_api(lab: Lab, database: Database) {
    let fleet = Fleet::on_postgres(database.url()).await;
    let job = fleet.submit("lock: none").await;
    let about = serde_json::json!({ "host": "h", "capabilities": [], "capacity": 1, "version": "1",
        "instanceId": "i" });
    assert_eq!(fleet.put("/v1/factories/a", &about).await.status, 200);
    let granted = fleet.post("/v1/claims", &api_claim("a", "r", 1)).await.ok();
    assert_eq!(granted["jobs"][0]["jobId"], job);
    let again = fleet.post("/v1/claims", &api_claim("a", "r", 1)).await.ok();
    assert_eq!(again["jobs"][0]["epoch"], granted["jobs"][0]["epoch"]);
    let caller = serde_json::json!({ "factoryId": "b", "epoch": granted["jobs"][0]["epoch"] });
    let fenced = fleet.post(&format!("/v1/jobs/{job}/renew"), &caller).await;
    assert_eq!((fenced.status, fenced.problem()), (409, "fenced"));
    let mut shipped = serde_json::json!({ "seq": 1, "stage": "shipped", "factoryId": "a" });
    shipped["epoch"] = granted["jobs"][0]["epoch"].clone();
    assert_eq!(fleet.post(&format!("/v1/jobs/{job}/reports"), &shipped).await.status, 200);
    let shown = fleet.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!(shown["stage"], "shipped");
    assert_eq!(fleet.get("/readyz").await.status, 200);
    fleet.running.stop().await;
    drop(lab);
}

async fn all_connections_killed(lab: Lab, database: Database) {
    let job = lab.submit("a").await.id;
    let epoch = lab.grant("host", job).await.job.epoch;
    let admin = database.connect().await;
    for _ in 0..5 {
        kill_one_that(&admin, "true").await;
        assert_eq!(beat_one(&lab.store, "host", job, epoch).await.expires_in, Some(LEASE));
    }
    // A server that is not there is no reason to panic or to hang.
    let url = "postgres://aq@%2Fnonexistent/none";
    let away = PostgresStore::new(url, LeaseTiming::new(LEASE), ClockSource::Database).unwrap();
    assert!(matches!(away.ping().await, Err(StoreError::Unavailable(_))));
    let shown = format!("{away:?} {:?}", away.tick().await);
    assert!(!shown.contains("nonexistent/none"), "{shown}");
}

async fn a_dump_on_a_new_server(lab: Lab, database: Database) {
    let job = lab.submit("a").await.id;
    let granted = lab.grant("host", job).await.job;
    // As if it came from a server that has seen many more transactions.
    let admin = database.connect().await;
    admin.batch_execute("UPDATE jobs SET stamp = 1000000000000").await.unwrap();
    admin.batch_execute("UPDATE feed SET id = id + (1::bigint << 52)").await.unwrap();
    lab.store.migrate().await.unwrap();
    let cursor = lab.store.changes(ChangeCursor::default()).await.unwrap().cursor;
    let end = lab.store.feed(None, 1).await.unwrap().next;
    lab.store.report(job, report("host", granted.epoch, 1, Stage::Review)).await.unwrap();
    let changes = lab.store.changes(cursor).await.unwrap();
    assert_eq!(changes.jobs.len(), 1);
    assert_eq!(changes.jobs[0].stage, Stage::Review);
    let quiet = lab.store.changes(changes.cursor).await.unwrap();
    assert!(quiet.jobs.is_empty(), "what is read is read");
    assert_eq!(lab.store.feed(Some(end), 9).await.unwrap().events.len(), 1);
}

async fn what_commits_late_is_not_missed(lab: Lab, database: Database) {
    let first = lab.submit("a").await;
    // A transaction that has its stamp, and does not end.
    let mut slow = database.connect().await;
    let slow = slow.transaction().await.unwrap();
    slow.execute(
        "UPDATE jobs SET priority = 'high', stamp = pg_current_xact_id()::text::bigint + (SELECT \
         stamp_base FROM service)",
        &[],
    )
    .await
    .unwrap();
    slow.execute(
        "INSERT INTO feed (id, at, kind, fields) SELECT ((pg_current_xact_id()::text::bigint + \
         stamp_base) << 14), 0, 'slow', '{}' FROM service",
        &[],
    )
    .await
    .unwrap();
    let end = lab.store.feed(None, 1).await.unwrap().next;
    let second = lab.submit("b").await;
    let seen = lab.store.changes(ChangeCursor::default()).await.unwrap();
    assert_eq!(seen.jobs.iter().filter(|job| job.id == second.id).count(), 1);
    assert!(
        lab.store.feed(Some(end), 9).await.unwrap().events.is_empty(),
        "not before the slow one"
    );
    slow.commit().await.unwrap();
    let late = lab.store.changes(seen.cursor).await.unwrap();
    assert!(late.jobs.iter().any(|job| job.id == first.id && job.terms != first.terms));
    let feed = lab.store.feed(Some(end), 9).await.unwrap().events;
    let kinds: Vec<_> = feed.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["slow", "submitted"]);
}

async fn others_hold_nothing_back(lab: Lab, database: Database) {
    let other = database.beside().await;
    other.batch_execute("BEGIN; CREATE TEMP TABLE t ()").await.unwrap();
    lab.submit("a").await;
    let begun = Instant::now();
    loop {
        lab.store.tick().await.unwrap();
        let feed = lab.store.feed(Some(0), 9).await.unwrap().events;
        let seen = lab.store.changes(ChangeCursor::default()).await.unwrap();
        let more = lab.store.changes(seen.cursor).await.unwrap();
        if feed.len() == 1 && more.jobs.is_empty() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{feed:?}, {more:?}");
    }
    // And what one of its own has not committed yet still does.
    let mut slow = database.connect().await;
    let slow = slow.transaction().await.unwrap();
    slow.execute("UPDATE jobs SET name = 'slow'", &[]).await.unwrap();
    let end = lab.store.feed(None, 1).await.unwrap().next;
    lab.submit("b").await;
    lab.store.tick().await.unwrap();
    assert!(lab.store.feed(Some(end), 9).await.unwrap().events.is_empty());
    slow.commit().await.unwrap();
    other.batch_execute("ROLLBACK").await.unwrap();
}
