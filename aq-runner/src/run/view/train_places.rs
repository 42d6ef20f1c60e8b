//! Places of finished jobs in the merge trains of their targets.

use std::collections::BTreeMap;

use aq_ledger::RecordKey;
use aq_ledger::steps::recorded_lack;
use aq_manifest::{ShipMode, Stage};
use aq_scheduler::WaitReason;
use jiff::Timestamp;

use crate::run::queue::train::{TrainSeat, ship_mode, shown_target};
use crate::run::settings::QueueSettings;
use crate::run::view::job_view::{JobActivity, JobView};
use crate::store::QueueDir;

/// Gives the jobs of trains their places, and the reason why a merge waits.
pub(super) fn seat_jobs(
    queue: &QueueDir,
    settings: &QueueSettings,
    views: &mut [(u8, JobView)],
    now: Timestamp,
) {
    let mut lines: BTreeMap<String, Vec<(TrainSeat, usize)>> = BTreeMap::new();
    for (at, (_, view)) in views.iter().enumerate() {
        let row = view.record.unchecked();
        let is_finished = view.record.stage == Stage::Testing
            && matches!(view.activity, JobActivity::Resting)
            && ship_mode(row, settings) == ShipMode::Merge;
        // What is not on its branch is said in its place.
        if is_finished && row.left_out().is_none() {
            let seat = TrainSeat::of(queue, row, now);
            lines.entry(seat.line.clone()).or_default().push((seat, at));
        }
    }
    for mut line in lines.into_values() {
        line.sort_by(|(a, at), (b, bt)| {
            let id = |at: &usize| &views[*at].1.record.id;
            (a.refusal.is_some(), a.turn(id(at))).cmp(&(b.refusal.is_some(), b.turn(id(bt))))
        });
        for (place, (seat, at)) in (1..).zip(line) {
            let view = &mut views[at].1;
            let into = shown_target(view.record.unchecked(), settings);
            let files = || view.record.meta.list(RecordKey::TrainWaitsFor);
            let lack = || recorded_lack(&view.record.meta).map(|lack| lack.to_string());
            view.activity =
                JobActivity::Waiting(Some(match (seat.refusal.or_else(lack), seat.awaited) {
                    (Some(_), Some(dep)) => {
                        let file = files().into_iter().next().unwrap_or_default();
                        WaitReason::DepUnmerged { dep, file }
                    }
                    (Some(refusal), None) => WaitReason::TrainWaits { refusal, files: files() },
                    (None, _) => WaitReason::Train { place, into },
                }));
        }
    }
}
