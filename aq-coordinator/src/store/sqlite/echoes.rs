//! Updates for trackers, and the coordinator that sends them.

use std::time::Duration;

use aq_fleet::protocol::FleetJobId;
use aq_tracker::TrackerKind;
use rusqlite::{OptionalExtension, Row, params};

use super::session::SqliteTransaction;
use crate::store::columns::{count, number, word};
use crate::store::echoes::{NewsRow, tracker_text};
use crate::store::{DeliveryAck, PendingUpdates, SenderLease, StoreError};

impl SqliteTransaction<'_> {
    /// Notes the item that a job's file names. What another item got does not count for it.
    pub(crate) fn set_item(&self, id: FleetJobId, item: Option<&str>) -> Result<(), StoreError> {
        let sql = match item {
            Some(_) => {
                "INSERT INTO echoes (job, item) VALUES (?1, ?2) ON CONFLICT (job) DO UPDATE SET \
                 item = excluded.item, echoed = NULL, comment = NULL WHERE item <> excluded.item"
            }
            None => "DELETE FROM echoes WHERE job = ?1 AND ?2 IS NULL",
        };
        self.connection.prepare_cached(sql)?.execute(params![id.to_string(), item])?;
        Ok(())
    }

    pub(crate) fn news(
        &self,
        tracker: TrackerKind,
        after: u64,
        limit: u32,
    ) -> Result<PendingUpdates, StoreError> {
        let read: Option<i64> = self
            .connection
            .prepare_cached("SELECT read FROM turns WHERE tracker = ?1")?
            .query_row([tracker_text(tracker)], |row| row.get(0))
            .optional()?;
        let after = number(after).max(read.unwrap_or_default());
        let end: Option<i64> =
            self.connection.query_row("SELECT max(id) FROM feed", [], |row| row.get(0))?;
        // A cross join goes through the tables in this order.
        let mut query = self.connection.prepare_cached(
            "SELECT f.id, f.job, f.seq IS NOT NULL, f.kind, f.fields, e.item, e.echoed, e.comment \
             FROM feed f CROSS JOIN echoes e WHERE e.job = f.job AND f.id > ?1 AND (f.seq IS NOT \
             NULL OR f.stage = 'failed') ORDER BY f.id LIMIT ?2",
        )?;
        let rows = query.query_map(params![after, limit], |row| Ok(news_row(row)))?;
        let rows = rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
        let all = after.max(end.unwrap_or_default());
        PendingUpdates::of(rows, limit, count(all))
    }

    pub(crate) fn turn(
        &self,
        turn: SenderLease,
        time: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let mut take = self.connection.prepare_cached(
            "INSERT INTO turns (tracker, holder, until, read) VALUES (?1, ?2, ?3, 0) ON CONFLICT \
             (tracker) DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE \
             holder = excluded.holder OR until <= ?4 RETURNING read",
        )?;
        let until = self.now.plus(time).0;
        let values =
            params![tracker_text(turn.tracker), turn.holder.to_string(), until, self.now.0];
        let read: Option<i64> = take.query_row(values, |row| row.get(0)).optional()?;
        Ok(read.map(count))
    }

    pub(crate) fn told(&self, turn: SenderLease, told: &DeliveryAck) -> Result<bool, StoreError> {
        let mut goes_on = self.connection.prepare_cached(
            "UPDATE turns SET read = ?3 WHERE tracker = ?1 AND holder = ?2 AND read < ?3",
        )?;
        let (tracker, holder) = (tracker_text(turn.tracker), turn.holder.to_string());
        if goes_on.execute(params![tracker, holder, number(told.id)])? == 0 {
            return Ok(false);
        }
        if let Some(echoed) = told.echoed {
            let mut note = self.connection.prepare_cached(
                "UPDATE echoes SET echoed = ?3, comment = ?4 WHERE job = ?1 AND item = ?2",
            )?;
            let job = told.job.to_string();
            note.execute(params![job, told.item, echoed.folder(), told.comment])?;
        }
        Ok(true)
    }
}

fn news_row(row: &Row<'_>) -> Result<NewsRow, StoreError> {
    Ok(NewsRow {
        id: count(row.get(0)?),
        job: word("job", &row.get::<_, String>(1)?)?,
        is_hosts: row.get(2)?,
        kind: row.get(3)?,
        fields: row.get(4)?,
        item: row.get(5)?,
        echoed: row.get(6)?,
        comment: row.get(7)?,
    })
}
