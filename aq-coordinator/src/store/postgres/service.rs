//! The coordinators' own row: ticks, outages, the end of leases.

use std::time::Duration;

use aq_fleet::protocol::Epoch;
use uuid::Uuid;

use super::fault::TransactionFault;
use super::tx::{PostgresTransaction, service_of};
use crate::ledger::{CoordinatorRun, DbTime, ServiceState, lapse};
use crate::store::TickReport;
use crate::store::columns::{count, number};

/// Leases that one tick ends at most; the next one is a second away.
const MOST: i64 = 5000;

/// The place of the tables. With another database, other tables, or another history of the server's
/// log, what is in them was put there by a restore.
const PLACE: &str = "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) || \
    '/' || 'service'::regclass::oid || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), \
    8)";

/// See [`PostgresTransaction::elsewhere`]. A prepared transaction has no process.
const ELSEWHERE: &str = "SELECT l.transactionid::text::bigint FROM pg_locks l JOIN \
     pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = a.datid WHERE l.locktype = \
     'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND d.datname <> \
     current_database() UNION ALL SELECT transaction::text::bigint FROM pg_prepared_xacts WHERE \
     database <> current_database()";

impl PostgresTransaction {
    /// Makes the row if the database is new, and notes that this coordinator is at work.
    /// Answers `true` when a backup was restored since.
    pub(crate) async fn start(&self) -> Result<bool, TransactionFault> {
        let place = self.one(PLACE, &[]).await?;
        let place: &str = place.try_get(0)?;
        let (service, is_restored) = match self.lock_service().await? {
            Some(service) => {
                let service = self.noticed(service).await?.0;
                self.raise_stamps().await?;
                let service = service.start(self.now, self.highest().await?);
                let known = self.one("SELECT place FROM service", &[]).await?;
                let known: Option<&str> = known.try_get(0)?;
                let is_restored = known.is_some_and(|known| known != place);
                (if is_restored { service.restore(self.now) } else { service }, is_restored)
            }
            None => (self.create().await?, false),
        };
        self.run("UPDATE service SET place = $1", &[&place]).await?;
        // Before any backup is made of it.
        self.database().await?;
        if is_restored {
            self.run("UPDATE service SET generation = $1", &[&Uuid::new_v4()]).await?;
            self.doubt_all().await?;
        }
        self.keep_time(&service).await?;
        Ok(is_restored)
    }

    /// The database's own id, made when it has none.
    pub(crate) async fn database(&self) -> Result<Uuid, TransactionFault> {
        let known = self.one("SELECT id FROM service", &[]).await?.try_get(0)?;
        if let Some(known) = known {
            return Ok(known);
        }
        let made = "UPDATE service SET id = coalesce(id, $1) RETURNING id";
        Ok(self.one(made, &[&Uuid::new_v4()]).await?.try_get(0)?)
    }

    async fn doubt_all(&self) -> Result<(), TransactionFault> {
        self.run("UPDATE factories SET stale = true", &[]).await?;
        // As `Job::doubt`, in one step however many there are.
        self.run(
            "UPDATE jobs SET doubted = true, version = version + 1 WHERE world = '' AND stage NOT \
             IN ('shipped', 'failed') AND NOT doubted",
            &[],
        )
        .await?;
        Ok(())
    }

    pub(crate) async fn run_doubted(&self) -> Result<(), TransactionFault> {
        let service = self.lock_service().await?.filter(|service| service.restored.is_some());
        let Some(service) = service else { return Ok(()) };
        // What has settled does so again, with this said.
        self.set_service(&ServiceState { settles: true, run_doubted: true, ..service }).await
    }

    async fn settle(&self, service: &ServiceState) -> Result<usize, TransactionFault> {
        let (mut left, mut changes) = (0, Vec::new());
        for job in self.select("doubted FOR UPDATE", &[]).await? {
            let next = service.settle(&job, self.timing);
            left += usize::from(next.doubted);
            if next != job {
                changes.push((job, next));
            }
        }
        for part in changes.chunks(MOST as usize) {
            if let Some(write) = self.writes(part)? {
                self.run(&write.sql, &write.values()).await?;
            }
        }
        Ok(left)
    }

    async fn create(&self) -> Result<ServiceState, TransactionFault> {
        let service = ServiceState::new(self.now);
        self.run(
            "INSERT INTO service (one, created, last_alive, grace_until, epoch_floor, generation, \
             stamp_base) VALUES (1, $1, $2, $3, $4, $5, 0)",
            &[
                &service.created.0,
                &service.last_alive.0,
                &service.grace_until.0,
                &number(service.epoch_floor.0),
                &Uuid::new_v4(),
            ],
        )
        .await?;
        Ok(service)
    }

    /// Writes a tick of this coordinator. The row about all of them is locked.
    async fn keep_time(&self, service: &ServiceState) -> Result<ServiceState, TransactionFault> {
        let since = self.now.0.saturating_sub_unsigned(
            CoordinatorRun::forgotten_after(self.timing).as_millis() as u64,
        );
        let sql = "SELECT id, since, seen FROM coordinators WHERE seen >= $1";
        let mut runs = Vec::new();
        for row in self.all(sql, &[&since]).await? {
            runs.push(CoordinatorRun {
                id: row.try_get(0)?,
                since: DbTime(row.try_get(1)?),
                seen: DbTime(row.try_get(2)?),
            });
        }
        let (service, own) = service.tick(&mut runs, self.me, self.now, self.timing);
        self.set_service(&service).await?;
        self.run(
            "INSERT INTO coordinators (id, since, seen) VALUES ($1, $2, $3) ON CONFLICT (id) DO \
             UPDATE SET since = excluded.since, seen = excluded.seen",
            &[&own.id, &own.since.0, &own.seen.0],
        )
        .await?;
        Ok(service)
    }

    /// The row as it has to be before anything is granted: with an outage noticed.
    pub(crate) async fn alive(&self) -> Result<ServiceState, TransactionFault> {
        if self.service.gap(self.now, self.timing).is_none() {
            return Ok(self.service);
        }
        // Another one may have noticed it since.
        let service = self.lock_service().await?.unwrap_or(self.service);
        Ok(self.noticed(service).await?.0)
    }

    async fn noticed(
        &self,
        service: ServiceState,
    ) -> Result<(ServiceState, Option<Duration>), TransactionFault> {
        let Some(gap) = service.gap(self.now, self.timing) else { return Ok((service, None)) };
        let service = service.resume(self.now, self.timing, self.highest().await?);
        self.set_service(&service).await?;
        self.run("UPDATE service SET generation = $1", &[&Uuid::new_v4()]).await?;
        self.raise_stamps().await?;
        // When the clock went backwards, leases end too far away.
        let latest = self.now.plus(self.timing.lease).0;
        let sql = "UPDATE jobs SET until = $1 WHERE hold = 'held' AND until > $1";
        self.run(sql, &[&latest]).await?;
        Ok((service, Some(gap)))
    }

    pub(crate) async fn tick(&self) -> Result<TickReport, TransactionFault> {
        // Locked, for a grace that another one gives meanwhile must not be overwritten.
        let service = self.lock_service().await?.unwrap_or(self.service);
        let (service, outage) = self.noticed(service).await?;
        let has_settled = service.has_settled(self.now, self.timing);
        let settled = if has_settled { Some(self.settle(&service).await?) } else { None };
        let settles = service.settles && !has_settled;
        let service = self.keep_time(&ServiceState { settles, ..service }).await?;
        let mut lapsed = 0;
        if service.may_lapse(self.now) {
            let over = "hold = 'held' AND until < $1 ORDER BY seq LIMIT $2 FOR UPDATE SKIP LOCKED";
            let over = self.select(over, &[&self.now.0, &MOST]).await?;
            let over = over.into_iter().filter_map(|job| Some((lapse(&job, self.now)?, job)));
            let changes: Vec<_> = over.map(|(next, job)| (job, next)).collect();
            lapsed = changes.len();
            self.writes(&changes)?.into_iter().for_each(|write| self.last(write));
        }
        Ok(TickReport { lapsed, outage, settled })
    }

    /// The transactions with an id that are at work in other databases of this server, by the last
    /// 32 bits. Whoever holds the lock of an id is the transaction itself.
    pub(crate) async fn elsewhere(&self) -> Result<Vec<i64>, TransactionFault> {
        let rows = self.all(ELSEWHERE, &[]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    async fn highest(&self) -> Result<Epoch, TransactionFault> {
        let row = self.one("SELECT coalesce(max(epoch), 0) FROM jobs", &[]).await?;
        Ok(Epoch(count(row.try_get(0)?)))
    }

    async fn lock_service(&self) -> Result<Option<ServiceState>, TransactionFault> {
        let sql = "SELECT created, last_alive, grace_until, epoch_floor, restored, settles, \
                   run_doubted FROM service FOR UPDATE";
        self.maybe(sql, &[]).await?.map(|row| service_of(&row, 0)).transpose()
    }

    async fn set_service(&self, service: &ServiceState) -> Result<(), TransactionFault> {
        self.run(
            "UPDATE service SET last_alive = $1, grace_until = $2, epoch_floor = $3, restored = \
             $4, settles = $5, run_doubted = $6",
            &[
                &service.last_alive.0,
                &service.grace_until.0,
                &number(service.epoch_floor.0),
                &service.restored.map(|restored| restored.0),
                &service.settles,
                &service.run_doubted,
            ],
        )
        .await?;
        Ok(())
    }

    /// A dump that is read by another server has stamps that this one's transactions may not have
    /// reached.
    async fn raise_stamps(&self) -> Result<(), TransactionFault> {
        self.run(
            "UPDATE service SET stamp_base = greatest(stamp_base, 1 + greatest((SELECT max(stamp) \
             FROM jobs), (SELECT max(id) >> 14 FROM feed), feed_gone >> 14) - \
             pg_current_xact_id()::text::bigint)",
            &[],
        )
        .await?;
        Ok(())
    }
}
