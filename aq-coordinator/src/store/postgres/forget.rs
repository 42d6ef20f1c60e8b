//! Removal of data that is not kept for good, some of it at a time.

use std::time::Duration;

use uuid::Uuid;

use super::fault::TransactionFault;
use super::tx::PostgresTransaction;
use crate::store::forgetting::{
    EVENTS_AT_ONCE, ForgetReport, PAST_AT_ONCE, events_from, kept_from,
};

impl PostgresTransaction {
    /// Forgets pasts and hosts. What others are busy with is left for the next time.
    pub(crate) async fn forget(&self, keep: Duration) -> Result<ForgetReport, TransactionFault> {
        let from = kept_from(self.now, keep);
        let old = "SELECT id FROM jobs WHERE past_since < $1 ORDER BY past_since LIMIT $2 FOR \
                   UPDATE SKIP LOCKED";
        let rows = self.all(old, &[&from, &PAST_AT_ONCE]).await?;
        let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
        if !ids.is_empty() {
            for sql in [
                "DELETE FROM grants WHERE job = ANY($1)",
                "DELETE FROM reports WHERE job = ANY($1)",
                "UPDATE manifests SET manifest = '' WHERE job = ANY($1)",
                "UPDATE jobs SET past_since = NULL WHERE id = ANY($1)",
            ] {
                self.run(sql, &[&ids]).await?;
            }
        }
        // Without `draining`: a person's word is kept.
        let hosts = "DELETE FROM factories WHERE id IN (SELECT id FROM factories WHERE seen < $1 \
                     AND NOT draining AND NOT EXISTS (SELECT 1 FROM jobs WHERE factory = \
                     factories.id AND hold IN ('held', 'lapsed')) LIMIT $2 FOR UPDATE SKIP LOCKED)";
        let hosts = self.run(hosts, &[&from, &PAST_AT_ONCE]).await?;
        Ok(ForgetReport { jobs: ids.len(), hosts: some(hosts), events: 0 })
    }

    /// Forgets messages of the feed.
    pub(crate) async fn forget_events(
        &self,
        keep: Option<Duration>,
    ) -> Result<usize, TransactionFault> {
        let sql = "SELECT max(id), max(at) FROM (SELECT id, at FROM feed ORDER BY id LIMIT $2) AS \
                   oldest WHERE at < $1";
        let row = self.one(sql, &[&events_from(self.now, keep), &EVENTS_AT_ONCE]).await?;
        let Some(last) = row.try_get::<_, Option<i64>>(0)? else { return Ok(0) };
        let at: Option<i64> = row.try_get(1)?;
        let events = self.run("DELETE FROM feed WHERE id <= $1", &[&last]).await?;
        let note = "UPDATE service SET feed_gone = $1, feed_gone_at = $2 WHERE feed_gone < $1";
        self.run(note, &[&last, &at.unwrap_or_default()]).await?;
        Ok(some(events))
    }
}

fn some(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}
