//! A host whose wall clock jumps: its leases go by a clock that nobody can set.

use std::time::{Duration, Instant};

use aq_manifest::Stage;

use super::lab::Fleet;
use crate::hostile::{WallClock, is_a_year_off};
use crate::sandbox::wait_for;

/// Longer than a lease.
const LONG: Duration = Duration::from_secs(4);

#[test]
fn clock_jump_ends_no_lease() {
    let fleet = Fleet::new();
    let (mut a, mut b) = (fleet.host("a"), fleet.host("b"));
    let Some(clock) = WallClock::of(&mut a) else { return };
    a.start();
    let go = fleet.out("go");
    let id =
        fleet.submit("job", "", &format!("until [ -e {} ]; do sleep 0.02; done", go.display()));
    fleet.wait_for(id, Stage::Building);
    // Somebody who would take it.
    b.start();
    for offset in ["+1y", "-1y"] {
        clock.set(offset);
        let begun = Instant::now();
        wait_for("the time of a lease", || {
            let view = fleet.job(id);
            assert!(!view.job.lapsed && view.grants.len() == 1, "{offset}: {view:#?}");
            begun.elapsed() >= LONG
        });
    }
    std::fs::write(go, "").unwrap();
    let view = fleet.wait_for(id, Stage::Shipped);
    assert_eq!((view.job.attempts, view.grants.len()), (1, 1), "{view:#?}");
    a.wait_for_stage("job", "shipped");
    assert!(is_a_year_off(&a, "job", "ended_at"));
    assert_eq!(b.jobs("shipped"), [""; 0]);
}
