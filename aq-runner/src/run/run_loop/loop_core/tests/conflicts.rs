//! Jobs whose deps do not go together.

use aq_scheduler::WaitReason;

use super::*;

fn conflicts(name: &str) -> LoopEvent {
    let file = "src/a.rs".to_owned();
    let obstacle = Some(WaitReason::DepsConflict { dep: id("schema"), file });
    let read = read(ScheduledJob { obstacle, ..job(name) });
    let state = JobState::Waiting { not_before: Some(at(9)) };
    LoopEvent::JobLooked(id(name), JobLook::Rests { read, state, lack: None })
}

#[test]
fn conflicts_are_looked_at_again() {
    let mut core = core(false);
    core.handle(conflicts("b"), at(0));
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"]);
    assert_eq!(core.shown(drained(), 0), ["idle 1+0", "sleep 10"]);
    assert_eq!(core.shown(LoopEvent::Woken, 9), ["host"]);
    assert_eq!(core.shown(LoopEvent::Woken, 10), ["look b", "host"]);
    core.handle(conflicts("b"), at(10));
    // The end of another job may have moved a branch.
    assert_eq!(core.shown(run_read("a", Stage::Shipped, None), 11), ["look b", "ended a shipped"]);
    core.handle(waits(job("b")), at(11));
    assert_eq!(core.shown(LoopEvent::AllHandled, 11), ["launch b shell"]);
    assert_eq!(core.shown(run_read("c", Stage::Shipped, None), 12), ["ended c shipped"]);
}

#[test]
fn draining_loops_name_conflicts() {
    let mut core = core(true);
    core.handle(conflicts("b"), at(0));
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"]);
    let words = core.shown(drained(), 0);
    assert_eq!(words, ["expect", "b waits: deps conflict in src/a.rs", "end 0 0"]);
    assert_eq!((core.summary().waiting, core.summary().kept), (1, 0));
}
