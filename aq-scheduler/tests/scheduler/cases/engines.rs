//! Engines and capabilities: what a host can take.

use aq_manifest::Outcome;
use aq_scheduler::{EngineState, HostLack, SeenBy, WaitReason};

use crate::lab::{Lab, at, capabilities, id};

fn cooling(seconds: i64) -> EngineState {
    EngineState::CoolingDown { until: at(seconds) }
}

#[test]
fn the_first_engine_that_can_be_used_wins() {
    let mut lab = Lab::new();
    lab.add("a engines=devin,claude,codex");
    lab.engine("codex", EngineState::READY);
    assert_eq!(lab.starts(), "a:codex");
    lab.engine("claude", EngineState::READY);
    assert_eq!(lab.starts(), "a:claude");
    lab.engine("claude", cooling(60));
    assert_eq!(lab.starts(), "a:codex");
    lab.engine("codex", cooling(30));
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("a"), "engine codex cooling down until 2026-01-01T12:00:30Z");
    assert_eq!(lab.wakes(), Some(30));
    assert_eq!(lab.clock(30).starts(), "a:codex");
    assert_eq!(lab.clock(60).starts(), "a:claude");
    lab.engine("claude", cooling(90)).engine("codex", cooling(90));
    let preferred = "engine claude cooling down until 2026-01-01T12:01:30Z";
    assert_eq!(lab.why("a"), preferred, "of two that wait alike");
}

#[test]
fn after_a_cool_down_one_job_goes_first() {
    let mut lab = Lab::new();
    lab.max(9).engine("codex", cooling(60));
    lab.add("a engines=codex").add("b engines=codex").add("c engines=codex,shell");
    assert_eq!(lab.starts(), "c");
    assert_eq!(lab.clock(60).starts(), "a:codex c");
    assert_eq!(lab.why("b"), "engine codex takes no further job for now");
    let probe = lab.running("codex");
    lab.set("a", probe);
    assert_eq!(lab.starts(), "c");
    lab.engine("codex", EngineState::READY);
    assert_eq!(lab.starts(), "b:codex c:codex");
}

#[test]
fn an_engine_out_of_use_waits_for_a_person() {
    let mut lab = Lab::new();
    let reason = "not logged in; run `codex login`".to_owned();
    lab.add("a engines=codex").engine("codex", EngineState::OutOfUse { reason });
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("a"), "engine codex out of use: not logged in; run `codex login`");
    assert_eq!(lab.wakes(), None);
    assert!(!lab.queue.will_progress(lab.host));
}

#[test]
fn jobs_wait_for_an_engine_that_was_there() {
    let mut lab = Lab::new();
    let lack = HostLack::Engine {
        engine: "claude".to_owned(),
        expected_at: None,
        seen_at: "/opt/claude".to_owned(),
        seen_by: SeenBy::Add,
    };
    lab.engine("claude", EngineState::Absent { lack: lack.clone() });
    lab.add("a engines=claude").add("b engines=devin,claude");
    let plan = lab.plan();
    assert_eq!((plan.start, plan.reject), (vec![], vec![]));
    assert_eq!(plan.absent, std::slice::from_ref(&lack));
    let plan = lab.plan();
    assert_eq!(lab.queue.explain(&plan, &id("b")), Some(WaitReason::HostLacks(lack)));
    let why = "engine claude is not on the loop's PATH; aq add found it at /opt/claude";
    assert_eq!(lab.why("a"), why);
    assert!(!lab.queue.will_progress(lab.host));
    // The next candidate runs.
    lab.add("c engines=claude,shell");
    assert_eq!(lab.starts(), "c");
    lab.engine("codex", cooling(60)).add("d engines=claude,codex");
    assert!(lab.why("d").starts_with("engine codex cooling down"), "{}", lab.why("d"));
    lab.engine("claude", EngineState::READY);
    assert_eq!(lab.max(9).starts(), "a:claude b:claude c:claude d:claude");
}

#[test]
fn a_job_waits_for_what_its_host_lacked() {
    let mut lab = Lab::new();
    let lack = HostLack::Program { program: "git".to_owned() };
    let mut job = crate::lab::job("a", at(0));
    job.obstacle = Some(WaitReason::HostLacks(lack));
    let paused = aq_scheduler::JobState::Waiting { not_before: Some(at(5)) };
    lab.queue.insert(job.clone(), paused).unwrap();
    assert_eq!((lab.why("a").as_str(), lab.wakes()), ("git is not here", Some(5)));
    assert!(lab.queue.will_progress(lab.host));
    assert_eq!(lab.clock(5).starts(), "a");
    // Without a pause only the caller knows.
    lab.queue.remove(&id("a")).unwrap();
    lab.queue.insert(job.clone(), aq_scheduler::JobState::WAITING).unwrap();
    assert_eq!((lab.why("a").as_str(), lab.wakes()), ("git is not here", None));
    assert!(!lab.queue.will_progress(lab.host));
    lab.run("a").set("a", aq_scheduler::JobState::WAITING);
    assert_eq!(lab.starts(), "a", "it has run since");
}

#[test]
fn host_without_room_starts_nothing() {
    let mut lab = Lab::new();
    lab.add("a").add("b engines=devin");
    let lack = HostLack::Room { free: 3_100_000_000, mark: 5_000_000_000 };
    lab.queue.set_lack(lab.host, Some(lack)).unwrap();
    assert_eq!(lab.starts(), "");
    assert_eq!(lab.why("a"), "no room: 3.1 GB free of 5");
    assert_eq!(lab.plan().reject.len(), 1, "room does not bring an engine");
    assert!(!lab.queue.will_progress(lab.host));
    lab.queue.set_lack(lab.host, None).unwrap();
    assert_eq!(lab.starts(), "a");
}

#[test]
fn what_can_never_run_here_is_rejected_at_once() {
    let mut lab = Lab::new();
    lab.add("ok").add("none engines=devin deps=nowhere").add("lacks needs=os,gpu,node>=20");
    let plan = lab.plan();
    let rejected = |n: usize| (plan.reject[n].0.as_str(), plan.reject[n].1.outcome());
    assert_eq!(plan.reject.len(), 2);
    assert_eq!(rejected(0), ("lacks", Outcome::CapabilityMismatch));
    assert_eq!(rejected(1), ("none", Outcome::NoEngine));
    assert_eq!(lab.why("lacks"), "needs gpu, node>=20");
    assert_eq!(lab.why("none"), "no engine installed of devin");
    assert_eq!(lab.starts(), "ok");
    lab.queue.set_capabilities(lab.host, capabilities("os:linux gpu node:22.1.0")).unwrap();
    assert_eq!(lab.max(2).starts(), "ok lacks");
}

#[test]
fn reused_slots_forget_old_hosts() {
    let mut lab = Lab::new();
    for (gone, new, comes) in [("a needs=gpu", "b needs=os", true), ("c", "d needs=gpu", false)] {
        lab.add(gone).plan();
        lab.queue.remove(&id(&gone[..1])).unwrap();
        lab.add(new);
        assert_eq!(lab.queue.will_progress(lab.host), comes, "{new}");
        lab.queue.remove(&id(&new[..1])).unwrap();
    }
}

#[test]
fn job_without_engine_is_rejected() {
    let mut lab = Lab::new();
    let mut job = crate::lab::job("a", at(0));
    job.engines.clear();
    lab.queue.insert(job, aq_scheduler::JobState::WAITING).unwrap();
    assert_eq!(lab.plan().reject[0].1.outcome(), Outcome::NoEngine);
}

#[test]
fn each_host_of_many_takes_what_fits_it() {
    let mut lab = Lab::new();
    lab.queue.set_limits(lab.host, aq_scheduler::HostLimits { max: 0, max_review: None }).unwrap();
    let linux = lab.add_host(&["shell", "codex"], "os:linux");
    let mac = lab.add_host(&["shell"], "os:macos gpu");
    lab.add("a needs=os:macos lock=x").add("b engines=codex lock=x").add("c needs=gpu");
    assert_eq!(lab.starts_on(mac), "a");
    assert_eq!(lab.starts_on(linux), "b:codex");
    let plan = lab.queue.plan(mac, at(0)).unwrap();
    assert_eq!(plan.reject, [], "another host can take b");
    let why = lab.queue.explain(&plan, &id("b"));
    assert_eq!(why, Some(WaitReason::NoEngine { engines: vec!["codex".to_owned()] }));
    let state = aq_scheduler::JobState::Running { host: mac, engine: "shell".to_owned() };
    lab.set("a", state);
    assert_eq!(lab.starts_on(linux), "", "the lock holds across hosts");
    assert_eq!(lab.starts_on(mac), "", "its slot is taken");
    lab.ship("a");
    assert_eq!(lab.starts_on(mac), "c");
    assert_eq!(lab.starts_on(linux), "b:codex");
}
