//! Renewals: many at a time, and one.

use std::collections::HashMap;
use std::time::Duration;

use aq_fleet::protocol::{Epoch, FactoryId, FleetJobId, LeaseRef};
use uuid::Uuid;

use super::fault::TransactionFault;
use super::query::SqlQuery;
use super::tx::PostgresTransaction;
use crate::ledger::{FencedCall, FleetJob, LeaseHolder, LeaseStatus, RenewalResult, renew};
use crate::store::columns::{count, number};
use crate::store::{BeatAnswer, HeartbeatRow, LeaseStand};

/// The renewal of a job's lease: by whom, and whether the job is to be stopped.
struct LeaseRenewal {
    factory: String,
    epoch: Epoch,
    cancel: bool,
}

impl LeaseRenewal {
    fn is_of(&self, factory: &FactoryId, epoch: Epoch) -> bool {
        self.factory == factory.as_str() && self.epoch == epoch
    }
}

impl PostgresTransaction {
    pub(crate) async fn heartbeat(
        &self,
        beats: &[HeartbeatRow],
    ) -> Result<Vec<BeatAnswer>, TransactionFault> {
        let known = self.see(beats).await?;
        let mut renewed = self.renew_plainly(beats).await?;
        let is_plain =
            |beat: &HeartbeatRow, lease: &LeaseRef, renewed: &HashMap<_, LeaseRenewal>| {
                let found = renewed.get(&lease.job_id);
                found.is_some_and(|found| found.is_of(&beat.factory, lease.epoch))
            };
        let rest: Vec<(&HeartbeatRow, LeaseRef)> = beats
            .iter()
            .flat_map(|beat| beat.leases.iter().map(move |lease| (beat, *lease)))
            .filter(|(beat, lease)| !is_plain(beat, lease, &renewed))
            .collect();
        let all_plain = self.renew_rest(&rest, &mut renewed).await?;
        if all_plain {
            // A crash may take these back: then it was an outage, and nothing lapses at once.
            self.last(SqlQuery::new("SET LOCAL synchronous_commit = off"));
        }
        let answer = |beat: &HeartbeatRow| {
            let known = known.get(beat.factory.as_str());
            let mut answer = BeatAnswer {
                registered: known.is_some_and(|&(_, stale)| !stale),
                draining: known.is_some_and(|&(draining, _)| draining),
                ..BeatAnswer::default()
            };
            for lease in &beat.leases {
                let held = is_plain(beat, lease, &renewed);
                let expires_in = held.then_some(self.timing.lease);
                answer.leases.push(LeaseStand { lease: *lease, expires_in });
                if held && renewed[&lease.job_id].cancel {
                    answer.cancel.push(lease.job_id);
                }
            }
            answer
        };
        Ok(beats.iter().map(answer).collect())
    }

    /// Notes that factories live; those that are known, and whether each is to drain, and to
    /// register.
    async fn see(
        &self,
        beats: &[HeartbeatRow],
    ) -> Result<HashMap<String, (bool, bool)>, TransactionFault> {
        let ids: Vec<&str> = beats.iter().map(|beat| beat.factory.as_str()).collect();
        let instances: Vec<&str> = beats.iter().map(|beat| beat.instance.as_str()).collect();
        let free: Vec<i64> = beats.iter().map(|beat| i64::from(beat.free)).collect();
        let rows = self
            .all(
                "UPDATE factories SET seen = $1, free = beat.free, instance = beat.instance FROM \
                 unnest($2::text[], $3::text[], $4::bigint[]) AS beat (id, instance, free) WHERE \
                 factories.id = beat.id RETURNING factories.id, draining, stale",
                &[&self.now.0, &ids, &instances, &free],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)))).collect()
    }

    /// Nearly all leases are held by who says so. This is `renew` for them, in one step.
    async fn renew_plainly(
        &self,
        beats: &[HeartbeatRow],
    ) -> Result<HashMap<FleetJobId, LeaseRenewal>, TransactionFault> {
        let mut jobs: Vec<Uuid> = Vec::new();
        let mut factories: Vec<&str> = Vec::new();
        let mut epochs: Vec<i64> = Vec::new();
        for beat in beats {
            for lease in &beat.leases {
                jobs.push(lease.job_id.uuid());
                factories.push(beat.factory.as_str());
                epochs.push(number(lease.epoch.0));
            }
        }
        if jobs.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self
            .all(
                "UPDATE jobs SET until = $1 FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS \
                 lease (job, factory, epoch) WHERE jobs.id = lease.job AND jobs.factory = \
                 lease.factory AND jobs.epoch = lease.epoch AND hold = 'held' RETURNING jobs.id, \
                 jobs.factory, jobs.epoch, cancel",
                &[&self.now.plus(self.timing.lease).0, &jobs, &factories, &epochs],
            )
            .await?;
        let renewed = rows.iter().map(|row| {
            let renewed = LeaseRenewal {
                factory: row.try_get(1)?,
                epoch: Epoch(count(row.try_get(2)?)),
                cancel: row.try_get(3)?,
            };
            Ok((FleetJobId::from(row.try_get::<_, Uuid>(0)?), renewed))
        });
        renewed.collect()
    }

    /// The others, by the ledger: lapsed ones, shipped ones, stale ones. Whether nothing but ends
    /// of leases was written.
    async fn renew_rest(
        &self,
        rest: &[(&HeartbeatRow, LeaseRef)],
        renewed: &mut HashMap<FleetJobId, LeaseRenewal>,
    ) -> Result<bool, TransactionFault> {
        if rest.is_empty() {
            return Ok(true);
        }
        let ids: Vec<Uuid> = rest.iter().map(|(_, lease)| lease.job_id.uuid()).collect();
        let rows = self.select("id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
        let mut rows: HashMap<FleetJobId, FleetJob> =
            rows.into_iter().map(|job| (job.id, job)).collect();
        let mut all_plain = true;
        for (beat, lease) in rest {
            let Some(job) = rows.get(&lease.job_id) else { continue };
            let caller = LeaseHolder { factory: beat.factory.clone(), epoch: lease.epoch };
            let (next, held) = self.renew_job(job, &caller).await?;
            if let Some(next) = next {
                all_plain &= next.same_but_lease(job);
                if held.is_ok() {
                    let factory = caller.factory.to_string();
                    let cancel = next.cancel;
                    let epoch = lease.epoch;
                    renewed.insert(lease.job_id, LeaseRenewal { factory, epoch, cancel });
                }
                rows.insert(lease.job_id, next);
            }
        }
        Ok(all_plain)
    }

    pub(crate) async fn renew(
        &self,
        id: FleetJobId,
        caller: &LeaseHolder,
    ) -> Result<Result<Duration, FencedCall>, TransactionFault> {
        let (_, held) = self.renew_job(&self.load(id).await?, caller).await?;
        Ok(held.map(|()| self.timing.lease))
    }

    /// The row after it, when the caller is or was its holder. The inner error is an answer: what
    /// it goes with has to be committed.
    async fn renew_job(
        &self,
        job: &FleetJob,
        caller: &LeaseHolder,
    ) -> Result<(Option<FleetJob>, Result<(), FencedCall>), TransactionFault> {
        let needs_lock =
            job.tenure.as_ref().is_some_and(|tenure| tenure.hold == LeaseStatus::Lapsed);
        let free = if needs_lock { self.lock_free(job).await? } else { true };
        match renew(job, caller, self.now, self.timing.lease, free) {
            Ok(RenewalResult::Held(next)) => {
                let next = self.service.renewed(next);
                self.save(job, &next).await?;
                Ok((Some(next), Ok(())))
            }
            Ok(RenewalResult::Lost(next)) => {
                self.save(job, &next).await?;
                let fenced = FencedCall { current: next.epoch, holder: None };
                Ok((Some(next), Err(fenced)))
            }
            Err(fenced) => Ok((None, Err(fenced))),
        }
    }
}
