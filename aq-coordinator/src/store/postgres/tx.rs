//! A transaction with what nearly all of them read first.
//!
//! An exchange with the server costs more than most statements, so what does not need the answer of
//! another is sent together: the beginning with what it opens with, the last writes with the
//! commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use aq_fleet::protocol::Epoch;
use deadpool_postgres::{Client, Object};
use futures_util::future::try_join_all;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::fault::TransactionFault;
use super::query::{OpeningQueries, SqlQuery};
use crate::ledger::{DbTime, LeaseTiming, ServiceState};
use crate::store::StoreError;
use crate::store::columns::count;
use crate::store::totals::Added;

/// Messages of the feed in one transaction at most: their numbers have this many bits.
const FEED_BITS: u32 = 14;

/// The parts of each sum over all jobs: so many writers do not wait for one another.
const PARTS: i64 = 16;

/// The purpose of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionMode {
    /// It reads the schema itself, and no more is known.
    Schema,
    /// It sees one moment and writes nothing.
    Read,
    /// The same, and it reads no more than what it opens with: it has ended when it has begun.
    Glance,
    /// It writes.
    Write,
}

/// A transaction, and the moment in which all of it happens.
pub(crate) struct PostgresTransaction {
    /// `None` once it has ended.
    client: Option<Client>,
    pub(crate) now: DbTime,
    pub(crate) timing: LeaseTiming,
    /// The coordinator that this is.
    pub(crate) me: Uuid,
    /// The row about the coordinators as it is now, without a lock.
    pub(crate) service: ServiceState,
    pub(crate) generation: Uuid,
    /// That of this transaction; of a reading one, below which all others have ended.
    pub(crate) stamp: i64,
    /// The rows of what it has opened with.
    pub(crate) opened: Vec<Vec<Row>>,
    /// Statements that are written together with the commit.
    last: Mutex<Vec<SqlQuery>>,
    /// Additions of the commit to the sums over all jobs.
    added: Mutex<BTreeMap<String, i64>>,
    told: AtomicI64,
}

/// Milliseconds since 1970: the caller's, or the database's.
const NOW: &str = "coalesce($1::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)";

/// Below this, all transactions of this database have ended; of other databases of the server too,
/// but for those that are known by their ids. These write nothing here, however long they go on.
const ENDED: &str = "coalesce((SELECT min(id::text::bigint) FROM \
     pg_snapshot_xip(pg_current_snapshot()) AS id WHERE id::text::bigint & 4294967295 <> \
     ALL($2::bigint[])), pg_snapshot_xmax(pg_current_snapshot())::text::bigint)";

/// Locks names. The statement with it does not see what it has waited for; the next one does.
const TURNS: &str = ", (SELECT count(pg_advisory_xact_lock(hashtextextended(turn, 2))) FROM \
     unnest($2::text[]) AS turn)";

impl PostgresTransaction {
    /// Begins one, and asks `opening` at once. What locks there comes after the moment of `now`.
    pub(crate) async fn begin(
        client: Client,
        mode: TransactionMode,
        timing: LeaseTiming,
        me: Uuid,
        given: Option<DbTime>,
        elsewhere: &[i64],
        opening: &OpeningQueries,
    ) -> Result<Self, TransactionFault> {
        // In order, so that two transactions cannot wait for one another.
        let turns: Vec<&str> = opening.turns.iter().map(String::as_str).collect();
        let in_turn = if turns.is_empty() { "" } else { TURNS };
        let about = match mode {
            TransactionMode::Schema => format!("SELECT {NOW}{in_turn}"),
            TransactionMode::Read | TransactionMode::Glance => about(ENDED, ""),
            TransactionMode::Write => about("pg_current_xact_id()", in_turn),
        };
        let begin = match mode {
            TransactionMode::Read | TransactionMode::Glance => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            }
            TransactionMode::Schema | TransactionMode::Write => {
                "BEGIN ISOLATION LEVEL READ COMMITTED"
            }
        };
        let given = given.map(|now| now.0);
        let mut tx = Self {
            client: Some(client),
            now: DbTime(0),
            timing,
            me,
            service: ServiceState::new(DbTime(0)),
            generation: Uuid::nil(),
            stamp: 0,
            opened: Vec::new(),
            last: Mutex::new(Vec::new()),
            added: Mutex::default(),
            told: AtomicI64::new(0),
        };
        let client = tx.client()?;
        // Before anything is sent: who waits for a statement would be overtaken.
        let statement = client.prepare_cached(&about).await?;
        let statements = prepared(client, &opening.queries).await?;
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&given];
        if matches!(mode, TransactionMode::Read | TransactionMode::Glance) {
            values.push(&elsewhere);
        } else if !turns.is_empty() {
            values.push(&turns);
        }
        let ending = async {
            if mode == TransactionMode::Glance {
                client.batch_execute("COMMIT").await
            } else {
                Ok(())
            }
        };
        let (_, row, opened, ()) = tokio::try_join!(
            biased;
            client.batch_execute(begin),
            client.query_opt(&statement, &values),
            ask(client, &opening.queries, &statements),
            ending,
        )?;
        let row = row.ok_or_else(|| StoreError::Broken("the table service is empty".to_owned()))?;
        if mode == TransactionMode::Glance {
            // Back to the others.
            tx.client = None;
        }
        tx.opened = opened;
        tx.now = DbTime(row.try_get(0)?);
        if mode != TransactionMode::Schema {
            tx.stamp = row.try_get(1)?;
            tx.generation = row.try_get(2)?;
            tx.service = service_of(&row, 3)?;
        }
        Ok(tx)
    }

    fn client(&self) -> Result<&Client, TransactionFault> {
        let client = self.client.as_ref();
        client.ok_or_else(|| StoreError::Broken("the transaction has ended".to_owned()).into())
    }

    /// Leaves a write for the end. No statement of this transaction sees it.
    pub(crate) fn last(&self, query: SqlQuery) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).push(query);
    }

    /// Adds to the sums over all jobs, together with the commit: their rows are everybody's.
    pub(crate) fn add(&self, added: impl IntoIterator<Item = Added>) {
        let mut all = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, n) in added {
            *all.entry(name).or_default() += n;
        }
    }

    /// Writes the sums, in the order of their names, so that two transactions cannot wait for one
    /// another.
    fn sums(&mut self) -> Option<SqlQuery> {
        let added = self.added.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (names, values): (Vec<String>, Vec<i64>) = std::mem::take(added).into_iter().unzip();
        let query = SqlQuery::new(
            "INSERT INTO totals (name, part, value) SELECT name, $1, value FROM unnest($2::text[], \
             $3::bigint[]) AS new (name, value) ON CONFLICT (name, part) DO UPDATE SET value = \
             least(totals.value + excluded.value, 1::bigint << 58)",
        );
        let part = self.stamp % PARTS;
        (!names.is_empty()).then(|| query.with(part).with(names).with(values))
    }

    /// Writes what was left for the end, and commits.
    pub(crate) async fn commit(mut self) -> Result<(), TransactionFault> {
        let mut last = std::mem::take(self.last.get_mut().unwrap_or_else(PoisonError::into_inner));
        last.extend(self.sums());
        let Some(client) = &self.client else { return Ok(()) };
        let statements = prepared(client, &last).await?;
        // When a write fails, the server takes the commit for a rollback. When the connection
        // fails, nobody knows how far it came.
        let (_, ()) = tokio::try_join!(
            biased;
            async { ask(client, &last, &statements).await.map_err(TransactionFault::at_the_end) },
            async { client.batch_execute("COMMIT").await.map_err(TransactionFault::Commit) },
        )?;
        self.client = None;
        Ok(())
    }

    /// Ends it without a trace.
    pub(crate) async fn roll_back(mut self) {
        if let Some(client) = &self.client
            && client.batch_execute("ROLLBACK").await.is_ok()
        {
            self.client = None;
        }
    }

    /// Runs several statements that are part of the program.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), TransactionFault> {
        Ok(self.client()?.batch_execute(sql).await?)
    }

    /// The rows of a query.
    pub(crate) async fn all(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, TransactionFault> {
        let statement = self.client()?.prepare_cached(sql).await?;
        Ok(self.client()?.query(&statement, values).await?)
    }

    /// The row of a query that has one or none.
    pub(crate) async fn maybe(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, TransactionFault> {
        let statement = self.client()?.prepare_cached(sql).await?;
        Ok(self.client()?.query_opt(&statement, values).await?)
    }

    /// The row of a query that always has one.
    pub(crate) async fn one(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, TransactionFault> {
        let statement = self.client()?.prepare_cached(sql).await?;
        Ok(self.client()?.query_one(&statement, values).await?)
    }

    /// Runs a statement; how many rows it has changed.
    pub(crate) async fn run(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, TransactionFault> {
        let statement = self.client()?.prepare_cached(sql).await?;
        Ok(self.client()?.execute(&statement, values).await?)
    }

    /// The id of the next message of the feed. Messages are in the order of transactions, and a
    /// reader takes only those of transactions before which none is still at work.
    pub(crate) fn feed_id(&self) -> Result<i64, TransactionFault> {
        let place = self.told.fetch_add(1, Ordering::Relaxed);
        if place >> FEED_BITS != 0 {
            let most = 1 << FEED_BITS;
            let why = format!("more than {most} messages in one transaction");
            return Err(StoreError::Broken(why).into());
        }
        Ok(self.feed_start() + place)
    }

    /// The smallest id of a message of the transaction with this stamp.
    pub(crate) fn feed_start(&self) -> i64 {
        self.stamp << FEED_BITS
    }
}

impl Drop for PostgresTransaction {
    /// One that was given up half-way takes its connection with it: what it was asked is still on
    /// its way.
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

fn about(stamp: &str, in_turn: &str) -> String {
    format!(
        "SELECT {NOW}, {stamp}::text::bigint + stamp_base, generation, created, last_alive, \
         grace_until, epoch_floor, restored, settles, run_doubted{in_turn} FROM service"
    )
}

async fn prepared(
    client: &Client,
    queries: &[SqlQuery],
) -> Result<Vec<Statement>, tokio_postgres::Error> {
    let mut statements = Vec::with_capacity(queries.len());
    for query in queries {
        statements.push(client.prepare_cached(&query.sql).await?);
    }
    Ok(statements)
}

/// Sends all in this order, and then waits.
async fn ask(
    client: &Client,
    queries: &[SqlQuery],
    statements: &[Statement],
) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    try_join_all(
        queries
            .iter()
            .zip(statements)
            .map(async |(query, statement)| client.query(statement, &query.values()).await),
    )
    .await
}

/// The row about the coordinators, from this column on.
pub(crate) fn service_of(row: &Row, from: usize) -> Result<ServiceState, TransactionFault> {
    Ok(ServiceState {
        created: DbTime(row.try_get(from)?),
        last_alive: DbTime(row.try_get(from + 1)?),
        grace_until: DbTime(row.try_get(from + 2)?),
        epoch_floor: Epoch(count(row.try_get(from + 3)?)),
        restored: row.try_get::<_, Option<i64>>(from + 4)?.map(DbTime),
        settles: row.try_get(from + 5)?,
        run_doubted: row.try_get(from + 6)?,
    })
}
