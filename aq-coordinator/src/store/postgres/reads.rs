//! Reads for others to look at.

use std::collections::HashMap;
use std::time::Duration;

use aq_fleet::protocol::{Epoch, FactoryId, FeedEvent, FleetJobId, LeaseRef, QueueDepth};
use tokio_postgres::Row;
use uuid::Uuid;

use super::claims::manifest_of;
use super::fault::TransactionFault;
use super::query::SqlQuery;
use super::rows::{GRANT, grant_of, job_of};
use super::tx::PostgresTransaction;
use crate::ledger::DbTime;
use crate::store::columns::{COLUMNS, checkpoint_of, count, json, number, small, word, world_text};
use crate::store::forgetting::kept_from;
use crate::store::{
    ChangeCursor, ChangedRows, DatedAnswer, FactoryRow, FeedMessages, FleetNumbers, HostSlots,
    JobDetail, JobFilter, JobPage, JobTotals, ReportRecord, StoreError, tally,
};

/// The part of a job's past that is shown.
const MOST: i64 = 1000;

impl PostgresTransaction {
    /// Rows of transactions that had not ended when the cursor was given have a stamp that is not
    /// smaller, so nothing is missed that was committed late.
    pub(crate) fn changed(cursor: ChangeCursor) -> Vec<SqlQuery> {
        // With both ends, it plans for few rows and keeps the plan.
        let sql = format!("SELECT {} FROM jobs WHERE stamp BETWEEN $1 AND {}", *COLUMNS, i64::MAX);
        vec![SqlQuery::new(sql).with(cursor.stamp), SqlQuery::new("SELECT version FROM graph")]
    }

    /// What [`changed`](Self::changed) has found.
    pub(crate) fn changes(&self, cursor: ChangeCursor) -> Result<ChangedRows, TransactionFault> {
        let [jobs, graph] = self.opened.as_slice() else {
            return Err(StoreError::Broken("the changes were not asked for".to_owned()).into());
        };
        let jobs = jobs.iter().map(job_of).collect::<Result<_, _>>()?;
        let graph = graph.first().map_or(Ok(0), |row| row.try_get(0))?;
        let reset = cursor.generation != self.generation;
        let cursor = ChangeCursor { generation: self.generation, stamp: self.stamp };
        Ok(ChangedRows { reset, jobs, cursor, graph: count(graph) })
    }

    pub(crate) async fn job(
        &self,
        id: FleetJobId,
    ) -> Result<Option<DatedAnswer<JobDetail>>, TransactionFault> {
        let id = id.uuid();
        let Some(job) = self.select("id = $1", &[&id]).await?.pop() else { return Ok(None) };
        let manifest = self.one("SELECT manifest FROM manifests WHERE job = $1", &[&id]).await?;
        let manifest = manifest_of(manifest.try_get(0)?)?;
        let sql =
            format!("SELECT {GRANT} FROM grants WHERE job = $1 ORDER BY epoch DESC LIMIT {MOST}");
        let grants = self.all(&sql, &[&id]).await?;
        let grants = grants.iter().rev().map(grant_of).collect::<Result<_, _>>()?;
        let sql = "SELECT factory, epoch, seq, shadow, stage, at, checkpoint, metrics, verdict \
                   FROM reports WHERE job = $1 ORDER BY at DESC, epoch DESC, seq DESC LIMIT $2";
        let reports = self.all(sql, &[&id, &MOST]).await?;
        let reports = reports.iter().rev().map(report_of).collect::<Result<_, _>>()?;
        Ok(Some(DatedAnswer { now: self.now, value: JobDetail { job, manifest, grants, reports } }))
    }

    pub(crate) async fn jobs(
        &self,
        filter: &JobFilter,
    ) -> Result<DatedAnswer<JobPage>, TransactionFault> {
        let world = filter.world.as_ref().map(world_text);
        let stage = filter.stage.map(aq_manifest::Stage::folder);
        let factory = filter.factory.as_ref().map(FactoryId::as_str);
        let after = number(filter.after.unwrap_or_default());
        let last = filter.last_holder.as_ref().map(FactoryId::as_str);
        let jobs = self
            .select(
                "seq > $1 AND ($2::text IS NULL OR world = $2) AND ($3::text IS NULL OR stage = \
                 $3) AND ($4::text IS NULL OR (factory = $4 AND hold IN ('held', \
                 'lapsed'))) AND ($6::text IS NULL OR factory = $6) AND ($7::text IS NULL OR key \
                 = $7 OR name = $7) ORDER BY seq LIMIT $5",
                &[&after, &world, &stage, &factory, &i64::from(filter.limit), &last, &filter.named],
            )
            .await?;
        Ok(DatedAnswer { now: self.now, value: JobPage::of(jobs, filter.limit) })
    }

    pub(crate) async fn factories(
        &self,
        after: Option<&FactoryId>,
        limit: u32,
    ) -> Result<DatedAnswer<Vec<FactoryRow>>, TransactionFault> {
        let after = after.map_or("", FactoryId::as_str);
        let rows = self
            .all(
                "SELECT id, host, version, instance, capabilities, capacity, free, seen, draining \
                 FROM factories WHERE id > $1 ORDER BY id LIMIT $2",
                &[&after, &i64::from(limit)],
            )
            .await?;
        let mut factories = rows.iter().map(factory_of).collect::<Result<Vec<_>, _>>()?;
        let ids: Vec<&str> = factories.iter().map(|factory| factory.id.as_str()).collect();
        let held = self
            .all(
                "SELECT factory, id, epoch FROM jobs WHERE factory = ANY($1) AND hold IN ('held', \
                 'lapsed') ORDER BY seq",
                &[&ids],
            )
            .await?;
        let mut holds: HashMap<String, Vec<LeaseRef>> = HashMap::new();
        for row in &held {
            let job_id = FleetJobId::from(row.try_get::<_, Uuid>(1)?);
            let epoch = Epoch(count(row.try_get(2)?));
            holds.entry(row.try_get(0)?).or_default().push(LeaseRef { job_id, epoch });
        }
        for factory in &mut factories {
            factory.holds = holds.remove(factory.id.as_str()).unwrap_or_default();
        }
        Ok(DatedAnswer { now: self.now, value: factories })
    }

    pub(crate) async fn numbers(&self) -> Result<FleetNumbers, TransactionFault> {
        let alive = self.now.0.saturating_sub_unsigned(self.timing.lease.as_millis() as u64);
        let row = self
            .one(
                "SELECT (SELECT count(*) FROM factories WHERE seen >= $1), (SELECT count(*) FROM \
                 factories), (SELECT count(*) FROM jobs WHERE hold IN ('held', 'lapsed')), (SELECT \
                 min(submitted_at) FROM jobs WHERE world = '' AND stage = 'inbox'), (SELECT \
                 count(*) FROM jobs WHERE doubted)",
                &[&alive],
            )
            .await?;
        let oldest: Option<i64> = row.try_get(3)?;
        let sql = "SELECT stage, priority, count(*) FROM jobs WHERE world = '' GROUP BY stage, \
                   priority ORDER BY stage, priority";
        let depth = self.all(sql, &[]).await?;
        let depth = depth.iter().map(|row| {
            let (stage, priority) = (row.try_get(0)?, row.try_get(1)?);
            Ok::<_, TransactionFault>(QueueDepth {
                stage: word("stage", stage)?,
                priority: word("priority", priority)?,
                jobs: count(row.try_get(2)?),
            })
        });
        let told = self.all("SELECT verdict, told FROM verdicts", &[]).await?;
        let told =
            told.iter().map(|row| Ok::<_, TransactionFault>((row.try_get(0)?, row.try_get(1)?)));
        let sql = "SELECT id, capacity, free FROM factories WHERE seen >= $1 ORDER BY id";
        let slots = self.all(sql, &[&alive]).await?;
        let slots = slots.iter().map(|row| {
            let id = word("factories.id", row.try_get(0)?)?;
            Ok::<_, TransactionFault>(HostSlots::of(id, row.try_get(1)?, row.try_get(2)?))
        });
        let sql =
            "SELECT name, least(sum(value), 1::bigint << 62)::bigint FROM totals GROUP BY name";
        let totals = self.all(sql, &[]).await?;
        let totals =
            totals.iter().map(|row| Ok::<_, TransactionFault>((row.try_get(0)?, row.try_get(1)?)));
        Ok(FleetNumbers {
            factories_alive: small(row.try_get(0)?),
            factories_known: small(row.try_get(1)?),
            depth: depth.collect::<Result<_, _>>()?,
            held: count(row.try_get(2)?),
            oldest_wait: oldest.map(|oldest| self.now.since(DbTime(oldest))),
            restored: self.service.restored.map(|restored| self.now.since(restored)),
            in_doubt: count(row.try_get(4)?),
            agreement: tally(&told.collect::<Result<Vec<_>, _>>()?)?,
            slots: slots.collect::<Result<_, _>>()?,
            totals: JobTotals::of(totals.collect::<Result<_, _>>()?)?,
        })
    }

    pub(crate) async fn feed(
        &self,
        after: Option<u64>,
        limit: u32,
    ) -> Result<FeedMessages, TransactionFault> {
        // Below this, no message will come any more.
        let end = self.feed_start();
        let Some(after) = after else {
            return Ok(FeedMessages { next: count(end - 1), ..FeedMessages::default() });
        };
        let rows = self
            .all(
                "SELECT f.id, f.kind, f.job, f.factory, f.epoch, f.stage, f.fields, f.at, j.name \
                 FROM feed f LEFT JOIN jobs j ON j.id = f.job WHERE f.id > $1 AND f.id < $2 ORDER \
                 BY f.id LIMIT $3",
                &[&number(after), &end, &i64::from(limit)],
            )
            .await?;
        let events =
            rows.iter().map(|row| event_of(row, self.now)).collect::<Result<Vec<_>, _>>()?;
        let next = events.last().map_or(after, |event| event.id);
        let gone = self.one("SELECT feed_gone FROM service", &[]).await?;
        let gone = Some(count(gone.try_get(0)?)).filter(|&gone| gone > after);
        Ok(FeedMessages { events, next: next.max(gone.unwrap_or_default()), gone })
    }

    /// The last message that is older than so, kept or gone; 0 when none is.
    pub(crate) async fn feed_before(&self, since: Duration) -> Result<u64, TransactionFault> {
        let sql = "SELECT id FROM feed WHERE at < $1 AND id < $2 ORDER BY id DESC LIMIT 1";
        let from = kept_from(self.now, since);
        let mut last = self.maybe(sql, &[&from, &self.feed_start()]).await?;
        if last.is_none() {
            let gone = "SELECT feed_gone FROM service WHERE feed_gone_at < $1";
            last = self.maybe(gone, &[&from]).await?;
        }
        Ok(last.map_or(Ok(0), |row| row.try_get(0).map(count))?)
    }
}

fn report_of(row: &Row) -> Result<ReportRecord, TransactionFault> {
    let metrics: Option<&str> = row.try_get(7)?;
    let verdict: Option<&str> = row.try_get(8)?;
    Ok(ReportRecord {
        factory: word("factory", row.try_get(0)?)?,
        epoch: Epoch(count(row.try_get(1)?)),
        seq: count(row.try_get(2)?),
        shadow: row.try_get(3)?,
        stage: word("stage", row.try_get(4)?)?,
        at: DbTime(row.try_get(5)?),
        checkpoint: checkpoint_of(row.try_get(6)?)?,
        metrics: metrics.map(|text| json("metrics", text)).transpose()?,
        verdict: verdict.map(|text| json("verdict", text)).transpose()?,
    })
}

fn factory_of(row: &Row) -> Result<FactoryRow, TransactionFault> {
    let capabilities: Vec<String> = json("capabilities", row.try_get(4)?)?;
    let capabilities = capabilities.iter().map(|token| word("capabilities", token));
    Ok(FactoryRow {
        id: word("id", row.try_get(0)?)?,
        host: row.try_get(1)?,
        version: row.try_get(2)?,
        instance: word("instance", row.try_get(3)?)?,
        capabilities: capabilities.collect::<Result<_, StoreError>>()?,
        capacity: small(row.try_get(5)?),
        free: small(row.try_get(6)?),
        seen: DbTime(row.try_get(7)?),
        draining: row.try_get(8)?,
        holds: Vec::new(),
    })
}

fn event_of(row: &Row, now: DbTime) -> Result<FeedEvent, TransactionFault> {
    let factory: Option<&str> = row.try_get(3)?;
    let stage: Option<&str> = row.try_get(5)?;
    let name: Option<&str> = row.try_get(8)?;
    Ok(FeedEvent {
        id: count(row.try_get(0)?),
        kind: word("kind", row.try_get(1)?)?,
        job_id: row.try_get::<_, Option<Uuid>>(2)?.map(FleetJobId::from),
        factory_id: factory.map(|text| word("factory", text)).transpose()?,
        epoch: row.try_get::<_, Option<i64>>(4)?.map(|epoch| Epoch(count(epoch))),
        stage: stage.map(|text| word("stage", text)).transpose()?,
        fields: json("fields", row.try_get(6)?)?,
        name: name.map(|text| word("name", text)).transpose()?,
        ms_ago: Some(now.since(DbTime(row.try_get(7)?)).as_millis() as u64),
    })
}
