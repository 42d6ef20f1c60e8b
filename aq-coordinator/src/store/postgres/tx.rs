//! A transaction with what nearly all of them read first.

use std::sync::atomic::{AtomicI64, Ordering};

use aq_fleet::protocol::Epoch;
use deadpool_postgres::{Client, Transaction};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::fault::Fault;
use crate::ledger::{DbTime, Service, Timing};
use crate::store::StoreError;
use crate::store::columns::count;

/// Messages of the feed in one transaction at most: their numbers have this many bits.
const FEED_BITS: u32 = 14;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It reads the schema itself, and no more is known.
    Schema,
    /// It sees one moment and writes nothing.
    Read,
    /// It writes.
    Write,
}

/// A transaction, and the moment in which all of it happens.
pub(crate) struct Tx<'c> {
    inner: Transaction<'c>,
    pub(crate) now: DbTime,
    pub(crate) timing: Timing,
    /// The row about the coordinators as it is now, without a lock.
    pub(crate) service: Service,
    pub(crate) generation: Uuid,
    /// That of this transaction; of a reading one, below which all others have ended.
    pub(crate) stamp: i64,
    told: AtomicI64,
}

/// Milliseconds since 1970: the caller's, or the database's.
const NOW: &str = "coalesce($1::bigint, (extract(epoch from clock_timestamp()) * 1000)::bigint)";

impl<'c> Tx<'c> {
    /// Begins one.
    pub(crate) async fn begin(
        client: &'c mut Client,
        mode: Mode,
        timing: Timing,
        given: Option<DbTime>,
    ) -> Result<Self, Fault> {
        let reads = mode == Mode::Read;
        let level =
            if reads { IsolationLevel::RepeatableRead } else { IsolationLevel::ReadCommitted };
        let inner =
            client.build_transaction().isolation_level(level).read_only(reads).start().await?;
        let given = given.map(|now| now.0);
        let mut tx = Self {
            inner,
            now: DbTime(0),
            timing,
            service: Service::new(DbTime(0)),
            generation: Uuid::nil(),
            stamp: 0,
            told: AtomicI64::new(0),
        };
        let xid = match mode {
            Mode::Schema => {
                let row = tx.one(&format!("SELECT {NOW}"), &[&given]).await?;
                tx.now = DbTime(row.try_get(0)?);
                return Ok(tx);
            }
            Mode::Read => "pg_snapshot_xmin(pg_current_snapshot())",
            Mode::Write => "pg_current_xact_id()",
        };
        let sql = format!(
            "SELECT {NOW}, {xid}::text::bigint + stamp_base, generation, created, last_alive, \
             grace_until, epoch_floor FROM service"
        );
        let row = tx.maybe(&sql, &[&given]).await?;
        let row = row.ok_or_else(|| StoreError::Broken("the table service is empty".to_owned()))?;
        tx.now = DbTime(row.try_get(0)?);
        tx.stamp = row.try_get(1)?;
        tx.generation = row.try_get(2)?;
        tx.service = service_of(&row, 3)?;
        Ok(tx)
    }

    pub(crate) async fn commit(self) -> Result<(), Fault> {
        self.inner.commit().await.map_err(Fault::Commit)
    }

    /// Runs several statements that are part of the program.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.inner.batch_execute(sql).await?)
    }

    /// The rows of a query.
    pub(crate) async fn all(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Fault> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.query(&statement, values).await?)
    }

    /// The row of a query that has one or none.
    pub(crate) async fn maybe(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Fault> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.query_opt(&statement, values).await?)
    }

    /// The row of a query that always has one.
    pub(crate) async fn one(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, Fault> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.query_one(&statement, values).await?)
    }

    /// Runs a statement; how many rows it has changed.
    pub(crate) async fn run(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Fault> {
        let statement = self.inner.prepare_cached(sql).await?;
        Ok(self.inner.execute(&statement, values).await?)
    }

    /// The id of the next message of the feed. Messages are in the order of transactions, and a reader
    /// takes only those of transactions before which none is still at work.
    pub(crate) fn feed_id(&self) -> Result<i64, Fault> {
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

/// The row about the coordinators, from this column on.
pub(crate) fn service_of(row: &Row, from: usize) -> Result<Service, Fault> {
    Ok(Service {
        created: DbTime(row.try_get(from)?),
        last_alive: DbTime(row.try_get(from + 1)?),
        grace_until: DbTime(row.try_get(from + 2)?),
        epoch_floor: Epoch(count(row.try_get(from + 3)?)),
    })
}
