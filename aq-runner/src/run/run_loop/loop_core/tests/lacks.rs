//! Lacks of the host.

use aq_scheduler::HostResource;

use super::*;

#[test]
fn lacks_are_reported_once_and_tried_together() {
    let lack = |refusal: &str| HostLack::Resource {
        resource: HostResource::OpenFiles,
        refusal: refusal.to_owned(),
    };
    let lacking = |refusal: &str| Some(RunLack::Host(lack(refusal)));
    let rests = |name: &str| {
        let lack = Some(MetLack { lack: lack("x"), is_worth_a_wait: true });
        let state = JobState::Waiting { not_before: Some(at(9)) };
        LoopEvent::JobLooked(id(name), JobLook::Rests { read: read(job(name)), state, lack })
    };
    let mut core = core(false);
    let words = core.shown(run_read("a", Stage::Inbox, lacking("x")), 0);
    assert_eq!(words.len(), 2);
    assert!(words[0].starts_with("a waits, and its attempt does not count: "), "{words:?}");
    assert_eq!(words[1], "look a");
    assert_eq!(core.shown(run_read("b", Stage::Inbox, lacking("y")), 0), ["look b"]);
    // Both pause now; one that this loop has not tried is tried at once.
    for name in ["a", "b", "c"] {
        core.handle(rests(name), at(0));
    }
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["launch c shell"]);
    core.handle(launched("c"), at(0));
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"]);
    assert_eq!(core.shown(drained(), 0), ["idle 2+1", "sleep 9"]);
    // `a` has got over it, so the other is tried at once.
    let words = core.shown(run_read("a", Stage::Testing, None), 1);
    assert_eq!(words, ["look b", "ended a testing"]);
    core.handle(rests("b"), at(1));
    assert_eq!(core.shown(LoopEvent::AllHandled, 1), ["launch b shell"]);
}

#[test]
fn engines_that_went_away_are_read() {
    let mut core = core(false);
    let words = core.shown(run_read("a", Stage::Inbox, Some(RunLack::Engine)), 0);
    assert_eq!(words, ["engines", "look a"]);
}

#[test]
fn nothing_starts_without_room() {
    let mut core = core(false);
    core.handle(waits(job("a")), at(0));
    let words = core.shown(LoopEvent::RoomRead(Some(HostLack::Room { free: 1, mark: 2 })), 0);
    assert_eq!(words.len(), 1);
    assert_eq!(core.shown(LoopEvent::AllHandled, 0), ["ask"]);
    assert_eq!(core.shown(drained(), 0), ["idle 1+0", "sleep 5"]);
    assert!(core.shown(LoopEvent::RoomRead(None), 5).is_empty());
    assert_eq!(core.shown(LoopEvent::AllHandled, 5), ["launch a shell"]);
}
