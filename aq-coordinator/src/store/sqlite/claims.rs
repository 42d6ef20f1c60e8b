//! Submitting and granting.

use aq_fleet::protocol::{FactoryId, InstanceId, RequestId};
use rusqlite::{OptionalExtension, params};

use super::session::SqliteTransaction;
use crate::ledger::{
    ClaimingHost, FleetJob, GrantResult, JobNamespace, JobSubmission, ResubmitResult, ServiceState,
    grant, resubmit,
};
use crate::store::columns::{count, word, world_text};
use crate::store::{ClaimAnswer, ClaimPlan, GrantedJob, PlannedPick, StoreError, SubmitResult};

impl SqliteTransaction<'_> {
    pub(crate) fn submit(
        &self,
        submission: &JobSubmission,
        graph: Option<u64>,
    ) -> Result<SubmitResult, StoreError> {
        let key = submission.key();
        let there =
            self.select("world = ?1 AND key = ?2", &[&world_text(&submission.world), &key])?;
        let there = there.into_iter().next();
        match there.as_ref().map(|job| resubmit(job, submission)) {
            Some(ResubmitResult::Same) => {
                let job = kept(there)?;
                self.recall_text(&job, submission)?;
                return Ok(SubmitResult::Same(job));
            }
            Some(ResubmitResult::Clash) => return Ok(SubmitResult::Clash(kept(there)?)),
            Some(ResubmitResult::Superseded(_)) | None => {}
        }
        if !submission.terms.deps.is_empty() && !self.extend_graph(graph)? {
            return Ok(SubmitResult::GraphMoved);
        }
        if let Some(job) = there
            && let ResubmitResult::Superseded(next) = resubmit(&job, submission)
        {
            self.save(&job, &next)?;
            let id = job.id.to_string();
            self.connection.execute(
                "UPDATE manifests SET manifest = ?2 WHERE job = ?1",
                params![id, submission.manifest],
            )?;
            if job.world != JobNamespace::Fleet {
                // What was sent for the mirror before does not count for the new one.
                self.connection.execute("DELETE FROM reports WHERE job = ?1 AND shadow", [id])?;
            }
            if job.world == JobNamespace::Fleet {
                self.set_item(job.id, submission.item.as_deref())?;
            }
            return Ok(SubmitResult::Superseded(*next));
        }
        let mut job = submission.clone().into_job(self.next_seq()?, self.now);
        job.doubted = job.world == JobNamespace::Fleet && self.settles()?;
        self.insert(&job)?;
        self.connection
            .prepare_cached("INSERT INTO manifests (job, manifest) VALUES (?1, ?2)")?
            .execute(params![job.id.to_string(), submission.manifest])?;
        if job.world == JobNamespace::Fleet && submission.item.is_some() {
            self.set_item(job.id, submission.item.as_deref())?;
        }
        Ok(SubmitResult::Created(job))
    }

    /// Keeps the text of an ended job again that was forgotten, so that it can be requeued.
    fn recall_text(&self, job: &FleetJob, submission: &JobSubmission) -> Result<(), StoreError> {
        if !job.stage.is_final() || job.terms.body != submission.terms.body {
            return Ok(());
        }
        let id = job.id.to_string();
        let mut recall = self.connection.prepare_cached(
            "UPDATE manifests SET manifest = ?2 WHERE job = ?1 AND manifest = ''",
        )?;
        if recall.execute(params![id, submission.manifest])? > 0 {
            let mut keep =
                self.connection.prepare_cached("UPDATE jobs SET past_since = ?2 WHERE id = ?1")?;
            keep.execute(params![id, self.now.0])?;
        }
        Ok(())
    }

    /// The place behind all jobs that ever were.
    pub(crate) fn next_seq(&self) -> Result<u64, StoreError> {
        let seq: i64 = self.connection.query_row(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0) + 1",
            [],
            |row| row.get(0),
        )?;
        Ok(count(seq))
    }

    /// Makes the next version of the graph, if it is at `expected`.
    fn extend_graph(&self, expected: Option<u64>) -> Result<bool, StoreError> {
        let found =
            count(self.connection.query_row("SELECT graph FROM service", [], |row| row.get(0))?);
        if expected.is_some_and(|expected| expected != found) {
            return Ok(false);
        }
        self.connection.execute("UPDATE service SET graph = graph + 1", [])?;
        Ok(true)
    }

    pub(crate) fn grant(&self, plans: &[ClaimPlan]) -> Result<Vec<ClaimAnswer>, StoreError> {
        let (service, _) = self.alive()?;
        plans.iter().map(|plan| self.grant_plan(plan, &service)).collect()
    }

    fn grant_plan(
        &self,
        plan: &ClaimPlan,
        service: &ServiceState,
    ) -> Result<ClaimAnswer, StoreError> {
        if let Some(grants) = self.granted(&plan.factory, &plan.request)? {
            return Ok(ClaimAnswer { grants, repeated: true, draining: false });
        }
        let (instance, draining) = self.about(&plan.factory)?;
        if draining {
            return Ok(ClaimAnswer { grants: Vec::new(), repeated: false, draining });
        }
        let to =
            ClaimingHost { factory: plan.factory.clone(), instance, request: plan.request.clone() };
        let grants = plan.picks.iter().map(|pick| self.grant_pick(*pick, &to, service));
        let grants = grants.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(ClaimAnswer { grants, repeated: false, draining })
    }

    fn grant_pick(
        &self,
        pick: PlannedPick,
        to: &ClaimingHost,
        service: &ServiceState,
    ) -> Result<Option<GrantedJob>, StoreError> {
        let Some(job) = self.find(pick.job)?.filter(|job| job.version == pick.version) else {
            return Ok(None);
        };
        let free = self.lock_free(&job)?;
        match grant(&job, to, self.now, self.timing.lease, service.epoch_floor, free) {
            Ok(GrantResult::Granted(next)) => {
                self.save(&job, &next)?;
                self.with_manifest(next).map(Some)
            }
            Ok(GrantResult::GivenUp(next)) => self.save(&job, &next).map(|()| None),
            Err(_) => Ok(None),
        }
    }

    pub(crate) fn granted(
        &self,
        factory: &FactoryId,
        request: &RequestId,
    ) -> Result<Option<Vec<GrantedJob>>, StoreError> {
        let mut known = self
            .connection
            .prepare_cached("SELECT 1 FROM grants WHERE request = ?1 AND factory = ?2")?;
        if !known.exists([request.as_str(), factory.as_str()])? {
            return Ok(None);
        }
        let jobs = self.select(
            "id IN (SELECT job FROM grants WHERE request = ?1 AND factory = ?2) AND request = ?1 \
             AND factory = ?2 AND hold IN ('held', 'lapsed') ORDER BY seq",
            &[&request.as_str(), &factory.as_str()],
        )?;
        jobs.into_iter().map(|job| self.with_manifest(job)).collect::<Result<_, _>>().map(Some)
    }

    fn with_manifest(&self, job: FleetJob) -> Result<GrantedJob, StoreError> {
        let mut query =
            self.connection.prepare_cached("SELECT manifest FROM manifests WHERE job = ?1")?;
        let manifest = query.query_row([job.id.to_string()], |row| row.get(0))?;
        let expires_in = job.granted_for(self.now, self.timing.lease);
        Ok(GrantedJob { job, manifest, expires_in })
    }

    /// The life of a factory's loop, where it has registered, and whether it is to drain.
    fn about(&self, factory: &FactoryId) -> Result<(Option<InstanceId>, bool), StoreError> {
        let mut query = self
            .connection
            .prepare_cached("SELECT instance, draining FROM factories WHERE id = ?1")?;
        let found: Option<(String, bool)> =
            query.query_row([factory.as_str()], |row| row.try_into()).optional()?;
        let Some((instance, draining)) = found else { return Ok((None, false)) };
        Ok((Some(word("instance", &instance)?), draining))
    }
}

fn kept(job: Option<FleetJob>) -> Result<FleetJob, StoreError> {
    job.ok_or_else(|| StoreError::Broken("a job has gone".to_owned()))
}
