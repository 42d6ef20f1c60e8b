//! Rows in and out, inside one transaction.

use std::cell::Cell;
use std::sync::LazyLock;

use aq_fleet::protocol::{Epoch, FactoryId, FleetJobId, InstanceId};
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use uuid::Uuid;

use super::file::DatabaseFile;
use crate::ledger::{DbTime, FleetJob, GrantRecord, LeaseTiming, history, notice};
use crate::store::StoreError;
use crate::store::columns::{COLUMNS, Columns, count, end_of, end_text, number, word};
use crate::store::table::assignments;
use crate::store::totals::{Added, failure};

/// A transaction, and the moment in which all of it happens.
#[derive(Debug)]
pub(crate) struct SqliteTransaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) now: DbTime,
    pub(crate) timing: LeaseTiming,
    /// The coordinator that this is.
    pub(crate) me: Uuid,
    pub(crate) file: &'a DatabaseFile,
    /// The tick to note beside the file after the commit.
    pub(crate) noted: &'a Cell<Option<(Uuid, DbTime)>>,
}

/// Writes all columns of a row that is there, the stamp and since when it has ended last.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let set = assignments(Columns::COLUMNS, |place, column| {
        (column.name != "seq").then(|| format!("?{}", place + 1))
    });
    let last = Columns::COLUMNS.len();
    format!(
        "UPDATE jobs SET {set}, stamp = ?{}, past_since = ?{} WHERE seq = ?1",
        last + 1,
        last + 2
    )
});

/// Writes a new row, in the same order.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let values: Vec<String> = (1..=Columns::COLUMNS.len() + 2).map(|n| format!("?{n}")).collect();
    format!("INSERT INTO jobs ({}, stamp, past_since) VALUES ({})", *COLUMNS, values.join(", "))
});

/// The columns of [`grant_of`].
pub(crate) const GRANT: &str = "job, epoch, factory, instance, request, started, ended, outcome";

impl SqliteTransaction<'_> {
    /// The row of a job.
    pub(crate) fn find(&self, id: FleetJobId) -> Result<Option<FleetJob>, StoreError> {
        let sql = format!("SELECT {} FROM jobs WHERE id = ?1", *COLUMNS);
        let mut query = self.connection.prepare_cached(&sql)?;
        query
            .query_row([id.to_string()], Columns::of_sqlite)
            .optional()?
            .map(FleetJob::try_from)
            .transpose()
    }

    /// The row of a job that has to be there.
    pub(crate) fn load(&self, id: FleetJobId) -> Result<FleetJob, StoreError> {
        self.find(id)?.ok_or(StoreError::NoSuchJob(id))
    }

    /// The rows that a condition picks, with what follows it in the query.
    pub(crate) fn select(
        &self,
        condition: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<FleetJob>, StoreError> {
        let sql = format!("SELECT {} FROM jobs WHERE {condition}", *COLUMNS);
        let mut query = self.connection.prepare_cached(&sql)?;
        let rows = query.query_map(values, Columns::of_sqlite)?;
        rows.map(|row| FleetJob::try_from(row?)).collect()
    }

    /// Whether no other job holds the lock that this one names.
    pub(crate) fn lock_free(&self, job: &FleetJob) -> Result<bool, StoreError> {
        let Some(lock) = &job.terms.lock else { return Ok(true) };
        let mut query = self
            .connection
            .prepare_cached("SELECT 1 FROM jobs WHERE held_lock = ?1 AND id <> ?2")?;
        Ok(!query.exists(params![lock, job.id.to_string()])?)
    }

    /// Writes a changed row with what the change means for grants and feed. Writes nothing when
    /// nothing has changed.
    pub(crate) fn save(&self, before: &FleetJob, after: &FleetJob) -> Result<(), StoreError> {
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
        self.write(&UPDATE, after)?;
        self.note(Some(before), after)
    }

    /// Writes a new row; its `seq` has to be unused.
    pub(crate) fn insert(&self, job: &FleetJob) -> Result<(), StoreError> {
        self.write(&INSERT, job)?;
        self.note(None, job)
    }

    fn write(&self, sql: &str, job: &FleetJob) -> Result<(), StoreError> {
        let stamp: i64 = self
            .connection
            .prepare_cached("UPDATE service SET stamp = stamp + 1 RETURNING stamp")?
            .query_row([], |row| row.get(0))?;
        let columns = Columns::from(job);
        let past = if job.stage.is_final() { Value::Integer(self.now.0) } else { Value::Null };
        let behind = [Value::Integer(stamp), past].map(ToSqlOutput::Owned);
        let values = columns.cells().into_iter().chain(behind);
        self.connection.prepare_cached(sql)?.execute(params_from_iter(values))?;
        Ok(())
    }

    /// Adds to the sums over all jobs.
    pub(crate) fn add(&self, added: &[Added]) -> Result<(), StoreError> {
        for (name, n) in added {
            let mut add = self.connection.prepare_cached(
                "INSERT INTO totals (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET \
                 value = min(value + excluded.value, 1 << 62)",
            )?;
            add.execute(params![name, n])?;
        }
        Ok(())
    }

    fn note(&self, before: Option<&FleetJob>, after: &FleetJob) -> Result<(), StoreError> {
        self.add(failure(before, after).as_slice())?;
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
