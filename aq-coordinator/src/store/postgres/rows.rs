//! Rows in and out.

use aq_fleet::protocol::{Epoch, FleetJobId};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::TransactionFault;
use super::query::SqlQuery;
use super::tx::PostgresTransaction;
use crate::ledger::{DbTime, FleetJob, GrantRecord, JobNotice, history, notice};
use crate::store::StoreError;
use crate::store::columns::{COLUMNS, Columns, count, end_of, end_text, number, word};
use crate::store::table::{ColumnGroup, TableColumn, assignments};
use crate::store::totals::failure;

/// The columns of [`grant_of`].
pub(crate) const GRANT: &str = "job, epoch, factory, instance, request, started, ended, outcome";

impl PostgresTransaction {
    /// The row of a job, locked until the end of the transaction.
    pub(crate) async fn load(&self, id: FleetJobId) -> Result<FleetJob, TransactionFault> {
        let jobs = self.select("id = $1 FOR UPDATE", &[&id.uuid()]).await?;
        Ok(jobs.into_iter().next().ok_or(StoreError::NoSuchJob(id))?)
    }

    /// The rows that a condition picks, with what follows it in the query.
    pub(crate) async fn select(
        &self,
        condition: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<FleetJob>, TransactionFault> {
        let sql = format!("SELECT {} FROM jobs WHERE {condition}", *COLUMNS);
        self.all(&sql, values).await?.iter().map(job_of).collect()
    }

    /// Whether no other job holds the lock that this one names. Nobody else takes it before the end
    /// of the transaction.
    pub(crate) async fn lock_free(&self, job: &FleetJob) -> Result<bool, TransactionFault> {
        let Some(lock) = &job.terms.lock else { return Ok(true) };
        self.run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[lock]).await?;
        // A statement of its own, to see what the one before has waited for.
        let sql = "SELECT 1 FROM jobs WHERE md5(held_lock) = md5($1) AND id <> $2";
        Ok(self.maybe(sql, &[lock, &job.id.uuid()]).await?.is_none())
    }

    /// Writes a changed row with what the change means for grants and feed. Writes nothing when
    /// nothing has changed.
    pub(crate) async fn save(
        &self,
        before: &FleetJob,
        after: &FleetJob,
    ) -> Result<(), TransactionFault> {
        if before == after {
            return Ok(());
        }
        let c = Columns::from(after);
        if before.same_but_lease(after) {
            self.run("UPDATE jobs SET until = $2 WHERE seq = $1", &[&c.seq, &c.until]).await?;
            return Ok(());
        }
        if before.terms != after.terms {
            let terms = update(&[c], ColumnGroup::Terms, None);
            self.run(&terms.sql, &terms.values()).await?;
        }
        if let Some(write) = self.writes(&[(before.clone(), after.clone())])? {
            self.run(&write.sql, &write.values()).await?;
        }
        Ok(())
    }

    /// What writes many rows whose terms stay as they are, with what the changes mean for grants
    /// and feed.
    pub(crate) fn writes(
        &self,
        changes: &[(FleetJob, FleetJob)],
    ) -> Result<Option<SqlQuery>, TransactionFault> {
        if changes.is_empty() {
            return Ok(None);
        }
        let rows: Vec<Columns> = changes.iter().map(|(_, after)| Columns::from(after)).collect();
        self.add(changes.iter().filter_map(|(before, after)| failure(Some(before), after)));
        let mut writes = vec![update(&rows, ColumnGroup::State, Some(self))];
        let records = changes
            .iter()
            .flat_map(|(before, after)| history(Some(before), after, self.now))
            .collect::<Vec<_>>();
        if !records.is_empty() {
            writes.push(upsert(&records));
        }
        let notices: Vec<JobNotice> =
            changes.iter().filter_map(|(before, after)| notice(Some(before), after)).collect();
        writes.extend(self.tell(&notices)?);
        Ok(SqlQuery::together(writes))
    }

    /// Writes a new row.
    pub(crate) async fn insert(&self, job: &FleetJob) -> Result<(), TransactionFault> {
        self.add(failure(None, job));
        let rows = [Columns::from(job)];
        let behind = Columns::COLUMNS.len();
        let sql = format!(
            "INSERT INTO jobs ({names}, stamp, past_since) SELECT *, ${}::bigint, ${}::bigint FROM \
             unnest({}) AS new ({names})",
            behind + 1,
            behind + 2,
            arrays_from(1, Columns::COLUMNS.iter()),
            names = *COLUMNS,
        );
        let values = Columns::arrays(&rows, |_| true);
        let past = job.stage.is_final().then_some(self.now.0);
        let insert = SqlQuery { sql, values }.with(self.stamp).with(past);
        self.run(&insert.sql, &insert.values()).await?;
        if let Some(write) = self.tell(notice(None, job).as_slice())? {
            self.run(&write.sql, &write.values()).await?;
        }
        Ok(())
    }

    /// What writes messages of the feed.
    fn tell(&self, notices: &[JobNotice]) -> Result<Option<SqlQuery>, TransactionFault> {
        if notices.is_empty() {
            return Ok(None);
        }
        let mut ids = Vec::with_capacity(notices.len());
        for _ in notices {
            ids.push(self.feed_id()?);
        }
        let query = SqlQuery::new(
            "INSERT INTO feed (id, at, kind, job, factory, epoch, stage, fields) SELECT id, $2, \
             kind, job, factory, epoch, stage, '{}' FROM unnest($1::bigint[], $3::text[], \
             $4::uuid[], $5::text[], $6::bigint[], $7::text[]) AS new (id, kind, job, factory, \
             epoch, stage)",
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

/// Writes one group of columns of rows that are there; by a transaction, with its stamp and since
/// when they have ended.
fn update(rows: &[Columns], group: ColumnGroup, by: Option<&PostgresTransaction>) -> SqlQuery {
    let columns = Columns::COLUMNS.iter().filter(|column| column.group == group);
    let mut set = assignments(Columns::COLUMNS, |_, column| {
        (column.group == group).then(|| format!("new.{}", column.name))
    });
    let arrays = arrays_from(2, columns.clone());
    let names: Vec<&str> = ["seq"].into_iter().chain(columns.map(|c| c.name)).collect();
    let mut values: Vec<Box<dyn ToSql + Send + Sync>> = vec![Box::new(each(rows, |c| c.seq))];
    values.extend(Columns::arrays(rows, |it| it == group));
    if let Some(tx) = by {
        values.push(Box::new(tx.stamp));
        values.push(Box::new(tx.now.0));
        let (now, stamp) = (values.len(), values.len() - 1);
        set += &format!(
            ", stamp = ${stamp}::bigint, past_since = CASE WHEN new.stage IN ('shipped', 'failed', \
             'quarantine') THEN ${now}::bigint END"
        );
    }
    let sql = format!(
        "UPDATE jobs SET {set} FROM unnest($1::bigint[], {arrays}) AS new ({}) WHERE jobs.seq = \
         new.seq",
        names.join(", ")
    );
    SqlQuery { sql, values }
}

/// `$1::text[], $2::bigint[]` for columns, from a number on.
fn arrays_from<'c>(from: usize, columns: impl Iterator<Item = &'c TableColumn>) -> String {
    let arrays = columns.zip(from..).map(|(column, n)| format!("${n}::{}[]", column.sql));
    arrays.collect::<Vec<_>>().join(", ")
}

/// What writes grants that begin or end.
fn upsert(records: &[GrantRecord]) -> SqlQuery {
    SqlQuery::new(
        "INSERT INTO grants (job, epoch, factory, instance, request, started, ended, \
         outcome) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], \
         $5::text[], $6::bigint[], $7::bigint[], $8::text[]) ON CONFLICT (job, epoch) DO UPDATE \
         SET ended = excluded.ended, outcome = excluded.outcome",
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

/// The row that begins with [`COLUMNS`].
pub(crate) fn job_of(row: &Row) -> Result<FleetJob, TransactionFault> {
    Ok(FleetJob::try_from(Columns::of_postgres(row)?)?)
}

/// A row in the order of [`GRANT`].
pub(crate) fn grant_of(row: &Row) -> Result<GrantRecord, TransactionFault> {
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
