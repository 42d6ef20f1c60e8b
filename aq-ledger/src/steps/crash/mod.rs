//! Every step, cut short after every write, before everybody who may come next.
//!
//! A model of one job with its loop, its worker, recovery and a person. Its actions are the steps
//! of this room, each made whole or cut short, so a new step joins it by having a name:
//! [`requests`] and [`actor`] do not compile without it.

mod requests;

use std::sync::Mutex;
use std::{collections::BTreeSet, sync::Arc};

use aq_manifest::Stage;
use stateright::{Checker, Model, Property};

use super::lab::{LEASE, NOW, row};
use super::*;
use crate::escape::escape;
use crate::{KeyName, RecordContent, RecordKey};
use requests::{StepActor, actor, is_note, is_of_pull, requests};

/// The actions of the model, and its bounds.
#[derive(Clone)]
struct JobWorld {
    /// The record of the job when it waits for the first time.
    record: &'static str,
    /// A person, who may do anything at any time.
    has_person: bool,
    /// The notes that a worker makes between its steps.
    has_notes: bool,
    /// The steps about pull requests.
    has_pulls: bool,
    /// Attempts that are looked at.
    attempts: u32,
    /// Deaths in a row that are looked at.
    deaths: u32,
    /// Cuts after each line of an update, and not only after the first and the last ones.
    every_line: bool,
    /// Steps that were made.
    made: Arc<Mutex<BTreeSet<StepName>>>,
}

/// A job's files and processes, with what has happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ModelJob {
    folder: Stage,
    /// The old name, which a power cut has brought back.
    second_name: Option<Stage>,
    /// The folder before the last rename that was not synced.
    unsynced: Option<Stage>,
    record: String,
    worker: ModelWorker,
    stop: Option<StopReason>,
    /// A worker has noted that the target is about to move, to the end: whoever has moved it did so
    /// after that.
    lands: bool,
    /// Its target has moved to a commit with its work.
    landed: bool,
    /// Numbers of the attempts that were made and count.
    attempts_made: Vec<u32>,
    /// The promise that was broken.
    broken: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ModelWorker {
    None,
    Started,
    AtWork,
}

/// The place at which a step is cut short, if it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum CutPoint {
    /// It is not.
    Whole,
    /// After so many lines of its update; when these are all, before the rename.
    Lines(usize),
    /// After the last write: whoever made it has died, and its worker was not started.
    Died,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ModelAction {
    /// One of the requests of a step.
    Step(StepName, usize, CutPoint),
    /// A worker is started for work in `review/`, or for a merge.
    StartVerify,
    /// The worker moves the job's target.
    Land,
    WorkerDies,
    AskToStop(StopReason),
    /// The last rename was not synced: both names are there, and no process is.
    PowerCut,
    /// The rename of a step that was cut short, or the removal of a second name.
    Tidy,
}

/// Keys that steps read, and promises are about. The model keeps no others, so that it has fewer
/// states.
const READ: [RecordKey; 16] = [
    RecordKey::AddedAt,
    RecordKey::Attempt,
    RecordKey::Attempts,
    RecordKey::FleetJobId,
    RecordKey::FleetLeaseEpoch,
    RecordKey::FleetReports,
    RecordKey::FleetShips,
    RecordKey::Held,
    RecordKey::HostTries,
    RecordKey::Landing,
    RecordKey::MovedTo,
    RecordKey::Pid,
    RecordKey::PullRequestCommit,
    RecordKey::PullRequestOpen,
    RecordKey::Recoveries,
    RecordKey::TrainTries,
];

impl ModelJob {
    fn content(&self) -> RecordContent {
        RecordContent::parse(&self.record)
    }

    /// Appends lines. Of a record only what counts is kept, so that equal ones are equal.
    fn append(&mut self, lines: &str) {
        let content = RecordContent::parse(&(self.record.clone() + lines));
        let text = |(key, value): (RecordKey, &str)| {
            let is_read = READ.contains(&key);
            is_read.then(|| format!("{}={}\n", key.text(), escape(value)))
        };
        self.record = content.known().filter_map(text).collect();
    }

    fn break_unless(&mut self, is_kept: bool, promise: &'static str) {
        if !is_kept {
            self.broken = Some(promise);
        }
    }

    /// The step's writes, as far as they come.
    fn write(&mut self, name: StepName, step: &StepWrites, cut: CutPoint) {
        let before = self.content();
        let text = step.update().needed_by(&before).to_text();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let written = match cut {
            CutPoint::Lines(lines) => lines,
            CutPoint::Whole | CutPoint::Died => lines.len(),
        };
        self.append(&lines[..written].concat());
        let is_recorded = written == lines.len();
        self.count_attempts(name, &before, is_recorded);
        if matches!(cut, CutPoint::Lines(_)) {
            if written > 0 && !is_recorded {
                // Only a power cut tears an update, and what is there after one stays.
                self.unsynced = None;
            }
            return;
        }
        if let Some(to) = step.stage() {
            let is_synced = step.durability() == Durability::Synced;
            self.unsynced = Some(self.folder).filter(|&from| from != to && !is_synced);
            self.folder = to;
        }
    }

    /// Counts the attempts apart from the record.
    fn count_attempts(&mut self, name: StepName, before: &RecordContent, is_recorded: bool) {
        let after = self.content();
        let attempt = before.count(RecordKey::Attempt);
        match name {
            StepName::Begin if self.folder == Stage::Building => {
                self.break_unless(
                    !self.attempts_made.contains(&attempt),
                    "an attempt is made twice",
                );
                if after.has(RecordKey::Pid) {
                    self.attempts_made.push(attempt);
                }
            }
            StepName::AwaitDeps | StepName::GiveBack | StepName::PutBack | StepName::Postpone
                if self.folder == Stage::Building
                    && (is_recorded || !after.has(RecordKey::Pid)) =>
            {
                self.attempts_made.retain(|&made| made != attempt);
            }
            StepName::Requeue | StepName::Resume if !after.has(RecordKey::Attempts) => {
                self.attempts_made.clear();
            }
            _ => {}
        }
    }

    /// The worker's life after a step of its own, or its start.
    fn end_worker(&mut self, name: StepName, cut: CutPoint) {
        let goes_on = cut == CutPoint::Whole
            && (is_note(name)
                || name == StepName::Begin
                || matches!(name, StepName::AllowShip | StepName::NoteLanding)
                // Accepted work is verified by the same worker.
                || (name == StepName::Accept && self.content().has(RecordKey::Pid)));
        self.worker = if goes_on { ModelWorker::AtWork } else { ModelWorker::None };
        if cut == CutPoint::Whole && !goes_on {
            // It has done its work, whatever was wished too late.
            self.stop = None;
        }
    }

    /// The job is where its record and its folder agree, and nobody works on it.
    fn is_at_rest(&self) -> bool {
        let content = self.content();
        let is_cut_short = match DeadWorker::of(row(self.folder, &content)) {
            DeadWorker::None | DeadWorker::Verifying | DeadWorker::Merging => false,
            DeadWorker::StepCutShort(_) | DeadWorker::NotBegun | DeadWorker::AtWork => true,
        };
        self.worker == ModelWorker::None && self.second_name.is_none() && !is_cut_short
    }

    fn is_exact(&self) -> bool {
        let counted = self.content().count(RecordKey::Attempts);
        self.attempts_made.iter().copied().eq(1..=counted)
    }
}

impl JobWorld {
    fn new(record: &'static str) -> Self {
        Self {
            record,
            has_person: true,
            has_notes: false,
            has_pulls: false,
            attempts: 2,
            deaths: 1,
            every_line: false,
            made: Arc::default(),
        }
    }

    /// The steps that this actor can make now.
    fn steps(&self, job: &ModelJob, actions: &mut Vec<ModelAction>) {
        let content = job.content();
        let row = row(job.folder, &content);
        let now = NOW.parse().expect("a time");
        for &name in StepName::ALL {
            let may_act = match actor(name) {
                StepActor::Worker if name == StepName::Begin => job.worker == ModelWorker::Started,
                StepActor::Worker => job.worker == ModelWorker::AtWork,
                // The worker that merges it does, and recovery where that is dead.
                StepActor::Loop if name == StepName::Ship && job.landed => {
                    job.worker != ModelWorker::Started
                }
                StepActor::Loop if name == StepName::ForgetLanding && row.lands_at_remote() => {
                    job.worker == ModelWorker::AtWork
                }
                StepActor::Loop => job.worker == ModelWorker::None,
                StepActor::Person => job.worker == ModelWorker::None && self.has_person,
            };
            let is_left_out =
                (is_note(name) && !self.has_notes) || (is_of_pull(name) && !self.has_pulls);
            if !may_act || is_left_out {
                continue;
            }
            for (number, request) in requests(name, job.stop, job.landed).iter().enumerate() {
                let Ok(step) = request(row, now) else { continue };
                let lines = step.update().needed_by(&content).lines().count();
                actions.push(ModelAction::Step(name, number, CutPoint::Whole));
                // Of the others nobody waits for the end.
                if actor(name) == StepActor::Worker || name == StepName::Launch {
                    actions.push(ModelAction::Step(name, number, CutPoint::Died));
                }
                let is_cut = |&at: &usize| self.every_line || at < 2 || at + 2 > lines;
                let cuts = (0..=lines).filter(is_cut);
                actions.extend(cuts.map(|at| ModelAction::Step(name, number, CutPoint::Lines(at))));
            }
        }
    }

    /// Makes a step, and checks what it must keep.
    fn step(&self, mut job: ModelJob, name: StepName, number: usize, cut: CutPoint) -> ModelJob {
        let content = job.content();
        let request = requests(name, job.stop, job.landed).swap_remove(number);
        let now = NOW.parse().expect("a time");
        let step = request(row(job.folder, &content), now).expect("it was allowed");
        let from = job.folder;
        job.write(name, &step, cut);
        match name {
            StepName::NoteLanding if !matches!(cut, CutPoint::Lines(_)) => job.lands = true,
            StepName::ForgetLanding => job.lands &= job.content().has(RecordKey::Landing),
            _ => {}
        }
        if cut == CutPoint::Whole {
            self.made.lock().expect("no panic").insert(name);
        }
        match (actor(name), name) {
            (StepActor::Worker, _) => job.end_worker(name, cut),
            (_, StepName::Ship) => job.worker = ModelWorker::None,
            (_, StepName::Launch) if cut == CutPoint::Whole => job.worker = ModelWorker::Started,
            (_, StepName::Recover) if cut == CutPoint::Whole => {
                let is_open = row(job.folder, &content).has_open_landing();
                if let Some(reason) = job.stop.take_if(|_| !is_open) {
                    job.break_unless(job.folder == reason.stage(), "a stopped job goes on");
                }
                let content = job.content();
                let again = RecoverJob::default().end(row(job.folder, &content));
                job.break_unless(again.is_none(), "a second recovery finds something");
            }
            // Before the job goes back, a wish that came too late is withdrawn.
            (_, StepName::Requeue | StepName::Resume | StepName::StopWaiting) => job.stop = None,
            _ => {}
        }
        let was_open = content.has(RecordKey::PullRequestOpen);
        job.break_unless(
            name != StepName::ShipPull || was_open,
            "a job is shipped by a pull request that it has not",
        );
        let is_final = from == Stage::Shipped && job.folder != Stage::Shipped;
        job.break_unless(!is_final, "a shipped job moves");
        let is_kept = !job.landed || matches!(job.folder, Stage::Testing | Stage::Shipped);
        job.break_unless(is_kept, "merged work is not shipped");
        job
    }
}

impl Model for JobWorld {
    type State = ModelJob;
    type Action = ModelAction;

    fn init_states(&self) -> Vec<ModelJob> {
        vec![ModelJob {
            folder: Stage::Inbox,
            second_name: None,
            unsynced: None,
            record: self.record.to_owned(),
            worker: ModelWorker::None,
            stop: None,
            lands: false,
            landed: false,
            attempts_made: Vec::new(),
            broken: None,
        }]
    }

    fn actions(&self, job: &ModelJob, actions: &mut Vec<ModelAction>) {
        let content = job.content();
        let dead = DeadWorker::of(row(job.folder, &content));
        if job.worker == ModelWorker::None
            && (job.second_name.is_some() || matches!(dead, DeadWorker::StepCutShort(_)))
        {
            actions.push(ModelAction::Tidy);
            // A person's verb takes the folder that it finds; recovery is first in each turn of a
            // loop.
            return;
        }
        self.steps(job, actions);
        let is_open = row(job.folder, &content).has_open_landing();
        let at_remote = row(job.folder, &content).lands_at_remote();
        let is_merged_here = job.folder == Stage::Testing && (!is_open || at_remote);
        if job.worker == ModelWorker::None
            && (job.folder == Stage::Review || is_merged_here)
            && dead == DeadWorker::None
        {
            actions.push(ModelAction::StartVerify);
        }
        // A push may go on without the worker that has begun it.
        if (job.worker == ModelWorker::AtWork || at_remote) && job.lands && !job.landed {
            actions.push(ModelAction::Land);
        }
        if job.worker != ModelWorker::None {
            actions.push(ModelAction::WorkerDies);
            if self.has_person && job.stop.is_none() {
                actions.push(ModelAction::AskToStop(StopReason::Person));
            }
            if row(job.folder, &content).has_lease() && job.stop != Some(StopReason::Fenced) {
                actions.push(ModelAction::AskToStop(StopReason::Fenced));
            }
        }
        if job.unsynced.is_some() {
            actions.push(ModelAction::PowerCut);
        }
    }

    fn next_state(&self, last: &ModelJob, action: ModelAction) -> Option<ModelJob> {
        let mut job = last.clone();
        match action {
            ModelAction::Step(name, number, cut) => job = self.step(job, name, number, cut),
            ModelAction::StartVerify => job.worker = ModelWorker::Started,
            ModelAction::Land => {
                job.landed = true;
                let content = job.content();
                let may_land =
                    !row(job.folder, &content).has_lease() || content.has(RecordKey::FleetShips);
                job.break_unless(may_land, "a job of the fleet is merged unasked");
            }
            ModelAction::WorkerDies => job.worker = ModelWorker::None,
            ModelAction::AskToStop(reason) => job.stop = Some(reason),
            ModelAction::PowerCut => {
                job.second_name = job.unsynced.take();
                job.worker = ModelWorker::None;
            }
            ModelAction::Tidy => {
                let content = job.content();
                let folders: Vec<Stage> = job.second_name.into_iter().chain([job.folder]).collect();
                job.folder = folder_of(&content, &folders);
                if let DeadWorker::StepCutShort(to) = DeadWorker::of(row(job.folder, &content)) {
                    job.folder = to;
                }
                (job.second_name, job.unsynced) = (None, None);
            }
        }
        if job.is_at_rest() {
            let is_exact = job.is_exact();
            job.break_unless(is_exact, "the record counts other attempts than were made");
        }
        Some(job)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every promise is kept", |_, job: &ModelJob| job.broken.is_none()),
            Property::sometimes("it is shipped", |_, job: &ModelJob| job.folder == Stage::Shipped),
            Property::sometimes("a power cut doubles it", |_, job: &ModelJob| {
                job.second_name.is_some()
            }),
            Property::sometimes("it is merged", |_, job: &ModelJob| {
                job.landed && job.folder == Stage::Shipped
            }),
        ]
    }

    fn within_boundary(&self, job: &ModelJob) -> bool {
        let content = job.content();
        content.count(RecordKey::Attempt) <= self.attempts
            && content.count(RecordKey::HostTries) <= 1
            && content.count(RecordKey::Recoveries) <= self.deaths
            && content.count(RecordKey::TrainTries) <= 1
            && content.get(RecordKey::FleetReports).is_none_or(|reports| reports == "1")
    }
}

fn worlds() -> Vec<JobWorld> {
    let worlds = [
        JobWorld { attempts: 1, ..JobWorld::new("") },
        JobWorld { has_pulls: true, attempts: 1, deaths: 0, ..JobWorld::new("") },
        JobWorld { has_person: false, ..JobWorld::new(LEASE) },
        JobWorld { has_person: false, has_notes: true, attempts: 1, ..JobWorld::new(LEASE) },
        JobWorld { has_person: false, attempts: 1, deaths: 10, ..JobWorld::new("recoveries=8\n") },
    ];
    #[expect(clippy::disallowed_methods, reason = "only the size of a test")]
    if std::env::var("AQ_MODEL").is_ok_and(|size| size == "all") {
        let large = |world| JobWorld { every_line: true, attempts: 3, ..world };
        return worlds.into_iter().map(large).chain([JobWorld::new(LEASE)]).collect();
    }
    worlds.into()
}

#[test]
fn no_cut_breaks_a_promise() {
    let mut made = BTreeSet::new();
    for world in worlds() {
        let all = world.made.clone();
        let checker = world.clone().checker().threads(2).spawn_bfs().join();
        println!("{:?}: {} states", world.record, checker.unique_state_count());
        checker.assert_properties();
        made.extend(all.lock().unwrap().iter().copied());
    }
    // It begins the life of another file.
    let never: Vec<_> = StepName::ALL.iter().filter(|name| !made.contains(name)).collect();
    assert_eq!(never, [&StepName::SetAside; 0], "steps that the model never makes");
}
