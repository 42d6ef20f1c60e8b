//! Rows in and out, inside one transaction.

use aq_fleet::protocol::{Epoch, FactoryId, FleetJobId, InstanceId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ledger::{DbTime, GrantRecord, Job, Timing, history, notice};
use crate::store::StoreError;
use crate::store::columns::{COLUMNS, Columns, count, end_of, end_text, number, word};

/// A transaction, and the moment in which all of it happens.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) now: DbTime,
    pub(crate) timing: Timing,
}

/// The columns of [`grant_of`].
pub(crate) const GRANT: &str = "job, epoch, factory, instance, request, started, ended, outcome";

impl Session<'_> {
    /// The row of a job.
    pub(crate) fn find(&self, id: FleetJobId) -> Result<Option<Job>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        query.query_row([id.to_string()], columns).optional()?.map(Job::try_from).transpose()
    }

    /// The row of a job that has to be there.
    pub(crate) fn load(&self, id: FleetJobId) -> Result<Job, StoreError> {
        self.find(id)?.ok_or(StoreError::NoSuchJob(id))
    }

    /// The rows that a condition picks, with what follows it in the query.
    pub(crate) fn select(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Job>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE {condition}");
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map(values, columns)?;
        rows.map(|row| Job::try_from(row?)).collect()
    }

    /// Whether no other job holds the lock that this one names.
    pub(crate) fn lock_free(&self, job: &Job) -> Result<bool, StoreError> {
        let Some(lock) = &job.terms.lock else { return Ok(true) };
        let mut query = self
            .connection
            .prepare_cached("SELECT 1 FROM jobs WHERE held_lock = ?1 AND id <> ?2")?;
        Ok(!query.exists(params![lock, job.id.to_string()])?)
    }

    /// Writes a changed row with what the change means for grants and feed. Writes nothing when
    /// nothing has changed.
    pub(crate) fn save(&self, before: &Job, after: &Job) -> Result<(), StoreError> {
        if before == after {
            return Ok(());
        }
        if before.same_but_lease(after) {
            let until = after.tenure.as_ref().map(|tenure| tenure.until.0);
            let mut renew =
                self.connection.prepare_cached("UPDATE jobs SET until = ?2 WHERE seq = ?1")?;
            renew.execute(params![number(after.seq), until])?;
            return Ok(());
        }
        self.write(
            "UPDATE jobs SET id = ?2, world = ?3, key = ?4, name = ?5, body = ?6, priority = ?7, \
             lock = ?8, deps = ?9, deps_mode = ?10, needs = ?11, submitted_at = ?12, stage = ?13, \
             result = ?14, epoch = ?15, factory = ?16, instance = ?17, request = ?18, \
             started = ?19, until = ?20, last_seq = ?21, hold = ?22, held_lock = ?23, \
             cancel = ?24, attempts = ?25, lost = ?26, checkpoint = ?27, version = ?28, \
             stamp = ?29 WHERE seq = ?1",
            after,
        )?;
        self.note(Some(before), after)
    }

    /// Writes a new row; its `seq` has to be unused.
    pub(crate) fn insert(&self, job: &Job) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO jobs ({COLUMNS}, stamp) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, \
             ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, \
             ?28, ?29)"
        );
        self.write(&sql, job)?;
        self.note(None, job)
    }

    fn write(&self, sql: &str, job: &Job) -> Result<(), StoreError> {
        let stamp: i64 = self
            .connection
            .prepare_cached("UPDATE service SET stamp = stamp + 1 RETURNING stamp")?
            .query_row([], |row| row.get(0))?;
        let c = Columns::from(job);
        self.connection.prepare_cached(sql)?.execute(params![
            c.seq,
            c.id.to_string(),
            c.world,
            c.key,
            c.name,
            c.body,
            c.priority,
            c.lock,
            c.deps,
            c.deps_mode,
            c.needs,
            c.submitted_at,
            c.stage,
            c.result,
            c.epoch,
            c.factory,
            c.instance,
            c.request,
            c.started,
            c.until,
            c.last_seq,
            c.hold,
            c.held_lock,
            c.cancel,
            c.attempts,
            c.lost,
            c.checkpoint,
            c.version,
            stamp
        ])?;
        Ok(())
    }

    fn note(&self, before: Option<&Job>, after: &Job) -> Result<(), StoreError> {
        for grant in history(before, after, self.now) {
            let mut upsert = self.connection.prepare_cached(
                "INSERT INTO grants (job, epoch, factory, instance, request, started, ended, \
                 outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (job, epoch) DO \
                 UPDATE SET ended = excluded.ended, outcome = excluded.outcome",
            )?;
            upsert.execute(params![
                grant.job.to_string(),
                number(grant.epoch.0),
                grant.factory.as_str(),
                grant.instance.as_ref().map(InstanceId::as_str),
                grant.request.as_str(),
                grant.started.0,
                grant.ended.map(|ended| ended.0),
                grant.end.map(end_text)
            ])?;
        }
        if let Some(notice) = notice(before, after) {
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO feed (at, kind, job, factory, epoch, stage, fields) VALUES (?1, ?2, \
                 ?3, ?4, ?5, ?6, '{}')",
            )?;
            insert.execute(params![
                self.now.0,
                notice.kind,
                notice.job.to_string(),
                notice.factory.as_ref().map(FactoryId::as_str),
                notice.epoch.map(|epoch| number(epoch.0)),
                notice.stage.to_string()
            ])?;
        }
        Ok(())
    }
}

/// A row in the order of [`COLUMNS`].
fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    let id: String = row.get(1)?;
    Ok(Columns {
        seq: row.get(0)?,
        id: id.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error))
        })?,
        world: row.get(2)?,
        key: row.get(3)?,
        name: row.get(4)?,
        body: row.get(5)?,
        priority: row.get(6)?,
        lock: row.get(7)?,
        deps: row.get(8)?,
        deps_mode: row.get(9)?,
        needs: row.get(10)?,
        submitted_at: row.get(11)?,
        stage: row.get(12)?,
        result: row.get(13)?,
        epoch: row.get(14)?,
        factory: row.get(15)?,
        instance: row.get(16)?,
        request: row.get(17)?,
        started: row.get(18)?,
        until: row.get(19)?,
        last_seq: row.get(20)?,
        hold: row.get(21)?,
        held_lock: row.get(22)?,
        cancel: row.get(23)?,
        attempts: row.get(24)?,
        lost: row.get(25)?,
        checkpoint: row.get(26)?,
        version: row.get(27)?,
    })
}

/// A row in the order of [`GRANT`], still as text where it can be wrong.
pub(crate) type GrantRow =
    (String, i64, String, Option<String>, String, i64, Option<i64>, Option<String>);

pub(crate) fn grant_row(row: &Row<'_>) -> rusqlite::Result<GrantRow> {
    row.try_into()
}

pub(crate) fn grant_of(row: GrantRow) -> Result<GrantRecord, StoreError> {
    let (job, epoch, factory, instance, request, started, ended, outcome) = row;
    Ok(GrantRecord {
        job: word("job", &job)?,
        epoch: Epoch(count(epoch)),
        factory: word("factory", &factory)?,
        instance: instance.as_deref().map(|text| word("instance", text)).transpose()?,
        request: word("request", &request)?,
        started: DbTime(started),
        ended: ended.map(DbTime),
        end: outcome.as_deref().map(end_of).transpose()?,
    })
}
