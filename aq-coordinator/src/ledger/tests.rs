//! Single steps in a table, and long histories against what must always hold.

use std::time::Duration;

use aq_fleet::protocol::{Epoch, FactoryId, ReleaseOutcome};
use aq_manifest::{Outcome, Priority, Stage};
use proptest::prelude::*;
use uuid::Uuid;

use super::samples::{caller, claimant, let_go, said, waiting};
use super::*;

const LEASE: Duration = Duration::from_secs(60);
const NOW: DbTime = DbTime(1_000_000);

fn try_grant(job: &FleetJob, to: &str, floor: u64, free: bool) -> Result<FleetJob, NotGranted> {
    match grant(job, &claimant(to), NOW, LEASE, Epoch(floor), free)? {
        GrantResult::Granted(job) | GrantResult::GivenUp(job) => Ok(job),
    }
}

fn held(lock: Option<&str>) -> FleetJob {
    try_grant(&waiting(1, lock), "one", 0, true).unwrap()
}

fn lapsed(lock: Option<&str>) -> FleetJob {
    lapse(&held(lock), NOW.plus(LEASE * 2)).unwrap()
}

fn at(stage: Stage) -> FleetJob {
    report(&held(Some("l")), &said("one", 1, 1, stage)).unwrap()
}

fn ended(outcome: ReleaseOutcome) -> FleetJob {
    release(&held(None), None, &let_go("one", 1, outcome)).unwrap()
}

#[test]
fn what_can_be_granted() {
    use ReleaseOutcome::{Abandoned, Failed, Requeue, Shipped};

    let mirror =
        FleetJob { world: JobNamespace::Shadow("one".parse().unwrap()), ..waiting(1, None) };
    let rows = [
        ("new", waiting(1, None), false, Ok(1)),
        ("new, its lock free", waiting(1, Some("l")), true, Ok(1)),
        ("new, its lock taken", waiting(1, Some("l")), false, Err(NotGranted::LockTaken)),
        ("held", held(None), true, Err(NotGranted::Held)),
        ("in testing", at(Stage::Testing), true, Err(NotGranted::Held)),
        ("lapsed", lapsed(None), true, Ok(2)),
        ("lapsed, its lock taken", lapsed(Some("l")), false, Err(NotGranted::LockTaken)),
        ("put back", ended(Requeue), true, Ok(2)),
        ("given up", ended(Abandoned), true, Ok(2)),
        ("shipped", ended(Shipped), true, Err(NotGranted::Over)),
        ("failed", ended(Failed), true, Err(NotGranted::Over)),
        ("a mirror", mirror, true, Err(NotGranted::Shadow)),
    ];
    for (name, job, free, expected) in rows {
        let granted = try_grant(&job, "two", 0, free);
        assert_eq!(granted.as_ref().map(|job| job.epoch.0), expected.as_ref().copied(), "{name}");
        if let Ok(next) = granted {
            assert_eq!(next.holder().unwrap().as_str(), "two", "{name}");
            assert_eq!(next.held_lock, next.terms.lock, "{name}");
            assert_eq!(next.tenure.as_ref().unwrap().until, NOW.plus(LEASE), "{name}");
            assert_eq!(next.version, job.version + 1, "{name}");
        }
    }
    let shadow = try_grant(&waiting(1, None), "two-shadow", 0, true);
    assert_eq!(shadow, Err(NotGranted::Shadow));
    assert_eq!(try_grant(&held(None), "two", 99, true), Err(NotGranted::Held));
    assert_eq!(try_grant(&lapsed(None), "two", 99, true).unwrap().epoch, Epoch(99), "the floor");
}

#[test]
fn who_may_write() {
    let callers = [("one", 1, true), ("one", 0, false), ("one", 2, false), ("two", 1, false)];
    for (name, epoch, may) in callers {
        for job in [held(None), lapsed(None)] {
            let who = format!("{name} at {epoch}");
            let told = report(&job, &said(name, epoch, 1, Stage::Review));
            assert_eq!(told.is_ok(), may, "{who} reports");
            assert_eq!(renew(&job, &caller(name, epoch), NOW, LEASE, true).is_ok(), may, "{who}");
            let end = let_go(name, epoch, ReleaseOutcome::Requeue);
            assert_eq!(release(&job, None, &end).is_ok(), may, "{who} releases");
            assert_eq!(may_post(&job, &caller(name, epoch)).is_ok(), may, "{who} posts");
            if let Err(LedgerRefusal::Fenced(fenced)) = told {
                assert_eq!(fenced.current, Epoch(1));
                assert_eq!(fenced.holder.unwrap().as_str(), "one");
            }
        }
    }
}

#[test]
fn lease_ends_on_time() {
    let job = held(Some("l"));
    let until = job.tenure.as_ref().unwrap().until;
    assert_eq!(lapse(&job, until), None);
    let over = lapse(&job, DbTime(until.0 + 1)).unwrap();
    assert!(over.is_lapsed() && over.is_waiting() && over.held_lock.is_none());
    assert_eq!(over.attempts, 0, "its holder may come back");
    assert_eq!(lapse(&over, DbTime(i64::MAX)), None, "once");
    assert_eq!(lapse(&waiting(1, None), DbTime(i64::MAX)), None);
}

#[test]
fn late_renewal_needs_its_lock() {
    let late = |job: &FleetJob, free| renew(job, &caller("one", 1), NOW, LEASE, free);
    let lapse = |job: &FleetJob| super::lapse(job, DbTime(i64::MAX)).unwrap();
    for (stage, free, holds) in [
        (Stage::Building, true, true),
        (Stage::Building, false, false),
        (Stage::Review, false, false),
        (Stage::Testing, false, true),
    ] {
        match late(&lapse(&at(stage)), free).unwrap() {
            RenewalResult::Held(job) => {
                assert!(holds, "{stage}");
                assert_eq!(job.held_lock.is_some(), stage != Stage::Testing, "{stage}");
            }
            RenewalResult::Lost(job) => {
                assert!(!holds, "{stage}");
                assert_eq!((job.stage, job.holder(), job.lost), (Stage::Inbox, None, 1));
                assert!(late(&job, true).is_err(), "it was told, so it stays so");
            }
        }
    }
    assert!(matches!(late(&lapsed(None), false), Ok(RenewalResult::Held(_))), "it names no lock");
}

#[test]
fn lost_ones_count_in_sequence() {
    let mut job = waiting(1, None);
    for n in 1..=MAX_LOST {
        job = try_grant(&job, "one", 0, true).unwrap();
        assert_eq!((job.lost, job.attempts), (n - 1, n - 1));
        job = lapse(&job, DbTime(i64::MAX)).unwrap();
    }
    let given_up = grant(&job, &claimant("two"), NOW, LEASE, Epoch(0), true).unwrap();
    let GrantResult::GivenUp(failed) = given_up else { panic!("{given_up:?}") };
    assert_eq!((failed.stage, failed.result), (Stage::Failed, Some(Outcome::Crash)));
    assert_eq!((failed.lost, failed.attempts, failed.epoch), (MAX_LOST, MAX_LOST, Epoch(10)));

    // One that was released in between is not in a row.
    let back = renew(&job, &caller("one", 10), NOW, LEASE, true).unwrap();
    let RenewalResult::Held(back) = back else { panic!("{back:?}") };
    let back = release(&back, None, &let_go("one", 10, ReleaseOutcome::Abandoned)).unwrap();
    assert_eq!((back.lost, back.attempts), (0, 10));
}

#[test]
fn epochs_begin_above_all_that_were_drawn() {
    let service = ServiceState::new(NOW);
    let timing = LeaseTiming::new(LEASE);
    let later = |millis: i64| DbTime(NOW.0 + millis);
    assert_eq!(service.gap(later(5_000), timing), None);
    assert_eq!(service.gap(later(5_001), timing), Some(Duration::from_millis(5_001)));
    assert_eq!(service.gap(later(-9_000), timing), Some(Duration::from_secs(9)));

    let resumed = service.resume(later(60_000), timing, Epoch(3));
    assert_eq!(resumed.epoch_floor, Epoch(60_001), "one a millisecond");
    assert!(!resumed.may_lapse(later(119_999)) && resumed.may_lapse(later(120_000)));
    assert_eq!(resumed.gap(later(60_000), timing), None);
    let backwards = resumed.start(later(10_000), Epoch(70_000));
    assert_eq!(backwards.epoch_floor, Epoch(120_000), "50 s back, above all that is known");
}

/// Starts and ticks of coordinators, as `(name, second)`; when the grace of the last one ends.
fn grace_after(ticks: &[(u128, i64)]) -> i64 {
    let timing = LeaseTiming::new(LEASE);
    let mut runs = Vec::new();
    let mut service = ServiceState::new(DbTime(0));
    for &(name, second) in ticks {
        let me = Uuid::from_u128(name);
        service = service.tick(&mut runs, me, DbTime(second * 1000), timing).0;
    }
    service.grace_until.0 / 1000
}

#[test]
fn grace_counts_from_uncovered_starts() {
    type Ticks = &'static [(u128, i64)];
    let rows: [(&str, Ticks, i64); 9] = [
        ("a new database", &[(1, 0), (1, 1)], 60),
        ("a restart within a second", &[(1, 0), (2, 1), (2, 2)], 61),
        ("a second one beside the first", &[(1, 0), (1, 1), (2, 2), (1, 3), (2, 4)], 60),
        ("one that has gone beside one that stays", &[(1, 0), (2, 2), (1, 3), (2, 4), (2, 5)], 60),
        ("both restarted", &[(1, 0), (2, 0), (3, 2), (4, 3), (3, 4), (4, 5)], 62),
        ("it stood still", &[(1, 0), (1, 7)], 67),
        ("one stood still, the other did not", &[(1, 0), (2, 1), (1, 2), (1, 6), (2, 8)], 68),
        ("until the other is heard of", &[(1, 0), (2, 1), (1, 2), (1, 6), (2, 8), (1, 9)], 60),
        ("the clock was put back", &[(1, 100), (2, 101), (1, 50), (2, 51), (1, 52)], 110),
    ];
    for (what, ticks, grace) in rows {
        assert_eq!(grace_after(ticks), grace, "{what}");
    }
}

#[test]
fn who_wishes_to_stop_what_has_failed_changes_nothing() {
    let failed = ended(ReleaseOutcome::Failed);
    assert_eq!(failed.result, Some(Outcome::Crash));
    assert_eq!(cancel(&failed), Ok(failed));
}

#[test]
fn the_feed_tells_what_became_of_a_job() {
    let told =
        |before: &FleetJob, after: &FleetJob| notice(Some(before), after).map(|told| told.kind);
    let new = waiting(1, None);
    let stopped = cancel(&new).unwrap();
    assert_eq!(told(&new, &stopped), Some("cancelled"));
    assert_eq!(told(&stopped, &requeue(&stopped, true).unwrap()), Some("requeued"));
    let (working, tested) = (held(None), report(&held(None), &said("one", 1, 1, Stage::Testing)));
    assert_eq!(told(&working, &tested.unwrap()), Some("moved"));
    // Neither the stage nor the holder is another one.
    let urgent = SchedulingTerms { priority: Priority::Critical, ..new.terms.clone() };
    let rewritten = FleetJob { terms: urgent, ..new.clone() };
    assert_eq!(told(&new, &rewritten), Some("changed"));
    assert_eq!(told(&new, &new), None);
}

#[test]
fn a_mirror_is_over_when_its_original_is() {
    let mirror =
        FleetJob { world: JobNamespace::Shadow("one".parse().unwrap()), ..waiting(1, None) };
    for (stage, result) in [
        (Stage::Building, None),
        (Stage::Shipped, Some(Outcome::Shipped)),
        (Stage::Failed, Some(Outcome::Stopped)),
        (Stage::Quarantine, Some(Outcome::Stopped)),
    ] {
        let after = report_shadow(&mirror, &said("one-shadow", 0, 1, stage));
        assert_eq!((after.stage, after.result), (stage, result));
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Grant(bool),
    Lapse,
    Renew(u64, bool),
    Report(u64, u64, Stage),
    Release(u64, ReleaseOutcome),
    Cancel,
    Requeue,
}

/// Epochs are given as their distance from the current one.
fn deed() -> impl Strategy<Value = (bool, Deed)> {
    let stage = prop::sample::select(Stage::ALL.to_vec());
    let outcome = prop::sample::select(vec![
        ReleaseOutcome::Shipped,
        ReleaseOutcome::Failed,
        ReleaseOutcome::Requeue,
        ReleaseOutcome::Abandoned,
    ]);
    let behind = prop_oneof![4 => Just(0_u64), 1 => 0..3_u64];
    let deed = prop_oneof![
        4 => any::<bool>().prop_map(Deed::Grant),
        3 => Just(Deed::Lapse),
        3 => (behind.clone(), any::<bool>()).prop_map(|(epoch, free)| Deed::Renew(epoch, free)),
        4 => (behind.clone(), 0..6_u64, stage)
            .prop_map(|(epoch, seq, to)| Deed::Report(epoch, seq, to)),
        3 => (behind, outcome).prop_map(|(epoch, outcome)| Deed::Release(epoch, outcome)),
        1 => Just(Deed::Cancel),
        1 => Just(Deed::Requeue),
    ];
    (any::<bool>(), deed)
}

/// Makes a deed on a row, when it makes anything of it.
fn done(job: &FleetJob, name: &str, deed: &Deed, past: &[GrantRecord]) -> Option<FleetJob> {
    let behind = |by: u64| job.epoch.0.saturating_sub(by);
    match *deed {
        Deed::Grant(free) => try_grant(job, name, 0, free).ok(),
        Deed::Lapse => lapse(job, DbTime(i64::MAX)),
        Deed::Renew(by, free) => {
            match renew(job, &caller(name, behind(by)), NOW, LEASE, free).ok()? {
                RenewalResult::Held(next) | RenewalResult::Lost(next) => Some(next),
            }
        }
        Deed::Report(by, seq, stage) => report(job, &said(name, behind(by), seq, stage)).ok(),
        Deed::Release(by, outcome) => {
            let epoch = behind(by);
            let past = past.iter().find(|past| past.epoch.0 == epoch);
            release(job, past, &let_go(name, epoch, outcome)).ok()
        }
        Deed::Cancel => cancel(job).ok(),
        Deed::Requeue => requeue(job, true).ok(),
    }
}

proptest! {
    #[test]
    fn every_history_keeps_the_rules(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut job = waiting(1, Some("l"));
        let mut past: Vec<GrantRecord> = Vec::new();
        for (first, deed) in deeds {
            let name = if first { "one" } else { "two" };
            let Some(next) = done(&job, name, &deed, &past) else { continue };
            prop_assert!(next.epoch >= job.epoch);
            let granted = next.epoch > job.epoch;
            prop_assert_eq!(granted, matches!(deed, Deed::Grant(_)) && next.stage != Stage::Failed);
            // The lock, whenever it has to be held and never else.
            let runs = next.tenure.as_ref().is_some_and(|tenure| tenure.hold == LeaseStatus::Held);
            let at_work = matches!(next.stage, Stage::Building | Stage::Review);
            prop_assert_eq!(next.held_lock.is_some(), runs && at_work);
            prop_assert!(next.stage.is_final() == next.result.is_some());
            prop_assert!(!(next.stage.is_final() && next.held_by().is_some()));
            prop_assert!(next.stage != Stage::Inbox || next.held_by().is_none());
            if job.stage == Stage::Shipped {
                prop_assert_eq!(&next, &job, "shipped is for good");
            }
            prop_assert_eq!(next.version > job.version, !next.same_but_lease(&job));
            // A holder changes a row only while it is the holder.
            let by_holder = matches!(deed, Deed::Renew(..) | Deed::Report(..) | Deed::Release(..));
            if by_holder && next != job {
                prop_assert_eq!(job.holder().map(FactoryId::as_str), Some(name));
            }
            for record in history(Some(&job), &next, NOW) {
                past.retain(|known| known.epoch != record.epoch);
                past.push(record);
            }
            // The same again changes nothing more, except what draws a new epoch.
            if (by_holder || matches!(deed, Deed::Cancel | Deed::Requeue))
                && let Some(again) = done(&next, name, &deed, &past)
            {
                prop_assert!(again.same_but_lease(&next), "{:?} twice", deed);
            }
            job = next;
        }
        // The past agrees with the row: one record a grant, and only the last one may be open.
        past.sort_by_key(|record| record.epoch);
        let open = past.iter().filter(|record| record.end.is_none()).count();
        prop_assert_eq!(open, usize::from(job.held_by().is_some()));
        prop_assert_eq!(
            past.last().map(|record| record.epoch), (job.epoch.0 > 0).then_some(job.epoch),
        );
    }
}
