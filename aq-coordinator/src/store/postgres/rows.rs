//! Rows in and out.

use aq_fleet::protocol::{Epoch, FleetJobId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use super::query::Query;
use super::tx::Tx;
use crate::ledger::{DbTime, GrantRecord, Job, Notice, history, notice};
use crate::store::StoreError;
use crate::store::columns::{COLUMNS, Columns, count, end_of, end_text, number, word};

/// The columns of [`grant_of`].
pub(crate) const GRANT: &str = "job, epoch, factory, instance, request, started, ended, outcome";

impl Tx {
    /// The row of a job, locked until the end of the transaction.
    pub(crate) async fn load(&self, id: FleetJobId) -> Result<Job, Fault> {
        let jobs = self.select("id = $1 FOR UPDATE", &[&id.uuid()]).await?;
        Ok(jobs.into_iter().next().ok_or(StoreError::NoSuchJob(id))?)
    }

    /// The rows that a condition picks, with what follows it in the query.
    pub(crate) async fn select(
        &self,
        condition: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Job>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE {condition}");
        self.all(&sql, values).await?.iter().map(job_of).collect()
    }

    /// Whether no other job holds the lock that this one names. Nobody else takes it before the end
    /// of the transaction.
    pub(crate) async fn lock_free(&self, job: &Job) -> Result<bool, Fault> {
        let Some(lock) = &job.terms.lock else { return Ok(true) };
        self.run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[lock]).await?;
        // A statement of its own, to see what the one before has waited for.
        let sql = "SELECT 1 FROM jobs WHERE md5(held_lock) = md5($1) AND id <> $2";
        Ok(self.maybe(sql, &[lock, &job.id.uuid()]).await?.is_none())
    }

    /// Writes a changed row with what the change means for grants and feed. Writes nothing when
    /// nothing has changed.
    pub(crate) async fn save(&self, before: &Job, after: &Job) -> Result<(), Fault> {
        if before == after {
            return Ok(());
        }
        let c = Columns::from(after);
        if before.same_but_lease(after) {
            self.run("UPDATE jobs SET until = $2 WHERE seq = $1", &[&c.seq, &c.until]).await?;
            return Ok(());
        }
        if before.terms != after.terms {
            self.run(
                "UPDATE jobs SET name = $2, body = $3, priority = $4, lock = $5, deps = $6, \
                 deps_mode = $7, needs = $8 WHERE seq = $1",
                &[&c.seq, &c.name, &c.body, &c.priority, &c.lock, &c.deps, &c.deps_mode, &c.needs],
            )
            .await?;
        }
        if let Some(write) = self.writes(&[(before.clone(), after.clone())])? {
            self.run(&write.sql, &write.values()).await?;
        }
        Ok(())
    }

    /// What writes many rows whose terms stay as they are, with what the changes mean for grants and
    /// feed.
    pub(crate) fn writes(&self, changes: &[(Job, Job)]) -> Result<Option<Query>, Fault> {
        if changes.is_empty() {
            return Ok(None);
        }
        let mut writes = vec![self.update(changes)];
        let records = changes
            .iter()
            .flat_map(|(before, after)| history(Some(before), after, self.now))
            .collect::<Vec<_>>();
        if !records.is_empty() {
            writes.push(upsert(&records));
        }
        let notices: Vec<Notice> =
            changes.iter().filter_map(|(before, after)| notice(Some(before), after)).collect();
        writes.extend(self.tell(&notices)?);
        Ok(Query::together(writes))
    }

    fn update(&self, changes: &[(Job, Job)]) -> Query {
        let rows: Vec<Columns> = changes.iter().map(|(_, after)| Columns::from(after)).collect();
        let stamps = vec![self.stamp; rows.len()];
        // The columns that change, in the order of the table.
        Query::new(
            "UPDATE jobs SET stage = new.stage, result = new.result, epoch = new.epoch, factory = \
             new.factory, instance = new.instance, request = new.request, started = new.started, \
             until = new.until, last_seq = new.last_seq, hold = new.hold, held_lock = \
             new.held_lock, cancel = new.cancel, attempts = new.attempts, lost = new.lost, \
             checkpoint = new.checkpoint, version = new.version, stamp = new.stamp FROM \
             unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
             $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::text[], \
             $13::boolean[], $14::bigint[], $15::bigint[], $16::text[], $17::bigint[], \
             $18::bigint[]) AS new (seq, stage, result, epoch, factory, instance, request, started, \
             until, last_seq, hold, held_lock, cancel, attempts, lost, checkpoint, version, stamp) \
             WHERE jobs.seq = new.seq",
        )
        .with(each(&rows, |c| c.seq))
        .with(each(&rows, |c| c.stage.clone()))
        .with(each(&rows, |c| c.result.clone()))
        .with(each(&rows, |c| c.epoch))
        .with(each(&rows, |c| c.factory.clone()))
        .with(each(&rows, |c| c.instance.clone()))
        .with(each(&rows, |c| c.request.clone()))
        .with(each(&rows, |c| c.started))
        .with(each(&rows, |c| c.until))
        .with(each(&rows, |c| c.last_seq))
        .with(each(&rows, |c| c.hold.clone()))
        .with(each(&rows, |c| c.held_lock.clone()))
        .with(each(&rows, |c| c.cancel))
        .with(each(&rows, |c| c.attempts))
        .with(each(&rows, |c| c.lost))
        .with(each(&rows, |c| c.checkpoint.clone()))
        .with(each(&rows, |c| c.version))
        .with(stamps)
    }

    /// Writes a new row.
    pub(crate) async fn insert(&self, job: &Job) -> Result<(), Fault> {
        let sql = format!(
            "INSERT INTO jobs ({COLUMNS}, stamp) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
             $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, \
             $28, $29)"
        );
        let c = Columns::from(job);
        self.run(
            &sql,
            &[
                &c.seq,
                &c.id,
                &c.world,
                &c.key,
                &c.name,
                &c.body,
                &c.priority,
                &c.lock,
                &c.deps,
                &c.deps_mode,
                &c.needs,
                &c.submitted_at,
                &c.stage,
                &c.result,
                &c.epoch,
                &c.factory,
                &c.instance,
                &c.request,
                &c.started,
                &c.until,
                &c.last_seq,
                &c.hold,
                &c.held_lock,
                &c.cancel,
                &c.attempts,
                &c.lost,
                &c.checkpoint,
                &c.version,
                &self.stamp,
            ],
        )
        .await?;
        if let Some(write) = self.tell(notice(None, job).as_slice())? {
            self.run(&write.sql, &write.values()).await?;
        }
        Ok(())
    }

    /// What writes messages of the feed.
    fn tell(&self, notices: &[Notice]) -> Result<Option<Query>, Fault> {
        if notices.is_empty() {
            return Ok(None);
        }
        let mut ids = Vec::with_capacity(notices.len());
        for _ in notices {
            ids.push(self.feed_id()?);
        }
        let query = Query::new(
            "INSERT INTO feed (id, at, kind, job, factory, epoch, stage, fields) SELECT id, $2, kind, \
             job, factory, epoch, stage, '{}' FROM unnest($1::bigint[], $3::text[], $4::uuid[], \
             $5::text[], $6::bigint[], $7::text[]) AS new (id, kind, job, factory, epoch, stage)",
        )
        .with(ids)
        .with(self.now.0)
        .with(each(notices, |n| n.kind))
        .with(each(notices, |n| n.job.uuid()))
        .with(each(notices, |n| n.factory.as_ref().map(ToString::to_string)))
        .with(each(notices, |n| n.epoch.map(|epoch| number(epoch.0))))
        .with(each(notices, |n| n.stage.folder()));
        Ok(Some(query))
    }
}

/// What writes grants that begin or end.
fn upsert(records: &[GrantRecord]) -> Query {
    Query::new(
        "INSERT INTO grants (job, epoch, factory, instance, request, started, ended, outcome) SELECT \
         * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], \
         $7::bigint[], $8::text[]) ON CONFLICT (job, epoch) DO UPDATE SET ended = excluded.ended, \
         outcome = excluded.outcome",
    )
    .with(each(records, |r| r.job.uuid()))
    .with(each(records, |r| number(r.epoch.0)))
    .with(each(records, |r| r.factory.to_string()))
    .with(each(records, |r| r.instance.as_ref().map(ToString::to_string)))
    .with(each(records, |r| r.request.to_string()))
    .with(each(records, |r| r.started.0))
    .with(each(records, |r| r.ended.map(|ended| ended.0)))
    .with(each(records, |r| r.end.map(end_text)))
}

/// One column of many rows.
fn each<R, V>(rows: &[R], of: impl Fn(&R) -> V) -> Vec<V> {
    rows.iter().map(of).collect()
}

/// A row in the order of [`COLUMNS`].
pub(crate) fn job_of(row: &Row) -> Result<Job, Fault> {
    let columns = Columns {
        seq: row.try_get(0)?,
        id: row.try_get(1)?,
        world: row.try_get(2)?,
        key: row.try_get(3)?,
        name: row.try_get(4)?,
        body: row.try_get(5)?,
        priority: row.try_get(6)?,
        lock: row.try_get(7)?,
        deps: row.try_get(8)?,
        deps_mode: row.try_get(9)?,
        needs: row.try_get(10)?,
        submitted_at: row.try_get(11)?,
        stage: row.try_get(12)?,
        result: row.try_get(13)?,
        epoch: row.try_get(14)?,
        factory: row.try_get(15)?,
        instance: row.try_get(16)?,
        request: row.try_get(17)?,
        started: row.try_get(18)?,
        until: row.try_get(19)?,
        last_seq: row.try_get(20)?,
        hold: row.try_get(21)?,
        held_lock: row.try_get(22)?,
        cancel: row.try_get(23)?,
        attempts: row.try_get(24)?,
        lost: row.try_get(25)?,
        checkpoint: row.try_get(26)?,
        version: row.try_get(27)?,
    };
    Ok(Job::try_from(columns)?)
}

/// A row in the order of [`GRANT`].
pub(crate) fn grant_of(row: &Row) -> Result<GrantRecord, Fault> {
    let instance: Option<&str> = row.try_get(3)?;
    let outcome: Option<&str> = row.try_get(7)?;
    Ok(GrantRecord {
        job: FleetJobId::from(row.try_get::<_, uuid::Uuid>(0)?),
        epoch: Epoch(count(row.try_get(1)?)),
        factory: word("factory", row.try_get(2)?)?,
        instance: instance.map(|text| word("instance", text)).transpose()?,
        request: word("request", row.try_get(4)?)?,
        started: DbTime(row.try_get(5)?),
        ended: row.try_get::<_, Option<i64>>(6)?.map(DbTime),
        end: outcome.map(end_of).transpose()?,
    })
}
