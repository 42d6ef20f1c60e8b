//! Messages to trackers, and the coordinator that sends them.

use std::time::Duration;

use aq_fleet::protocol::FleetJobId;
use aq_tracker::TrackerKind;
use tokio_postgres::Row;
use uuid::Uuid;

use super::fault::TransactionFault;
use super::tx::PostgresTransaction;
use crate::store::columns::{count, number};
use crate::store::echoes::{NewsRow, tracker_text};
use crate::store::{DeliveryAck, PendingUpdates, SenderLease};

impl PostgresTransaction {
    /// Notes the item that a job's file names. What another item got does not count for it.
    pub(crate) async fn set_item(
        &self,
        id: FleetJobId,
        item: Option<&str>,
    ) -> Result<(), TransactionFault> {
        let id = id.uuid();
        match item {
            Some(item) => {
                let sql = "INSERT INTO echoes (job, item) VALUES ($1, $2) ON CONFLICT (job) DO \
                           UPDATE SET item = excluded.item, echoed = NULL, comment = NULL WHERE \
                           echoes.item <> excluded.item";
                self.run(sql, &[&id, &item]).await?;
            }
            None => _ = self.run("DELETE FROM echoes WHERE job = $1", &[&id]).await?,
        }
        Ok(())
    }

    pub(crate) async fn news(
        &self,
        tracker: TrackerKind,
        after: u64,
        limit: u32,
    ) -> Result<PendingUpdates, TransactionFault> {
        let sql = "SELECT read FROM turns WHERE tracker = $1";
        let read = self.maybe(sql, &[&tracker_text(tracker)]).await?;
        let read: Option<i64> = read.map(|row| row.try_get(0)).transpose()?;
        let after = number(after).max(read.unwrap_or_default());
        // Below this, no message will come any more.
        let end = self.feed_start();
        let rows = self
            .all(
                "SELECT f.id, f.job, f.seq IS NOT NULL, f.kind, f.fields, e.item, e.echoed, \
                 e.comment FROM feed f JOIN echoes e ON e.job = f.job WHERE f.id > $1 AND f.id < \
                 $2 AND (f.seq IS NOT NULL OR f.stage = 'failed') ORDER BY f.id LIMIT $3",
                &[&after, &end, &i64::from(limit)],
            )
            .await?;
        let rows = rows.iter().map(news_row).collect::<Result<Vec<_>, _>>()?;
        Ok(PendingUpdates::of(rows, limit, count(after.max(end - 1)))?)
    }

    pub(crate) async fn turn(
        &self,
        turn: SenderLease,
        time: Duration,
    ) -> Result<Option<u64>, TransactionFault> {
        let sql = "INSERT INTO turns (tracker, holder, until, read) VALUES ($1, $2, $3, 0) ON \
                   CONFLICT (tracker) DO UPDATE SET holder = excluded.holder, until = \
                   excluded.until WHERE turns.holder = excluded.holder OR turns.until <= $4 \
                   RETURNING read";
        let until = self.now.plus(time).0;
        let tracker = tracker_text(turn.tracker);
        let read = self.maybe(sql, &[&tracker, &turn.holder, &until, &self.now.0]).await?;
        Ok(read.map(|row| row.try_get(0)).transpose()?.map(count))
    }

    pub(crate) async fn told(
        &self,
        turn: SenderLease,
        told: &DeliveryAck,
    ) -> Result<bool, TransactionFault> {
        let sql = "UPDATE turns SET read = $3 WHERE tracker = $1 AND holder = $2 AND read < $3";
        let tracker = tracker_text(turn.tracker);
        if self.run(sql, &[&tracker, &turn.holder, &number(told.id)]).await? == 0 {
            return Ok(false);
        }
        if let Some(echoed) = told.echoed {
            self.run(
                "UPDATE echoes SET echoed = $3, comment = $4 WHERE job = $1 AND item = $2",
                &[&told.job.uuid(), &told.item, &echoed.folder(), &told.comment],
            )
            .await?;
        }
        Ok(true)
    }
}

fn news_row(row: &Row) -> Result<NewsRow, TransactionFault> {
    Ok(NewsRow {
        id: count(row.try_get(0)?),
        job: FleetJobId::from(row.try_get::<_, Uuid>(1)?),
        is_hosts: row.try_get(2)?,
        kind: row.try_get(3)?,
        fields: row.try_get(4)?,
        item: row.try_get(5)?,
        echoed: row.try_get(6)?,
        comment: row.try_get(7)?,
    })
}
