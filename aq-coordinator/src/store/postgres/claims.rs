//! Submitting and granting.

use std::collections::{BTreeSet, HashMap};

use aq_fleet::protocol::{FactoryId, FleetJobId, RequestId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::fault::TransactionFault;
use super::query::{OpeningQueries, SqlQuery};
use super::rows::job_of;
use super::tx::PostgresTransaction;
use crate::ledger::{
    ClaimingHost, FleetJob, GrantResult, JobNamespace, JobSubmission, ResubmitResult, ServiceState,
    grant, resubmit,
};
use crate::store::columns::{COLUMNS, Columns, count, number, word, world_text};
use crate::store::{ClaimAnswer, ClaimPlan, GrantedJob, StoreError, SubmitResult};

/// Where the manifest is, behind the columns of a job, and what else is known of a pick.
const MANIFEST: usize = Columns::COLUMNS.len();
const INSTANCE: usize = MANIFEST + 1;
const DRAINING: usize = MANIFEST + 2;
const ANSWERED: usize = MANIFEST + 3;

/// The rows, with their manifests, and locks that plans want, as far as they are to be had.
struct ClaimNeeds {
    jobs: HashMap<FleetJobId, (FleetJob, String)>,
    /// Nobody else takes one of these before the end of the transaction.
    free_locks: BTreeSet<String>,
}

impl PostgresTransaction {
    pub(crate) async fn submit(
        &self,
        submission: &JobSubmission,
        graph: Option<u64>,
    ) -> Result<SubmitResult, TransactionFault> {
        let key = submission.key();
        let world = world_text(&submission.world);
        // There is no row to lock yet when two submit a new key.
        self.run(
            "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 1))",
            &[&world, &key],
        )
        .await?;
        let there = self.select("world = $1 AND key = $2 FOR UPDATE", &[&world, &key]).await?;
        let found = there.into_iter().next().map(|job| (resubmit(&job, submission), job));
        let superseded = match found {
            Some((ResubmitResult::Same, job)) => {
                self.recall_text(&job, submission).await?;
                return Ok(SubmitResult::Same(job));
            }
            Some((ResubmitResult::Clash, job)) => return Ok(SubmitResult::Clash(job)),
            Some((ResubmitResult::Superseded(next), job)) => Some((job, next)),
            None => None,
        };
        if !submission.terms.deps.is_empty() && !self.extend_graph(graph).await? {
            return Ok(SubmitResult::GraphMoved);
        }
        let manifest = submission.manifest.as_bytes();
        if let Some((job, next)) = superseded {
            self.save(&job, &next).await?;
            let id = job.id.uuid();
            self.run("UPDATE manifests SET manifest = $2 WHERE job = $1", &[&id, &manifest])
                .await?;
            if job.world != JobNamespace::Fleet {
                // What was sent for the mirror before does not count for the new one.
                self.run("DELETE FROM reports WHERE job = $1 AND shadow", &[&id]).await?;
            }
            if job.world == JobNamespace::Fleet {
                self.set_item(job.id, submission.item.as_deref()).await?;
            }
            return Ok(SubmitResult::Superseded(*next));
        }
        let seq = self.one("SELECT nextval('jobs_seq')", &[]).await?;
        let mut job = submission.clone().into_job(count(seq.try_get(0)?), self.now);
        job.doubted = job.world == JobNamespace::Fleet && self.service.settles;
        self.insert(&job).await?;
        self.run(
            "INSERT INTO manifests (job, manifest) VALUES ($1, $2)",
            &[&job.id.uuid(), &manifest],
        )
        .await?;
        if job.world == JobNamespace::Fleet && submission.item.is_some() {
            self.set_item(job.id, submission.item.as_deref()).await?;
        }
        Ok(SubmitResult::Created(job))
    }

    /// Keeps the text of an ended job again that was forgotten, so that it can be requeued.
    async fn recall_text(
        &self,
        job: &FleetJob,
        submission: &JobSubmission,
    ) -> Result<(), TransactionFault> {
        if !job.stage.is_final() || job.terms.body != submission.terms.body {
            return Ok(());
        }
        let (id, manifest) = (job.id.uuid(), submission.manifest.as_bytes());
        let recall = "UPDATE manifests SET manifest = $2 WHERE job = $1 AND manifest = ''";
        if self.run(recall, &[&id, &manifest]).await? > 0 {
            let keep = "UPDATE jobs SET past_since = $2 WHERE id = $1";
            self.run(keep, &[&id, &self.now.0]).await?;
        }
        Ok(())
    }

    /// Makes the next version of the graph, if it is at `expected`.
    async fn extend_graph(&self, expected: Option<u64>) -> Result<bool, TransactionFault> {
        let sql = "UPDATE graph SET version = version + 1 WHERE version = coalesce($1, version)";
        Ok(self.run(sql, &[&expected.map(number)]).await? > 0)
    }

    /// What [`grant`](Self::grant) opens with: the claims, each answered by one at a time, wherever
    /// its copies arrive; and for each pick of each claim, or once for one without, who makes it
    /// and the row that it is to get. It locks what it can, and waits for nobody's rows: what
    /// others are busy with is left out.
    pub(crate) fn claimed(plans: &[ClaimPlan]) -> OpeningQueries {
        let turns = plans.iter().map(|plan| format!("{}/{}", plan.factory, plan.request)).collect();
        let mut factories = Vec::new();
        let mut requests = Vec::new();
        let mut jobs: Vec<Option<Uuid>> = Vec::new();
        for plan in plans {
            jobs.extend(plan.picks.iter().map(|pick| Some(pick.job.uuid())));
            if plan.picks.is_empty() {
                jobs.push(None);
            }
            factories.resize(jobs.len(), plan.factory.to_string());
            requests.resize(jobs.len(), plan.request.to_string());
        }
        // Each claim is looked up by itself: as a condition, the database would read all grants.
        let sql = format!(
            "SELECT picked.*, factories.instance, draining, earlier.found IS NOT NULL FROM \
             unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS claim (factory, \
             request, job, place) LEFT JOIN factories ON factories.id = claim.factory LEFT JOIN \
             LATERAL (SELECT 1 AS found FROM grants WHERE grants.request = claim.request AND \
             grants.factory = claim.factory LIMIT 1) AS earlier ON true LEFT JOIN LATERAL \
             (SELECT {}, (SELECT manifest FROM manifests WHERE job = jobs.id) FROM jobs WHERE id \
             = claim.job FOR UPDATE SKIP LOCKED) AS picked ON true ORDER BY place",
            *COLUMNS
        );
        let query = SqlQuery::new(sql).with(factories).with(requests).with(jobs);
        OpeningQueries { turns, queries: vec![query] }
    }

    pub(crate) async fn grant(
        &self,
        plans: &[ClaimPlan],
    ) -> Result<Vec<ClaimAnswer>, TransactionFault> {
        let service = self.alive().await?;
        let unasked = || StoreError::Broken("the claims were not asked for".to_owned());
        let rows = self.opened.first().ok_or_else(unasked)?;
        let mut wanted = self.want(rows).await?;
        // A copy of a claim may be in the same batch.
        let mut answered: HashMap<(&FactoryId, &RequestId), Vec<GrantedJob>> = HashMap::new();
        let mut changes = Vec::new();
        let mut answers = Vec::with_capacity(plans.len());
        let mut place = 0;
        for plan in plans {
            let claim = rows.get(place).ok_or_else(unasked)?;
            place += plan.picks.len().max(1);
            let name = (&plan.factory, &plan.request);
            let draining = claim.try_get::<_, Option<bool>>(DRAINING)?.unwrap_or_default();
            let answer = |grants, repeated| ClaimAnswer { grants, repeated, draining };
            if let Some(grants) = answered.get(&name) {
                answers.push(answer(grants.clone(), true));
                continue;
            }
            if claim.try_get(ANSWERED)? {
                let jobs = self.current(&plan.factory, &plan.request).await?;
                answers.push(answer(self.with_manifests(jobs).await?, true));
                continue;
            }
            if draining {
                answers.push(answer(Vec::new(), false));
                continue;
            }
            let instance: Option<&str> = claim.try_get(INSTANCE)?;
            let to = ClaimingHost {
                factory: plan.factory.clone(),
                instance: instance.map(|text| word("instance", text)).transpose()?,
                request: plan.request.clone(),
            };
            let grants = self.grant_plan(plan, &to, &service, &mut wanted, &mut changes);
            if !grants.is_empty() {
                answered.insert(name, grants.clone());
            }
            answers.push(answer(grants, false));
        }
        self.writes(&changes)?.into_iter().for_each(|write| self.last(write));
        Ok(answers)
    }

    /// What is to be had of the rows that were picked and of the locks that they name.
    async fn want(&self, rows: &[Row]) -> Result<ClaimNeeds, TransactionFault> {
        let mut jobs = HashMap::with_capacity(rows.len());
        for row in rows {
            if row.try_get::<_, Option<i64>>(0)?.is_none() {
                continue;
            }
            let job = job_of(row)?;
            jobs.insert(job.id, (job, manifest_of(row.try_get(MANIFEST)?)?));
        }
        let locks: BTreeSet<&str> =
            jobs.values().filter_map(|(job, _)| job.terms.lock.as_deref()).collect();
        let mut free_locks = BTreeSet::new();
        if !locks.is_empty() {
            let locks: Vec<&str> = locks.into_iter().collect();
            let sql = "SELECT text FROM unnest($1::text[]) AS text WHERE \
                       pg_try_advisory_xact_lock(hashtextextended(text, 0))";
            for row in self.all(sql, &[&locks]).await? {
                free_locks.insert(row.try_get(0)?);
            }
            // A statement of its own, to see what was committed before the locks were had.
            let sql = "SELECT held_lock FROM jobs WHERE held_lock IS NOT NULL AND md5(held_lock) = \
                       ANY(ARRAY(SELECT md5(text) FROM unnest($1::text[]) AS text))";
            for row in self.all(sql, &[&locks]).await? {
                free_locks.remove(row.try_get::<_, &str>(0)?);
            }
        }
        Ok(ClaimNeeds { jobs, free_locks })
    }

    /// What a plan comes to. What is to be written of it is added to `changes`.
    fn grant_plan(
        &self,
        plan: &ClaimPlan,
        to: &ClaimingHost,
        service: &ServiceState,
        wanted: &mut ClaimNeeds,
        changes: &mut Vec<(FleetJob, FleetJob)>,
    ) -> Vec<GrantedJob> {
        let mut granted = Vec::new();
        for pick in &plan.picks {
            let Some((job, _)) = wanted.jobs.get(&pick.job) else { continue };
            if job.version != pick.version {
                continue;
            }
            let lock = job.terms.lock.as_ref();
            let free = lock.is_none_or(|lock| wanted.free_locks.contains(lock));
            let granting = grant(job, to, self.now, self.timing.lease, service.epoch_floor, free);
            let Ok(granting) = granting else { continue };
            let Some((job, manifest)) = wanted.jobs.remove(&pick.job) else { continue };
            let next = match granting {
                GrantResult::Granted(next) => {
                    granted.push(self.granted_now(next.clone(), manifest));
                    next
                }
                GrantResult::GivenUp(next) => next,
            };
            if let Some(lock) = &next.held_lock {
                wanted.free_locks.remove(lock);
            }
            changes.push((job, next));
        }
        granted
    }

    pub(crate) async fn granted(
        &self,
        factory: &FactoryId,
        request: &RequestId,
    ) -> Result<Option<Vec<GrantedJob>>, TransactionFault> {
        let sql = "SELECT 1 FROM grants WHERE request = $1 AND factory = $2 LIMIT 1";
        if self.maybe(sql, &[&request.as_str(), &factory.as_str()]).await?.is_none() {
            return Ok(None);
        }
        let jobs = self.current(factory, request).await?;
        Ok(Some(self.with_manifests(jobs).await?))
    }

    /// What a claim has got and still holds.
    async fn current(
        &self,
        factory: &FactoryId,
        request: &RequestId,
    ) -> Result<Vec<FleetJob>, TransactionFault> {
        self.select(
            "id IN (SELECT job FROM grants WHERE request = $1 AND factory = $2) AND request = $1 \
             AND factory = $2 AND hold IN ('held', 'lapsed') ORDER BY seq",
            &[&request.as_str(), &factory.as_str()],
        )
        .await
    }

    async fn with_manifests(
        &self,
        jobs: Vec<FleetJob>,
    ) -> Result<Vec<GrantedJob>, TransactionFault> {
        let mut granted = Vec::with_capacity(jobs.len());
        for job in jobs {
            let sql = "SELECT manifest FROM manifests WHERE job = $1";
            let row = self.one(sql, &[&job.id.uuid()]).await?;
            granted.push(self.granted_now(job, manifest_of(row.try_get(0)?)?));
        }
        Ok(granted)
    }

    fn granted_now(&self, job: FleetJob, manifest: String) -> GrantedJob {
        let expires_in = job.granted_for(self.now, self.timing.lease);
        GrantedJob { job, manifest, expires_in }
    }
}

/// The text of a manifest.
pub(crate) fn manifest_of(bytes: Vec<u8>) -> Result<String, TransactionFault> {
    let text = String::from_utf8(bytes);
    Ok(text.map_err(|_| StoreError::Broken("a manifest is not UTF-8".to_owned()))?)
}
