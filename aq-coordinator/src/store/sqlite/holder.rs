//! What the holder of a grant says.

use std::time::Duration;

use aq_fleet::protocol::{
    EndedFleetJob, Epoch, EventsRequest, FactoryId, FleetJobId, LeaseRef, RegisterRequest,
    ReleaseRequest, ReportRequest,
};
use aq_manifest::Stage;
use rusqlite::{OptionalExtension, params};

use super::session::{GRANT, SqliteTransaction, grant_of, grant_row};
use crate::ledger::{
    FencedCall, FleetJob, GrantRecord, LeaseHolder, RenewalResult, ended, ended_before, may_post,
    release, remembered, renew, report, report_shadow,
};
use crate::store::columns::{count, json_text, number};
use crate::store::totals::spent;
use crate::store::{
    BeatAnswer, HeartbeatRow, LeaseStand, RegistrationAnswer, StoreError, clean, fields_of,
};

impl SqliteTransaction<'_> {
    pub(crate) fn heartbeat(&self, beat: &HeartbeatRow) -> Result<BeatAnswer, StoreError> {
        let mut seen = self.connection.prepare_cached(
            "UPDATE factories SET seen = ?2, free = ?3, instance = ?4 WHERE id = ?1 RETURNING \
             draining, stale",
        )?;
        let values = params![beat.factory.as_str(), self.now.0, beat.free, beat.instance.as_str()];
        let known: Option<(bool, bool)> =
            seen.query_row(values, |row| row.try_into()).optional()?;
        let mut answer = BeatAnswer {
            registered: known.is_some_and(|(_, stale)| !stale),
            draining: known.is_some_and(|(draining, _)| draining),
            ..BeatAnswer::default()
        };
        for lease in &beat.leases {
            let (expires_in, cancel) = self.renew_lease(&beat.factory, *lease)?;
            answer.leases.push(LeaseStand { lease: *lease, expires_in });
            if cancel {
                answer.cancel.push(lease.job_id);
            }
        }
        Ok(answer)
    }

    /// How long a lease holds now, and whether its job is to be stopped.
    fn renew_lease(
        &self,
        factory: &FactoryId,
        lease: LeaseRef,
    ) -> Result<(Option<Duration>, bool), StoreError> {
        // Nearly all are held by who says so. This is `renew` for them, in one step.
        let mut plain = self.connection.prepare_cached(
            "UPDATE jobs SET until = ?4 WHERE id = ?1 AND factory = ?2 AND epoch = ?3 AND \
             hold = 'held' RETURNING cancel",
        )?;
        let until = self.now.plus(self.timing.lease);
        let found: Option<bool> = plain
            .query_row(
                params![lease.job_id.to_string(), factory.as_str(), number(lease.epoch.0), until.0],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(cancel) = found {
            return Ok((Some(self.timing.lease), cancel));
        }
        let Some(job) = self.find(lease.job_id)? else { return Ok((None, false)) };
        let caller = LeaseHolder { factory: factory.clone(), epoch: lease.epoch };
        let renewed = self.renew_job(&job, &caller)?;
        Ok((renewed.is_ok().then_some(self.timing.lease), false))
    }

    pub(crate) fn drain(&self, id: &FactoryId, drain: bool) -> Result<(), StoreError> {
        let mut update =
            self.connection.prepare_cached("UPDATE factories SET draining = ?2 WHERE id = ?1")?;
        match update.execute(params![id.as_str(), drain])? {
            0 => Err(StoreError::NoSuchFactory(id.clone())),
            _ => Ok(()),
        }
    }

    pub(crate) fn renew(
        &self,
        id: FleetJobId,
        caller: &LeaseHolder,
    ) -> Result<Result<Duration, FencedCall>, StoreError> {
        let renewed = self.renew_job(&self.load(id)?, caller)?;
        Ok(renewed.map(|()| self.timing.lease))
    }

    /// The inner error is an answer: what it goes with has to be committed.
    fn renew_job(
        &self,
        job: &FleetJob,
        caller: &LeaseHolder,
    ) -> Result<Result<(), FencedCall>, StoreError> {
        let free = self.lock_free(job)?;
        match renew(job, caller, self.now, self.timing.lease, free) {
            Ok(RenewalResult::Held(next)) => self.save(job, &self.alive()?.0.renewed(next)).map(Ok),
            Ok(RenewalResult::Lost(next)) => {
                self.save(job, &next)?;
                Ok(Err(FencedCall { current: next.epoch, holder: None }))
            }
            Err(fenced) => Ok(Err(fenced)),
        }
    }

    pub(crate) fn report(
        &self,
        id: FleetJobId,
        said: &ReportRequest,
    ) -> Result<FleetJob, StoreError> {
        let job = self.load(id)?;
        if said.shadow {
            return self.report_shadow(job, said);
        }
        let next = report(&job, said)?;
        if said.stage == Stage::Shipped && next != job && self.settles()? {
            return Err(StoreError::Settles);
        }
        if next != job {
            self.save(&job, &next)?;
            self.keep_report(id, said)?;
        }
        Ok(next)
    }

    fn report_shadow(&self, job: FleetJob, said: &ReportRequest) -> Result<FleetJob, StoreError> {
        let latest: Option<i64> = self.connection.query_row(
            "SELECT max(seq) FROM reports WHERE job = ?1 AND factory = ?2 AND shadow",
            [job.id.to_string().as_str(), said.factory_id.as_str()],
            |row| row.get(0),
        )?;
        if latest.is_some_and(|latest| number(said.seq) <= latest) {
            return Ok(job);
        }
        self.keep_report(job.id, said)?;
        if let Some(verdict) = &said.verdict {
            self.connection.execute(
                "INSERT INTO verdicts (verdict, told) VALUES (?1, 1) ON CONFLICT (verdict) DO \
                 UPDATE SET told = told + 1",
                [json_text(verdict)],
            )?;
        }
        let next = report_shadow(&job, said);
        self.save(&job, &next)?;
        Ok(next)
    }

    fn keep_report(&self, id: FleetJobId, said: &ReportRequest) -> Result<(), StoreError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO reports (job, epoch, factory, shadow, seq, stage, at, checkpoint, \
             metrics, verdict) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO \
             NOTHING",
        )?;
        insert.execute(params![
            id.to_string(),
            number(said.epoch.0),
            said.factory_id.as_str(),
            said.shadow,
            number(said.seq),
            said.stage.to_string(),
            self.now.0,
            said.checkpoint.as_ref().map(json_text),
            said.metrics.as_ref().map(json_text),
            said.verdict.as_ref().map(json_text)
        ])?;
        Ok(())
    }

    pub(crate) fn release(
        &self,
        id: FleetJobId,
        said: &ReleaseRequest,
    ) -> Result<FleetJob, StoreError> {
        let job = self.load(id)?;
        let past = self.grant_at(id, said.epoch)?;
        let next = release(&job, past.as_ref(), said)?;
        self.save(&job, &next)?;
        if let Some(metrics) = &said.metrics {
            let is_new = self.connection.execute(
                "UPDATE grants SET metrics = ?3 WHERE job = ?1 AND epoch = ?2 AND metrics IS NULL",
                params![id.to_string(), number(said.epoch.0), json_text(metrics)],
            )?;
            if is_new > 0 {
                self.add(&spent(metrics))?;
            }
        }
        Ok(next)
    }

    fn grant_at(&self, id: FleetJobId, epoch: Epoch) -> Result<Option<GrantRecord>, StoreError> {
        let sql = format!("SELECT {GRANT} FROM grants WHERE job = ?1 AND epoch = ?2");
        let mut query = self.connection.prepare_cached(&sql)?;
        let found = query.query_row(params![id.to_string(), number(epoch.0)], grant_row);
        found.optional()?.map(grant_of).transpose()
    }

    pub(crate) fn post(&self, id: FleetJobId, said: &EventsRequest) -> Result<usize, StoreError> {
        let job = self.load(id)?;
        may_post(&job, &LeaseHolder { factory: said.factory_id.clone(), epoch: said.epoch })?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO feed (at, kind, job, factory, epoch, stage, seq, fields) VALUES (?1, ?2, \
             ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
        )?;
        let mut new = 0;
        for event in &said.events {
            new += insert.execute(params![
                self.now.0,
                event.kind.as_str(),
                id.to_string(),
                said.factory_id.as_str(),
                number(said.epoch.0),
                job.stage.to_string(),
                number(event.seq),
                json_text(&fields_of(event))
            ])?;
        }
        Ok(new)
    }

    pub(crate) fn register(
        &self,
        id: &FactoryId,
        said: &RegisterRequest,
    ) -> Result<RegistrationAnswer, StoreError> {
        let capabilities: Vec<String> = said.capabilities.iter().map(ToString::to_string).collect();
        for ended in &said.ended {
            self.note_end(id, ended)?;
        }
        let latest = said.ended.iter().map(|ended| ended.n).max().unwrap_or_default();
        let latest: i64 = self.connection.query_row(
            "INSERT INTO factories (id, host, version, instance, capabilities, capacity, free, \
             seen, ended) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8) ON CONFLICT (id) DO UPDATE \
             SET host = excluded.host, version = excluded.version, instance = excluded.instance, \
             capabilities = excluded.capabilities, capacity = excluded.capacity, \
             seen = excluded.seen, ended = max(ended, excluded.ended), stale = 0 RETURNING ended",
            params![
                id.as_str(),
                clean(&said.host),
                clean(&said.version),
                said.instance_id.as_str(),
                json_text(&capabilities),
                said.capacity,
                self.now.0,
                number(latest)
            ],
            |row| row.get(0),
        )?;
        Ok(RegistrationAnswer { database: self.database()?, ended: count(latest) })
    }

    /// Notes what a host says of a job that it has ended: it may have been forgotten.
    fn note_end(&self, by: &FactoryId, said: &EndedFleetJob) -> Result<(), StoreError> {
        if let Some(job) = self.find(said.job_id)? {
            return match ended(&job, by, said) {
                Some(next) => self.save(&job, &next),
                None => Ok(()),
            };
        }
        if let Some(job) = self.select("world = '' AND key = ?1", &[&said.key])?.pop() {
            return match ended_before(&job, said) {
                Some(next) => self.save(&job, &next),
                None => Ok(()),
            };
        }
        let Some(job) = remembered(said.job_id, said, self.next_seq()?, self.now) else {
            return Ok(());
        };
        self.insert(&job)?;
        self.connection.execute(
            "INSERT INTO manifests (job, manifest) VALUES (?1, '')",
            [job.id.to_string()],
        )?;
        Ok(())
    }
}
