//! The queue on disk as the scheduler sees it: one record in, one job in the model out. The run
//! loop decides with it, and `status` explains with the same one.

use aq_caps::Capabilities;
use aq_ledger::{JobRow, RecordKey};
use aq_manifest::{JobId, ReviewPolicy, Stage};
use aq_scheduler::{
    Counts, EngineState, Host, HostId, HostLack, Job, Limits, Misfits, Plan, Queue, QueueError,
    Settled, State, WaitReason,
};
use jiff::Timestamp;

use super::engine_sightings::Sightings;
use super::engine_use::{KnownEngines, state};
use super::host_lack::recorded_lack;
use super::replica::{Change, Put, Replica};
use super::room::room_lack;
use super::settings::Settings;
use crate::engine::Registry;
use crate::store::{JobRecord, QueueDir, holder};

/// The scheduler's queue with this host in it.
#[derive(Debug)]
pub(crate) struct Model {
    queue: Queue,
    host: HostId,
    /// Tools of which nobody knows what they are: what asks for them is not judged.
    unasked: Vec<String>,
    /// What happened since it was asked for, when somebody follows.
    changes: Option<Vec<Change>>,
}

impl Model {
    pub(crate) fn new(
        dir: &QueueDir,
        settings: &Settings,
        capabilities: Capabilities,
        limits: Limits,
        now: Timestamp,
    ) -> Self {
        let mut queue = Queue::new();
        let known = KnownEngines::read(dir);
        let names = settings.engines.names();
        let engines = names.map(|name| (name.to_owned(), state(&known, settings, name, now)));
        let host = queue.add_host(Host {
            capabilities,
            engines: engines.collect(),
            limits,
            misfits: Misfits::Reject,
        });
        Self { queue, host, unasked: Vec::new(), changes: None }
    }

    /// Leaves requirements out that these tools would have to answer.
    pub(crate) fn leave_open(&mut self, unasked: Vec<String>) {
        self.unasked = unasked;
    }

    /// A second one of this, which has no jobs yet; from now on it is noted what happens, for it to
    /// follow.
    pub(crate) fn replica(&mut self) -> Replica {
        self.changes = Some(Vec::new());
        Replica::new(self.queue.clone(), self.host)
    }

    /// What has happened and was not taken yet; `None` when nobody follows.
    pub(crate) fn changes(&mut self) -> Option<&mut Vec<Change>> {
        self.changes.as_mut()
    }

    fn note(&mut self, change: impl FnOnce() -> Change) {
        if let Some(changes) = &mut self.changes {
            changes.push(change());
        }
    }

    /// Looks again which engines are installed and which rest.
    pub(crate) fn refresh_engines(&mut self, dir: &QueueDir, settings: &Settings, now: Timestamp) {
        let known = KnownEngines::read(dir);
        let mut engines = Vec::new();
        for name in settings.engines.names() {
            let state = state(&known, settings, name, now);
            if self.changes.is_some() {
                engines.push((name.to_owned(), state.clone()));
            }
            // The host was added by `new` and is never removed.
            let _ = self.queue.set_engine(self.host, name, state);
        }
        self.note(|| Change::Engines(engines));
    }

    /// Says what keeps this host from starting anything.
    pub(crate) fn set_lack(&mut self, lack: Option<HostLack>) {
        // The host was added by `new` and is never removed.
        let _ = self.queue.set_lack(self.host, lack);
    }

    /// For somebody who looks: takes in what the run loop sees in another way, or only the loop.
    pub(crate) fn look_from_outside(
        &mut self,
        dir: &QueueDir,
        settings: &Settings,
        is_loop_at_work: bool,
    ) {
        self.set_lack(room_lack(dir, settings));
        let missed = Sightings::read(dir).missed_by_loop(settings);
        // Its PATH may be another one.
        for (name, lack) in missed.into_iter().filter(|_| is_loop_at_work) {
            let _ = self.queue.set_engine(self.host, &name, EngineState::Absent { lack });
        }
    }

    /// As [`Self::put`], for somebody who looks: what a job lacked it lacks until a loop has tried again.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub(crate) fn show(
        &mut self,
        dir: &QueueDir,
        engines: &Registry,
        row: JobRow<'_>,
        state: State,
    ) -> Result<(), QueueError> {
        let lack = recorded_lack(row.content());
        let state = match (&lack, state) {
            (Some(_), State::Waiting { .. }) => State::WAITING,
            (_, state) => state,
        };
        self.put(dir, engines, row, state, lack)
    }

    /// Puts a job in as its record says, in place of what was known of it. `lack` is what the host
    /// lacked when it was last tried.
    ///
    /// # Errors
    /// Its dependencies go round in a circle; it is not in then.
    pub(crate) fn put(
        &mut self,
        dir: &QueueDir,
        engines: &Registry,
        row: JobRow<'_>,
        state: State,
        lack: Option<HostLack>,
    ) -> Result<(), QueueError> {
        // Not being there is what is wanted.
        let _ = self.queue.remove(row.id);
        let job = Job { lack, ..self.job(engines, row) };
        let deps = job.deps.clone();
        self.note(|| Change::Put(Box::new(Put::new(job.clone(), state.clone(), row))));
        self.queue.insert(job, state)?;
        for dep in deps {
            // Jobs that have ended are not in the model; what they mean for their key is looked up
            // for the keys that somebody waits for. A key that cannot be looked up is not known.
            if let Ok(Some(holder)) = holder(dir, &dep)
                && let Some(settled) = settled(holder.stage)
            {
                self.queue.settle(&dep, settled);
                self.note(|| Change::Settled { key: dep, by: holder.id, settled });
            }
        }
        Ok(())
    }

    /// The clock was set back to `now`: what is to come is reckoned from there.
    pub(crate) fn clock_set_back(&mut self, now: Timestamp) {
        self.queue.set_back(now);
        self.note(|| Change::SetBack(now));
    }

    /// Notes what became of a job that is in the model or ended. How jobs ended for whose key nobody
    /// waits is not kept: `put` looks it up.
    pub(crate) fn end(&mut self, record: &JobRecord, settled: Settled) {
        if self.queue.set_state(&record.id, State::Settled(settled)).is_err()
            && let Some(key) = record.meta.get(RecordKey::IdempotencyKey)
        {
            self.queue.settle(key, settled);
        }
        if let Some(key) = record.meta.get(RecordKey::IdempotencyKey) {
            self.queue.forget(key);
        }
        for key in record.meta.list(RecordKey::Deps) {
            self.queue.forget(&key);
        }
        self.note(|| {
            let key = record.meta.get(RecordKey::IdempotencyKey).map(str::to_owned);
            Change::Ended { id: record.id.clone(), key, settled }
        });
    }

    /// Takes a job out as if it had never been there.
    pub(crate) fn forget(&mut self, id: &JobId) {
        // Not being there is what is wanted.
        let _ = self.queue.remove(id);
        self.note(|| Change::Forgotten(id.clone()));
    }

    pub(crate) fn started(&mut self, id: &JobId, engine: &str) {
        let state = self.running(engine);
        self.note(|| Change::Started { id: id.clone(), state: state.clone() });
        let _ = self.queue.set_state(id, state);
    }

    pub(crate) fn running(&self, engine: &str) -> State {
        State::Running { host: self.host, engine: engine.to_owned() }
    }

    pub(crate) fn plan(&mut self, now: Timestamp) -> Plan {
        self.queue.plan(self.host, now).expect("the host was added by `new` and is never removed")
    }

    pub(crate) fn explain(&self, plan: &Plan, id: &JobId) -> Option<WaitReason> {
        self.queue.explain(plan, id)
    }

    /// The waiting jobs in the order in which they will run.
    pub(crate) fn order(&self) -> Vec<&JobId> {
        self.queue.order()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.queue.counts()
    }

    /// Whether anything will still happen without a person.
    pub(crate) fn will_progress(&self) -> bool {
        self.queue.will_progress(self.host)
    }

    fn job(&self, engines: &Registry, row: JobRow<'_>) -> Job {
        let wanted = row.engine_wanted();
        let class = row.engine_class().unwrap_or_default();
        let prefers = row.prefers_engine().unwrap_or_default();
        // An engine or a class that does not exist is never installed either: the plan rejects it.
        let candidates = engines
            .candidates(wanted, class, &prefers)
            .unwrap_or_else(|_| vec![wanted.unwrap_or(class).to_owned()]);
        let mut requirements = row.capabilities().unwrap_or_default();
        requirements.retain(|wanted| !self.unasked.iter().any(|tool| wanted.depends_on(tool)));
        Job {
            priority: row.priority().unwrap_or_default(),
            lock: row.lock().map(str::to_owned),
            repository: row.content().get(RecordKey::RepositoryLock).map(str::to_owned),
            key: row.idempotency_key().map(str::to_owned),
            deps: row.deps().unwrap_or_default(),
            deps_mode: row.deps_mode().unwrap_or_default(),
            requirements,
            engines: candidates,
            held: row.stage == Stage::Inbox && row.held().is_some(),
            ..Job::new(row.id.clone(), row.added_at().unwrap_or(Timestamp::UNIX_EPOCH))
        }
    }
}

/// What a folder means for the key of a job that lies in it.
pub(crate) fn settled(stage: Stage) -> Option<Settled> {
    match stage {
        Stage::Shipped => Some(Settled::Shipped),
        Stage::Failed => Some(Settled::Failed),
        Stage::Quarantine => Some(Settled::Quarantined),
        Stage::Inbox | Stage::Building | Stage::Review | Stage::Testing => None,
    }
}

/// Where a job stands that nobody works on, by its folder and record. `None`: it has ended, or
/// only recovery can tell.
pub(crate) fn resting_state(row: JobRow<'_>, now: Timestamp) -> Option<State> {
    // A pause that began in the future was written by a clock that has been set back since.
    let clock_was_wrong = row.ended_at().is_some_and(|at| at > now);
    let not_before = row.next_eligible().filter(|_| !clock_was_wrong);
    match row.stage {
        Stage::Inbox => Some(State::Waiting { not_before }),
        // The agent's work is accepted and `verify` has not judged it: that is still to be run.
        Stage::Review if row.review_policy().unwrap_or_default() == ReviewPolicy::Auto => {
            Some(State::Waiting { not_before })
        }
        Stage::Review => Some(State::Review),
        Stage::Testing => Some(State::Testing),
        Stage::Building | Stage::Shipped | Stage::Failed | Stage::Quarantine => None,
    }
}
