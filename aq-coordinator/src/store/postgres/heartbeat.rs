//! Renewals: many at a time, and one.

use std::collections::HashMap;
use std::time::Duration;

use aq_fleet::protocol::{Epoch, FactoryId, FleetJobId, LeaseRef};
use uuid::Uuid;

use super::fault::Fault;
use super::query::Query;
use super::tx::Tx;
use crate::ledger::{Caller, Fenced, Hold, Job, Renewal, renew};
use crate::store::columns::{count, number};
use crate::store::{Beat, BeatAnswer, LeaseStand};

/// The renewal of a job's lease: by whom, and whether the job is to be stopped.
struct Renewed {
    factory: String,
    epoch: Epoch,
    cancel: bool,
}

impl Renewed {
    fn is_of(&self, factory: &FactoryId, epoch: Epoch) -> bool {
        self.factory == factory.as_str() && self.epoch == epoch
    }
}

impl Tx {
    pub(crate) async fn heartbeat(&self, beats: &[Beat]) -> Result<Vec<BeatAnswer>, Fault> {
        let known = self.see(beats).await?;
        let mut renewed = self.renew_plainly(beats).await?;
        let is_plain = |beat: &Beat, lease: &LeaseRef, renewed: &HashMap<_, Renewed>| {
            let found = renewed.get(&lease.job_id);
            found.is_some_and(|found| found.is_of(&beat.factory, lease.epoch))
        };
        let rest: Vec<(&Beat, LeaseRef)> = beats
            .iter()
            .flat_map(|beat| beat.leases.iter().map(move |lease| (beat, *lease)))
            .filter(|(beat, lease)| !is_plain(beat, lease, &renewed))
            .collect();
        let all_plain = self.renew_rest(&rest, &mut renewed).await?;
        if all_plain {
            // A crash may take these back: then it was an outage, and nothing lapses at once.
            self.last(Query::new("SET LOCAL synchronous_commit = off"));
        }
        let answer = |beat: &Beat| {
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
    async fn see(&self, beats: &[Beat]) -> Result<HashMap<String, (bool, bool)>, Fault> {
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
    async fn renew_plainly(&self, beats: &[Beat]) -> Result<HashMap<FleetJobId, Renewed>, Fault> {
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
            let renewed = Renewed {
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
        rest: &[(&Beat, LeaseRef)],
        renewed: &mut HashMap<FleetJobId, Renewed>,
    ) -> Result<bool, Fault> {
        if rest.is_empty() {
            return Ok(true);
        }
        let ids: Vec<Uuid> = rest.iter().map(|(_, lease)| lease.job_id.uuid()).collect();
        let rows = self.select("id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
        let mut rows: HashMap<FleetJobId, Job> =
            rows.into_iter().map(|job| (job.id, job)).collect();
        let mut all_plain = true;
        for (beat, lease) in rest {
            let Some(job) = rows.get(&lease.job_id) else { continue };
            let caller = Caller { factory: beat.factory.clone(), epoch: lease.epoch };
            let (next, held) = self.renew_job(job, &caller).await?;
            if let Some(next) = next {
                all_plain &= next.same_but_lease(job);
                if held.is_ok() {
                    let factory = caller.factory.to_string();
                    let cancel = next.cancel;
                    let epoch = lease.epoch;
                    renewed.insert(lease.job_id, Renewed { factory, epoch, cancel });
                }
                rows.insert(lease.job_id, next);
            }
        }
        Ok(all_plain)
    }

    pub(crate) async fn renew(
        &self,
        id: FleetJobId,
        caller: &Caller,
    ) -> Result<Result<Duration, Fenced>, Fault> {
        let (_, held) = self.renew_job(&self.load(id).await?, caller).await?;
        Ok(held.map(|()| self.timing.lease))
    }

    /// The row after it, when the caller is or was its holder. The inner error is an answer: what
    /// it goes with has to be committed.
    async fn renew_job(
        &self,
        job: &Job,
        caller: &Caller,
    ) -> Result<(Option<Job>, Result<(), Fenced>), Fault> {
        let needs_lock = job.tenure.as_ref().is_some_and(|tenure| tenure.hold == Hold::Lapsed);
        let free = if needs_lock { self.lock_free(job).await? } else { true };
        match renew(job, caller, self.now, self.timing.lease, free) {
            Ok(Renewal::Held(next)) => {
                let next = self.service.renewed(next);
                self.save(job, &next).await?;
                Ok((Some(next), Ok(())))
            }
            Ok(Renewal::Lost(next)) => {
                self.save(job, &next).await?;
                let fenced = Fenced { current: next.epoch, holder: None };
                Ok((Some(next), Err(fenced)))
            }
            Err(fenced) => Ok((None, Err(fenced))),
        }
    }
}
