//! Time, and the network between factories and the coordinator: every request goes through here.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aq_fleet::client::{
    ClientClock, CoordinatorTransport, HttpRequest, HttpResponse, TransportError, TransportProblem,
};
use aq_fleet::protocol::FleetJobId;
use aq_manifest::Stage;

use super::coordinator::{Coordinator, LEASE};
use super::dice::Dice;
use super::witness::{Witness, Write};

/// The longest that a request takes when nothing is wrong, in milliseconds.
const ON_THE_WAY: u64 = 20;

/// All that factories share. A handle, for the client needs its own.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<State>>);

pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) witness: Witness,
    /// Faults happen.
    pub(super) stormy: bool,
    coordinator: Option<Coordinator>,
    file: PathBuf,
    /// The true time, in milliseconds; the database's clock may be another.
    now: i64,
    clock: Arc<AtomicI64>,
    next_tick: i64,
    /// When a coordinator that is away comes back.
    back: i64,
    /// Requests that come late, and when.
    late: Vec<(i64, HttpRequest)>,
}

impl Network {
    pub(super) fn new(seed: u64, file: PathBuf) -> Self {
        let clock = Arc::new(AtomicI64::new(1_800_000_000_000));
        let coordinator = Some(Coordinator::start(&file, &clock));
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66),
            witness: Witness::default(),
            stormy: true,
            coordinator,
            file,
            now: 1_000,
            clock,
            next_tick: 2_000,
            back: 0,
            late: Vec::new(),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Decides by chance, with this many hits in a thousand.
    pub(super) fn chance(&mut self, in_a_thousand: u64) -> bool {
        self.dice.roll(1000) < in_a_thousand
    }

    /// As [`Self::chance`], for faults: in calm they do not happen.
    pub(super) fn fault(&mut self, in_a_thousand: u64) -> bool {
        let happens = self.chance(in_a_thousand) && self.stormy;
        self.witness.counts.faults += usize::from(happens);
        happens
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Up to so many milliseconds.
    pub(super) fn some(&mut self, most: u64) -> i64 {
        i64::try_from(self.dice.roll(most.max(1))).unwrap()
    }

    /// Lets time pass: the coordinator ticks, comes back, and gets what is late.
    pub(super) fn pass(&mut self, millis: i64) {
        let until = self.now + millis;
        loop {
            let late = self.late.iter().map(|(at, _)| *at).min();
            let next = late.into_iter().chain([self.next_tick]).min().unwrap();
            if next > until {
                break;
            }
            self.move_to(next);
            if self.next_tick == next {
                self.next_tick += 1_000;
                self.tick();
            }
            if let Some(n) = self.late.iter().position(|(at, _)| *at == next) {
                let (_, request) = self.late.swap_remove(n);
                // Whoever sent it has long gone.
                let _ = self.serve(&request);
            }
        }
        self.move_to(until);
    }

    fn move_to(&mut self, time: i64) {
        let passed = (time - self.now).max(0);
        self.clock.fetch_add(passed, Ordering::SeqCst);
        self.now += passed;
    }

    fn tick(&mut self) {
        if self.coordinator.is_none() && self.now >= self.back {
            self.coordinator = Some(Coordinator::start(&self.file, &self.clock));
        }
        if self.fault(4) {
            // Forwards past a lease, or back.
            let step = self.some(5 * lease_ms()) - i64::try_from(lease_ms()).unwrap();
            self.clock.fetch_add(step, Ordering::SeqCst);
        }
        if let Some(coordinator) = &self.coordinator {
            self.witness.counts.lapsed += coordinator.tick();
        }
    }

    /// Ends the coordinator; its next life begins later.
    fn take_down(&mut self) {
        self.coordinator = None;
        self.witness.counts.restarts += 1;
        self.back = self.now + self.some(2 * lease_ms());
    }

    pub(super) fn is_up(&self) -> bool {
        self.coordinator.is_some()
    }

    /// Tests for a job of which nothing more will become: it has ended, or waits for one that has
    /// failed.
    pub(super) fn is_over(&self, id: FleetJobId) -> bool {
        let deps = self.witness.deps.get(&id).into_iter().flatten();
        let is_shipped = |dep: FleetJobId| self.coordinator().job(dep).stage == Stage::Shipped;
        self.coordinator().job(id).stage.is_final()
            || deps.copied().any(|dep| self.is_over(dep) && !is_shipped(dep))
    }

    /// The coordinator of now.
    pub(super) fn coordinator(&self) -> &Coordinator {
        self.coordinator.as_ref().expect("it is there in calm")
    }

    /// Does a request under the eyes of the witness. `None` when there is nobody to do it.
    fn serve(&mut self, request: &HttpRequest) -> Option<HttpResponse> {
        let coordinator = self.coordinator.as_ref()?;
        let write = Write::of(request);
        let before = write.as_ref().map(|write| coordinator.job(write.job));
        let response = coordinator.serve(request);
        self.witness.saw_claim(request, &response);
        if let (Some(write), Some(before)) = (write, before) {
            let after = coordinator.job(write.job);
            let over = matches!(before.stage, Stage::Shipped);
            assert!(!over || after.stage == Stage::Shipped, "shipped, and then {after:?}");
            self.witness.saw_write(write, &response, &[before, after]);
        }
        Some(response)
    }

    fn send(
        &mut self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        let on_the_way = self.some(ON_THE_WAY);
        self.pass(on_the_way);
        let timeout = u64::try_from(timeout.as_millis()).unwrap();
        if self.fault(6) {
            self.take_down();
        }
        if self.coordinator.is_none() {
            return Err(gone(TransportProblem::NotSent));
        }
        if self.fault(40) {
            let waits = self.some(timeout);
            self.pass(waits);
            return Err(gone(TransportProblem::Lost));
        }
        if self.fault(30) {
            let at = self.now + 1 + self.some(3 * lease_ms());
            self.late.push((at, request.clone()));
            return Err(gone(TransportProblem::Lost));
        }
        if self.fault(20) {
            let retry_after = Some(Duration::from_secs(1));
            return Ok(HttpResponse { status: 503, retry_after, body: Vec::new() });
        }
        if self.fault(40) {
            let _ = self.serve(request);
        }
        let response = self.serve(request);
        if self.fault(40) {
            let waits = self.some(timeout);
            self.pass(waits);
            return Err(gone(TransportProblem::Lost));
        }
        response.ok_or_else(|| gone(TransportProblem::Lost))
    }
}

fn lease_ms() -> u64 {
    u64::try_from(LEASE.as_millis()).unwrap()
}

fn gone(problem: TransportProblem) -> TransportError {
    TransportError { problem, message: "nobody there".to_owned() }
}

impl CoordinatorTransport for Network {
    fn send(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        self.lock().send(request, timeout)
    }
}

impl ClientClock for Network {
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.lock().now()).unwrap())
    }

    fn pause(&self, duration: Duration) {
        self.lock().pass(i64::try_from(duration.as_millis()).unwrap());
    }

    fn jitter(&self) -> f64 {
        f64::from(u32::try_from(self.lock().dice.roll(1000)).unwrap()) / 1000.0
    }
}
