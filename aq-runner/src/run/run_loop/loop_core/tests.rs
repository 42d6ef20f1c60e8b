//! The decisions of the loop, event by event.

mod conflicts;
mod lacks;
mod listeners;

use aq_caps::Capabilities;
use aq_manifest::Stage;
use aq_scheduler::{
    EngineState, HostLack, HostLimits, ScheduledJob, SchedulerHost, SettledAs, UnschedulablePolicy,
};

use super::*;
use crate::run::queue::change::{EndedJob, JobOrigin, ReadJob};
use crate::store::JobRecord;

pub(super) fn id(name: &str) -> JobId {
    name.parse().unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The core of a loop with the engine `shell`, which runs two jobs at once.
fn core(once: bool) -> LoopCore {
    LoopCore::new(
        QueueModel::new(SchedulerHost {
            capabilities: Capabilities::default(),
            engines: [("shell".to_owned(), EngineState::READY)].into(),
            limits: HostLimits { max: 2, max_review: None },
            misfits: UnschedulablePolicy::Reject,
        }),
        once,
    )
}

/// A job of the engine `shell`, added in the order of their names.
fn job(name: &str) -> ScheduledJob {
    let added = at(i64::from(name.as_bytes()[0]));
    ScheduledJob { engines: vec!["shell".to_owned()], ..ScheduledJob::new(id(name), added) }
}

pub(super) fn read(job: ScheduledJob) -> Box<ReadJob> {
    let origin = JobOrigin { stage: Stage::Inbox, has_own_lock: false, version: 0 };
    Box::new(ReadJob { job, origin, ends: Vec::new() })
}

fn waits(job: ScheduledJob) -> LoopEvent {
    let id = job.id.clone();
    LoopEvent::JobLooked(
        id,
        JobLook::Rests { read: read(job), state: JobState::WAITING, lack: None },
    )
}

fn trouble(text: &str, lack: Option<HostLack>) -> JobTrouble {
    JobTrouble { text: text.to_owned(), lack, is_held: false, place: Some(Stage::Inbox) }
}

fn launched(name: &str) -> LoopEvent {
    LoopEvent::Launched { id: id(name), engine: "shell".to_owned() }
}

fn drained() -> LoopEvent {
    LoopEvent::ListenersAsked { is_drained: true, next: None }
}

fn run_read(name: &str, stage: Stage, lack: Option<RunLack>) -> LoopEvent {
    let record = Box::new(JobRecord { id: id(name), stage, meta: Default::default() });
    let state = (stage == Stage::Inbox).then_some(JobState::WAITING);
    LoopEvent::RunRead { record, state, lack }
}

/// An effect in words; none for what listeners hear.
fn shown(effect: LoopEffect) -> Option<String> {
    Some(match effect {
        LoopEffect::Look(id) => format!("look {id}"),
        LoopEffect::Ship(id) => format!("ship {id}"),
        LoopEffect::Merge(id) => format!("merge {id}"),
        LoopEffect::Launch { id, engine } => format!("launch {id} {engine}"),
        LoopEffect::Reject(id, _) => format!("reject {id}"),
        LoopEffect::Refuse(id, _) => format!("refuse {id}"),
        LoopEffect::AwaitFree(id) => format!("await {id}"),
        LoopEffect::ReadRun(id) => format!("read {id}"),
        LoopEffect::ReadEngines => "engines".to_owned(),
        LoopEffect::LoadSettings => "settings".to_owned(),
        LoopEffect::ListFolders => "folders".to_owned(),
        LoopEffect::CheckHost => "host".to_owned(),
        LoopEffect::Notify(_) => return None,
        LoopEffect::AskListeners => "ask".to_owned(),
        LoopEffect::LoopReport(LoopReport::Trouble(words)) => words,
        LoopEffect::LoopReport(LoopReport::Started { id, .. }) => format!("started {id}"),
        LoopEffect::LoopReport(LoopReport::Ended(record)) => {
            format!("ended {} {}", record.id, record.stage)
        }
        LoopEffect::LoopReport(LoopReport::Merged(record)) => {
            format!("merged {} {}", record.id, record.stage)
        }
        LoopEffect::LoopReport(LoopReport::Refused { id, why }) => format!("refused {id}: {why}"),
        LoopEffect::LoopReport(LoopReport::Idle(counts)) => {
            format!("idle {}+{}", counts.waiting, counts.running)
        }
        LoopEffect::Sleep(limit) => format!("sleep {}", limit.as_secs()),
        LoopEffect::ExpectQueue => "expect".to_owned(),
        LoopEffect::End(summary) => format!("end {} {}", summary.ended, summary.failed),
    })
}

impl LoopCore {
    fn shown(&mut self, event: LoopEvent, now: i64) -> Vec<String> {
        self.handle(event, at(now)).into_iter().filter_map(shown).collect()
    }

    fn notices(&mut self, event: LoopEvent, now: i64) -> Vec<LoopNotice> {
        let notice = |effect| match effect {
            LoopEffect::Notify(notice) => Some(notice),
            _ => None,
        };
        self.handle(event, at(now)).into_iter().filter_map(notice).collect()
    }

    /// Takes in a job, and starts it.
    fn start(&mut self, name: &str, now: i64) {
        self.handle(waits(job(name)), at(now));
        self.handle(launched(name), at(now));
    }
}

#[test]
fn touched_jobs_are_looked_at_and_started() {
    let mut core = core(false);
    assert_eq!(core.shown(LoopEvent::JobTouched(id("a")), 0), ["look a"]);
    assert!(core.shown(waits(job("a")), 0).is_empty());
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["launch a shell"]);
    assert_eq!(core.shown(launched("a"), 0), ["started a"]);
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"]);
    assert_eq!(core.shown(drained(), 0), ["idle 0+1", "sleep 30"]);
    // Its worker is alive: its end is waited for.
    assert!(core.shown(LoopEvent::JobTouched(id("a")), 1).is_empty());
    assert_eq!(core.shown(LoopEvent::WorkerEnded(id("a")), 1), ["look a", "read a"]);
    let ended = EndedJob { id: id("a"), key: None, deps: Vec::new(), settled: SettledAs::Failed };
    assert!(core.shown(LoopEvent::JobLooked(id("a"), JobLook::Ended(ended)), 1).is_empty());
    assert_eq!(core.shown(run_read("a", Stage::Failed, None), 1), ["ended a failed"]);
    let LoopSummary { ended, failed, .. } = core.summary();
    assert_eq!((ended, failed), (1, 1));
}

#[test]
fn starts_stop_at_one_that_differs() {
    let mut core = core(false);
    for name in ["a", "b", "c"] {
        core.handle(waits(job(name)), at(0));
    }
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["launch a shell"]);
    assert_eq!(core.shown(LoopEvent::NotAsPlanned(id("a")), 0), ["look a"]);
    let works = JobLook::Works { read: read(job("a")), engine: "shell".to_owned() };
    assert!(core.shown(LoopEvent::JobLooked(id("a"), works), 0).is_empty());
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["launch b shell"]);
    assert_eq!(core.shown(launched("b"), 0), ["started b"]);
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"], "both slots are taken");
}

#[test]
fn held_files_are_awaited_once() {
    let mut core = core(false);
    assert_eq!(core.shown(LoopEvent::JobBusy(id("a")), 0), ["await a"]);
    assert!(core.shown(LoopEvent::JobBusy(id("a")), 0).is_empty());
    assert!(core.shown(LoopEvent::JobTouched(id("a")), 0).is_empty());
    assert_eq!(core.shown(LoopEvent::JobFreed(id("a")), 1), ["look a"]);
    assert_eq!(core.shown(LoopEvent::JobLooked(id("a"), JobLook::Busy), 1), ["await a"]);
    let no_thread = LoopEvent::CannotWait(id("a"), trouble("no thread", None));
    assert_eq!(core.shown(no_thread, 1), ["no thread"]);
    assert_eq!(core.shown(drained(), 1), ["idle 0+0", "sleep 5"]);
    assert_eq!(core.shown(LoopEvent::Woken, 6), ["look a", "host"]);
}

#[test]
fn taken_jobs_shorten_no_sleep() {
    let mut core = core(false);
    core.handle(LoopEvent::JobTroubled(id("a"), trouble("x", None)), at(0));
    core.handle(LoopEvent::JobTaken(id("a")), at(0));
    assert_eq!(core.shown(LoopEvent::Woken, 20), ["host"]);
    assert_eq!(core.shown(drained(), 20), ["idle 0+0", "sleep 30"]);
    assert_eq!(core.shown(LoopEvent::JobFreed(id("a")), 21), ["look a"]);
}

#[test]
fn failed_launches_pause_their_job() {
    let mut core = core(true);
    for n in 0..6 {
        let now = n * 5;
        core.handle(waits(job("a")), at(now));
        assert_eq!(core.shown(LoopEvent::AllHandled, now), ["launch a shell"]);
        let engine = "shell".to_owned();
        let failed = LoopEvent::LaunchFailed { id: id("a"), engine, trouble: trouble("x", None) };
        let words = core.shown(failed, now);
        if n == 5 {
            assert_eq!(words, ["x", "a stays in inbox/: the trouble with it does not pass"]);
            continue;
        }
        assert_eq!(words, ["x"]);
        assert!(core.shown(LoopEvent::JobTouched(id("a")), now + 4).is_empty());
        assert_eq!(core.shown(drained(), now + 4), ["idle 0+0", "sleep 1"]);
        assert_eq!(core.shown(LoopEvent::Woken, now + 5), ["look a", "host"]);
    }
    assert_eq!(core.shown(drained(), 25), ["expect", "end 0 1"]);
}

#[test]
fn held_jobs_in_trouble_keep_their_slot() {
    let mut core = core(false);
    core.start("a", 0);
    let held = JobTrouble { is_held: true, ..trouble("x", None) };
    core.handle(LoopEvent::JobTroubled(id("a"), held), at(0));
    assert_eq!(core.counts().running, 1);
    core.handle(LoopEvent::JobTroubled(id("a"), trouble("x", None)), at(0));
    assert_eq!(core.counts().running, 0);
}

#[test]
fn damaged_records_are_reported_once() {
    let mut core = core(false);
    let damaged = || LoopEvent::JobLooked(id("a"), JobLook::Damaged("line 2".to_owned()));
    assert_eq!(core.shown(damaged(), 0), ["line 2"]);
    assert_eq!(core.shown(LoopEvent::Woken, 5), ["look a", "host"]);
    assert!(core.shown(damaged(), 5).is_empty());
    core.handle(LoopEvent::Woken, at(10));
    core.handle(waits(job("a")), at(10));
    assert_eq!(core.shown(damaged(), 11), ["line 2"], "it was mended between");
}

#[test]
fn missing_engines_are_read_before_a_rejection() {
    let mut core = core(false);
    let other = ScheduledJob { engines: vec!["other".to_owned()], ..job("a") };
    core.handle(waits(other), at(0));
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["engines"]);
    core.handle(LoopEvent::EnginesRead(Vec::new()), at(0));
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["reject a"]);
    let refused = LoopEvent::JobRefused { id: id("a"), why: "no engine".to_owned() };
    assert_eq!(core.shown(refused, 0), ["refused a: no engine"]);
    assert_eq!(core.shown(LoopEvent::NotAsPlanned(id("a")), 0), ["look a"]);
    assert_eq!(core.summary().failed, 1);
}

#[test]
fn circles_are_refused_at_their_last_link() {
    let mut core = core(false);
    let linked = |name: &str, dep: &str| ScheduledJob {
        key: Some(name.to_owned()),
        deps: vec![dep.to_owned()],
        ..job(name)
    };
    assert!(core.shown(waits(linked("a", "b")), 0).is_empty());
    assert_eq!(core.shown(waits(linked("b", "a")), 0), ["refuse b"]);
    assert_eq!(core.counts().waiting, 1);
}

#[test]
fn draining_loops_end_when_nothing_comes() {
    let mut core = core(true);
    core.start("a", 0);
    assert_eq!(core.shown(drained(), 0), ["idle 0+1", "sleep 30"]);
    core.handle(LoopEvent::WorkerEnded(id("a")), at(1));
    core.handle(LoopEvent::JobLooked(id("a"), JobLook::Unsettled(at(3))), at(1));
    core.handle(LoopEvent::JobLooked(id("a"), JobLook::Gone), at(1));
    assert_eq!(core.shown(drained(), 1), ["idle 0+0", "sleep 2"], "a file is still written");
    assert_eq!(core.shown(LoopEvent::Woken, 3), ["look a", "host"]);
    core.handle(LoopEvent::JobLooked(id("a"), JobLook::Gone), at(3));
    let more = LoopEvent::ListenersAsked { is_drained: false, next: Some(at(10)) };
    assert_eq!(core.shown(more, 3), ["idle 0+0", "sleep 7"]);
    assert_eq!(core.shown(drained(), 3), ["expect", "end 0 0"]);
}

#[test]
fn signals_leave_running_jobs() {
    let mut core = core(false);
    core.start("a", 0);
    assert_eq!(core.shown(LoopEvent::Signal(15), 1), ["end 0 0"]);
    let summary = core.summary();
    assert_eq!((summary.left_running, summary.signal, summary.stopped), (1, Some(15), false));
    assert_eq!(core.shown(LoopEvent::EndAsked, 1), ["end 0 0"]);
    assert!(core.summary().stopped);
}

#[test]
fn clocks_set_back_begin_anew() {
    let mut core = core(false);
    core.handle(LoopEvent::JobLooked(id("a"), JobLook::Unsettled(at(9_000))), at(8_998));
    assert_eq!(core.shown(LoopEvent::ClockSetBack, 0), ["engines", "folders"]);
    assert_eq!(core.shown(drained(), 0), ["idle 0+0", "sleep 30"]);
}

#[test]
fn shippable_jobs_are_shipped() {
    let mut core = core(false);
    let looked = LoopEvent::JobLooked(id("a"), JobLook::Shippable);
    assert_eq!(core.shown(looked, 0), ["ship a"]);
}
