//! The coordinators' own row: ticks, outages, the end of leases.

use std::time::Duration;

use aq_fleet::protocol::Epoch;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::session::SqliteTransaction;
use crate::ledger::{CoordinatorRun, DbTime, ServiceState, lapse};
use crate::store::columns::{count, number, word};
use crate::store::{StoreError, TickReport};

impl SqliteTransaction<'_> {
    /// Makes the row if the database is new, and notes that this coordinator is at work.
    /// Answers `true` when a backup was restored since.
    pub(crate) fn start(&self) -> Result<bool, StoreError> {
        let Some(service) = self.service()? else {
            self.keep_time(&self.create()?)?;
            self.database()?;
            return Ok(false);
        };
        let mut service = self.notice(service)?.0.start(self.now, self.highest()?);
        let is_restored = self.is_restored()?;
        if is_restored {
            service = service.restore(self.now);
            self.begin_anew()?;
            self.doubt_all()?;
        }
        self.keep_time(&service)?;
        // Before any backup is made of it.
        self.database()?;
        Ok(is_restored)
    }

    /// Tests for a file that is older than what the last coordinator has noted beside it.
    fn is_restored(&self) -> Result<bool, StoreError> {
        let mut seen =
            self.connection.prepare_cached("SELECT seen FROM coordinators WHERE id = ?1")?;
        Ok(match self.file.noted() {
            Some((run, noted)) => {
                let seen: Option<i64> =
                    seen.query_row([run.to_string()], |row| row.get(0)).optional()?;
                seen.is_none_or(|seen| seen < noted.0)
            }
            // A copy of a file that coordinators have worked on, which note it.
            None => self.connection.prepare_cached("SELECT 1 FROM coordinators")?.exists([])?,
        })
    }

    /// The database's own id, made when it has none.
    pub(crate) fn database(&self) -> Result<Uuid, StoreError> {
        let mut query = self
            .connection
            .prepare_cached("UPDATE service SET id = coalesce(id, ?1) RETURNING id")?;
        let id: String = query.query_row([Uuid::new_v4().to_string()], |row| row.get(0))?;
        word("service.id", &id)
    }

    fn doubt_all(&self) -> Result<(), StoreError> {
        self.connection.execute("UPDATE factories SET stale = 1", [])?;
        for job in self.select("world = '' AND stage NOT IN ('shipped', 'failed')", &[])? {
            self.save(&job, &job.doubt())?;
        }
        Ok(())
    }

    pub(crate) fn run_doubted(&self) -> Result<(), StoreError> {
        let Some(service) = self.service()?.filter(|service| service.restored.is_some()) else {
            return Ok(());
        };
        // What has settled does so again, with this said.
        let service = ServiceState { settles: true, run_doubted: true, ..service };
        self.set_service(&service)
    }

    fn settle(&self, service: &ServiceState) -> Result<usize, StoreError> {
        let mut left = 0;
        for job in self.select("doubted", &[])? {
            let next = service.settle(&job, self.timing);
            left += usize::from(next.doubted);
            self.save(&job, &next)?;
        }
        Ok(left)
    }

    fn create(&self) -> Result<ServiceState, StoreError> {
        let service = ServiceState::new(self.now);
        self.connection.execute(
            "INSERT INTO service (one, created, last_alive, grace_until, epoch_floor, generation, \
             stamp, graph) VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, 0)",
            params![
                service.created.0,
                service.last_alive.0,
                service.grace_until.0,
                number(service.epoch_floor.0),
                Uuid::new_v4().to_string()
            ],
        )?;
        Ok(service)
    }

    /// Writes a tick of this coordinator.
    fn keep_time(&self, service: &ServiceState) -> Result<ServiceState, StoreError> {
        let since = self.now.0.saturating_sub_unsigned(
            CoordinatorRun::forgotten_after(self.timing).as_millis() as u64,
        );
        let mut query = self
            .connection
            .prepare_cached("SELECT id, since, seen FROM coordinators WHERE seen >= ?1")?;
        let rows = query.query_map([since], |row| row.try_into())?;
        let mut runs = Vec::new();
        for row in rows {
            let (id, since, seen): (String, i64, i64) = row?;
            let id = word("coordinators.id", &id)?;
            runs.push(CoordinatorRun { id, since: DbTime(since), seen: DbTime(seen) });
        }
        let (service, own) = service.tick(&mut runs, self.me, self.now, self.timing);
        self.set_service(&service)?;
        self.noted.set(Some((own.id, own.seen)));
        let mut note = self.connection.prepare_cached(
            "INSERT INTO coordinators (id, since, seen) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO \
             UPDATE SET since = excluded.since, seen = excluded.seen",
        )?;
        note.execute(params![own.id.to_string(), own.since.0, own.seen.0])?;
        Ok(service)
    }

    /// The row as it has to be before anything is granted or lapses: with an outage noticed.
    pub(crate) fn alive(&self) -> Result<(ServiceState, Option<Duration>), StoreError> {
        let none = || StoreError::Broken("the table service is empty".to_owned());
        self.notice(self.service()?.ok_or_else(none)?)
    }

    fn notice(
        &self,
        service: ServiceState,
    ) -> Result<(ServiceState, Option<Duration>), StoreError> {
        let Some(gap) = service.gap(self.now, self.timing) else { return Ok((service, None)) };
        let service = service.resume(self.now, self.timing, self.highest()?);
        self.set_service(&service)?;
        self.begin_anew()?;
        // When the clock went backwards, leases end too far away.
        let latest = self.now.plus(self.timing.lease).0;
        self.connection
            .execute("UPDATE jobs SET until = ?1 WHERE hold = 'held' AND until > ?1", [latest])?;
        Ok((service, Some(gap)))
    }

    /// Lets who follows changes read all rows again.
    fn begin_anew(&self) -> Result<(), StoreError> {
        let generation = Uuid::new_v4().to_string();
        self.connection.execute("UPDATE service SET generation = ?1", [generation])?;
        Ok(())
    }

    pub(crate) fn tick(&self) -> Result<TickReport, StoreError> {
        let (service, outage) = self.alive()?;
        let has_settled = service.has_settled(self.now, self.timing);
        let settled = has_settled.then(|| self.settle(&service)).transpose()?;
        let settles = service.settles && !has_settled;
        let service = self.keep_time(&ServiceState { settles, ..service })?;
        let mut lapsed = 0;
        if service.may_lapse(self.now) {
            for job in self.select("hold = 'held' AND until < ?1", &[&self.now.0])? {
                if let Some(next) = lapse(&job, self.now) {
                    self.save(&job, &next)?;
                    lapsed += 1;
                }
            }
        }
        Ok(TickReport { lapsed, outage, settled })
    }

    fn highest(&self) -> Result<Epoch, StoreError> {
        let highest: Option<i64> =
            self.connection.query_row("SELECT max(epoch) FROM jobs", [], |row| row.get(0))?;
        Ok(Epoch(count(highest.unwrap_or_default())))
    }

    fn service(&self) -> Result<Option<ServiceState>, StoreError> {
        let mut query = self.connection.prepare_cached(
            "SELECT created, last_alive, grace_until, epoch_floor, restored, settles, \
                 run_doubted FROM service",
        )?;
        let found = query.query_row([], |row| {
            Ok(ServiceState {
                created: DbTime(row.get(0)?),
                last_alive: DbTime(row.get(1)?),
                grace_until: DbTime(row.get(2)?),
                epoch_floor: Epoch(count(row.get(3)?)),
                restored: row.get::<_, Option<i64>>(4)?.map(DbTime),
                settles: row.get(5)?,
                run_doubted: row.get(6)?,
            })
        });
        Ok(found.optional()?)
    }

    fn set_service(&self, service: &ServiceState) -> Result<(), StoreError> {
        let mut update = self.connection.prepare_cached(
            "UPDATE service SET last_alive = ?1, grace_until = ?2, epoch_floor = ?3, restored = \
             ?4, settles = ?5, run_doubted = ?6",
        )?;
        update.execute(params![
            service.last_alive.0,
            service.grace_until.0,
            number(service.epoch_floor.0),
            service.restored.map(|restored| restored.0),
            service.settles,
            service.run_doubted
        ])?;
        Ok(())
    }

    /// Tests for the time in which hosts say what they ended before a backup was restored.
    pub(crate) fn settles(&self) -> Result<bool, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT settles FROM service")?;
        Ok(query.query_row([], |row| row.get(0))?)
    }
}
