//! Submitting and granting.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aq_fleet::protocol::{FactoryId, FleetJobId, InstanceId, RequestId};
use futures_util::future::try_join_all;
use uuid::Uuid;

use super::fault::Fault;
use super::tx::Tx;
use crate::ledger::{
    Claimant, Granting, Job, Resubmission, Service, Submission, World, grant, resubmit,
};
use crate::store::columns::{count, number, word, world_text};
use crate::store::{ClaimAnswer, ClaimPlan, Granted, StoreError, Submitted};

/// The rows and locks that plans want, as far as they are to be had.
struct Wanted {
    jobs: HashMap<FleetJobId, Job>,
    /// Nobody else takes one of these before the end of the transaction.
    free_locks: BTreeSet<String>,
}

impl Tx<'_> {
    pub(crate) async fn submit(
        &self,
        submission: &Submission,
        graph: Option<u64>,
    ) -> Result<Submitted, Fault> {
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
            Some((Resubmission::Same, job)) => return Ok(Submitted::Same(job)),
            Some((Resubmission::Clash, job)) => return Ok(Submitted::Clash(job)),
            Some((Resubmission::Superseded(next), job)) => Some((job, next)),
            None => None,
        };
        if !submission.terms.deps.is_empty() && !self.extend_graph(graph).await? {
            return Ok(Submitted::GraphMoved);
        }
        let manifest = submission.manifest.as_bytes();
        if let Some((job, next)) = superseded {
            self.save(&job, &next).await?;
            let id = job.id.uuid();
            self.run("UPDATE manifests SET manifest = $2 WHERE job = $1", &[&id, &manifest])
                .await?;
            if job.world != World::Fleet {
                // What was told of the mirror before does not count for the new one.
                self.run("DELETE FROM reports WHERE job = $1 AND shadow", &[&id]).await?;
            }
            if job.world == World::Fleet {
                self.set_item(job.id, submission.item.as_deref()).await?;
            }
            return Ok(Submitted::Superseded(*next));
        }
        let seq = self.one("SELECT nextval('jobs_seq')", &[]).await?;
        let job = submission.clone().into_job(count(seq.try_get(0)?), self.now);
        self.insert(&job).await?;
        self.run(
            "INSERT INTO manifests (job, manifest) VALUES ($1, $2)",
            &[&job.id.uuid(), &manifest],
        )
        .await?;
        if job.world == World::Fleet && submission.item.is_some() {
            self.set_item(job.id, submission.item.as_deref()).await?;
        }
        Ok(Submitted::Created(job))
    }

    /// Makes the next version of the graph, if it is at `expected`.
    async fn extend_graph(&self, expected: Option<u64>) -> Result<bool, Fault> {
        let sql = "UPDATE graph SET version = version + 1 WHERE version = coalesce($1, version)";
        Ok(self.run(sql, &[&expected.map(number)]).await? > 0)
    }

    pub(crate) async fn grant(&self, plans: &[ClaimPlan]) -> Result<Vec<ClaimAnswer>, Fault> {
        let service = self.alive().await?;
        // Sent together and run in this order: a claim that was just answered by another coordinator
        // is seen, because that one has let go of it by then.
        let ((), instances, known, mut wanted) = tokio::try_join!(
            biased;
            self.lock_claims(plans),
            self.instances(plans),
            self.known_claims(plans),
            self.want(plans),
        )?;
        let mut changes = Vec::new();
        // A copy of a claim may be in the same batch.
        let mut answered: BTreeMap<(&FactoryId, &RequestId), Vec<Job>> = BTreeMap::new();
        let mut granted: Vec<Vec<Job>> = Vec::new();
        let mut repeated = Vec::new();
        for plan in plans {
            let name = (&plan.factory, &plan.request);
            if let Some(jobs) = answered.get(&name) {
                granted.push(jobs.clone());
                repeated.push(true);
                continue;
            }
            let is_known = known.contains(&(plan.factory.clone(), plan.request.clone()));
            let jobs = if is_known {
                self.current(&plan.factory, &plan.request).await?
            } else {
                let to = Claimant {
                    factory: plan.factory.clone(),
                    instance: instances.get(plan.factory.as_str()).cloned(),
                    request: plan.request.clone(),
                };
                self.grant_plan(plan, &to, &service, &mut wanted, &mut changes)
            };
            if !jobs.is_empty() {
                answered.insert(name, jobs.clone());
            }
            granted.push(jobs);
            repeated.push(is_known);
        }
        let saves = try_join_all(changes.iter().map(|(before, after)| self.save(before, after)));
        let (_, grants) = tokio::try_join!(saves, self.with_manifests(granted))?;
        let grants = grants.into_iter().zip(repeated);
        Ok(grants.map(|(grants, repeated)| ClaimAnswer { grants, repeated }).collect())
    }

    /// One claim is answered at a time, wherever its copies arrive. In order, so that two batches
    /// cannot wait for one another.
    async fn lock_claims(&self, plans: &[ClaimPlan]) -> Result<(), Fault> {
        let claims: Vec<String> =
            plans.iter().map(|plan| format!("{}/{}", plan.factory, plan.request)).collect();
        self.run(
            "SELECT pg_advisory_xact_lock(claim) FROM (SELECT DISTINCT hashtextextended(text, 2) \
             AS claim FROM unnest($1::text[]) AS text ORDER BY claim) AS claims",
            &[&claims],
        )
        .await?;
        Ok(())
    }

    async fn known_claims(
        &self,
        plans: &[ClaimPlan],
    ) -> Result<BTreeSet<(FactoryId, RequestId)>, Fault> {
        let requests: Vec<&str> = plans.iter().map(|plan| plan.request.as_str()).collect();
        let sql = "SELECT DISTINCT factory, request FROM grants WHERE request = ANY($1)";
        let rows = self.all(sql, &[&requests]).await?;
        rows.iter()
            .map(|row| Ok((word("factory", row.try_get(0)?)?, word("request", row.try_get(1)?)?)))
            .collect()
    }

    async fn instances(&self, plans: &[ClaimPlan]) -> Result<HashMap<String, InstanceId>, Fault> {
        let ids: Vec<&str> = plans.iter().map(|plan| plan.factory.as_str()).collect();
        let rows =
            self.all("SELECT id, instance FROM factories WHERE id = ANY($1)", &[&ids]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, word("instance", row.try_get(1)?)?))).collect()
    }

    /// Locks what plans want. Waits for nobody: what others are busy with is left out.
    async fn want(&self, plans: &[ClaimPlan]) -> Result<Wanted, Fault> {
        let ids: Vec<Uuid> =
            plans.iter().flat_map(|plan| &plan.picks).map(|pick| pick.job.uuid()).collect();
        let rows = if ids.is_empty() {
            Vec::new()
        } else {
            self.select("id = ANY($1) FOR UPDATE SKIP LOCKED", &[&ids]).await?
        };
        let locks: BTreeSet<&str> =
            rows.iter().filter_map(|job| job.terms.lock.as_deref()).collect();
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
        Ok(Wanted { jobs: rows.into_iter().map(|job| (job.id, job)).collect(), free_locks })
    }

    /// What a plan comes to. What is to be written of it is added to `changes`.
    fn grant_plan(
        &self,
        plan: &ClaimPlan,
        to: &Claimant,
        service: &Service,
        wanted: &mut Wanted,
        changes: &mut Vec<(Job, Job)>,
    ) -> Vec<Job> {
        let mut granted = Vec::new();
        for pick in &plan.picks {
            let Some(job) = wanted.jobs.get(&pick.job).filter(|job| job.version == pick.version)
            else {
                continue;
            };
            let lock = job.terms.lock.as_ref();
            let free = lock.is_none_or(|lock| wanted.free_locks.contains(lock));
            let next = match grant(job, to, self.now, self.timing.lease, service.epoch_floor, free)
            {
                Ok(Granting::Granted(next)) => {
                    granted.push(next.clone());
                    next
                }
                Ok(Granting::GivenUp(next)) => next,
                Err(_) => continue,
            };
            if let Some(lock) = &next.held_lock {
                wanted.free_locks.remove(lock);
            }
            changes.extend(wanted.jobs.remove(&pick.job).map(|job| (job, next)));
        }
        granted
    }

    pub(crate) async fn granted(
        &self,
        factory: &FactoryId,
        request: &RequestId,
    ) -> Result<Option<Vec<Granted>>, Fault> {
        let sql = "SELECT 1 FROM grants WHERE request = $1 AND factory = $2 LIMIT 1";
        if self.maybe(sql, &[&request.as_str(), &factory.as_str()]).await?.is_none() {
            return Ok(None);
        }
        let jobs = self.current(factory, request).await?;
        Ok(self.with_manifests(vec![jobs]).await?.pop())
    }

    /// What a claim has got and still holds.
    async fn current(&self, factory: &FactoryId, request: &RequestId) -> Result<Vec<Job>, Fault> {
        self.select(
            "id IN (SELECT job FROM grants WHERE request = $1 AND factory = $2) AND request = $1 \
             AND factory = $2 AND hold IN ('held', 'lapsed') ORDER BY seq",
            &[&request.as_str(), &factory.as_str()],
        )
        .await
    }

    async fn with_manifests(&self, granted: Vec<Vec<Job>>) -> Result<Vec<Vec<Granted>>, Fault> {
        let ids: Vec<Uuid> = granted.iter().flatten().map(|job| job.id.uuid()).collect();
        let mut manifests = HashMap::new();
        if !ids.is_empty() {
            let sql = "SELECT job, manifest FROM manifests WHERE job = ANY($1)";
            for row in self.all(sql, &[&ids]).await? {
                manifests.insert(row.try_get::<_, Uuid>(0)?, manifest_of(row.try_get(1)?)?);
            }
        }
        let with = |job: Job| {
            let manifest = manifests.get(&job.id.uuid()).cloned().unwrap_or_default();
            let expires_in = job.expires_in(self.now).unwrap_or_default();
            Granted { job, manifest, expires_in }
        };
        Ok(granted.into_iter().map(|jobs| jobs.into_iter().map(with).collect()).collect())
    }
}

/// The text of a manifest.
pub(crate) fn manifest_of(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes);
    Ok(text.map_err(|_| StoreError::Broken("a manifest is not UTF-8".to_owned()))?)
}
