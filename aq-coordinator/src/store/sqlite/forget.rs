//! Removal of data that is not kept for good, some of it at a time.

use std::time::Duration;

use super::session::SqliteTransaction;
use crate::store::StoreError;
use crate::store::forgetting::{
    EVENTS_AT_ONCE, ForgetReport, PAST_AT_ONCE, events_from, kept_from,
};

impl SqliteTransaction<'_> {
    pub(crate) fn forget(&self, keep: Option<Duration>) -> Result<ForgetReport, StoreError> {
        let events = self.forget_events(events_from(self.now, keep))?;
        let (mut jobs, mut hosts) = (0, 0);
        if let Some(keep) = keep {
            let from = kept_from(self.now, keep);
            jobs = self.forget_pasts(from)?;
            hosts = self.forget_hosts(from)?;
        }
        Ok(ForgetReport { jobs, hosts, events })
    }

    fn forget_pasts(&self, from: i64) -> Result<usize, StoreError> {
        let mut old = self.connection.prepare_cached(
            "SELECT id FROM jobs WHERE past_since < ?1 ORDER BY past_since LIMIT ?2",
        )?;
        let ids = old.query_map([from, PAST_AT_ONCE], |row| row.get(0))?;
        let ids = ids.collect::<Result<Vec<String>, _>>()?;
        for sql in [
            "DELETE FROM grants WHERE job = ?1",
            "DELETE FROM reports WHERE job = ?1",
            "UPDATE manifests SET manifest = '' WHERE job = ?1",
            "UPDATE jobs SET past_since = NULL WHERE id = ?1",
        ] {
            let mut forget = self.connection.prepare_cached(sql)?;
            for id in &ids {
                forget.execute([id])?;
            }
        }
        Ok(ids.len())
    }

    fn forget_hosts(&self, from: i64) -> Result<usize, StoreError> {
        // Without `draining`: a person's word is kept.
        let mut forget = self.connection.prepare_cached(
            "DELETE FROM factories WHERE id IN (SELECT id FROM factories WHERE seen < ?1 AND NOT \
             draining AND NOT EXISTS (SELECT 1 FROM jobs WHERE factory = factories.id AND hold IN \
             ('held', 'lapsed')) LIMIT ?2)",
        )?;
        Ok(forget.execute([from, PAST_AT_ONCE])?)
    }

    fn forget_events(&self, from: i64) -> Result<usize, StoreError> {
        let mut last = self.connection.prepare_cached(
            "SELECT max(id), max(at) FROM (SELECT id, at FROM feed ORDER BY id LIMIT ?2) WHERE at \
             < ?1",
        )?;
        let last = last.query_row([from, EVENTS_AT_ONCE], |row| row.try_into())?;
        let (Some(last), Some(at)): (Option<i64>, Option<i64>) = last else { return Ok(0) };
        let mut forget = self.connection.prepare_cached("DELETE FROM feed WHERE id <= ?1")?;
        let events = forget.execute([last])?;
        self.connection
            .prepare_cached(
                "UPDATE service SET feed_gone = ?1, feed_gone_at = ?2 WHERE feed_gone < ?1",
            )?
            .execute([last, at])?;
        Ok(events)
    }
}
