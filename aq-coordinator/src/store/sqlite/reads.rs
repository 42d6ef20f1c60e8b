//! What others look at.

use std::time::Duration;

use aq_fleet::protocol::{Epoch, FactoryId, FeedEvent, FleetJobId, LeaseRef, QueueDepth};
use rusqlite::{OptionalExtension, Row, ToSql, params};

use super::session::{GRANT, SqliteTransaction, grant_of, grant_row};
use crate::ledger::DbTime;
use crate::store::columns::{checkpoint_of, count, json, number, small, word, world_text};
use crate::store::forgetting::kept_from;
use crate::store::{
    ChangeCursor, ChangedRows, DatedAnswer, FactoryRow, FeedMessages, FleetNumbers, HostSlots,
    JobDetail, JobFilter, JobPage, JobTotals, ReportRecord, StoreError, tally,
};

/// How much of a job's past is shown.
const MOST: i64 = 1000;

impl SqliteTransaction<'_> {
    pub(crate) fn changes(&self, cursor: ChangeCursor) -> Result<ChangedRows, StoreError> {
        let (generation, stamp, graph): (String, i64, i64) = self.connection.query_row(
            "SELECT generation, stamp, graph FROM service",
            [],
            |row| row.try_into(),
        )?;
        let generation = word("generation", &generation)?;
        let reset = cursor.generation != generation;
        let from = if reset { 0 } else { cursor.stamp };
        let jobs = self.select("stamp > ?1 ORDER BY stamp", &[&from])?;
        Ok(ChangedRows {
            reset,
            jobs,
            cursor: ChangeCursor { generation, stamp },
            graph: count(graph),
        })
    }

    pub(crate) fn job(&self, id: FleetJobId) -> Result<Option<DatedAnswer<JobDetail>>, StoreError> {
        let Some(job) = self.find(id)? else { return Ok(None) };
        let text = id.to_string();
        let manifest = self.connection.query_row(
            "SELECT manifest FROM manifests WHERE job = ?1",
            [&text],
            |row| row.get(0),
        )?;
        let sql =
            format!("SELECT {GRANT} FROM grants WHERE job = ?1 ORDER BY epoch DESC LIMIT {MOST}");
        let mut query = self.connection.prepare_cached(&sql)?;
        let grants = query.query_map([&text], grant_row)?;
        let mut grants = grants.map(|row| grant_of(row?)).collect::<Result<Vec<_>, _>>()?;
        grants.reverse();
        let mut query = self.connection.prepare_cached(
            "SELECT factory, epoch, seq, shadow, stage, at, checkpoint, metrics, verdict FROM \
             reports WHERE job = ?1 ORDER BY at DESC, epoch DESC, seq DESC LIMIT ?2",
        )?;
        let reports = query.query_map(params![text, MOST], |row| Ok(report_of(row)))?;
        let mut reports = reports.map(|row| row?).collect::<Result<Vec<_>, _>>()?;
        reports.reverse();
        Ok(Some(DatedAnswer { now: self.now, value: JobDetail { job, manifest, grants, reports } }))
    }

    pub(crate) fn jobs(&self, filter: &JobFilter) -> Result<DatedAnswer<JobPage>, StoreError> {
        let world = filter.world.as_ref().map(world_text);
        let stage = filter.stage.map(|stage| stage.to_string());
        let factory = filter.factory.as_ref().map(FactoryId::as_str);
        let after = number(filter.after.unwrap_or_default());
        let last = filter.last_holder.as_ref().map(FactoryId::as_str);
        let values: [&dyn ToSql; 7] =
            [&after, &world, &stage, &factory, &filter.limit, &last, &filter.named];
        let jobs = self.select(
            "seq > ?1 AND (?2 IS NULL OR world = ?2) AND (?3 IS NULL OR stage = ?3) AND (?4 IS \
             NULL OR (factory = ?4 AND hold IN ('held', 'lapsed'))) AND (?6 IS NULL OR factory = \
             ?6) AND (?7 IS NULL OR key = ?7 OR name = ?7) ORDER BY seq LIMIT ?5",
            &values,
        )?;
        Ok(DatedAnswer { now: self.now, value: JobPage::of(jobs, filter.limit) })
    }

    pub(crate) fn factories(
        &self,
        after: Option<&FactoryId>,
        limit: u32,
    ) -> Result<DatedAnswer<Vec<FactoryRow>>, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, host, version, instance, capabilities, capacity, free, seen, draining \
             FROM factories WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let after = after.map_or("", FactoryId::as_str);
        let rows = query.query_map(params![after, limit], |row| Ok(factory_of(row)))?;
        let mut factories = rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
        for factory in &mut factories {
            factory.holds = self.holds(&factory.id)?;
        }
        Ok(DatedAnswer { now: self.now, value: factories })
    }

    fn holds(&self, factory: &FactoryId) -> Result<Vec<LeaseRef>, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, epoch FROM jobs WHERE factory = ?1 AND hold IN ('held', 'lapsed') ORDER BY \
             seq",
        )?;
        let rows = query
            .query_map([factory.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (id, epoch) = row?;
            Ok(LeaseRef { job_id: word("id", &id)?, epoch: Epoch(count(epoch)) })
        })
        .collect()
    }

    pub(crate) fn numbers(&self) -> Result<FleetNumbers, StoreError> {
        let one = |sql: &str, values: &[&dyn ToSql]| -> Result<Option<i64>, StoreError> {
            Ok(self.connection.prepare_cached(sql)?.query_row(values, |row| row.get(0))?)
        };
        let alive = self.now.0.saturating_sub_unsigned(self.timing.lease.as_millis() as u64);
        let factories =
            |since: i64| one("SELECT count(*) FROM factories WHERE seen >= ?1", &[&since]);
        let oldest =
            one("SELECT min(submitted_at) FROM jobs WHERE world = '' AND stage = 'inbox'", &[])?;
        let held = one("SELECT count(*) FROM jobs WHERE hold IN ('held', 'lapsed')", &[])?;
        let mut query = self.connection.prepare_cached(
            "SELECT stage, priority, count(*) FROM jobs WHERE world = '' GROUP BY stage, priority",
        )?;
        let depth = query.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })?;
        let depth = depth.map(|row| {
            let (stage, priority, jobs) = row?;
            let (stage, priority) = (word("stage", &stage)?, word("priority", &priority)?);
            Ok(QueueDepth { stage, priority, jobs: count(jobs) })
        });
        let depth = depth.collect::<Result<Vec<_>, StoreError>>()?;
        let mut query = self.connection.prepare_cached("SELECT verdict, told FROM verdicts")?;
        let told = query.query_map([], |row| row.try_into())?;
        let told = told.collect::<Result<Vec<(String, i64)>, _>>()?;
        let mut query = self.connection.prepare_cached(
            "SELECT id, capacity, free FROM factories WHERE seen >= ?1 ORDER BY id",
        )?;
        let slots = query.query_map([alive], |row| row.try_into())?;
        let slots = slots.map(|row| {
            let (id, capacity, free): (String, i64, i64) = row?;
            Ok(HostSlots::of(word("factories.id", &id)?, capacity, free))
        });
        let slots = slots.collect::<Result<_, StoreError>>()?;
        let mut query = self.connection.prepare_cached("SELECT name, value FROM totals")?;
        let totals = query.query_map([], |row| row.try_into())?;
        let totals = totals.collect::<Result<_, _>>()?;
        Ok(FleetNumbers {
            factories_alive: small(factories(alive)?.unwrap_or_default()),
            factories_known: small(factories(i64::MIN)?.unwrap_or_default()),
            depth,
            held: count(held.unwrap_or_default()),
            oldest_wait: oldest.map(|oldest| self.now.since(DbTime(oldest))),
            restored: one("SELECT restored FROM service", &[])?
                .map(|restored| self.now.since(DbTime(restored))),
            in_doubt: count(one("SELECT count(*) FROM jobs WHERE doubted", &[])?.unwrap_or(0)),
            agreement: tally(&told)?,
            slots,
            totals: JobTotals::of(totals)?,
        })
    }

    pub(crate) fn feed(&self, after: Option<u64>, limit: u32) -> Result<FeedMessages, StoreError> {
        let Some(after) = after else {
            let end: Option<i64> =
                self.connection.query_row("SELECT max(id) FROM feed", [], |row| row.get(0))?;
            let gone = self.feed_gone()?;
            return Ok(FeedMessages {
                next: count(end.unwrap_or_default()).max(gone),
                ..FeedMessages::default()
            });
        };
        let mut query = self.connection.prepare_cached(
            "SELECT f.id, f.kind, f.job, f.factory, f.epoch, f.stage, f.fields, f.at, j.name FROM \
             feed f LEFT JOIN jobs j ON j.id = f.job WHERE f.id > ?1 ORDER BY f.id LIMIT ?2",
        )?;
        let event = |row: &Row<'_>| Ok(event_of(row, self.now));
        let events = query.query_map(params![number(after), limit], event)?;
        let events = events.map(|row| row?).collect::<Result<Vec<_>, _>>()?;
        let next = events.last().map_or(after, |event: &FeedEvent| event.id);
        let gone = Some(self.feed_gone()?).filter(|&gone| gone > after);
        Ok(FeedMessages { events, next: next.max(gone.unwrap_or_default()), gone })
    }

    /// The last message that is older than so, kept or gone; 0 when none is.
    pub(crate) fn feed_before(&self, since: Duration) -> Result<u64, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT id FROM feed WHERE at < ?1 ORDER BY id DESC LIMIT 1")?;
        let from = kept_from(self.now, since);
        let last: Option<i64> = query.query_row([from], |row| row.get(0)).optional()?;
        if let Some(last) = last {
            return Ok(count(last));
        }
        let mut query = self
            .connection
            .prepare_cached("SELECT feed_gone FROM service WHERE feed_gone_at < ?1")?;
        let gone: Option<i64> = query.query_row([from], |row| row.get(0)).optional()?;
        Ok(count(gone.unwrap_or_default()))
    }

    fn feed_gone(&self) -> Result<u64, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT feed_gone FROM service")?;
        Ok(count(query.query_row([], |row| row.get(0))?))
    }
}

fn report_of(row: &Row<'_>) -> Result<ReportRecord, StoreError> {
    let text = |at| row.get::<_, Option<String>>(at);
    Ok(ReportRecord {
        factory: word("factory", &row.get::<_, String>(0)?)?,
        epoch: Epoch(count(row.get(1)?)),
        seq: count(row.get(2)?),
        shadow: row.get(3)?,
        stage: word("stage", &row.get::<_, String>(4)?)?,
        at: DbTime(row.get(5)?),
        checkpoint: checkpoint_of(text(6)?.as_deref())?,
        metrics: text(7)?.map(|text| json("metrics", &text)).transpose()?,
        verdict: text(8)?.map(|text| json("verdict", &text)).transpose()?,
    })
}

fn factory_of(row: &Row<'_>) -> Result<FactoryRow, StoreError> {
    let capabilities: Vec<String> = json("capabilities", &row.get::<_, String>(4)?)?;
    let capabilities = capabilities.iter().map(|token| word("capabilities", token));
    Ok(FactoryRow {
        id: word("id", &row.get::<_, String>(0)?)?,
        host: row.get(1)?,
        version: row.get(2)?,
        instance: word("instance", &row.get::<_, String>(3)?)?,
        capabilities: capabilities.collect::<Result<_, _>>()?,
        capacity: row.get(5)?,
        free: row.get(6)?,
        seen: DbTime(row.get(7)?),
        draining: row.get(8)?,
        holds: Vec::new(),
    })
}

fn event_of(row: &Row<'_>, now: DbTime) -> Result<FeedEvent, StoreError> {
    let text = |at| row.get::<_, Option<String>>(at);
    Ok(FeedEvent {
        id: count(row.get(0)?),
        kind: word("kind", &row.get::<_, String>(1)?)?,
        job_id: text(2)?.map(|text| word("job", &text)).transpose()?,
        factory_id: text(3)?.map(|text| word("factory", &text)).transpose()?,
        epoch: row.get::<_, Option<i64>>(4)?.map(|epoch| Epoch(count(epoch))),
        stage: text(5)?.map(|text| word("stage", &text)).transpose()?,
        fields: json("fields", &row.get::<_, String>(6)?)?,
        name: text(8)?.map(|text| word("name", &text)).transpose()?,
        ms_ago: Some(now.since(DbTime(row.get(7)?)).as_millis() as u64),
    })
}
