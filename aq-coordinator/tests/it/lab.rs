//! A database for one case, and words to write cases in.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aq_coordinator::ledger::{
    BodyHash, FleetJob, JobNamespace, JobSubmission, LeaseHolder, LeaseTiming, LedgerRefusal,
    SchedulingTerms,
};
use aq_coordinator::store::{
    ChangeCursor, ClaimAnswer, ClaimPlan, ClockSource, CoordinatorStore, GrantedJob, HeartbeatRow,
    LeaseStand, PlannedPick, PostgresStore, SqliteStore, StoreError, SubmitResult,
};
use aq_fleet::protocol::{
    Epoch, FactoryId, FleetJobId, LeaseRef, ReleaseOutcome, ReleaseRequest, ReportRequest,
    RequestId,
};
use aq_manifest::{DepsMode, Priority, Stage};
use tempfile::TempDir;
use uuid::Uuid;

use crate::cluster::Database;

/// Duration of leases in these cases.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A database, a clock that the case moves, and one coordinator.
pub(crate) struct Lab {
    pub(crate) store: Arc<dyn CoordinatorStore>,
    clock: Arc<AtomicI64>,
    base: Base,
}

enum Base {
    Sqlite(TempDir),
    Postgres(Database),
}

/// A copy of the whole database.
pub(crate) enum Backup {
    Sqlite(PathBuf),
    Postgres(Database),
}

impl Lab {
    /// A new SQLite file.
    pub(crate) async fn sqlite() -> Self {
        Self::new(Base::Sqlite(tempfile::tempdir().unwrap())).await
    }

    /// This database, which is new.
    pub(crate) async fn postgres(database: Database) -> Self {
        Self::new(Base::Postgres(database)).await
    }

    async fn new(base: Base) -> Self {
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let store = open(&base, ClockSource::Given(Arc::clone(&clock)));
        store.migrate().await.unwrap();
        Self { store, clock, base }
    }

    /// Another coordinator on the same database.
    pub(crate) fn second(&self) -> Arc<dyn CoordinatorStore> {
        open(&self.base, ClockSource::Given(Arc::clone(&self.clock)))
    }

    /// One that goes by the database's own clock.
    pub(crate) fn with_real_clock(&self) -> Arc<dyn CoordinatorStore> {
        open(&self.base, ClockSource::Database)
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Moves the clock backwards.
    pub(crate) fn turn_back(&self, time: Duration) {
        self.clock.fetch_sub(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Lets time pass as under a living coordinator, which ticks every second.
    pub(crate) async fn live(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.pass(Duration::from_secs(1));
            self.store.tick().await.unwrap();
        }
    }

    /// A copy of the database as it is now.
    pub(crate) async fn backup(&self) -> Backup {
        match &self.base {
            Base::Sqlite(dir) => {
                let copy = dir.path().join(format!("backup-{}", Uuid::new_v4()));
                let from = rusqlite::Connection::open(dir.path().join("fleet.db")).unwrap();
                from.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
                Backup::Sqlite(copy)
            }
            Base::Postgres(database) => Backup::Postgres(database.copy().await),
        }
    }

    /// Puts a copy in the place of the database, and starts a coordinator on it.
    pub(crate) async fn restore(self, backup: &Backup) -> Self {
        let Self { store, clock, mut base } = self;
        drop(store);
        match (&mut base, backup) {
            (Base::Sqlite(dir), Backup::Sqlite(copy)) => {
                for rest in ["fleet.db-wal", "fleet.db-shm"] {
                    let _ = std::fs::remove_file(dir.path().join(rest));
                }
                let path = dir.path().join("fleet.db");
                std::fs::remove_file(&path).unwrap();
                std::fs::copy(copy, path).unwrap();
            }
            (Base::Postgres(database), Backup::Postgres(copy)) => *database = copy.clone(),
            _ => unreachable!("a backup of another database"),
        }
        let store = open(&base, ClockSource::Given(Arc::clone(&clock)));
        assert!(store.migrate().await.unwrap(), "it notices");
        Self { store, clock, base }
    }

    /// Submits a job of this name, which is its key too.
    pub(crate) async fn submit(&self, name: &str) -> FleetJob {
        created(self.store.submit(submission(name), None).await.unwrap())
    }

    /// Submits a job that names a lock.
    pub(crate) async fn submit_locked(&self, name: &str, lock: &str) -> FleetJob {
        let mut job = submission(name);
        job.terms.lock = Some(lock.to_owned());
        created(self.store.submit(job, None).await.unwrap())
    }

    /// The row of a job now.
    pub(crate) async fn row(&self, job: FleetJobId) -> FleetJob {
        self.store.job(job).await.unwrap().unwrap().value.job
    }

    /// Grants this job, which must be to be had.
    pub(crate) async fn grant(&self, factory: &str, job: FleetJobId) -> GrantedJob {
        let mut answer = claim(&self.store, factory, &[job]).await;
        assert!(!answer.repeated);
        assert_eq!(answer.grants.len(), 1, "{factory} does not get the job");
        answer.grants.remove(0)
    }
}

fn open(base: &Base, clock: ClockSource) -> Arc<dyn CoordinatorStore> {
    let timing = LeaseTiming::new(LEASE);
    match base {
        Base::Sqlite(dir) => {
            let path = dir.path().join("fleet.db");
            Arc::new(SqliteStore::open(&path, timing, clock).unwrap())
        }
        Base::Postgres(database) => {
            Arc::new(PostgresStore::new(&database.url(), timing, clock).unwrap())
        }
    }
}

/// A job of this name, which is its key too.
pub(crate) fn submission(name: &str) -> JobSubmission {
    let manifest = format!("---\nidempotency-key: {name}\n---\nDo {name}.\n");
    JobSubmission {
        id: FleetJobId::from(Uuid::now_v7()),
        world: JobNamespace::Fleet,
        key: Some(name.to_owned()),
        terms: SchedulingTerms {
            name: name.parse().unwrap(),
            body: BodyHash::of(&manifest),
            priority: Priority::Medium,
            lock: None,
            deps: Vec::new(),
            deps_mode: DepsMode::Hard,
            needs: Vec::new(),
        },
        item: None,
        manifest,
    }
}

/// The same key with another body.
pub(crate) fn rewritten(name: &str) -> JobSubmission {
    let manifest = format!("---\nidempotency-key: {name}\n---\nDo {name} well.\n");
    let mut job = submission(name);
    job.terms.body = BodyHash::of(&manifest);
    job.manifest = manifest;
    job
}

pub(crate) fn created(submitted: SubmitResult) -> FleetJob {
    match submitted {
        SubmitResult::Created(job) => job,
        other => panic!("not created: {other:?}"),
    }
}

pub(crate) fn factory(name: &str) -> FactoryId {
    name.parse().unwrap()
}

pub(crate) fn caller(name: &str, epoch: Epoch) -> LeaseHolder {
    LeaseHolder { factory: factory(name), epoch }
}

/// Plans these jobs, as they are now, for a claim of its own.
pub(crate) async fn plan(
    store: &Arc<dyn CoordinatorStore>,
    name: &str,
    jobs: &[FleetJobId],
) -> ClaimPlan {
    let rows = store.changes(ChangeCursor::default()).await.unwrap().jobs;
    let picks = jobs.iter().map(|id| {
        let row = rows.iter().find(|row| row.id == *id).expect("the job is among the changes");
        PlannedPick { job: *id, version: row.version }
    });
    ClaimPlan { factory: factory(name), request: RequestId::random(), picks: picks.collect() }
}

pub(crate) async fn claim(
    store: &Arc<dyn CoordinatorStore>,
    name: &str,
    jobs: &[FleetJobId],
) -> ClaimAnswer {
    let plan = plan(store, name, jobs).await;
    store.grant(vec![plan]).await.unwrap().remove(0)
}

pub(crate) fn report(name: &str, epoch: Epoch, seq: u64, stage: Stage) -> ReportRequest {
    ReportRequest {
        factory_id: factory(name),
        epoch,
        seq,
        stage,
        checkpoint: None,
        metrics: None,
        shadow: false,
        verdict: None,
    }
}

pub(crate) fn release(name: &str, epoch: Epoch, outcome: ReleaseOutcome) -> ReleaseRequest {
    ReleaseRequest { factory_id: factory(name), epoch, outcome, result: None, metrics: None }
}

pub(crate) fn beat(name: &str, leases: Vec<LeaseRef>) -> HeartbeatRow {
    HeartbeatRow { factory: factory(name), instance: "life-1".parse().unwrap(), free: 0, leases }
}

/// Beats for one job; the state of its lease.
pub(crate) async fn beat_one(
    store: &Arc<dyn CoordinatorStore>,
    name: &str,
    job_id: FleetJobId,
    epoch: Epoch,
) -> LeaseStand {
    let beat = beat(name, vec![LeaseRef { job_id, epoch }]);
    store.heartbeat(vec![beat]).await.unwrap().remove(0).leases.remove(0)
}

/// That a call was fenced, and by which epoch.
#[track_caller]
pub(crate) fn fenced<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Epoch {
    match answer {
        Err(StoreError::Refused(LedgerRefusal::Fenced(fenced))) => fenced.current,
        other => panic!("not fenced: {other:?}"),
    }
}
