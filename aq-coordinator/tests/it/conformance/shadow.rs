use aq_coordinator::ledger::{FleetJob, JobNamespace};
use aq_coordinator::store::{JobFilter, SubmitResult};
use aq_fleet::protocol::{Epoch, FleetJobId, ReportRequest, ShadowVerdict};
use aq_manifest::Stage;
use aq_tracker::TrackerKind;

use crate::lab::{Lab, claim, created, factory, fenced, release, report, submission};

async fn mirror(lab: &Lab, owner: &str, name: &str) -> FleetJob {
    let mut job = submission(name);
    job.world = JobNamespace::Shadow(factory(owner));
    created(lab.store.submit(job, None).await.unwrap())
}

fn shadow(name: &str, seq: u64, stage: Stage) -> ReportRequest {
    ReportRequest { shadow: true, ..report(name, Epoch::DRY, seq, stage) }
}

pub(crate) async fn worlds_do_not_meet(lab: Lab) {
    lab.submit("a").await;
    for owner in ["one", "two"] {
        mirror(&lab, owner, "a").await;
    }
    for (world, jobs) in [
        (None, 3),
        (Some(JobNamespace::Fleet), 1),
        (Some(JobNamespace::Shadow(factory("one"))), 1),
        (Some(JobNamespace::Shadow(factory("three"))), 0),
    ] {
        let filter = JobFilter { world: world.clone(), limit: 9, ..JobFilter::default() };
        let found = lab.store.jobs(filter).await.unwrap().value.jobs.len();
        assert_eq!(found, jobs, "{world:?}");
    }
    let numbers = lab.store.numbers().await.unwrap();
    assert_eq!(numbers.depth.iter().map(|depth| depth.jobs).sum::<u64>(), 1);
}

pub(crate) async fn mirrors_are_never_granted(lab: Lab) {
    let id = mirror(&lab, "host", "a").await.id;
    for name in ["host", "host-shadow"] {
        assert!(claim(&lab.store, name, &[id]).await.grants.is_empty(), "{name}");
    }
    let real = lab.submit("a").await.id;
    assert!(claim(&lab.store, "host-shadow", &[real]).await.grants.is_empty());
    // What would be released "if a lease comes back all the same" has nothing to release.
    fenced(lab.store.release(id, release("host-shadow", Epoch::DRY, shipped())).await);
    fenced(lab.store.report(id, report("host", Epoch::DRY, 1, Stage::Shipped)).await);
    fenced(lab.store.renew(id, crate::lab::caller("host", Epoch::DRY)).await);
    assert_eq!(lab.row(id).await.stage, Stage::Inbox);
}

fn shipped() -> aq_fleet::protocol::ReleaseOutcome {
    aq_fleet::protocol::ReleaseOutcome::Shipped
}

pub(crate) async fn reports_move_only_own_mirrors(lab: Lab) {
    let own = mirror(&lab, "host", "a").await.id;
    let others = mirror(&lab, "other", "a").await;
    let real = lab.submit("a").await;
    let stage = async |id: FleetJobId| lab.row(id).await.stage;
    lab.store.report(own, shadow("host-shadow", 1, Stage::Building)).await.unwrap();
    assert_eq!(stage(own).await, Stage::Building);
    lab.store.report(own, shadow("host-shadow", 3, Stage::Shipped)).await.unwrap();
    lab.store.report(own, shadow("host-shadow", 2, Stage::Inbox)).await.unwrap();
    assert_eq!(stage(own).await, Stage::Shipped, "an old one changes nothing");
    for untouched in [&others, &real] {
        lab.store.report(untouched.id, shadow("host", 1, Stage::Shipped)).await.unwrap();
        assert_eq!(lab.row(untouched.id).await, *untouched);
    }
    // Not even one that names a real grant.
    let granted = lab.grant("host", real.id).await.job;
    let told = ReportRequest { shadow: true, ..report("host", granted.epoch, 5, Stage::Shipped) };
    lab.store.report(real.id, told).await.unwrap();
    assert_eq!(lab.row(real.id).await, granted);
}

pub(crate) async fn verdicts_are_counted_once(lab: Lab) {
    let id = mirror(&lab, "host", "a").await.id;
    assert_eq!(lab.store.numbers().await.unwrap().agreement, None);
    let told = |seq, verdict| ReportRequest {
        verdict: Some(verdict),
        ..shadow("host", seq, Stage::Building)
    };
    for (seq, verdict) in [
        (1, ShadowVerdict::Agree),
        (1, ShadowVerdict::Agree),
        (2, ShadowVerdict::Agree),
        (3, ShadowVerdict::Diverge),
    ] {
        lab.store.report(id, told(seq, verdict)).await.unwrap();
    }
    let agreement = lab.store.numbers().await.unwrap().agreement.unwrap();
    assert_eq!((agreement.agree, agreement.diverge, agreement.error), (2, 1, 0));
}

pub(crate) async fn a_mirror_is_renewed(lab: Lab) {
    let first = mirror(&lab, "host", "a").await;
    lab.store.report(first.id, shadow("host", 8, Stage::Failed)).await.unwrap();
    // The host has put its job back, and counts from 1 after a restart.
    let mut again = submission("a");
    again.world = JobNamespace::Shadow(factory("host"));
    let answer = lab.store.submit(again, None).await.unwrap();
    let SubmitResult::Superseded(row) = answer else { panic!("{answer:?}") };
    assert_eq!((row.id, row.stage, row.result), (first.id, Stage::Inbox, None));
    lab.store.report(first.id, shadow("host", 1, Stage::Building)).await.unwrap();
    assert_eq!(lab.row(first.id).await.stage, Stage::Building);
}

pub(crate) async fn no_tracker_hears_of_a_mirror(lab: Lab) {
    let mut copy = submission("a");
    copy.world = JobNamespace::Shadow(factory("host"));
    copy.item = Some("T-1".to_owned());
    let id = created(lab.store.submit(copy.clone(), None).await.unwrap()).id;
    // A new one, and one that takes its place.
    for seq in 1..=2 {
        lab.store.report(id, shadow("host", seq, Stage::Failed)).await.unwrap();
        let page = lab.store.news(TrackerKind::Items, 0, 10).await.unwrap();
        assert_eq!(page.news, [], "its host tells what becomes of the job itself");
        let answer = lab.store.submit(copy.clone(), None).await.unwrap();
        assert!(matches!(answer, SubmitResult::Superseded(_)), "{answer:?}");
    }
}
