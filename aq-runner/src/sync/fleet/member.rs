//! Membership: one thread registers and sends heartbeats, which renew the leases; where the
//! coordinator decides what runs here, another one claims jobs. Both end with the handle, and
//! neither can hold the loop up: what they learn is sent to it, what they need is left with them.

mod membership_types;
mod register;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aq_fleet::client::{CallError, CoordinatorClient};
use aq_fleet::lease::{HostLease, LeaseTrust};
use aq_fleet::protocol::{
    ClaimRequest, FleetJobId, HeartbeatRequest, HostDirective, InstanceId, LeaseGrant, LeaseRef,
    LeaseState, RegisterResponse, RequestId,
};

pub use self::membership_types::{HostStatus, MemberNews, MembershipSettings};

/// Time that a claim without an answer may be held back at the coordinator.
const WAIT: Duration = Duration::from_secs(20);

/// The pause after a call that failed, at first and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The pause before a claim is repeated whose answer has come and could not be used, as on a full
/// disk.
const AGAIN: Duration = Duration::from_secs(2);

/// The least time between two regular heartbeats, whatever the coordinator wants.
const SHORTEST_BEAT: Duration = Duration::from_millis(50);

/// A thread that waits and sends a few kilobytes needs little; TLS needs some.
const STACK: usize = 512 << 10;

/// A membership that is kept up until it is dropped.
#[derive(Debug)]
pub struct FleetMembership {
    shared: Arc<MemberShared>,
    client: Arc<CoordinatorClient>,
    request_file: PathBuf,
}

#[derive(Debug)]
struct MemberShared {
    state: Mutex<MemberState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct MemberState {
    status: HostStatus,
    registered: Option<RegisterResponse>,
    /// Something has ended that is not to wait for the next registration.
    register_again: bool,
    leases: HashMap<LeaseRef, HostLease>,
    /// Grants that the loop has not written down yet.
    untaken: bool,
    draining: bool,
    /// A heartbeat is wanted before its time.
    hurry: bool,
    ended: bool,
}

/// The state that both threads share.
struct MemberThreads {
    shared: Arc<MemberShared>,
    client: Arc<CoordinatorClient>,
    settings: MembershipSettings,
    tell: Arc<dyn Fn(MemberNews) + Send + Sync>,
}

impl FleetMembership {
    /// Joins the fleet. `deliver` sends what waits in the outbox; it is called with every
    /// heartbeat, and after how long to leave the rest to the next one. The callback must not
    /// block.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        client: &Arc<CoordinatorClient>,
        settings: &MembershipSettings,
        deliver: impl Fn(Duration) + Send + 'static,
        tell: impl Fn(MemberNews) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(MemberShared { state: Mutex::default(), changed: Condvar::new() });
        let membership = Self {
            shared: shared.clone(),
            client: client.clone(),
            request_file: settings.request_file.clone(),
        };
        let claims = settings.route;
        let tell = Arc::new(tell);
        let member = || MemberThreads {
            shared: shared.clone(),
            client: client.clone(),
            settings: settings.clone(),
            tell: tell.clone(),
        };
        let beats = member();
        spawn("aq-heartbeat", move || beats.keep_up(&deliver))?;
        if claims {
            let claims = member();
            spawn("aq-claims", move || claims.claim())?;
        }
        Ok(membership)
    }

    /// Says the state of the host now.
    pub fn update(&self, status: HostStatus) {
        let mut state = self.shared.lock();
        if state.status != status {
            // What was just granted is not in the status yet.
            if !state.untaken {
                state.leases.retain(|lease, _| status.leases.contains(lease));
            }
            let is_new = |lease: &LeaseRef| !state.leases.contains_key(lease);
            state.hurry |= status.leases.iter().any(is_new);
            state.status = status;
            self.shared.changed.notify_all();
        }
    }

    /// The jobs of the last [`MemberNews::Granted`] are on disk: others may be claimed. To be
    /// called when [`Self::update`] has set the state of the host with them, or too many are.
    pub fn taken(&self) {
        let _ = std::fs::remove_file(&self.request_file);
        let mut state = self.shared.lock();
        state.untaken = false;
        self.shared.changed.notify_all();
    }

    /// Not all of the jobs of the last [`MemberNews::Granted`] could be written down: the same
    /// claim is made again a little later, and has the same answer for as long as their leases
    /// hold.
    pub fn not_taken(&self) {
        self.shared.lock().untaken = false;
        self.shared.changed.notify_all();
    }

    /// Something waits in the outbox, or a lease is to be looked at: a heartbeat goes out now.
    pub fn hurry(&self) {
        self.shared.lock().hurry = true;
        self.shared.changed.notify_all();
    }

    /// Something has ended here while no loop was there to say so.
    pub fn register_again(&self) {
        let mut state = self.shared.lock();
        (state.register_again, state.hurry) = (true, true);
        self.shared.changed.notify_all();
    }

    /// Tests for a lease that has been renewed so lately that nobody else can have the job.
    pub fn trusts(&self, lease: LeaseRef) -> bool {
        let state = self.shared.lock();
        let now = self.client.clock().now();
        state.leases.get(&lease).is_some_and(|held| held.trust(now) == LeaseTrust::Trusted)
    }
}

impl Drop for FleetMembership {
    fn drop(&mut self) {
        // A thread that is in the middle of a call ends after it; nobody waits for that.
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl MemberShared {
    fn lock(&self) -> MutexGuard<'_, MemberState> {
        // Whoever panicked with the lock left values that are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `ready` or, with a limit, for so long. `None` when the membership has ended.
    fn wait(
        &self,
        limit: Option<Duration>,
        ready: impl Fn(&MemberState) -> bool,
    ) -> Option<MutexGuard<'_, MemberState>> {
        let until = limit.map(|limit| Instant::now() + limit);
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if ready(&state) || left.is_some_and(|left| left.is_zero()) {
                return Some(state);
            }
            state = match left {
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.map_or_else(|e| e.into_inner().0, |(state, _)| state)
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl MemberThreads {
    /// The heartbeats.
    fn keep_up(&self, deliver: &dyn Fn(Duration)) {
        let instance = InstanceId::random();
        let mut failures = 0;
        let mut told = false;
        loop {
            match self.beat(&instance) {
                Ok(()) => {
                    if failures > 0 || !told {
                        (self.tell)(MemberNews::Joined);
                    }
                    (failures, told) = (0, true);
                    // What waits must not hold up the next renewal.
                    deliver(self.regular().unwrap_or(LONGEST_PAUSE));
                }
                Err(e) => {
                    if failures == 0 {
                        (self.tell)(MemberNews::Trouble(e.to_string()));
                    }
                    failures += 1;
                    told = true;
                    self.nothing_now();
                }
            }
            let limit = match (failures, self.regular()) {
                (0, Some(regular)) => regular,
                // Not longer than between two heartbeats: after an outage leases hold for so long
                // only that every host has the time for one.
                (_, regular) => pause_after(failures).min(regular.unwrap_or(LONGEST_PAUSE)),
            };
            match self.shared.wait(Some(limit), |state| state.hurry && failures == 0) {
                Some(mut state) => state.hurry = false,
                None => return,
            }
        }
    }

    /// The time between two heartbeats, as soon as the coordinator has said it.
    fn regular(&self) -> Option<Duration> {
        let state = self.shared.lock();
        let regular = state.registered.as_ref().map(|r| Duration::from_millis(r.heartbeat_ms));
        regular.map(|regular| regular.max(SHORTEST_BEAT))
    }

    /// No job can be had for now: a loop that is to end does not wait for one.
    fn nothing_now(&self) {
        if self.settings.once {
            (self.tell)(MemberNews::NothingToClaim);
        }
    }

    /// Registers where that is still to be done, then one heartbeat.
    fn beat(&self, instance: &InstanceId) -> Result<(), CallError> {
        let state = self.shared.lock();
        let is_due = state.registered.is_none() || state.register_again;
        drop(state);
        if is_due {
            self.register(instance)?;
        }
        let status = self.shared.lock().status.clone();
        // What was not asked about is nothing to this host, however much of it is answered.
        let asked: HashSet<LeaseRef> = status.leases.iter().copied().collect();
        let mut jobs: HashSet<FleetJobId> = asked.iter().map(|lease| lease.job_id).collect();
        let beat = HeartbeatRequest {
            instance_id: instance.clone(),
            free: status.free,
            leases: status.leases,
        };
        let answer = match self.client.heartbeat(&self.settings.factory, &beat) {
            Err(CallError::Refused(problem)) if problem.status == 404 => {
                self.shared.lock().registered = None;
                return Err(CallError::Refused(problem));
            }
            answer => answer?,
        };
        let mut drain = false;
        for lease in &answer.value.leases {
            let held = LeaseRef { job_id: lease.job_id, epoch: lease.epoch };
            if !asked.contains(&held) {
                continue;
            }
            let mut state = self.shared.lock();
            let known = state.leases.entry(held).or_insert_with(|| HostLease::resumed(held.epoch));
            known.answered(answer.sent_at, lease);
            drop(state);
            if lease.state == LeaseState::Lost {
                (self.tell)(MemberNews::Lost(held));
            }
        }
        for directive in &answer.value.directives {
            match directive {
                HostDirective::Cancel { job_id } if jobs.remove(job_id) => {
                    (self.tell)(MemberNews::Cancel(*job_id));
                }
                HostDirective::Cancel { .. } | HostDirective::Unknown => {}
                HostDirective::Drain => drain = true,
            }
        }
        self.shared.lock().draining = drain;
        if drain {
            // As long as it lasts: an answer to a claim may still be on its way.
            (self.tell)(MemberNews::Drain);
            self.nothing_now();
        }
        if answer.value.register {
            // The coordinator has another database than it had, or an older one.
            self.register(instance)?;
        }
        // Perhaps jobs can be claimed now.
        self.shared.changed.notify_all();
        Ok(())
    }

    /// The claims.
    fn claim(&self) {
        let mut failures = 0;
        let mut last = None;
        let can_take = |state: &MemberState| {
            let idle = !state.untaken && !state.draining && state.registered.is_some();
            // What this host has already comes first: a lease that has run out is renewed, before a
            // claim could bring the same job under another one.
            let asked = |lease| state.leases.contains_key(lease);
            idle && state.status.free > 0 && state.status.leases.iter().all(asked)
        };
        loop {
            let Some(state) = self.shared.wait(None, can_take) else { return };
            let status = state.status.clone();
            drop(state);
            let begun = Instant::now();
            let made = self.request(status.free).map_err(|e| {
                if failures == 0 {
                    let file = self.settings.request_file.display();
                    (self.tell)(MemberNews::Trouble(format!(
                        "claims no jobs: cannot write {file}: {e}"
                    )));
                }
            });
            if let Ok((id, _)) = &made
                && failures == 0
                && last.replace(id.clone()).as_ref() == Some(id)
                && self.shared.wait(Some(AGAIN), |_| false).is_none()
            {
                return;
            }
            // The heartbeat shows what is wrong; the claim is sent again as it was.
            let answer = made.and_then(|(id, free)| self.ask(id, free, &status).map_err(drop));
            let pause = match answer {
                Ok(grants) if !grants.is_empty() => {
                    failures = 0;
                    (self.tell)(MemberNews::Granted(grants));
                    continue;
                }
                Ok(_) if self.settings.once => {
                    failures = 0;
                    (self.tell)(MemberNews::NothingToClaim);
                    // Asked again when something has changed here.
                    let same = |state: &MemberState| state.status != status;
                    if self.shared.wait(None, same).is_none() {
                        return;
                    }
                    continue;
                }
                Ok(_) => {
                    failures = 0;
                    // An answer that was to be held back and was not, is no reason to ask all the
                    // time.
                    PAUSE.saturating_sub(begun.elapsed())
                }
                Err(()) => {
                    failures += 1;
                    self.nothing_now();
                    pause_after(failures)
                }
            };
            if self.shared.wait(Some(pause), |_| false).is_none() {
                return;
            }
        }
    }

    fn ask(
        &self,
        request_id: RequestId,
        free: u32,
        status: &HostStatus,
    ) -> Result<Vec<LeaseGrant>, CallError> {
        let wait = if self.settings.once { Duration::ZERO } else { WAIT };
        let claim = ClaimRequest {
            request_id,
            factory_id: self.settings.factory.clone(),
            capabilities: self.settings.capabilities.clone(),
            free,
            held_locks: status.held_locks.clone(),
            dry_run: false,
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(0),
        };
        let answer = self.client.claim(&claim)?;
        let mut state = self.shared.lock();
        for grant in &answer.value.jobs {
            let lease = LeaseRef { job_id: grant.job_id, epoch: grant.epoch };
            let held = HostLease::new(grant.epoch, answer.sent_at, grant.lease_ms);
            state.leases.insert(lease, held);
            state.untaken = true;
        }
        drop(state);
        if answer.value.jobs.is_empty() {
            self.forget_request();
        }
        Ok(answer.value.jobs)
    }

    /// The id of the claim that is under way, also when another process began it, and the slots
    /// that it was made for: it may have been granted jobs for all of them, whatever has changed
    /// here since.
    ///
    /// A claim that cannot be remembered is not made: its jobs could not be written down either,
    /// and each would be lost until its lease ends.
    fn request(&self, free: u32) -> io::Result<(RequestId, u32)> {
        let file = &self.settings.request_file;
        let known = std::fs::read_to_string(file).unwrap_or_default();
        let mut words = known.split_whitespace();
        if let Some(id) = words.next().and_then(|id| id.parse().ok()) {
            return Ok((id, words.next().and_then(|free| free.parse().ok()).unwrap_or(free)));
        }
        let id = RequestId::random();
        std::fs::write(file, format!("{id} {free}\n"))?;
        Ok((id, free))
    }

    fn forget_request(&self) {
        let _ = std::fs::remove_file(&self.settings.request_file);
    }
}

fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(body).map(drop)
}
