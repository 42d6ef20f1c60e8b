//! Notices for those who listen.

use super::*;

#[test]
fn listeners_hear_before_and_after() {
    let mut core = core(false);
    let changed = |notices: Vec<LoopNotice>| {
        let job = |notice| match notice {
            LoopNotice::Job { before, after, .. } => Some((before, after)),
            _ => None,
        };
        notices.into_iter().filter_map(job).collect::<Vec<_>>()
    };
    let waiting = Some(JobState::WAITING);
    let running = Some(core.model.running("shell"));
    let settled = Some(JobState::Settled(SettledAs::Shipped));
    assert_eq!(changed(core.notices(waits(job("a")), 0)), [(None, waiting.clone())]);
    assert_eq!(changed(core.notices(launched("a"), 0)), [(waiting, running.clone())]);
    let touched = core.notices(LoopEvent::JobTouched(id("a")), 0);
    assert_eq!(changed(touched), [(running.clone(), running.clone())]);
    core.handle(LoopEvent::WorkerEnded(id("a")), at(1));
    let ended = EndedJob { id: id("a"), key: None, deps: Vec::new(), settled: SettledAs::Shipped };
    let ended = LoopEvent::JobLooked(id("a"), JobLook::Ended(ended));
    assert_eq!(changed(core.notices(ended, 1)), [(running, settled)]);
}

#[test]
fn followers_hear_of_starts_before_the_change() {
    let mut core = core(false);
    core.follow();
    let put = core.notices(waits(job("a")), 0);
    assert!(matches!(put[..], [LoopNotice::Queue(_), LoopNotice::Job { .. }]), "{put:?}");
    let started = core.notices(launched("a"), 0);
    let [LoopNotice::Started(first), LoopNotice::Queue(_), LoopNotice::Job { .. }] = &started[..]
    else {
        panic!("{started:?}")
    };
    assert_eq!(*first, id("a"));
}
