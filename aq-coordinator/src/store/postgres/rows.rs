//! Rows in and out.

use aq_fleet::protocol::{Epoch, FleetJobId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use super::tx::Tx;
use crate::ledger::{DbTime, GrantRecord, Job, history, notice};
use crate::store::StoreError;
use crate::store::columns::{COLUMNS, Columns, count, end_of, end_text, number, word};

/// The columns of [`grant_of`].
pub(crate) const GRANT: &str = "job, epoch, factory, instance, request, started, ended, outcome";

impl Tx<'_> {
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
        let values: [&(dyn ToSql + Sync); 18] = [
            &c.seq,
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
        ];
        let update = self.run(
            "UPDATE jobs SET stage = $2, result = $3, epoch = $4, factory = $5, instance = $6, \
             request = $7, started = $8, until = $9, last_seq = $10, hold = $11, held_lock = $12, \
             cancel = $13, attempts = $14, lost = $15, checkpoint = $16, version = $17, \
             stamp = $18 WHERE seq = $1",
            &values,
        );
        tokio::try_join!(biased; update, self.note(Some(before), after))?;
        Ok(())
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
        self.note(None, job).await
    }

    /// Both are sent before the first is answered.
    async fn note(&self, before: Option<&Job>, after: &Job) -> Result<(), Fault> {
        let feed = self.note_in_feed(before, after);
        tokio::try_join!(biased; self.note_in_history(before, after), feed)?;
        Ok(())
    }

    async fn note_in_history(&self, before: Option<&Job>, after: &Job) -> Result<(), Fault> {
        for grant in history(before, after, self.now) {
            self.run(
                "INSERT INTO grants (job, epoch, factory, instance, request, started, ended, \
                 outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (job, epoch) DO \
                 UPDATE SET ended = excluded.ended, outcome = excluded.outcome",
                &[
                    &grant.job.uuid(),
                    &number(grant.epoch.0),
                    &grant.factory.as_str(),
                    &grant.instance.as_ref().map(aq_fleet::protocol::InstanceId::as_str),
                    &grant.request.as_str(),
                    &grant.started.0,
                    &grant.ended.map(|ended| ended.0),
                    &grant.end.map(end_text),
                ],
            )
            .await?;
        }
        Ok(())
    }

    async fn note_in_feed(&self, before: Option<&Job>, after: &Job) -> Result<(), Fault> {
        if let Some(notice) = notice(before, after) {
            self.run(
                "INSERT INTO feed (id, at, kind, job, factory, epoch, stage, fields) VALUES ($1, \
                 $2, $3, $4, $5, $6, $7, '{}')",
                &[
                    &self.feed_id()?,
                    &self.now.0,
                    &notice.kind,
                    &notice.job.uuid(),
                    &notice.factory.as_ref().map(aq_fleet::protocol::FactoryId::as_str),
                    &notice.epoch.map(|epoch| number(epoch.0)),
                    &notice.stage.folder(),
                ],
            )
            .await?;
        }
        Ok(())
    }
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
