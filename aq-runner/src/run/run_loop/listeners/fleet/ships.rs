//! Shipping what the fleet gave to this host: the coordinator is asked first, and the loop does not
//! wait for its answer.

use std::time::Duration;

use aq_manifest::JobId;
use jiff::Timestamp;

use super::{FleetMember, ShipTry};
use crate::run::operator::ship::ship;
use crate::run::run_loop::context::ListenerContext;
use crate::run::run_loop::event_source::WakeCause;
use crate::run::run_loop::loop_core::{LoopCore, LoopEvent};

/// The pause before a ship that could not be checked is tried again, at first. Each try is a line
/// in the job's record.
const SHIP_PAUSE: Duration = Duration::from_secs(5);

/// The longest such pause.
const LONGEST_SHIP_PAUSE: Duration = Duration::from_secs(300);

impl FleetMember {
    /// Ships a job of the fleet when the coordinator allows it, unless that was tried just now.
    pub(super) fn ship_when_allowed(&mut self, id: &JobId, at: &mut ListenerContext<'_, '_>) {
        let now = Timestamp::now();
        let times = match self.ships.get(id) {
            Some(tried) if tried.again > now => return,
            Some(tried) => tried.times,
            None => 0,
        };
        let pause = SHIP_PAUSE.saturating_mul(1 << times.min(10)).min(LONGEST_SHIP_PAUSE);
        let again = now.saturating_add(pause).unwrap_or(Timestamp::MAX);
        self.ships.insert(id.clone(), ShipTry { times: times + 1, again });
        let (queue, job) = (at.queue().clone(), id.clone());
        let environment = at.context.settings.environment.clone();
        let shipping = at.context.source.after(WakeCause::Free(id.clone()), move || {
            // Why it could not be is on record, and it is tried again.
            let _ = ship(&queue, &environment, &job, false, now);
        });
        if shipping.is_ok() {
            at.send(LoopEvent::JobTaken(id.clone()));
        }
    }

    /// What could not be shipped can be now: the coordinator is back, or the clock was set back.
    pub(super) fn ship_now(&mut self) {
        for tried in self.ships.values_mut() {
            *tried = ShipTry { times: 0, again: Timestamp::now() };
        }
    }

    /// Has the jobs looked at whose ship is to be tried again.
    pub(super) fn look_at_unshipped(&self, at: &mut ListenerContext<'_, '_>) {
        let now = Timestamp::now();
        for (id, again) in self.unshipped(at.core) {
            if again <= now {
                at.out.push(LoopEvent::JobTouched(id.clone()).into());
            }
        }
    }

    /// The next time at which the ship of a job is to be tried again.
    pub(in crate::run::run_loop::listeners) fn next_ship(
        &self,
        core: &LoopCore,
    ) -> Option<Timestamp> {
        self.unshipped(core).map(|(_, again)| again).min()
    }

    /// The jobs whose ship is to be tried again, and when. One that is being shipped, or that is
    /// left alone for another reason, is not waited for here.
    fn unshipped(&self, core: &LoopCore) -> impl Iterator<Item = (&JobId, Timestamp)> {
        let now = Timestamp::now();
        let idle = self.ships.iter().filter(move |&(id, _)| !core.is_left_alone(id, now));
        idle.map(|(id, tried)| (id, tried.again))
    }
}
