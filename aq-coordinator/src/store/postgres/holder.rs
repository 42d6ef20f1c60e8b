//! Calls of a lease's host, and requests of a person.

use aq_fleet::protocol::{
    EndedFleetJob, EventsRequest, FactoryId, FleetJobId, RegisterRequest, ReleaseRequest,
    ReportRequest,
};
use aq_manifest::Stage;

use super::fault::TransactionFault;
use super::rows::{GRANT, grant_of};
use super::tx::PostgresTransaction;
use crate::ledger::{
    FleetJob, LeaseHolder, LedgerRefusal, ended, ended_before, may_post, release, remembered,
    report, report_shadow, requeue,
};
use crate::store::columns::{count, json_text, number};
use crate::store::totals::spent;
use crate::store::{DatedAnswer, RegistrationAnswer, StoreError, clean, fields_of};

impl PostgresTransaction {
    pub(crate) async fn report(
        &self,
        id: FleetJobId,
        said: &ReportRequest,
    ) -> Result<FleetJob, TransactionFault> {
        let job = self.load(id).await?;
        if said.shadow {
            return self.report_shadow(job, said).await;
        }
        let next = report(&job, said)?;
        if said.stage == Stage::Shipped && next != job && self.service.settles {
            return Err(StoreError::Settles.into());
        }
        if next != job {
            self.save(&job, &next).await?;
            self.keep_report(id, said).await?;
        }
        Ok(next)
    }

    async fn report_shadow(
        &self,
        job: FleetJob,
        said: &ReportRequest,
    ) -> Result<FleetJob, TransactionFault> {
        let sql = "SELECT max(seq) FROM reports WHERE job = $1 AND factory = $2 AND shadow";
        let latest = self.one(sql, &[&job.id.uuid(), &said.factory_id.as_str()]).await?;
        let latest: Option<i64> = latest.try_get(0)?;
        if latest.is_some_and(|latest| number(said.seq) <= latest) {
            return Ok(job);
        }
        self.keep_report(job.id, said).await?;
        if let Some(verdict) = &said.verdict {
            self.run(
                "INSERT INTO verdicts (verdict, told) VALUES ($1, 1) ON CONFLICT (verdict) DO \
                 UPDATE SET told = verdicts.told + 1",
                &[&json_text(verdict)],
            )
            .await?;
        }
        let next = report_shadow(&job, said);
        self.save(&job, &next).await?;
        Ok(next)
    }

    async fn keep_report(
        &self,
        id: FleetJobId,
        said: &ReportRequest,
    ) -> Result<(), TransactionFault> {
        self.run(
            "INSERT INTO reports (job, epoch, factory, shadow, seq, stage, at, checkpoint, \
             metrics, verdict) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO \
             NOTHING",
            &[
                &id.uuid(),
                &number(said.epoch.0),
                &said.factory_id.as_str(),
                &said.shadow,
                &number(said.seq),
                &said.stage.folder(),
                &self.now.0,
                &said.checkpoint.as_ref().map(json_text),
                &said.metrics.as_ref().map(json_text),
                &said.verdict.as_ref().map(json_text),
            ],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn release(
        &self,
        id: FleetJobId,
        said: &ReleaseRequest,
    ) -> Result<FleetJob, TransactionFault> {
        let job = self.load(id).await?;
        let epoch = number(said.epoch.0);
        let sql = format!("SELECT {GRANT} FROM grants WHERE job = $1 AND epoch = $2");
        let past = self.maybe(&sql, &[&id.uuid(), &epoch]).await?;
        let past = past.as_ref().map(grant_of).transpose()?;
        let next = release(&job, past.as_ref(), said)?;
        self.save(&job, &next).await?;
        if let Some(metrics) = &said.metrics {
            let sql = "UPDATE grants SET metrics = $3 WHERE job = $1 AND epoch = $2 AND metrics IS \
                       NULL";
            if self.run(sql, &[&id.uuid(), &epoch, &json_text(metrics)]).await? > 0 {
                self.add(spent(metrics));
            }
        }
        Ok(next)
    }

    pub(crate) async fn post(
        &self,
        id: FleetJobId,
        said: &EventsRequest,
    ) -> Result<usize, TransactionFault> {
        let job = self.load(id).await?;
        may_post(&job, &LeaseHolder { factory: said.factory_id.clone(), epoch: said.epoch })?;
        let mut new = 0;
        for event in &said.events {
            new += self
                .run(
                    "INSERT INTO feed (id, at, kind, job, factory, epoch, stage, seq, fields) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (job, epoch, seq) \
                     WHERE seq IS NOT NULL DO NOTHING",
                    &[
                        &self.feed_id()?,
                        &self.now.0,
                        &event.kind.as_str(),
                        &id.uuid(),
                        &said.factory_id.as_str(),
                        &number(said.epoch.0),
                        &job.stage.folder(),
                        &number(event.seq),
                        &json_text(&fields_of(event)),
                    ],
                )
                .await?;
        }
        Ok(usize::try_from(new).unwrap_or(usize::MAX))
    }

    pub(crate) async fn register(
        &self,
        id: &FactoryId,
        said: &RegisterRequest,
    ) -> Result<RegistrationAnswer, TransactionFault> {
        let capabilities: Vec<String> = said.capabilities.iter().map(ToString::to_string).collect();
        for ended in &said.ended {
            self.note_end(id, ended).await?;
        }
        let latest = said.ended.iter().map(|ended| ended.n).max().unwrap_or_default();
        let sql = "INSERT INTO factories (id, host, version, instance, capabilities, capacity, \
            free, seen, ended) VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8) ON CONFLICT (id) DO \
            UPDATE SET host = excluded.host, version = excluded.version, instance = \
            excluded.instance, capabilities = excluded.capabilities, capacity = \
            excluded.capacity, seen = excluded.seen, ended = greatest(factories.ended, \
            excluded.ended), stale = false RETURNING ended";
        let row = self
            .one(
                sql,
                &[
                    &id.as_str(),
                    &clean(&said.host),
                    &clean(&said.version),
                    &said.instance_id.as_str(),
                    &json_text(&capabilities),
                    &i64::from(said.capacity),
                    &self.now.0,
                    &number(latest),
                ],
            )
            .await?;
        Ok(RegistrationAnswer { database: self.database().await?, ended: count(row.try_get(0)?) })
    }

    /// Notes what a host says of a job that it has ended: it may have been forgotten.
    async fn note_end(&self, by: &FactoryId, said: &EndedFleetJob) -> Result<(), TransactionFault> {
        // Nobody submits the key meanwhile; see `submit`.
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended('/' || $1, 1))";
        self.run(sql, &[&said.key]).await?;
        let known = self.select("id = $1 FOR UPDATE", &[&said.job_id.uuid()]).await?.pop();
        if let Some(job) = known {
            return match ended(&job, by, said) {
                Some(next) => self.save(&job, &next).await,
                None => Ok(()),
            };
        }
        let again = self.select("world = '' AND key = $1 FOR UPDATE", &[&said.key]).await?.pop();
        if let Some(job) = again {
            return match ended_before(&job, said) {
                Some(next) => self.save(&job, &next).await,
                None => Ok(()),
            };
        }
        let seq = self.one("SELECT nextval('jobs_seq')", &[]).await?;
        let job = remembered(said.job_id, said, count(seq.try_get(0)?), self.now);
        let Some(job) = job else { return Ok(()) };
        self.insert(&job).await?;
        let sql = "INSERT INTO manifests (job, manifest) VALUES ($1, '')";
        self.run(sql, &[&job.id.uuid()]).await?;
        Ok(())
    }

    pub(crate) async fn drain(&self, id: &FactoryId, drain: bool) -> Result<(), TransactionFault> {
        let sql = "UPDATE factories SET draining = $2 WHERE id = $1";
        if self.run(sql, &[&id.as_str(), &drain]).await? == 0 {
            return Err(StoreError::NoSuchFactory(id.clone()).into());
        }
        Ok(())
    }

    /// Changes a job by a rule of the ledger.
    pub(crate) async fn change(
        &self,
        id: FleetJobId,
        rule: fn(&FleetJob) -> Result<FleetJob, LedgerRefusal>,
    ) -> Result<DatedAnswer<FleetJob>, TransactionFault> {
        let job = self.load(id).await?;
        let next = rule(&job)?;
        self.save(&job, &next).await?;
        Ok(DatedAnswer { now: self.now, value: next })
    }

    pub(crate) async fn requeue(
        &self,
        id: FleetJobId,
    ) -> Result<DatedAnswer<FleetJob>, TransactionFault> {
        let job = self.load(id).await?;
        // Behind the lock: it may have been forgotten just now.
        let kept = "SELECT 1 FROM manifests WHERE job = $1 AND manifest <> ''";
        let next = requeue(&job, self.maybe(kept, &[&id.uuid()]).await?.is_some())?;
        self.save(&job, &next).await?;
        Ok(DatedAnswer { now: self.now, value: next })
    }
}
