//! Shipping what the fleet gave to this host: the coordinator is asked first, and the loop does not wait
//! for its answer.

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use super::super::super::ship::{ShipError, ship};
use super::super::super::wake::Wake;
use super::super::{Dispatcher, Progress};
use super::{LONGEST_SHIP_PAUSE, SHIP_PAUSE, Tried};
use crate::run::fleet::lease;
use crate::store::{JobRecord, StoreError};

impl Dispatcher<'_> {
    /// Ships a job of this host's own from testing/. One of the fleet rests there until the
    /// coordinator was asked, for which the loop does not wait.
    pub(in crate::run::dispatcher) fn ship(&mut self, id: &JobId) -> Result<(), StoreError> {
        let record = JobRecord::read(self.queue, Stage::Testing, id.clone())?;
        // A person decides about work that is not on the branch; the table says so.
        if lease(&record.meta).is_some() || record.meta.get(RecordKey::LeftOut).is_some() {
            return self.rest(id, Stage::Testing);
        }
        match ship(self.queue, &self.settings.environment, id, false, Timestamp::now()) {
            Ok(()) => self.rest(id, Stage::Shipped),
            Err(ShipError::Store(e)) => Err(e),
            Err(e) => {
                (self.observer)(Progress::Trouble(&e.to_string()));
                self.rest(id, Stage::Testing)
            }
        }
    }

    /// Ships a job of the fleet, unless that was tried just now.
    pub(super) fn ship_for_the_fleet(&mut self, id: &JobId) {
        let Some(fleet) = &mut self.fleet else { return };
        let now = Timestamp::now();
        let times = match fleet.ships.get(id) {
            Some(tried) if tried.again > now => return,
            Some(tried) => tried.times,
            None => 0,
        };
        let pause = SHIP_PAUSE.saturating_mul(1 << times.min(10)).min(LONGEST_SHIP_PAUSE);
        let again = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        fleet.ships.insert(id.clone(), Tried { times: times + 1, again });
        let (queue, job) = (self.queue.clone(), id.clone());
        let environment = self.settings.environment.clone();
        let shipping = self.wakes.after(Wake::Free(id.clone()), move || {
            // Why it could not be is on record, and it is tried again.
            let _ = ship(&queue, &environment, &job, false, now);
        });
        if shipping.is_ok() {
            self.busy.insert(id.clone());
        }
    }

    /// What could not be shipped can be now: the coordinator is back, or the clock was set back.
    pub(in crate::run::dispatcher) fn ship_now(&mut self) {
        let Some(fleet) = &mut self.fleet else { return };
        for tried in fleet.ships.values_mut() {
            *tried = Tried { times: 0, again: Timestamp::now() };
        }
    }

    /// The jobs whose ship is to be tried again, and when. One that is being shipped, or that is left
    /// alone for another reason, is not waited for here.
    pub(in crate::run::dispatcher) fn unshipped(
        &self,
    ) -> impl Iterator<Item = (&JobId, Timestamp)> {
        let now = Timestamp::now();
        let ships = self.fleet.iter().flat_map(|fleet| &fleet.ships);
        let idle =
            ships.filter(move |&(id, _)| !self.busy.contains(id) && !self.troubles.pauses(id, now));
        idle.map(|(id, tried)| (id, tried.again))
    }
}
