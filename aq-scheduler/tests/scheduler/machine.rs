//! Random histories: after each step the queue must say what the naive model says.

use aq_manifest::{DepsMode, JobId, Priority};
use aq_scheduler::{
    EngineState, HostLack, HostLimits, JobQueue, JobState, QueueError, ScheduledJob, SchedulerHost,
    SettledAs, UnschedulablePolicy, WaitReason,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::Config;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::lab::{at, capabilities, id};
use crate::model::Model;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Insert(ScheduledJob, Move),
    Move(usize, Move),
    Remove(usize),
    Settle(String, SettledAs),
    Unsettle(String),
    Forget(String),
    Engine(usize, String, EngineState),
    Limits(usize, HostLimits),
    Capabilities(usize, &'static str),
    /// A host is below its mark, or above it again.
    Lack(usize, bool),
    Clock(Timestamp),
    SetBack(Timestamp),
    /// Starts all that the plan of a host says.
    Obey(usize),
}

/// A state whose host is a number.
#[derive(Clone, Debug)]
pub(crate) enum Move {
    To(JobState),
    Run(usize, String),
}

const KEYS: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];
const ENGINES: [&str; 3] = ["e0", "e1", "e2"];
const CAPABILITIES: [&str; 3] = ["", "os:linux gpu", "os:linux node:22.1.0"];

fn time() -> impl Strategy<Value = Timestamp> {
    (0_i64..40).prop_map(at)
}

fn key() -> impl Strategy<Value = String> {
    select(&KEYS[..]).prop_map(str::to_owned)
}

fn settled() -> impl Strategy<Value = SettledAs> {
    select(vec![SettledAs::Shipped, SettledAs::Failed, SettledAs::Quarantined])
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

prop_compose! {
    fn job()(
        name in 0..20_u8,
        added in 0_i64..3,
        priority in select(&Priority::ALL[..]),
        lock in proptest::option::weighted(0.7, select(vec!["x", "y", "z"])),
        repository in proptest::option::weighted(0.2, select(vec!["r", "s"])),
        key in proptest::option::weighted(0.7, key()),
        held in proptest::bool::weighted(0.1),
        deps in prop_oneof![
            2 => Just(vec![]),
            2 => proptest::collection::vec(select(&KEYS[..]), 1..4),
        ],
        soft in any::<bool>(),
        needs in prop_oneof![
            9 => Just(vec![]),
            1 => subsequence(vec!["os", "gpu", "node>=20"], 1..3),
        ],
        // Few lists, so that jobs share classes.
        engines in prop_oneof![
            4 => Just(vec!["e0", "e1"]),
            4 => Just(vec!["e1", "e2"]),
            1 => subsequence(ENGINES.to_vec(), 0..=3).prop_shuffle(),
        ],
        lack in proptest::option::weighted(0.1, Just(program("git"))),
    ) -> ScheduledJob {
        ScheduledJob {
            obstacle: lack.map(WaitReason::HostLacks),
            priority,
            lock: lock.map(str::to_owned),
            repository: repository.map(str::to_owned),
            key,
            held,
            deps: owned(deps),
            deps_mode: if soft { DepsMode::Soft } else { DepsMode::Hard },
            requirements: needs.into_iter().map(|text| text.parse().unwrap()).collect(),
            engines: owned(engines),
            ..ScheduledJob::new(id(&format!("j{name}")), at(added))
        }
    }
}

fn program(name: &str) -> HostLack {
    HostLack::Program { program: name.to_owned() }
}

fn a_move() -> impl Strategy<Value = Move> {
    let waiting = proptest::option::of(time());
    prop_oneof![
        6 => waiting.prop_map(|not_before| Move::To(JobState::Waiting { not_before })),
        2 => (0..2_usize, select(&ENGINES[..])).prop_map(|(host, e)| Move::Run(host, e.to_owned())),
        1 => Just(Move::To(JobState::Review)),
        2 => Just(Move::To(JobState::Testing)),
        3 => settled().prop_map(|settled| Move::To(JobState::Settled(settled))),
    ]
}

fn engine_state() -> impl Strategy<Value = EngineState> {
    prop_oneof![
        1 => Just(EngineState::Missing),
        2 => Just(EngineState::READY),
        2 => (0..3_u32).prop_map(|limit| EngineState::Ready { limit: Some(limit) }),
        3 => time().prop_map(|until| EngineState::CoolingDown { until }),
        1 => Just(EngineState::OutOfUse { reason: "broken".to_owned() }),
        1 => Just(EngineState::Absent { lack: program("e") }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..2_usize;
    let engine = select(&ENGINES[..]).prop_map(str::to_owned);
    let limits = (select(vec![0, 1, 2, 3, 9]), proptest::option::weighted(0.2, 0..3_u32))
        .prop_map(|(max, max_review)| HostLimits { max, max_review });
    prop_oneof![
        12 => job().prop_map(|job| Step::Insert(job, Move::To(JobState::WAITING))),
        4 => (job(), a_move()).prop_map(|(job, to)| Step::Insert(job, to)),
        8 => (0..20_usize, a_move()).prop_map(|(n, to)| Step::Move(n, to)),
        2 => (0..20_usize).prop_map(Step::Remove),
        1 => (key(), settled()).prop_map(|(key, settled)| Step::Settle(key, settled)),
        1 => key().prop_map(Step::Unsettle),
        1 => key().prop_map(Step::Forget),
        4 => (host.clone(), engine, engine_state()).prop_map(|(h, e, s)| Step::Engine(h, e, s)),
        1 => (host.clone(), limits).prop_map(|(host, limits)| Step::Limits(host, limits)),
        1 => (host.clone(), select(&CAPABILITIES[..])).prop_map(|(h, c)| Step::Capabilities(h, c)),
        1 => (host.clone(), any::<bool>()).prop_map(|(host, is_full)| Step::Lack(host, is_full)),
        2 => time().prop_map(Step::Clock),
        1 => time().prop_map(Step::SetBack),
        4 => host.prop_map(Step::Obey),
    ]
}

/// The first host rejects what it cannot run, the second keeps it.
fn hosts() -> [SchedulerHost; 2] {
    let engines = |names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), EngineState::READY)).collect()
    };
    let limits = HostLimits { max: 4, max_review: None };
    [
        SchedulerHost {
            capabilities: capabilities("os:linux"),
            engines: engines(&["e0", "e1"]),
            limits,
            misfits: UnschedulablePolicy::Reject,
        },
        SchedulerHost {
            capabilities: capabilities("os:linux gpu"),
            engines: engines(&["e1", "e2"]),
            limits,
            misfits: UnschedulablePolicy::Keep,
        },
    ]
}

fn empty() -> (JobQueue, Model) {
    let mut queue = JobQueue::new();
    let hosts = hosts().map(|host| (queue.add_host(host.clone()), host));
    let model = Model {
        jobs: vec![],
        settled: [].into(),
        hosts: hosts.to_vec(),
        lacks: vec![],
        now: Timestamp::MIN,
    };
    (queue, model)
}

impl Model {
    fn state(&self, to: &Move) -> JobState {
        match to {
            Move::To(state) => state.clone(),
            Move::Run(host, engine) => {
                JobState::Running { host: self.hosts[*host].0, engine: engine.clone() }
            }
        }
    }

    /// The job that a number names: any that is there, or else one that is not.
    fn pick(&self, n: usize) -> JobId {
        match self.jobs.len() {
            0 => id("nobody"),
            len => self.jobs[n % len].0.id.clone(),
        }
    }

    fn would_wait_for_itself(&self, job: &ScheduledJob) -> bool {
        job.key.as_ref().is_some_and(|key| self.closes_cycle(key, &job.deps))
    }

    fn refuses(&self, job: &ScheduledJob, state: &JobState) -> bool {
        self.find(&job.id).is_some()
            || (matches!(state, JobState::Waiting { .. }) && self.would_wait_for_itself(job))
    }
}

const FULL: HostLack = HostLack::Room { free: 1, mark: 2 };

struct Histories;

impl ReferenceStateMachine for Histories {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(empty().1).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        step().boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match step.clone() {
            Step::Insert(mut job, to) => {
                let state = model.state(&to);
                if !model.refuses(&job, &state) {
                    if model.would_wait_for_itself(&job) {
                        job.deps.clear();
                    }
                    model.insert(job, state);
                }
            }
            Step::Move(n, to) => {
                let (id, state) = (model.pick(n), model.state(&to));
                model.set_state(&id, state);
            }
            Step::Remove(n) => {
                let id = model.pick(n);
                model.jobs.retain(|(job, _)| job.id != id);
            }
            Step::Settle(key, settled) => model.settle(&key, settled),
            Step::Unsettle(key) => drop(model.settled.remove(&key)),
            Step::Forget(key) => {
                if !model.jobs.iter().any(|(job, _)| job.deps.contains(&key)) {
                    model.settled.remove(&key);
                }
            }
            Step::Engine(host, name, state) => {
                model.hosts[host].1.engines.insert(name, state);
            }
            Step::Limits(host, limits) => model.hosts[host].1.limits = limits,
            Step::Capabilities(host, tokens) => {
                model.hosts[host].1.capabilities = capabilities(tokens);
            }
            Step::Lack(host, is_full) => {
                let host = model.hosts[host].0;
                model.lacks.retain(|(other, _)| *other != host);
                model.lacks.extend(is_full.then_some((host, FULL)));
            }
            Step::Clock(now) => model.now = model.now.max(now),
            Step::SetBack(now) => model.now = model.now.min(now),
            Step::Obey(host) => {
                let host = model.hosts[host].0;
                for (id, engine) in model.plan(host).start {
                    model.set_state(&id, JobState::Running { host, engine });
                }
            }
        }
        model
    }
}

struct Machine {
    queue: JobQueue,
    /// As it was before the step that comes next.
    model: Model,
}

impl Machine {
    fn step(&mut self, step: Step) {
        let Self { queue, model } = self;
        match step {
            Step::Insert(job, to) => {
                let state = model.state(&to);
                match queue.insert(job.clone(), state.clone()) {
                    Ok(()) => assert!(!model.refuses(&job, &state)),
                    Err(QueueError::DuplicateJob(id)) => assert!(model.find(&id).is_some()),
                    Err(QueueError::Cycle(cycle)) => {
                        assert!(model.refuses(&job, &state));
                        let mut with = model.clone();
                        with.insert(job, JobState::WAITING);
                        assert_eq!(cycle.0.first(), cycle.0.last());
                        for pair in cycle.0.windows(2) {
                            assert!(with.deps_of(&pair[0]).contains(&&pair[1]), "{cycle}");
                        }
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            Step::Move(n, to) => {
                let known = queue.set_state(&model.pick(n), model.state(&to)).is_ok();
                assert_eq!(known, !model.jobs.is_empty());
            }
            Step::Remove(n) => {
                assert_eq!(queue.remove(&model.pick(n)).is_ok(), !model.jobs.is_empty());
            }
            Step::Settle(key, settled) => queue.settle(&key, settled),
            Step::Unsettle(key) => queue.unsettle(&key),
            Step::Forget(key) => queue.forget(&key),
            Step::Engine(host, name, state) => {
                queue.set_engine(model.hosts[host].0, &name, state).unwrap();
            }
            Step::Limits(host, limits) => queue.set_limits(model.hosts[host].0, limits).unwrap(),
            Step::Capabilities(host, tokens) => {
                queue.set_capabilities(model.hosts[host].0, capabilities(tokens)).unwrap();
            }
            Step::Lack(host, is_full) => {
                queue.set_lack(model.hosts[host].0, is_full.then_some(FULL)).unwrap();
            }
            // The queue learns the time from plans only.
            Step::Clock(_) => {}
            Step::SetBack(now) => queue.set_back(now),
            Step::Obey(host) => {
                let host = model.hosts[host].0;
                for start in queue.plan(host, model.now).unwrap().start {
                    let state = JobState::Running { host, engine: start.engine };
                    queue.set_state(&start.job, state).unwrap();
                }
            }
        }
    }
}

/// Everything that the queue can be asked is what the model answers.
fn compare(queue: &mut JobQueue, model: &Model) {
    for &(host, _) in &model.hosts {
        let plan = queue.plan(host, model.now).unwrap();
        let expected = model.plan(host);
        let start: Vec<_> = plan.start.iter().map(|s| (s.job.clone(), s.engine.clone())).collect();
        assert_eq!(start, expected.start, "starts on {host}");
        let rejected: Vec<_> = plan.reject.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(rejected, expected.reject, "rejected on {host}");
        assert_eq!(plan.wake_at, expected.wake_at, "wakes {host}");
        assert_eq!(queue.will_progress(host), model.will_progress(host), "progress of {host}");
        for (job, not_before) in model.waiting() {
            let reason = queue.explain(&plan, &job.id).map(|reason| reason.to_string());
            let started = start.iter().any(|(id, _)| *id == job.id);
            match model.judge(job, not_before, host, &start) {
                _ if started => assert_eq!(reason, None, "{} starts", job.id),
                Ok(_) => panic!("{} is left out and nothing is in its way", job.id),
                // Which of several holders is named is not laid down.
                Err((why, _)) if why == "lock held" => {
                    assert!(reason.is_some_and(|r| r.starts_with("lock held by ")), "{}", job.id);
                }
                Err((why, _)) if why == "repository in use" => {
                    let said = " has the repository's own checkout";
                    assert!(reason.is_some_and(|r| r.ends_with(said)), "{}", job.id);
                }
                Err((why, _)) => assert_eq!(reason, Some(why), "{}", job.id),
            }
        }
    }
    check_order(queue, model);
}

/// Every waiting job is there once, none before a waiting job that it needs, and of two that
/// need nothing and do not pause the better one is first.
fn check_order(queue: &JobQueue, model: &Model) {
    let order: Vec<JobId> = queue.order().into_iter().cloned().collect();
    let mut sorted = order.clone();
    sorted.sort();
    let mut waiting: Vec<_> = model.waiting().iter().map(|(job, _)| job.id.clone()).collect();
    waiting.sort();
    assert_eq!(sorted, waiting);
    let free: Vec<_> = model
        .waiting()
        .into_iter()
        .filter(|(job, _)| !job.held)
        .filter(|(job, pause)| job.deps.is_empty() && pause.is_none_or(|p| p <= model.now))
        .map(|(job, _)| job.id.clone())
        .collect();
    let in_order: Vec<_> = order.into_iter().filter(|id| free.contains(id)).collect();
    assert_eq!(in_order, free);
}

impl StateMachineTest for Machine {
    type Reference = Histories;
    type SystemUnderTest = Self;

    fn init_test(_: &Model) -> Self {
        let (queue, model) = empty();
        Self { queue, model }
    }

    fn apply(mut machine: Self, after: &Model, step: Step) -> Self {
        machine.step(step);
        machine.model = after.clone();
        compare(&mut machine.queue, after);
        // Loading the same world anew, in another order, gives the same answers.
        let (mut anew, _) = empty();
        for (host, state) in &after.hosts {
            anew.set_limits(*host, state.limits).unwrap();
            anew.set_capabilities(*host, state.capabilities.clone()).unwrap();
            for (name, engine) in &state.engines {
                anew.set_engine(*host, name, engine.clone()).unwrap();
            }
        }
        for (host, lack) in &after.lacks {
            anew.set_lack(*host, Some(lack.clone())).unwrap();
        }
        for (job, state) in after.jobs.iter().rev() {
            anew.insert(job.clone(), state.clone()).unwrap();
        }
        for (key, settled) in &after.settled {
            anew.settle(key, *settled);
        }
        compare(&mut anew, after);
        machine
    }

    fn check_invariants(machine: &Self, model: &Model) {
        for &(host, _) in &model.hosts {
            let plan = machine.queue.clone().plan(host, model.now).unwrap();
            assert!(plan.start.len() <= model.free(host), "a slot too many");
            let started = |job: &ScheduledJob| plan.start.iter().any(|start| start.job == job.id);
            for needed in
                [|job: &ScheduledJob| job.lock.clone(), |job: &ScheduledJob| job.repository.clone()]
            {
                let jobs = || model.jobs.iter();
                let mut taken: Vec<String> = jobs()
                    .filter(|(job, _)| started(job))
                    .filter_map(|(job, _)| needed(job))
                    .collect();
                let all = taken.len();
                taken.sort();
                taken.dedup();
                assert_eq!(taken.len(), all, "one taken twice");
                let held = |(job, state): &&(ScheduledJob, JobState)| {
                    let is_taken = needed(job).is_some_and(|name| taken.contains(&name));
                    matches!(state, JobState::Running { .. }) && is_taken
                };
                assert!(!jobs().any(|it| held(&it)), "one that is held given away");
            }
        }
    }
}

prop_state_machine! {
    // 150 unless `PROPTEST_CASES` asks for more than its default.
    #![proptest_config(Config {
        cases: Config::default().cases * 150 / 256,
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn the_queue_says_what_the_naive_model_says(sequential 1..60 => Machine);
}
